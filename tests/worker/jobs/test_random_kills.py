"""Workers, app and database killed at random moments of one harvest: it ends, and the catalog is the same.

The seed is fixed, so the victims and the pauses are; the moments in the harvest are the machine's. For many rounds by
hand: `python -m benchmarks.kills --rounds 50 --seed 1`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.jobs.kills import disturb, undisturbed, write_play

pytestmark = pytest.mark.slow
SEED, KILLS, SECONDS = 11, 4, 600


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that the database's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="featurescope-kills-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_whatever_is_killed_a_harvest_ends_with_the_same_catalog_and_pages_answer_properly(kind: str, folder: Path):
    play = write_play(folder / "play", documents=120, d_sae=256, shard_tokens=500)
    wanted = undisturbed(play, folder / "whole")
    account = disturb(play, kind, folder / "disturbed", seed=SEED, kills=KILLS, seconds=SECONDS)
    assert account.faults == []
    assert account.digest == wanted
    assert account.kills.total() >= 2, account.kills
    assert account.answers[200] > 0
