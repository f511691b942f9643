"""A harvest of many small shards for several workers to share, what it must say, and what became of its shards."""

from tests.tiny import TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.test_harvest_steps import run
from worker.jobs.context import JobContext
from worker.jobs.durable import client, migrate_jobs_database
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.submit import submit

SHARD_TOKENS = 120


def ask(context: JobContext, world: TinyWorld) -> str:
    migrate_jobs_database(context.settings)
    asked = HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS, again=True)
    return submit(context.settings, context.ledger, "harvest", to_json(asked), title="shared")


def alone(context: JobContext, world: TinyWorld) -> dict[str, object]:
    """What a harvest of one process says, taken as the truth."""
    harvest_id = run(context, HarvestRequest(("tiny-sae",), str(world.corpus), shard_tokens=SHARD_TOKENS))
    return everything_of(context.ledger, "tiny-sae", harvest_id)


def result_of(context: JobContext, job_id: str) -> dict[str, object]:
    with context.ledger.reading() as reader:
        harvest_id = next(harvest.id for harvest in reader.harvests() if harvest.job_id == job_id)
    return everything_of(context.ledger, "tiny-sae", harvest_id)


def shards_of(context: JobContext, job_id: str, *, status: str) -> list[str]:
    """Executors of the job's shards of a status."""
    with client(context.settings) as door:
        found = door.list_workflows(parent_workflow_id=job_id, status=status, load_input=False, load_output=False)
    return [workflow.executor_id or "" for workflow in found]
