"""The page on which features are changed: its form, and the two texts that a worker wrote."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.live.steer_state import LONGEST_ADDRESS, USUAL, Row, SteerState, blank_rows
from app.live.steering import Change, Chosen
from app.live.written import SIDES, Event
from app.pages.live_problem import LiveProblem
from app.pages.numbers import share, signed, significant
from app.pages.tokens import TokenChip, TokenText, readable

MODE_WORDS = {"add": "add", "set": "set to", "remove": "remove"}
SIDE_WORDS = {"without": "As it is", "with": "Changed"}
ENDS = {
    "new_tokens": "",
    "end_token": "It ended here by itself.",
    "n_ctx": "The model's context is full.",
}
N_LIKELIEST = 12
BAR = 100
SETTINGS = (
    ("new_tokens", "tokens to write", "at most"),
    ("temperature", "temperature", "0: the likeliest"),
    ("top_k", "top k", "0: all"),
    ("top_p", "top p", "1: all"),
    ("seed", "seed", "same for both"),
)


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """One token of a text that was written. parts: here the two texts have different tokens for the first time."""

    text: str
    tip: str
    is_special: bool
    parts: bool


@dataclass(frozen=True, slots=True)
class WrittenSide:
    """One of the two texts. ending: why it ended where it was not cut."""

    name: str
    title: str
    tokens: tuple[WrittenToken, ...]
    ending: str


@dataclass(frozen=True, slots=True)
class NextRow:
    """A token that may come next, its probability in both, and the lengths of two bars, BAR for the greatest shown."""

    token: TokenChip
    without: str
    with_: str
    change: str
    without_bar: float
    with_bar: float


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The distributions after the prompt. sentence: how far they are apart."""

    likeliest: tuple[NextRow, ...]
    gained: tuple[NextRow, ...]
    lost: tuple[NextRow, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A change in words, and where its feature is."""

    dictionary: str
    index: int
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it. prompt: the text before. agreement: how long the two texts go together."""

    prompt: str
    sides: tuple[WrittenSide, ...]
    changes: tuple[ChangeLine, ...]
    next: NextTokens
    agreement: str
    settings: str


@dataclass(frozen=True, slots=True)
class SteerPage:
    """permalink: query of the address that shows the same, if there is one. carried: query with the text alone."""

    text: str
    rows: tuple[Row, ...]
    numbers: Mapping[str, str]
    written: Written | None
    problem: LiveProblem | None
    permalink: str | None
    carried: str

    @property
    def modes(self) -> tuple[tuple[str, str], ...]:
        """What can be done with a feature, and in words."""
        return tuple(MODE_WORDS.items())

    @property
    def sides(self) -> tuple[tuple[str, str], ...]:
        """The two texts, and in words."""
        return tuple(SIDE_WORDS.items())

    @property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """Names, words and hints of the settings of sampling."""
        return SETTINGS

    @property
    def has_settings(self) -> bool:
        """Whether any of them is not as usual."""
        return dict(self.numbers) != dict(USUAL)

    @property
    def status(self) -> int:
        """Of HTTP."""
        return 200 if self.problem is None else self.problem.status


def steer_page(state: SteerState, *, written: Written | None = None, problem: LiveProblem | None = None) -> SteerPage:
    """The page of what was typed, with what came of it."""
    permalink = state.address() if state.is_asked else None
    carried = carried_text(state.text)
    return SteerPage(state.text, blank_rows(state.rows), state.numbers, written, problem, permalink, carried=carried)


def carried_text(text: str) -> str:
    """The query that takes a text along to another page, to be run there when somebody says so."""
    query = urlencode({"text": text, "draft": "1"})
    return f"?{query}" if text and len(query) <= LONGEST_ADDRESS else ""


def written_text(events: Sequence[Event], changes: Sequence[Change], tokens: TokenText, state: SteerState) -> Written:
    """From the events of a worker's answer."""
    prompt = next(event for event in events if event["event"] == "prompt")
    after = next(event for event in events if event["event"] == "next")
    end = next((event for event in events if event["event"] == "end"), {"reasons": {}})
    steps = [event for event in events if event["event"] == "token"]
    parting = _parting(steps)
    spoken = [i for i in prompt["token_ids"] if not tokens.vocabulary.is_special(i)]
    return Written(
        prompt=_flowing("".join(tokens.vocabulary.texts(spoken))),
        sides=tuple(_side(name, steps, tokens, (parting, end["reasons"].get(name, ""))) for name in SIDES),
        changes=tuple(_change_line(change) for change in changes),
        next=_next_tokens(after, tokens),
        agreement=_agreement(steps, parting) + _beyond(prompt, len(steps)),
        settings=_settings(state),
    )


def shown_text(event: Event) -> Event:
    """A token's event with its texts as a page shows them."""
    return {**event, **{side: event[side] and {**event[side], "text": _flowing(event[side]["text"])} for side in SIDES}}


def feature_words(feature: Chosen) -> str:
    """What people call a feature."""
    return feature.label or feature.address


def _side(name: str, steps: Sequence[Event], tokens: TokenText, how: tuple[int | None, str]) -> WrittenSide:
    """how: the step at which the texts part, and why this one ended."""
    mine = [step for step in steps if step[name] is not None]
    texts = tokens.vocabulary.texts([step[name]["id"] for step in mine])
    written = [_token(step[name], text, step["step"] == how[0]) for step, text in zip(mine, texts, strict=True)]
    return WrittenSide(name, SIDE_WORDS[name], tuple(written), ENDS.get(how[1], ""))


def _token(token: Mapping[str, Any], text: str, parts: bool) -> WrittenToken:
    tip = f"{share(math.exp(token['log_probability']))} likely, token id {token['id']}"
    return WrittenToken(_flowing(text), tip, token["is_special"], parts)


def _flowing(text: str) -> str:
    """Readable, with its lines and tabs as they are: this is text to be read as text."""
    return "\n".join("\t".join(map(readable, line.split("\t"))) for line in text.split("\n"))


def _change_line(change: Change) -> ChangeLine:
    feature = change.feature
    peak = f"its harvest maximum of {significant(feature.peak)}"
    words = {
        "add": f"{signed(change.value)} × {peak} added",
        "set": f"set to {significant(change.value)} × {peak}",
        "remove": "removed where it is on",
    }
    return ChangeLine(feature.dictionary.slug, feature.index, feature_words(feature), words[change.mode])


def _next_tokens(event: Mapping[str, Any], tokens: TokenText) -> NextTokens:
    rows = {row["id"]: row for side in SIDES for row in event["likeliest"][side]}
    order = sorted(rows.values(), key=lambda row: -max(row["without"], row["with"]))[:N_LIKELIEST]
    entropy = event["entropy"]
    sentence = (
        f"The changed distribution is {significant(event['divergence'])} nats from the other. Their entropies are "
        f"{significant(entropy['with'])} and {significant(entropy['without'])} nats."
    )
    greatest = max((math.exp(max(row["without"], row["with"])) for row in order), default=1.0)
    gained, lost = (tuple(_next_row(row, tokens, greatest) for row in event[name]) for name in ("gained", "lost"))
    return NextTokens(tuple(_next_row(row, tokens, greatest) for row in order), gained, lost, sentence)


def _next_row(row: Mapping[str, Any], tokens: TokenText, greatest: float) -> NextRow:
    without, with_ = math.exp(row["without"]), math.exp(row["with"])
    gap = with_ - without
    change = f"{'+' if gap > 0 else '−' if gap < 0 else ''}{share(abs(gap))}"
    bars = (round(BAR * without / greatest, 1), round(BAR * with_ / greatest, 1))
    return NextRow(tokens.chip(row["id"]), share(without), share(with_), change, *bars)


def _parting(steps: Sequence[Event]) -> int | None:
    """The first step at which the texts have different tokens, or one of them has ended."""
    pairs = ((step["step"], *(step[side] and step[side]["id"] for side in SIDES)) for step in steps)
    return next((number for number, one, other in pairs if one != other), None)


def _agreement(steps: Sequence[Event], parting: int | None) -> str:
    if parting is None:
        return f"Both are the same, {_tokens(len(steps))} long."
    return "They part at once." if parting == 0 else f"They go together for {_tokens(parting)}, then part."


def _beyond(prompt: Event, n_written: int) -> str:
    """A word of warning where the text grew longer than any the dictionary's harvest has seen."""
    n_ctx = prompt.get("facts", {}).get("n_ctx")
    if not n_ctx or len(prompt["token_ids"]) + n_written <= n_ctx:
        return ""
    return f" Contexts of the dictionary end after {_tokens(n_ctx)}; what it makes of longer text is less certain."


def _tokens(n: int) -> str:
    return "1 token" if n == 1 else f"{n:,} tokens"


def _settings(state: SteerState) -> str:
    numbers = state.numbers
    if numbers["temperature"].strip("0.") == "":
        return "Always the likeliest token."
    limits = [] if numbers["top_k"] == "0" else [f"top k {numbers['top_k']}"]
    limits += [] if numbers["top_p"] in ("1", "1.0") else [f"top p {numbers['top_p']}"]
    return ", ".join([f"Temperature {numbers['temperature']}", *limits, f"seed {numbers['seed']} for both"]) + "."
