"""The dry run: what it says beside what the harvest then takes, and that it leaves everything as it was."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.digest import catalog_digest
from catalog.engine import session_scope
from catalog.records import DictionaryRecord
from tests.tiny import TinyWorld, tiny_dictionary
from tests.worker.jobs import limited_harvest
from tests.worker.jobs.test_growing import asked, growth
from tests.worker.jobs.test_harvest_steps import run
from tests.worker.jobs.test_memory_limit import process
from worker.cli.dry_run import lines
from worker.harvest.errors import HarvestError
from worker.jobs.context import JobContext
from worker.jobs.forecast import Forecast, forecast
from worker.jobs.growing import Addition
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.progress import Progress
from worker.jobs.register import add_dictionary
from worker.jobs.requests import HarvestRequest

FACTOR = 1.5


def silent(message: str, *, total: int, unit: str) -> Progress:
    return Progress(lambda _reading: None, total=total)


def told(context: JobContext, request: HarvestRequest) -> Forecast:
    return forecast(context, request, stages=silent)


def everything_in(context: JobContext) -> tuple[str, dict[str, str]]:
    """The catalog's digest, and the hash of every other file of the home."""
    with session_scope(context.ledger.engine) as session:
        digest = catalog_digest(session).sha256
    files = (path for path in context.home.rglob("*") if path.is_file())
    return digest, {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_dry_run_changes_neither_catalog_nor_store(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    before = everything_in(context)
    found = told(context, asked(tiny_world))
    assert everything_in(context) == before
    with context.ledger.reading() as reader:
        assert reader.harvests() == reader.corpora() == []
    assert found.done is False
    assert found.disk["corpus"] > 0
    assert found.all_seconds > 0


def test_the_disk_of_a_small_harvest_is_told_within_the_factor(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    found = told(context, asked(tiny_world))
    context.ledger.queued("harvest-1", kind="harvest", title="test")
    prepared = prepare(context, "harvest-1", asked(tiny_world))
    assert prepared["shards"] == found.shards * len(found.passes)
    for number in range(prepared["shards"]):
        run_shard(context, "harvest-1", prepared["harvest"], number)
    shards = bytes_of(context.home / "harvests")
    finish(context, "harvest-1", prepared["harvest"])
    assert within(found.disk["shards"], shards)
    assert within(found.disk["kept"], bytes_of(context.home / "kept"))
    assert within(found.disk["corpus"], bytes_of(context.home / "corpora"))


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def within(estimate: float, truth: float) -> bool:
    return truth / FACTOR <= estimate <= truth * FACTOR


def test_growing_some_features_and_several_dictionaries_are_told_too(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    model = context.models.get(str(tiny_world.model))
    other = replace(tiny_dictionary(seed=3), metadata={})
    save_to = tiny_world.sae.parent / "other"
    limited_harvest.formats.save(other, save_to)
    add_dictionary(context.ledger, model, other, source=str(save_to), model_slug="tiny", name="other")
    whole, some = told(context, asked(tiny_world)), told(context, asked(tiny_world, features="1,2-4"))
    both = told(context, replace(asked(tiny_world), dictionaries=("tiny-sae", "other")))
    assert some.disk["kept"] < whole.disk["kept"] < both.disk["kept"]
    assert both.dictionaries == ("tiny-sae", "other")
    first = run(context, asked(tiny_world, max_tokens=2000), "harvest-1")
    grown = told(context, growth(context, first, Addition(tokens=1000)))
    assert 900 < grown.tokens < 1100
    assert grown.done is False
    assert told(context, asked(tiny_world, max_tokens=2000)).done is True


def test_what_a_harvest_would_refuse_is_refused(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    with pytest.raises(HarvestError, match="there is no feature 24"):
        told(context, asked(tiny_world, features="3,24"))


def test_the_forecast_is_told_in_words(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    found = told(context, asked(tiny_world))
    said = lines(replace(found, memory=2**30, seconds={**found.seconds, "passing": 125.0}))
    assert said[0].endswith("shards, on cpu in float32.")
    assert "2 min 5 s the text through the model" in said[1]
    assert said[2] == "Memory: 1,024 MiB at the most in a worker."
    assert "finished shards, until the end" in said[3]
    assert lines(replace(found, done=True)) == [
        "A complete harvest of the same is there already, so nothing would be done (--again does it anew)."
    ]


@pytest.mark.slow
def test_memory_and_disk_of_a_real_harvest_are_told_within_the_factor(tmp_path: Path):
    home = tmp_path / "home"
    limited_harvest.make_stage(home, tokens=120_000)
    said, truth = process(home, 120_000, "forecast"), process(home, 120_000)
    assert within(said["memory"], truth["peak"])
    assert within(said["most_disk"] - said["disk"]["corpus"], truth["disk"])
