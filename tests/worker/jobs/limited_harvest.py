"""A whole harvest in a process of its own, for tests of what it holds in memory: prints a JSON object.

`python -m tests.worker.jobs.limited_harvest HOME TOKENS [LIMIT]`. The home holds a model, four dictionaries and a text,
made by `make_stage`; the catalog is SQLite in it. Beside the peak of the process it says how the harvest was arranged,
and the digest of the catalog, and the disk that was taken. With LIMIT "ask" nothing is harvested: it says what each
arrangement would need. With "forecast" it says what the dry run says.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from catalog.digest import catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.tiny import byte_tokenizer
from worker.harvest.plan import HarvestPlan
from worker.jobs.context import JobContext, make_context
from worker.jobs.forecast import forecast
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_inputs import open_inputs
from worker.jobs.harvest_prepare import plan_of, prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.ledger import Ledger
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest
from worker.jobs.resident import keep_nothing_back, peak_bytes
from worker.jobs.room import arrangements, measure_room
from worker.jobs.settings import WorkerSettings
from worker.sae import formats
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

JOB, D_MODEL, D_SAE, N_CTX = "harvest-limited", 64, 4096, 64
SHARD_TOKENS = 40_000
HOOKS = ("blocks.0.hook_resid_post", "blocks.1.hook_resid_pre") * 2


def make_stage(home: Path, *, tokens: int) -> None:
    """A model, four dictionaries that fire now and then, and a text of bytes."""
    home.mkdir(parents=True)
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=N_CTX, n_embd=D_MODEL, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(home / "model")
    tokenizer.save_pretrained(home / "model")
    for number, hook in enumerate(HOOKS):
        formats.save(_dictionary(hook, seed=number), home / f"sae-{number}")
    letters = torch.randint(97, 123, (tokens,), generator=torch.Generator().manual_seed(1)).tolist()
    with (home / "text.jsonl").open("w", encoding="utf-8") as file:
        for start in range(0, tokens, 500):
            file.write(json.dumps({"text": "".join(map(chr, letters[start : start + 500]))}) + "\n")


def _dictionary(hook: str, *, seed: int) -> Dictionary:
    W_dec = torch.nn.functional.normalize(
        torch.randn(D_SAE, D_MODEL, generator=torch.Generator().manual_seed(seed)), dim=-1
    )
    return Dictionary(
        kind="topk",
        k=8,
        d_in=D_MODEL,
        d_sae=D_SAE,
        W_enc=W_dec.T.contiguous(),
        b_enc=torch.zeros(D_SAE),
        W_dec=W_dec,
        b_dec=torch.zeros(D_MODEL),
        hook_name=hook,
        model_name="limited",
        conventions=Conventions(prepend_bos=True, n_ctx=N_CTX),
    )


def main(argv: list[str]) -> int:
    """Harvest, or ask, and print."""
    home, tokens, limit = Path(argv[0]), int(argv[1]), argv[2] if len(argv) > 2 else None
    torch.set_num_threads(2)
    catalog = CatalogSettings(home, f"sqlite:///{home / f'catalog-{tokens}-{limit}.sqlite'}")
    engine = make_engine(catalog.database_url)
    migrate(engine)
    settings = WorkerSettings(catalog=catalog, device="cpu", dtype="float32", keep_state=False)
    context = make_context(settings, Ledger(engine))
    context.ledger.queued(JOB, kind="harvest", title="test")
    request = HarvestRequest(
        dictionaries=_registered(context, home),
        corpus=str(home / "text.jsonl"),
        max_tokens=tokens,
        shard_tokens=SHARD_TOKENS,
        memory_limit=int(limit) if limit and limit.isdecimal() else None,
    )
    ways = {"ask": _asked, "forecast": _forecast}
    told = ways.get(limit or "", _harvested)(context, request)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _registered(context: JobContext, home: Path) -> tuple[str, ...]:
    model = context.models.get(str(home / "model"))
    slug = add_model(context.ledger, model, name="limited").slug
    records = [
        add_dictionary(
            context.ledger, model, formats.load(folder), source=str(folder), model_slug=slug, name=folder.name
        )
        for folder in sorted(home.glob("sae-*"))
    ]
    return tuple(record.slug for record in records)


def _asked(context: JobContext, request: HarvestRequest) -> dict[str, object]:
    inputs = open_inputs(context, request, stages=context.stages(JOB))
    plan = plan_of(inputs, request)
    keep_nothing_back()
    room = measure_room(inputs, plan)
    return {
        "needed": [
            [room.needed(tried, passes), len(passes), tried.options.batch_tokens]
            for tried, passes in arrangements(plan, len(room.loads), keep_batch=False)
        ]
    }


def _forecast(context: JobContext, request: HarvestRequest) -> dict[str, object]:
    return forecast(context, request, stages=context.stages(JOB)).to_json()


def _harvested(context: JobContext, request: HarvestRequest) -> dict[str, object]:
    before = _catalog_bytes(context)
    prepared = prepare(context, JOB, request)
    for number in range(prepared["shards"]):
        run_shard(context, JOB, prepared["harvest"], number)
    shards = sum(path.stat().st_size for path in (context.home / "harvests").rglob("*.npz"))
    finish(context, JOB, prepared["harvest"])
    with context.ledger.reading() as reader:
        record = reader.harvest(prepared["harvest"])
    with session_scope(context.ledger.engine) as session:
        digest = catalog_digest(session).sha256
    plan = HarvestPlan.from_json(record.plan["harvest"])
    return {
        "peak": peak_bytes(),
        "batch": plan.options.batch_tokens,
        "passes": record.plan["passes"],
        "status": record.status,
        "tokens_done": record.tokens_done,
        "tokens": record.tokens,
        "digest": digest,
        "disk": shards + _catalog_bytes(context) - before,
    }


def _catalog_bytes(context: JobContext) -> int:
    name = Path(str(context.ledger.engine.url.database)).name
    return sum(path.stat().st_size for path in context.home.glob(f"{name}*"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
