"""What is added to the catalog, and what is refused because it does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from catalog.records import DictionaryRecord
from tests.tiny import D_MODEL, HOOK, N_CTX, TinyWorld, tiny_dictionary
from worker.corpus.sources import parse_source
from worker.jobs.bases import BasisRequest, add_basis
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.errors import JobError
from worker.jobs.progress import Progress
from worker.jobs.register import DictionaryDoesNotFit, add_dictionary, add_model
from worker.lm.errors import HookNotFound
from worker.sae import formats
from worker.sae.conventions import Conventions


def silent(message: str, *, total: int, unit: str) -> Progress:
    return Progress(lambda reading: None, total=total)


def test_a_model_and_its_vocabulary_are_added_once(context: JobContext, tiny_world: TinyWorld):
    model = context.models.get(str(tiny_world.model))
    first, second = add_model(context.ledger, model, name="Tiny Model"), add_model(context.ledger, model, name="Other")
    assert first == second
    assert (first.slug, first.d_model, first.n_layers, first.d_vocab) == ("tiny-model", D_MODEL, 2, 257)
    with context.ledger.reading() as reader:
        vocabulary = reader.vocabulary(first.tokenizer_hash)
    text = "naïve 東京"
    token_ids = model.tokenizer.encode([text])[0]
    assert b"".join(vocabulary[int(token)] for token in token_ids).decode() == text


def test_a_dictionary_is_added_once_and_reads_back_as_the_same(context: JobContext, sae: DictionaryRecord):
    dictionary = load_dictionary(sae, context.store)
    model = context.models.get(context_model_source(context))
    again = add_dictionary(context.ledger, model, dictionary, source="elsewhere", model_slug="tiny", name="again")
    assert again == sae
    assert (sae.slug, sae.hash, sae.d_sae) == ("tiny-sae", dictionary.hash, dictionary.d_sae)


def test_two_dictionaries_of_one_name_get_slugs_of_their_own(context: JobContext, sae: DictionaryRecord):
    model = context.models.get(context_model_source(context))
    other = tiny_dictionary(seed=5)
    record = add_dictionary(context.ledger, model, other, source="x", model_slug="tiny", name=sae.name)
    assert record.slug == "tiny-sae-2"


def test_a_width_that_is_not_the_hooks_is_refused_with_both(context: JobContext, sae: DictionaryRecord):
    model = context.models.get(context_model_source(context))
    wide = tiny_dictionary(d_in=12)
    with pytest.raises(DictionaryDoesNotFit, match=rf"reads 12 values .*'{HOOK}' of model .* holds {D_MODEL}"):
        add_dictionary(context.ledger, model, wide, source="x", model_slug="tiny")


def test_a_hook_that_does_not_exist_is_refused_with_the_nearest(context: JobContext, sae: DictionaryRecord):
    model = context.models.get(context_model_source(context))
    lost = tiny_dictionary(hook_name="blocks.7.hook_resid_pre")
    with pytest.raises(HookNotFound, match=r"blocks\.7\.hook_resid_pre.*blocks\.\d\.hook_resid_pre"):
        add_dictionary(context.ledger, model, lost, source="x", model_slug="tiny")


def test_contexts_longer_than_the_model_takes_are_refused(context: JobContext, sae: DictionaryRecord):
    model = context.models.get(context_model_source(context))
    long = replace(tiny_dictionary(), conventions=Conventions(prepend_bos=True, n_ctx=65))
    with pytest.raises(DictionaryDoesNotFit, match=r"contexts of 65 tokens.*at most 64"):
        add_dictionary(context.ledger, model, long, source="x", model_slug="tiny")


def test_files_that_have_changed_since_are_not_taken_for_the_dictionary(
    context: JobContext, sae: DictionaryRecord, tmp_path: Path
):
    formats.save(tiny_dictionary(seed=9), tmp_path / "sae")
    with pytest.raises(JobError, match="no longer the dictionary 'tiny-sae'"):
        load_dictionary(replace(sae, source=str(tmp_path / "sae")), context.store)


def test_neurons_fire_at_the_density_asked_for_and_are_kept_as_made(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld
):
    model = context.models.get(str(tiny_world.model))
    hook = "blocks.0.mlp.hook_post"
    request = BasisRequest(
        kind="neurons",
        model="tiny",
        hook_name=hook,
        corpus=str(tiny_world.corpus),
        n_ctx=N_CTX,
        prepend_bos=True,
        density=0.05,
    )
    record = add_basis(context.store, context.ledger, model, request, stages=silent)
    basis = load_dictionary(record, context.store)
    assert (record.kind, record.d_sae, basis.hash) == ("neurons", 4 * D_MODEL, record.hash)
    corpus = corpus_of(context.store, str(tiny_world.corpus), model.tokenizer, stages=silent)
    contexts = corpus.contexts(n_ctx=N_CTX, prepend_bos=True)
    ids = torch.arange(len(contexts)).numpy()
    lengths = torch.from_numpy(contexts.row_lengths(ids))[:, None]
    positions = torch.arange(N_CTX)
    acts = model.activations(torch.from_numpy(contexts.token_ids(ids)), [hook])[hook]
    text = acts[(positions > 0) & (positions < lengths)]
    density = (text > basis.threshold).float().mean(0)
    assert density.max() <= 0.05
    assert density.max() > 0.045


def test_a_corpus_whose_files_change_is_tokenised_again(context: JobContext, tiny_world: TinyWorld, tmp_path: Path):
    tokenizer = context.models.get(str(tiny_world.model)).tokenizer
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one two three")
    first = corpus_of(context.store, str(tmp_path / "texts"), tokenizer, stages=silent)
    same = corpus_of(context.store, str(tmp_path / "texts"), tokenizer, stages=silent)
    (tmp_path / "texts" / "b.txt").write_text("four five six")
    changed = corpus_of(context.store, str(tmp_path / "texts"), tokenizer, stages=silent)
    assert first.folder == same.folder
    assert (first.n_documents, changed.n_documents) == (1, 2)
    assert parse_source(str(tmp_path / "texts")).description["kind"] == "directory"


def context_model_source(context: JobContext) -> str:
    with context.ledger.reading() as reader:
        return reader.model("tiny").source
