"""How much one request may ask for, and how many may be under way."""

from dataclasses import dataclass

BYTES_A_TOKEN = 64
LEAST_BODY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """texts, tokens, firings: of one request, tokens with BOS and over all its dictionaries' ways of cutting.

    in_flight: requests taken in and not yet answered. generations: of them, texts being written.
    new_tokens: written by one request. edits: of one request, or features taken away one by one.
    """

    texts: int = 32
    tokens: int = 131_072
    firings: int = 8_000_000
    in_flight: int = 64
    generations: int = 8
    new_tokens: int = 512
    edits: int = 64

    @property
    def body_bytes(self) -> int:
        """The longest request that is read at all."""
        return max(LEAST_BODY_BYTES, self.tokens * BYTES_A_TOKEN)
