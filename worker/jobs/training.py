"""The training of dictionaries as a job: from a slug, a corpus and options to rows and files."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from catalog.slugs import make_slug
from worker.corpus.contexts import ContextTable
from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.places import TRAINED_LAST, trained_place, training_folder
from worker.jobs.register import add_dictionary
from worker.jobs.requests import TrainRequest
from worker.lm.model import LanguageModel
from worker.sae import formats
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.train.activations import ContextBlocks
from worker.train.config import TrainConfig
from worker.train.evaluate import measure_quality
from worker.train.trainer import Progress as TrainingProgress
from worker.train.trainer import TrainingRun

HELD_OUT = 256
LOSS_CONTEXTS = 64


def train(context: JobContext, job_id: str, request: TrainRequest) -> dict[str, Any]:
    """Train, measure on held-out contexts, write and register. Run again after a kill, it goes on."""
    config = TrainConfig.from_json(request.config)
    with context.ledger.reading() as reader:
        record = reader.model(request.model)
    model = context.models.get(record.source)
    for hook_name in config.hook_names:
        model.hook_width(hook_name)
    conventions = Conventions(prepend_bos=model.tokenizer.prepend_bos, n_ctx=request.n_ctx)
    corpus = corpus_of(context.store, request.corpus, model.tokenizer, stages=context.stages(job_id))
    contexts = corpus.contexts(n_ctx=conventions.n_ctx, prepend_bos=conventions.prepend_bos)
    learnt, held_out = split_contexts(contexts)
    folder = training_folder(context.home, job_id)
    special = model.tokenizer.special_ids
    source = ContextBlocks(model, learnt, config.hook_names, seed=config.seed, excluded=special)
    run = TrainingRun(config, source, folder, model_name=record.name, conventions=conventions)
    progress = context.stages(job_id)("Training", total=config.n_steps * config.batch_size, unit="tokens")
    counted = context.figures.following("train")

    def tell(now: TrainingProgress) -> None:
        counted(now.tokens)
        progress.update(now.tokens)

    run.run(tell)
    qualities = measure_quality(
        model,
        run.dictionaries(),
        contexts,
        held_out,
        loss_contexts=LOSS_CONTEXTS,
        excluded=special,
    )
    measured = [
        replace(dictionary, metadata={**dictionary.metadata, "quality": quality.to_json()})
        for dictionary, quality in zip(run.dictionaries(), qualities, strict=True)
    ]
    slugs = _keep(context, model, request, measured)
    shutil.rmtree(folder)
    return {"dictionaries": slugs, "message": f"Trained {', '.join(slugs)}."}


def split_contexts(contexts: ContextTable) -> tuple[ContextTable, np.ndarray]:
    """The contexts to learn from, and the ids of those held out: the last ones, a tenth or HELD_OUT of them."""
    held_out = min(HELD_OUT, len(contexts) // 10 + 1)
    keep = max(1, len(contexts) - held_out)
    learnt = replace(
        contexts,
        document_ids=contexts.document_ids[:keep],
        starts=contexts.starts[:keep],
        lengths=contexts.lengths[:keep],
    )
    return learnt, np.arange(len(contexts) - held_out, len(contexts))


def _keep(
    context: JobContext, model: LanguageModel, request: TrainRequest, dictionaries: Sequence[Dictionary]
) -> list[str]:
    """Write each dictionary to its folder and register what reads back from there."""
    slugs = []
    for number, dictionary in enumerate(dictionaries):
        name = request.name if len(dictionaries) == 1 else f"{request.name} {number + 1}"
        folder = _folder(context.home, request, name, alone=len(dictionaries) == 1)
        formats.save(dictionary, folder)
        read_back = formats.load(folder)
        if context.store.is_shared:
            context.store.put(trained_place(read_back.hash), folder, last=TRAINED_LAST)
        record = add_dictionary(
            context.ledger, model, read_back, source=str(folder), model_slug=request.model, name=name
        )
        with context.ledger.writing() as writer:
            writer.set_quality(record.slug, dictionary.metadata["quality"])
        slugs.append(record.slug)
    return slugs


def _folder(home: Path, request: TrainRequest, name: str, *, alone: bool) -> Path:
    if not request.folder:
        return home / "dictionaries" / make_slug(f"{request.model} {name}")
    return Path(request.folder) if alone else Path(request.folder) / make_slug(name)
