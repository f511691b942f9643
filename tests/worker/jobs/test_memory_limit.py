"""A limit of memory: how a harvest is arranged under it, what is refused, and what the process really holds."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld
from tests.worker.harvest.conftest import make_world
from tests.worker.jobs import limited_harvest
from tests.worker.jobs.test_harvest_steps import request
from worker.harvest.memory import Forward, Load, batch_sizes, pass_bytes
from worker.jobs.context import JobContext
from worker.jobs.errors import JobError
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.room import Room, TooLittleMemory, arrangements, passes_of
from worker.jobs.settings import WorkerSettings, worker_settings
from worker.jobs.sizes import MIB, parse_size

ROOT = Path(__file__).parents[3]
TOKENS = 20_000
PATIENCE_SECONDS = 1800
LOAD = Load(d_in=512, d_sae=16_384, features=16_384, weights=64 * MIB, l0=64.0, row=1.5)
FORWARD = Forward(a_token=40_000.0, d_model=512, d_vocab=8192)


def test_sizes_are_read_as_people_write_them():
    told = {"4GiB": 4 * 2**30, "900MiB": 900 * MIB, "1.5g": 3 * 2**29, "512": 512 * MIB, "2 TB": 2**41, "64kib": 2**16}
    assert {text: parse_size(text, name="x") for text in told} == told
    for text in ("", "much", "-1GiB", "0", "4GiBs"):
        with pytest.raises(JobError, match="FEATURESCOPE_MEMORY_LIMIT is"):
            parse_size(text, name="FEATURESCOPE_MEMORY_LIMIT")


def test_the_lower_of_two_limits_holds(settings: WorkerSettings):
    both = replace(settings, memory_limit=5)
    assert [both.memory_limit_beside(asked) for asked in (None, 3, 9)] == [5, 3, 5]
    assert settings.memory_limit_beside(None) is None
    assert worker_settings({"FEATURESCOPE_MEMORY_LIMIT": "2GiB"}).memory_limit == 2**31


def test_dictionaries_are_shared_out_over_passes_in_their_order():
    assert passes_of(5, 1) == ((0, 1, 2, 3, 4),)
    assert passes_of(5, 2) == ((0, 1), (2, 3, 4))
    assert passes_of(3, 3) == ((0,), (1,), (2,))


def test_fewer_passes_go_before_larger_batches_and_small_batches_come_last():
    plan = make_world(batch_tokens=4096).plan
    found = [(len(passes), tried.options.batch_tokens) for tried, passes in arrangements(plan, 2, keep_batch=False)]
    assert found[:6] == [(1, 4096), (1, 2048), (1, 1024), (2, 4096), (2, 2048), (2, 1024)]
    assert found[6:8] == [(1, 512), (1, 256)]
    assert found[-1] == (2, 16)
    assert {batch for _, batch in found} == set(batch_sizes(plan))
    assert [p.options.batch_tokens for p, _ in arrangements(plan, 2, keep_batch=True)] == [4096, 4096]


def test_what_is_needed_falls_with_passes_and_with_batches_and_not_with_the_corpus():
    plan = make_world(batch_tokens=8192).plan
    room = Room(process=700 * MIB, loads=(LOAD, LOAD), forward=FORWARD)
    small = replace(plan, options=replace(plan.options, batch_tokens=1024))
    assert room.needed(plan, passes_of(2, 1)) > room.needed(plan, passes_of(2, 2)) > 700 * MIB
    assert room.needed(plan, passes_of(2, 1)) > room.needed(small, passes_of(2, 1))
    many, more = (replace(plan, n_contexts=10**n, corpus_tokens=10 ** (n + 2)) for n in (5, 7))
    assert pass_bytes(many, [LOAD], FORWARD) == pass_bytes(more, [LOAD], FORWARD)
    assert room.needed(many, passes_of(2, 1)) == room.needed(more, passes_of(2, 1))


def test_too_low_a_limit_is_refused_before_anything_is_written(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context.ledger.queued("harvest-1", kind="harvest", title="test")
    with pytest.raises(TooLittleMemory, match=r"needs at least [\d,]+ MiB of memory.* and the limit is 10 MiB"):
        prepare(context, "harvest-1", request(tiny_world, memory_limit=10 * MIB))
    with context.ledger.reading() as reader:
        assert reader.harvests() == []


def test_a_worker_with_a_lower_limit_does_not_take_a_piece(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    context.ledger.queued("harvest-1", kind="harvest", title="test")
    prepared = prepare(context, "harvest-1", request(tiny_world))
    other = JobContext(replace(context.settings, memory_limit=10 * MIB), context.ledger, context.models)
    with pytest.raises(TooLittleMemory, match="limit is 10 MiB"):
        run_shard(other, "harvest-1", prepared["harvest"], 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("limited") / "home"
    limited_harvest.make_stage(home, tokens=4 * TOKENS)
    return home


@pytest.mark.slow
def test_the_process_stays_under_the_limit_whatever_the_tokens_and_passes_change_no_number(home: Path):
    needed = {(passes, batch): size for size, passes, batch in process(home, TOKENS, "ask")["needed"]}
    # Between what two arrangements need: one pass does not fit however small the batch, two do with the largest.
    limit = (needed[1, 1024] + needed[2, 8192]) // 2
    two, longer = process(home, TOKENS, str(limit)), process(home, 4 * TOKENS, str(limit))
    one = process(home, TOKENS, str(needed[1, 8192] + 32 * MIB))
    assert two["passes"] == longer["passes"] == [[0, 1], [2, 3]]
    assert one["passes"] == [[0, 1, 2, 3]]
    assert one["batch"] == two["batch"] == 8192
    assert two["digest"] == one["digest"]
    assert two["peak"] <= limit
    assert longer["peak"] <= limit
    assert longer["peak"] == pytest.approx(two["peak"], rel=0.06)
    assert one["peak"] <= needed[1, 8192] + 32 * MIB
    assert {run["status"] for run in (one, two, longer)} == {"complete"}
    assert all(run["tokens_done"] == run["tokens"] for run in (one, two, longer))


def process(home: Path, *words: object) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.jobs.limited_harvest", str(home), *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
