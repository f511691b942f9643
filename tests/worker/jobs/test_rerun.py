"""Stored contexts run again: they agree where nothing has changed, and what has changed is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import featurescope
from catalog.errors import NotFound
from catalog.records import DictionaryRecord
from tests.tiny import DEAD, TinyWorld, tiny_dictionary
from tests.worker.jobs.test_harvest_steps import request, run
from worker.jobs.context import JobContext
from worker.jobs.errors import JobError
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary
from worker.jobs.rerun import SampleSize, rerun_sample
from worker.sae import formats
from worker.sae.dictionary import Dictionary

WHOLE = SampleSize(features=100, contexts=100)


def kinds() -> dict[str, Dictionary]:
    relu = tiny_dictionary()
    return {
        "relu": relu,
        "topk": replace(relu, kind="topk", k=4),
        "jumprelu": replace(relu, kind="jumprelu", threshold=relu.b_enc.abs() / 3),
    }


def harvested(context: JobContext, world: TinyWorld, folder: Path, kind: str) -> str:
    """The slug of a dictionary of that kind that has been harvested."""
    formats.save(kinds()[kind], folder)
    model = context.models.get(str(world.model))
    with context.ledger.reading() as reader:
        slug = reader.models()[0].slug
    record = add_dictionary(
        context.ledger, model, formats.load(folder), source=str(folder), model_slug=slug, name=f"a {kind}"
    )
    run(context, replace(request(world), dictionaries=(record.slug,)), f"harvest-{kind}")
    return record.slug


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
def test_every_stored_context_of_every_live_feature_agrees(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path, kind: str
):
    slug = sae.slug if kind == "relu" else harvested(context, tiny_world, tmp_path / kind, kind)
    if kind == "relu":
        run(context, request(tiny_world))
    told: list[tuple[int, int]] = []
    sample = rerun_sample(context, slug, size=WHOLE, on_progress=lambda done, total: told.append((done, total)))
    assert sample.failed == []
    assert sample.greatest < 1e-3
    assert (sample.dtype, sample.harvest_dtype, sample.tolerance) == ("float32", "float32", 1e-3)
    with context.ledger.reading() as reader:
        live = [index for index in range(24) if reader.feature(slug, index).tokens_fired > 0]
    assert sorted({each.index for each in sample.reruns}) == live
    assert DEAD not in live
    assert sample.n_firings > 200
    assert told[-1] == (len(live), len(live))


def test_a_sample_is_the_same_for_the_same_seed(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    run(context, request(tiny_world))
    size = SampleSize(features=4, contexts=3, seed=5)
    drawn = [[(each.index, each.context) for each in rerun_sample(context, "tiny-sae", size=size).reruns] for _ in "ab"]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 12
    other = rerun_sample(context, "tiny-sae", size=replace(size, seed=6))
    assert [(each.index, each.context) for each in other.reruns] != drawn[0]


def test_numbers_that_another_model_made_are_found(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    run(context, request(tiny_world))
    # A feature whose stored peak is half of what it was: its stored activations, shares of the peak, are wrong.
    with context.ledger.reading() as reader:
        index = next(n for n in range(2, 24) if reader.feature("tiny-sae", n).tokens_fired > 10)
        wrong = reader.feature("tiny-sae", index)
        wrong = replace(wrong, top=replace(wrong.top, activations=wrong.top.activations * 0.9))
        harvest_id = reader.dictionary("tiny-sae").harvest.id
    with context.ledger.writing() as writer:
        writer.write_features(harvest_id, "tiny-sae", [wrong])
    sample = rerun_sample(context, "tiny-sae", size=WHOLE)
    assert {each.index for each in sample.failed} == {index}
    assert {each.context for each in sample.failed} <= set(wrong.top.context_ids.tolist())
    assert sample.greatest == pytest.approx(0.1, rel=0.05)


def test_what_cannot_be_run_again_is_named(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    with pytest.raises(NotFound, match="no-such"):
        rerun_sample(context, "no-such")
    with pytest.raises(NotFound, match="harvest of dictionary 'tiny-sae'"):
        rerun_sample(context, "tiny-sae")
    slug = harvested(context, tiny_world, tmp_path / "moving", "topk")
    formats.save(tiny_dictionary(seed=9), tmp_path / "moving")
    fresh = replace(context, models=ModelCache(device="cpu", dtype="float32"))
    with pytest.raises(JobError, match="is no longer the dictionary"):
        rerun_sample(fresh, slug)


def test_a_harvest_of_another_model_is_not_held_against_this_one(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    harvest_id = run(context, request(tiny_world))
    with context.ledger.writing() as writer:
        writer.add_provenance(harvest_id, {"model": {"weights_hash": "another"}})
    with pytest.raises(JobError, match="The model at hand did not make harvest"):
        rerun_sample(context, "tiny-sae")


def test_the_doctor_says_pass_or_fail_for_a_dictionary(
    context: JobContext,
    sae: DictionaryRecord,
    tiny_world: TinyWorld,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    run(context, request(tiny_world))
    monkeypatch.setenv("FEATURESCOPE_HOME", str(context.home))
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", context.settings.catalog.database_url)
    monkeypatch.setenv("FEATURESCOPE_DEVICE", "cpu")
    words = ["doctor", "--dictionary", "tiny sae", "--features", "6", "--contexts", "4", "--json"]
    assert featurescope.main(words) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["healthy"] is True
    assert (told["sample"]["n_features"], told["sample"]["contexts"], told["sample"]["failed"]) == (6, 24, [])
    assert "0.001 and the storage step are allowed" in told["findings"][0]["text"]
    broken_words = [*words[:2], "tiny-sea", "--json"]
    assert featurescope.main(broken_words) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "tiny-sae" in told["findings"][0]["text"]
