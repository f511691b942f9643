"""What `featurescope harvest --dry-run` says, beside what the harvest then takes: `python -m benchmarks.dry_run`.

For each size a seeded model, a dictionary and a text in an empty catalog; the command's own forecast in a process of
its own, and then the real steps of the job in another: preparing, every shard, finishing. Time is theirs; memory is
the most that their process held; disk is what lies in the store and the catalog in the end, and the shards that were
removed. The corpus is tokenised before. Estimate over truth is to be between 1 / 1.5 and 1.5.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, peak_mb
from benchmarks.workers_world import make_world
from catalog.engine import make_engine
from catalog.settings import CatalogSettings
from worker.jobs.context import make_context
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.ledger import Ledger
from worker.jobs.requests import HarvestRequest
from worker.jobs.settings import WorkerSettings

FACTOR = 1.5
SIZES = ((1024, 60_000), (4096, 120_000), (16_384, 120_000), (16_384, 400_000))
QUICK = ((1024, 60_000),)
JOB = "harvest-truth"


def main(argv: list[str] | None = None) -> int:
    """Compare and print; 1 where an estimate is off by more than the factor."""
    options = _parser().parse_args(argv)
    if options.truth:
        print(json.dumps(_truth(options.truth, options.tokens)))
        return 0
    sizes = QUICK if options.quick else [(options.d_sae, options.tokens)] if options.d_sae else SIZES
    compared = [_compared(d_sae, tokens) for d_sae, tokens in sizes]
    worst = max(max(ratio, 1 / ratio) for each in compared for ratio in each["ratio"].values())
    print(json.dumps({"sizes": compared, "worst_factor": round(worst, 2), "machine": describe_machine()}))
    return int(worst > FACTOR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--d-sae", type=int, help="one size only: so many features")
    parser.add_argument("--tokens", type=int, default=120_000, help="of that size (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    parser.add_argument("--truth", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser


def _compared(d_sae: int, tokens: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="featurescope-dry-run-") as place:
        folder = Path(place)
        world = make_world(folder, _url(folder), tokens=tokens, d_sae=d_sae)
        name = str(world.dictionary)
        words = ["harvest", name, "--corpus", str(world.corpus), "--max-tokens", str(tokens), "--dry-run", "--json"]
        told = _last_line([sys.executable, "-m", "featurescope", *words], folder)
        estimate = {"seconds": told["total_seconds"], "memory": told["memory"], "disk": told["most_disk"]}
        own = ["-m", "benchmarks.dry_run", "--truth", place, "--tokens", str(tokens)]
        truth = _last_line([sys.executable, *own], folder)
    ratio = {key: round(estimate[key] / truth[key], 3) for key in estimate}
    print(f"{d_sae:,} features, {tokens:,} tokens: estimate over truth {ratio}", flush=True)
    return {"d_sae": d_sae, "tokens": tokens, "estimate": told, "truth": truth, "ratio": ratio}


def _last_line(words: list[str], folder: Path) -> dict[str, Any]:
    environment = {
        "FEATURESCOPE_HOME": str(folder / "asking"),
        "FEATURESCOPE_STORE": str(folder / "shared"),
        "FEATURESCOPE_DATABASE_URL": _url(folder),
        "FEATURESCOPE_DEVICE": "cpu",
        "FEATURESCOPE_DTYPE": "float32",
    }
    done = subprocess.run(words, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed; what it said is above.")
    return json.loads(done.stdout.splitlines()[-1])


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'asking' / 'catalog.sqlite'}"


def _truth(folder: Path, tokens: int) -> dict[str, Any]:
    """Harvest for real."""
    catalog = CatalogSettings(folder / "asking", _url(folder))
    settings = WorkerSettings(catalog=catalog, device="cpu", dtype="float32", store=str(folder / "shared"))
    context = make_context(settings, Ledger(make_engine(catalog.database_url)))
    with context.ledger.reading() as reader:
        (dictionary,) = reader.dictionaries()
    request = HarvestRequest(dictionaries=(dictionary.slug,), corpus=str(folder / "corpus.jsonl"), max_tokens=tokens)
    before = _bytes_of(folder)
    context.ledger.queued(JOB, kind="harvest", title="benchmark")
    began = time.perf_counter()
    prepared = prepare(context, JOB, request)
    for number in range(prepared["shards"]):
        run_shard(context, JOB, prepared["harvest"], number)
    shards = _bytes_of(folder / "shared" / "harvests")
    finish(context, JOB, prepared["harvest"])
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "memory": int(peak_mb() * 2**20),
        "disk": _bytes_of(folder) - before + shards,
        "shards": shards,
    }


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    raise SystemExit(main())
