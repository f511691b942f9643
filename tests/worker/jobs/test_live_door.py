"""The worker's live door over a catalog: it computes what the harvest stored, and only with what is registered."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from catalog.live_answers import LiveAnswer, read_live_answer
from catalog.live_secret import read_live_secret
from catalog.records import DictionaryRecord
from catalog.storage_steps import TOP
from tests import own_loop
from tests.tiny import ALWAYS, D_SAE, DEAD, TinyWorld, tiny_dictionary, write_model
from tests.worker.jobs.test_harvest_steps import request, run
from tests.worker.jobs.worker_process import wait_until, worker_process
from worker.jobs.context import JobContext
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.errors import JobError
from worker.jobs.live_dictionaries import LiveDictionaries
from worker.jobs.live_door import make_service
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.settings import LiveSettings, worker_settings
from worker.sae import formats


def ask(context: JobContext, **values) -> LiveAnswer:
    service = make_service(context)
    return read_live_answer(own_loop.run(service.answer(json.dumps(values).encode())))


def test_every_stored_activation_is_what_live_inference_gives(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    harvest_id = run(context, request(tiny_world))
    checked = 0
    for index in range(D_SAE):
        with context.ledger.reading() as reader:
            feature = reader.feature("tiny-sae", index)
            shown = [*feature.top.context_ids.tolist(), *feature.controls.context_ids.tolist()][:12]
            contexts = reader.contexts(harvest_id, shown)
        if not shown:
            continue
        rows = [contexts[number].token_ids.tolist() for number in shown]
        answer = ask(context, token_ids=rows, dictionaries=[sae.hash], only=[index])
        offsets = feature.top.offsets.tolist()
        for row, found in enumerate(answer.results):
            here = slice(offsets[row], offsets[row + 1]) if row < len(feature.top.context_ids) else slice(0, 0)
            stored = dict(
                zip(feature.top.positions[here].tolist(), feature.top.activations[here].tolist(), strict=True)
            )
            live = dict(zip(found.positions.tolist(), found.activations.tolist(), strict=True))
            assert live.keys() == stored.keys()
            # Stored activations are rounded to a 65,535th of the feature's peak.
            for position, value in live.items():
                assert value == pytest.approx(stored[position], abs=feature.peak * (1e-3 + 1 / TOP))
            checked += len(live)
    assert checked > 200


def test_text_of_a_document_gives_its_stored_contexts_token_by_token(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    harvest_id = run(context, request(tiny_world))
    with context.ledger.reading() as reader:
        always = reader.feature("tiny-sae", ALWAYS)
        some = reader.contexts(harvest_id, always.top.context_ids.tolist())
    first = next(each for each in some.values() if each.start == 0)
    text = (tiny_world.corpus / Path(first.document).name).read_text(encoding="utf-8")
    (found,) = ask(context, texts=[text], dictionaries=[sae.hash]).results
    ends = [*found.context_starts.tolist()[1:], len(found.token_ids)]
    assert found.token_ids[: ends[0]].tolist() == first.token_ids.tolist()
    assert found.positions[found.features == ALWAYS].tolist()[: ends[0] - 1] == list(range(1, ends[0]))
    assert DEAD not in found.features


def test_what_was_loaded_is_told(context: JobContext, sae: DictionaryRecord):
    facts = ask(context, texts=["a"], dictionaries=[sae.hash]).facts["dictionaries"][sae.hash]
    with context.ledger.reading() as reader:
        model = reader.model("tiny")
    assert (facts["model_weights"], facts["tokenizer"]) == (model.weights_hash, model.tokenizer_hash)
    assert (facts["device"], facts["dtype"]) == ("cpu", "float32")


def test_what_is_no_longer_what_was_registered_is_not_used(context: JobContext, tiny_world: TinyWorld, tmp_path: Path):
    model_folder, sae_folder = tmp_path / "model", tmp_path / "sae"
    shutil.copytree(tiny_world.model, model_folder)
    formats.save(tiny_dictionary(seed=3), sae_folder)
    model = context.models.get(str(model_folder))
    slug = add_model(context.ledger, model, name="moved").slug
    record = add_dictionary(
        context.ledger, model, formats.load(sae_folder), source=str(sae_folder), model_slug=slug, name="moved"
    )
    fresh = replace(context, models=ModelCache(device="cpu", dtype="float32"))
    with pytest.raises(JobError, match="no dictionary of hash 'unknown'"):
        LiveDictionaries(fresh).load("unknown")
    formats.save(tiny_dictionary(seed=4), sae_folder)
    with pytest.raises(JobError, match="is no longer the dictionary 'moved'"):
        LiveDictionaries(fresh).load(record.hash)
    formats.save(tiny_dictionary(seed=3), sae_folder)
    assert LiveDictionaries(fresh).load(record.hash).hash == record.hash
    write_model(model_folder, seed=9)
    changed = replace(context, models=ModelCache(device="cpu", dtype="float32"))
    with pytest.raises(JobError, match=r"The weights at .* have changed since model"):
        LiveDictionaries(changed).load(record.hash)


def test_the_dictionary_used_longest_ago_goes_out_when_memory_is_short(context: JobContext, sae: DictionaryRecord):
    model = context.models.get(sae_model(context))
    others = [
        add_dictionary(
            context.ledger, model, dictionary, source=str(saved(context.home, dictionary)), model_slug="tiny"
        )
        for dictionary in (tiny_dictionary(seed=1), tiny_dictionary(seed=2))
    ]
    first, second, third = sae.hash, *(each.hash for each in others)
    kept = LiveDictionaries(context)
    one = kept.load(first)
    per_dictionary = one.encoder.n_bytes + one.decoder.n_bytes
    assert per_dictionary == 2 * 16 * D_SAE * 4
    assert kept.n_bytes() == model.n_bytes + per_dictionary
    roomy = kept.load(second)
    assert kept.loaded(first) is one
    assert kept.loaded(second) is roomy

    tight = LiveDictionaries(replace(context, settings=replace(context.settings, live=LiveSettings(memory_mb=0))))
    for identity in (first, second):
        tight.load(identity)
    assert tight.loaded(first) is None
    assert tight.loaded(second) is not None
    limited = LiveDictionaries(context)
    limited._limit = lambda _: model.n_bytes + 2 * per_dictionary
    limited.load(first)
    limited.load(second)
    limited.loaded(first)
    limited.load(third)
    assert [identity for identity in (first, second, third) if limited.loaded(identity)] == [first, third]
    limited.make_room()
    assert [identity for identity in (first, second, third) if limited.loaded(identity)] == [third]


def sae_model(context: JobContext) -> str:
    with context.ledger.reading() as reader:
        return reader.model("tiny").source


def saved(home: Path, dictionary) -> Path:
    folder = home / dictionary.hash[:8]
    formats.save(dictionary, folder)
    return folder


@pytest.mark.slow
def test_a_worker_publishes_its_door_and_answers_who_knows_the_secret(context: JobContext, sae: DictionaryRecord):
    migrate_jobs_database(context.settings)
    with worker_process(context.settings) as process:
        wait_until(lambda: bool(doors(context)), "a worker says where its door is")
        (address,) = doors(context)
        assert address is not None
        assert address.startswith("http://127.0.0.1:")
        secret = read_live_secret(context.settings.catalog)
        asked = {"texts": ["alpha"], "dictionaries": [sae.hash]}
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            assert client.post("/activations", json=asked).status_code == 401
            answer = client.post("/activations", json=asked, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200
        (found,) = read_live_answer(answer.content).results
        assert found.positions[found.features == ALWAYS].tolist() == [1, 2, 3, 4, 5]
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert doors(context) == []


def doors(context: JobContext) -> list[str | None]:
    with context.ledger.reading() as reader:
        return [worker.live_address for worker in reader.workers()]


def test_the_settings_of_the_door():
    usual = worker_settings({})
    assert (usual.live.is_on, usual.live.host, usual.live.port) == (True, "127.0.0.1", 0)
    named = {"FEATURESCOPE_LIVE_PORT": "9200", "FEATURESCOPE_LIVE_MAX_TOKENS": "100", "FEATURESCOPE_LIVE": "no"}
    changed = worker_settings(named).live
    assert (changed.port, changed.limits.tokens, changed.is_on) == (9200, 100, False)
    with pytest.raises(JobError, match="FEATURESCOPE_LIVE_MAX_TEXTS"):
        worker_settings({"FEATURESCOPE_LIVE_MAX_TEXTS": "none"})


def test_a_set_of_features_is_answered_for_many_texts(context: JobContext, sae: DictionaryRecord):
    answer = ask(context, texts=["ab", "", "c"], dictionaries=[sae.hash], only=[ALWAYS])
    assert [each.features.tolist() for each in answer.results] == [[ALWAYS] * 2, [], [ALWAYS]]
    assert np.allclose(np.concatenate([each.activations for each in answer.results]), 1.0)
