"""Our side: a whole harvest, every feature and every reducer, to the last row of an SQLite catalog.

`python -m benchmarks.peers.ours FOLDER OUT`. The clock starts with model, dictionary and corpus in memory and an empty
catalog there, and stops when the harvest is marked complete: planning, the pass, what the weights alone say, merging
and the database write. The top contexts that are compared are read back from the catalog, as a page reads them.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.harvest_catalog import HARVEST, BenchmarkCatalog
from benchmarks.peers.job import MODEL_FOLDER, SAE_FOLDER, Job, Stopwatch, own_peak_mb, read_tokens, write_figures
from benchmarks.peers.top_lists import FoundContext, TopLists
from benchmarks.peers.world import context_table
from catalog.engine import make_engine, session_scope
from catalog.reader import CatalogReader
from catalog.records import ContextSet
from worker.corpus.contexts import ContextTable
from worker.harvest.engine import harvest_shard
from worker.harvest.merge import merge_shards
from worker.harvest.plan import HarvestOptions, plan_harvest
from worker.harvest.weights import weight_results
from worker.lm.model import LanguageModel, load_language_model
from worker.sae.dictionary import Dictionary
from worker.sae.formats import load

SLUG = "benchmark-0"


def main(argv: list[str]) -> int:
    """Harvest, and write figures.json and tops.npz to OUT."""
    folder, out = map(Path, argv)
    job = Job.read(folder)
    torch.set_num_threads(job.threads)
    model = load_language_model(folder / MODEL_FOLDER, device="cpu", dtype="float32")
    dictionary = load(folder / SAE_FOLDER)
    contexts = context_table(read_tokens(folder))
    catalog = BenchmarkCatalog(out, model, [dictionary])
    watch = Stopwatch()
    _harvest(model, dictionary, contexts, catalog=catalog, folder=out / "shards", job=job)
    time = watch.read()
    catalog.close()
    write_figures(out / "figures.json", time | {"peak_mb": own_peak_mb()})
    _read_tops(out / "catalog.sqlite", job).write(out / "tops.npz")
    return 0


def _harvest(
    model: LanguageModel,
    dictionary: Dictionary,
    contexts: ContextTable,
    *,
    catalog: BenchmarkCatalog,
    folder: Path,
    job: Job,
) -> None:
    options = HarvestOptions(encode_dtype="float32", n_top=job.n_top)
    plan = plan_harvest(contexts, options, excluded_ids=(job.bos_id,), d_vocab=model.d_vocab)
    for shard in range(plan.n_shards):
        harvest_shard(plan, shard, model=model, dictionaries=[dictionary], contexts=contexts, folder=folder)
    weights = [weight_results(dictionary, model.path_to_logits(dictionary.hook_name))]
    nearest = [weight.neighbour_indices for weight in weights]
    catalog.write(plan, contexts, merge_shards(plan, folder, contexts=contexts, neighbours=nearest), weights)


def _read_tops(database: Path, job: Job) -> TopLists:
    engine = make_engine(f"sqlite:///{database}")
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        records = [reader.feature(SLUG, index, HARVEST) for index in range(job.features)]
    engine.dispose()
    found = [(record.index, _found(record.top, job.n_ctx)) for record in records]
    complete = [record.contexts_fired <= job.n_top for record in records]
    return TopLists.of(found, complete, n_top=job.n_top, n_ctx=job.n_ctx)


def _found(top: ContextSet, n_ctx: int) -> list[FoundContext]:
    """Sparse rows as dense ones."""
    rows = np.zeros((len(top.context_ids), n_ctx), np.float32)
    rows[np.repeat(np.arange(len(rows)), np.diff(top.offsets)), top.positions] = top.activations
    return [FoundContext(int(number), row) for number, row in zip(top.context_ids, rows, strict=True)]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
