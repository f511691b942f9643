"""A stream of activations made of known sparse directions, for training that takes a second."""

from collections.abc import Iterator

import pytest
import torch

D_IN, N_TRUE = 12, 32
HOOK, OTHER_HOOK = "blocks.0.hook_resid_post", "blocks.0.mlp.hook_post"


class KnownDirections:
    """Block n is a function of n: sparse sums of fixed unit directions, off centre; twice that at the other hook."""

    def __init__(self, tokens_per_block: int = 300, last: int | None = None) -> None:
        rows = torch.randn(N_TRUE, D_IN, generator=torch.Generator().manual_seed(0))
        self.directions = torch.nn.functional.normalize(rows, dim=-1)
        self.tokens_per_block = tokens_per_block
        self.last = last

    def blocks(self, start: int) -> Iterator[dict[str, torch.Tensor]]:
        number = start
        while self.last is None or number < self.last:
            acts = self.block(number)
            number += 1
            yield {HOOK: acts, OTHER_HOOK: 2 * acts}

    def block(self, number: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(number)
        shape = (self.tokens_per_block, N_TRUE)
        fires = torch.rand(shape, generator=generator) < 0.06
        strength = 1 + torch.rand(shape, generator=generator)
        return (fires * strength) @ self.directions + 3


@pytest.fixture
def source() -> KnownDirections:
    return KnownDirections()
