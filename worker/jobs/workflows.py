"""The durable workflows: what each job consists of, step by step.

A workflow only orders its steps; DBOS writes down what each gave, and a workflow that is taken up again goes on
behind the last one. Steps may therefore run twice, and do no harm when they do.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.demo import prepare_demo, prepare_rest
from worker.jobs.durable import DEVICE_QUEUE, rank
from worker.jobs.edge import Outcome, handing_back, plain_failure, put_down, run_job
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_preview import moments, preview
from worker.jobs.harvest_shard import logged_shard
from worker.jobs.patience import patiently
from worker.jobs.requests import CorpusRequest, DemoRequest, HarvestRequest, TrainRequest, from_json, to_json
from worker.jobs.starting_over import in_hand
from worker.jobs.training import train
from worker.jobs.waiting import wait_for_shards

Result = TypeVar("Result")
ShardWorkflow = Callable[[str, str, int], Outcome]


def register_workflows(context: JobContext) -> None:
    """Make the workflows known to DBOS under the names that `submit` uses. Once in a process, before the launch."""
    gate = threading.BoundedSemaphore(context.settings.device_jobs)

    def at_device(name: str, work: Callable[[], Outcome]) -> Outcome:
        """A step that has its share of the device, from whichever queue it came."""

        def gated() -> Outcome:
            with gate:
                return work()

        return DBOS.run_step({"name": name}, gated)

    @DBOS.workflow(name="shard")
    def shard(job_id: str, harvest_id: str, number: int) -> Outcome:
        work = patient(context, job_id, lambda: logged_shard(context, job_id, harvest_id, number))

        def body() -> Outcome:
            with put_down(context, job_id):
                return at_device("shard", plain_failure(work))

        return in_hand(context, body)

    @DBOS.workflow(name="harvest")
    def harvest(job_id: str, request: Mapping[str, Any]) -> Outcome:
        asked = from_json(HarvestRequest, request)
        return run_job(context, job_id, lambda: run_harvest(context, job_id, asked, shard=shard))

    @DBOS.workflow(name="demo")
    def demo(job_id: str, request: Mapping[str, Any]) -> Outcome:
        from_json(DemoRequest, request)
        return run_job(context, job_id, lambda: run_demo(context, job_id, shard=shard))

    @DBOS.workflow(name="train")
    def training(job_id: str, request: Mapping[str, Any]) -> Outcome:
        asked = from_json(TrainRequest, request)
        work = patient(context, job_id, lambda: train(context, job_id, asked))
        return run_job(context, job_id, lambda: at_device("train", work))

    @DBOS.workflow(name="corpus")
    def corpus(job_id: str, request: Mapping[str, Any]) -> Outcome:
        asked = from_json(CorpusRequest, request)
        work = patient(context, job_id, lambda: build(context, job_id, asked))
        return run_job(context, job_id, lambda: at_device("corpus", work))


def run_harvest(context: JobContext, job_id: str, request: HarvestRequest, *, shard: ShardWorkflow) -> Outcome:
    """Prepare, shards on the device queue of whichever workers there are, finish."""
    prepared = _step(context, job_id, "prepare", lambda: prepare(context, job_id, request))
    harvest_id = prepared["harvest"]
    if prepared["done"]:
        return {"harvest": harvest_id, "message": f"Nothing to do: the harvest {harvest_id} of the same is complete."}
    waiting = [f"{job_id}-{harvest_id}-{number:05d}" for number in range(prepared["shards"])]
    priority = _step(context, job_id, "priority", lambda: rank(context.ledger.job(job_id).priority))
    for number, shard_id in enumerate(waiting):
        with SetWorkflowID(shard_id), SetEnqueueOptions(priority=priority):
            DBOS.enqueue_workflow(DEVICE_QUEUE, shard, job_id, harvest_id, number)
    # Steps of their own, for a workflow that rests while it waits for another is to wait anew when it goes on.
    seen: dict[str, Any] = {}
    for done in sorted(moments(len(waiting))):
        _step(context, job_id, "shards", partial(wait_for_shards, context, job_id, waiting[:done]))
        seen = _step(context, job_id, "preview", partial(preview, context, job_id, harvest_id, seen))
    _step(context, job_id, "shards", lambda: wait_for_shards(context, job_id, waiting))
    _step(context, job_id, "finish", lambda: finish(context, job_id, harvest_id))
    return {"harvest": harvest_id, "message": f"The harvest {harvest_id} is complete."}


def run_demo(context: JobContext, job_id: str, *, shard: ShardWorkflow) -> Outcome:
    """Register what is bundled and harvest what is looked at first, then all the rest."""
    outcomes: list[Outcome] = []
    for name, prepare_part in (("register", prepare_demo), ("rest", prepare_rest)):
        requests = _step(context, job_id, name, partial(_plain_requests, prepare_part, context, job_id))
        outcomes += [run_harvest(context, job_id, from_json(HarvestRequest, each), shard=shard) for each in requests]
    return {"harvests": [outcome["harvest"] for outcome in outcomes], "message": "The demo is ready."}


def _step(context: JobContext, job_id: str, name: str, work: Callable[[], Result]) -> Result:
    """A step of a workflow."""
    return DBOS.run_step({"name": name}, patient(context, job_id, work))


def patient(context: JobContext, job_id: str, work: Callable[[], Result]) -> Callable[[], Result]:
    """The same work, which waits while the disk is full or the database away, and goes to another where files lack."""
    return handing_back(context, lambda: patiently(context, job_id, work))


def _plain_requests(
    prepare_part: Callable[[JobContext, str], list[HarvestRequest]], context: JobContext, job_id: str
) -> list[dict[str, Any]]:
    return [to_json(request) for request in prepare_part(context, job_id)]


def build(context: JobContext, job_id: str, request: CorpusRequest) -> Outcome:
    """Tokenise a corpus for a model."""
    with context.ledger.reading() as reader:
        source = reader.model(request.model).source
    corpus = corpus_of(
        context.store,
        request.source,
        context.models.get(source).tokenizer,
        stages=context.stages(job_id),
        max_documents=request.max_documents,
        max_tokens=request.max_tokens,
    )
    message = f"{corpus.n_documents} documents, {corpus.n_tokens} tokens in {corpus.folder}."
    return {"folder": str(corpus.folder), "tokens": corpus.n_tokens, "message": message}
