"""Kills workers, app and database at random moments, harvest after harvest, and compares each catalog with a whole one.

No figure, but the long form of a test: `python -m benchmarks.kills --rounds 20 --seed 1`. Prints a line a round and one
JSON object as its last; the exit code is 1 where a harvest did not end, a catalog differed, or a page answered with
anything but itself or a plain 503.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from catalog.digest import CatalogDigest
from tests.worker.jobs.kills import Account, Play, disturb, undisturbed, write_play

KINDS = ("sqlite", "postgres")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds on each kind of database."""
    options = _parser().parse_args(argv)
    began = time.monotonic()
    # As many as the workers have, so that sums are in the same order.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="featurescope-kills-") as name:
        folder = Path(name)
        # The database's own user must be able to reach its folder.
        folder.chmod(0o755)
        play = write_play(folder / "play", documents=options.documents, d_sae=options.d_sae, shard_tokens=500)
        wanted = undisturbed(play, folder / "whole")
        kinds = KINDS if options.database == "both" else (options.database,)
        found = {kind: _rounds(options, play, wanted, kind=kind, folder=folder / kind) for kind in kinds}
    whole = all(each["differing"] == 0 and not each["faults"] for each in found.values())
    print(json.dumps({"whole": whole, "seed": options.seed, "seconds": round(time.monotonic() - began), **found}))
    return 0 if whole else 1


def _rounds(
    options: argparse.Namespace, play: Play, wanted: CatalogDigest, *, kind: str, folder: Path
) -> dict[str, object]:
    folder.mkdir()
    kills, answers, faults, differing = Counter[str](), Counter[int](), list[str](), 0
    for number in range(options.rounds):
        seed = options.seed + number
        account = disturb(play, kind, folder / f"round-{number}", seed=seed, kills=options.kills)
        same = account.digest == wanted
        differing += not same
        kills += account.kills
        answers += account.answers
        faults += account.faults
        _tell(kind, seed, account, same=same)
    total = {"rounds": options.rounds, "differing": differing, "digest": wanted.sha256}
    return {**total, "kills": dict(kills), "answers": dict(answers), "faults": faults[:5]}


def _tell(kind: str, seed: int, account: Account, *, same: bool) -> None:
    killed = ", ".join(f"{name} {count}" for name, count in sorted(account.kills.items()))
    verdict = "the same catalog" if same else "ANOTHER CATALOG"
    faults = "".join(f"\n  {fault}" for fault in account.faults[:5])
    answered = dict(sorted(account.answers.items()))
    print(f"{kind}, seed {seed}: {verdict} after {account.seconds:.0f} s; killed {killed}; answers {answered}{faults}")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="harvests on each database (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each next has the next one")
    parser.add_argument("--kills", type=int, default=12, help="at most, in a harvest (default %(default)s)")
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--documents", type=int, default=400, help="of the corpus: how long a harvest takes")
    parser.add_argument("--d-sae", type=int, default=1024, help="features of the dictionary")
    return parser


if __name__ == "__main__":
    sys.exit(main())
