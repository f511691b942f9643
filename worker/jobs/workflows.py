"""The durable workflows: what each job consists of, step by step.

A workflow only orders its steps; DBOS writes down what each gave, and a workflow that is taken up again goes on
behind the last one. Steps may therefore run twice, and do no harm when they do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from dbos import DBOS, SetWorkflowID

from worker.jobs.context import JobContext
from worker.jobs.corpora import corpus_of
from worker.jobs.demo import prepare_demo, prepare_rest
from worker.jobs.durable import DEVICE_QUEUE
from worker.jobs.edge import Outcome, plain_failure, run_job
from worker.jobs.errors import JobError
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import logged_shard
from worker.jobs.patience import patiently
from worker.jobs.requests import CorpusRequest, DemoRequest, HarvestRequest, TrainRequest, from_json, to_json
from worker.jobs.starting_over import in_hand
from worker.jobs.training import train

Result = TypeVar("Result")
ShardWorkflow = Callable[[str, str, int], Outcome]


def register_workflows(context: JobContext) -> None:
    """Make the workflows known to DBOS under the names that `submit` uses. Once in a process, before the launch."""

    @DBOS.workflow(name="shard")
    def shard(job_id: str, harvest_id: str, number: int) -> Outcome:
        work = plain_failure(
            lambda: patiently(context, job_id, lambda: logged_shard(context, job_id, harvest_id, number))
        )
        return in_hand(context, lambda: DBOS.run_step({"name": "shard"}, work))

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
        return run_job(context, job_id, lambda: _step(context, job_id, "train", lambda: train(context, job_id, asked)))

    @DBOS.workflow(name="corpus")
    def corpus(job_id: str, request: Mapping[str, Any]) -> Outcome:
        asked = from_json(CorpusRequest, request)
        return run_job(context, job_id, lambda: _step(context, job_id, "corpus", lambda: build(context, job_id, asked)))


def run_harvest(context: JobContext, job_id: str, request: HarvestRequest, *, shard: ShardWorkflow) -> Outcome:
    """Prepare, shards on the device queue of whichever workers there are, finish."""
    prepared = _step(context, job_id, "prepare", lambda: prepare(context, job_id, request))
    harvest_id = prepared["harvest"]
    if prepared["done"]:
        return {"harvest": harvest_id, "message": f"Nothing to do: the harvest {harvest_id} of the same is complete."}
    waiting = []
    for number in range(prepared["shards"]):
        with SetWorkflowID(f"{job_id}-{harvest_id}-{number:05d}"):
            waiting.append(DBOS.enqueue_workflow(DEVICE_QUEUE, shard, job_id, harvest_id, number))
    for handle in waiting:
        outcome = handle.get_result(polling_interval_sec=0.2)
        if "error" in outcome:
            raise JobError(outcome["error"])
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
    """A step of a workflow, which waits while the disk is full or the database away."""
    return DBOS.run_step({"name": name}, lambda: patiently(context, job_id, work))


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
