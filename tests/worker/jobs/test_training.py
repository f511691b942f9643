"""The training job on the tiny model: what it leaves behind, and what a second run of the step does."""

from pathlib import Path

import numpy as np
import pytest

from catalog.records import DictionaryRecord
from tests.tiny import HOOK, TinyWorld
from worker.corpus.tokenized import Corpus
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.progress import Progress
from worker.jobs.requests import TrainRequest
from worker.jobs.training import split_contexts, train
from worker.lm.errors import HookNotFound
from worker.lm.tokenizer import Tokenizer
from worker.train.errors import TrainingError

JOB = "train-test"


def open_corpus(context: JobContext, world: TinyWorld, tokenizer: Tokenizer) -> Corpus:
    """The tiny corpus, tokenised."""

    def silent(_message: str, *, total: int, unit: str) -> Progress:
        return Progress(lambda _reading: None, total=total)

    return corpus_of(context.store, str(world.corpus), tokenizer, stages=silent)


def request(world: TinyWorld, tmp_path: Path, **dictionary: object) -> TrainRequest:
    entry = {"hook_name": HOOK, "d_sae": 48, "k": 6, "dead_after_tokens": 2000} | dictionary
    config = {"dictionaries": [entry], "n_tokens": 4096, "batch_size": 256, "buffer_tokens": 1024}
    return TrainRequest("tiny", str(world.corpus), "fresh", str(tmp_path / "trained"), config, n_ctx=32)


def test_a_training_leaves_a_dictionary_in_the_catalog_that_can_be_loaded(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    context.ledger.queued(JOB, kind="train", title="test")
    outcome = train(context, JOB, request(tiny_world, tmp_path))
    assert outcome["dictionaries"] == ["fresh"]
    with context.ledger.reading() as reader:
        record, job = reader.dictionary("fresh"), reader.job(JOB)
    dictionary = load_dictionary(record, context.store)
    assert (record.kind, record.d_sae, record.hook_name, dictionary.k) == ("topk", 48, HOOK, 6)
    assert record.quality is not None
    assert record.quality["l0"] <= 6
    assert (job.done, job.total, job.unit) == (4096, 4096, "tokens")
    assert not (context.home / "training" / JOB).exists()


def test_running_the_step_again_after_a_kill_ends_with_the_same_dictionary(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    context.ledger.queued(JOB, kind="train", title="test")
    asked = request(tiny_world, tmp_path)
    first = train(context, JOB, asked)
    assert train(context, JOB, asked)["dictionaries"] == first["dictionaries"]
    with context.ledger.reading() as reader:
        assert len(reader.dictionaries()) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_hook_or_an_option_that_does_not_exist_is_refused_before_anything_is_done(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    context.ledger.queued(JOB, kind="train", title="test")
    with pytest.raises(HookNotFound, match=r"blocks\.9"):
        train(context, JOB, request(tiny_world, tmp_path, hook_name="blocks.9.hook_resid_pre"))
    with pytest.raises(TrainingError, match="no option colour"):
        train(context, JOB, request(tiny_world, tmp_path, colour="red"))
    assert not (context.home / "training").exists()
    assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_held_out_contexts_are_not_learnt_from(context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld):
    tokenizer = context.models.get(str(tiny_world.model)).tokenizer
    corpus = open_corpus(context, tiny_world, tokenizer)
    contexts = corpus.contexts(n_ctx=32, prepend_bos=True)
    learnt, held_out = split_contexts(contexts)
    assert len(learnt) + len(held_out) == len(contexts)
    assert np.array_equal(held_out, np.arange(len(learnt), len(contexts)))
