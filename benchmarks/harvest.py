"""Wall time of a harvest over the unavoidable: `python -m benchmarks.harvest`.

The harvest is the real one, all reducers on: reading contexts, the forward pass through worker.lm, encoding,
selection, reducing, the shards' files, merging, and the database write. What the weights alone say is timed apart.
The ceiling is the same forward pass to the same hook by the plain Hugging Face modules (three of the six layers,
no hooks, no cache) and one product of all kept tokens with each W_enc into a buffer that is there already: the
same dtype, batches and threads, no bias and no selection. Both run shard by shard in turn; the medians over the
shards of seconds a token are compared, with the merge and the write shared out over all tokens on the harvest's side.
The kernels are compiled on a few batches before the clock starts.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harvest_catalog import BenchmarkCatalog
from benchmarks.harvest_world import Size, make_contexts, make_dictionary, make_model
from benchmarks.machine import describe_machine, peak_mb
from worker.corpus.contexts import ContextTable
from worker.harvest.batch import make_batch
from worker.harvest.engine import harvest_shard
from worker.harvest.merge import merge_shards
from worker.harvest.plan import HarvestOptions, HarvestPlan, plan_harvest, shard_batches
from worker.harvest.weights import weight_results
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

QUICK_TOKENS = 65_536
N_SHARDS = 4


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    size = _size(argv)
    with tempfile.TemporaryDirectory(prefix="featurescope-harvest-") as folder:
        figures = _measure(size, Path(folder))
    print(json.dumps(figures))
    return 0


def _size(argv: list[str] | None) -> Size:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Size):
        parser.add_argument("--" + field.name.replace("_", "-"), type=type(field.default), default=field.default)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TOKENS:,} tokens, whatever else is said")
    values = vars(parser.parse_args(argv))
    if values.pop("quick"):
        values["tokens"] = QUICK_TOKENS
    return Size(**values)


@dataclass(frozen=True, slots=True)
class _World:
    """What both sides work on."""

    size: Size
    folder: Path
    model: LanguageModel
    dictionaries: list[Dictionary]
    contexts: ContextTable
    plan: HarvestPlan

    def harvest(self, shard: int) -> None:
        """One shard of the real harvest."""
        harvest_shard(
            self.plan,
            shard,
            model=self.model,
            dictionaries=self.dictionaries,
            contexts=self.contexts,
            folder=self.folder / "shards",
        )


def _measure(size: Size, folder: Path) -> dict[str, Any]:
    model, plain = make_model(size, folder / "model")
    contexts = make_contexts(size)
    numbers = range(size.dictionaries)
    dictionaries = [make_dictionary(size, number, model=model, contexts=contexts) for number in numbers]
    world = _World(size, folder, model, dictionaries, contexts, _plan(size, contexts, model))
    _compile(world)
    catalog = BenchmarkCatalog(folder, model, dictionaries)
    ceiling = _Ceiling(plain, dictionaries, model.dtype)
    per_token: dict[str, list[float]] = {"ceiling": [], "harvest": []}
    for shard, (first, last) in enumerate(pairwise(world.plan.shards)):
        tokens = int(contexts.lengths[first:last].sum())
        per_token["ceiling"].append(ceiling.seconds(world.plan, shard, contexts) / tokens)
        began = time.perf_counter()
        world.harvest(shard)
        per_token["harvest"].append((time.perf_counter() - began) / tokens)
        now = ", ".join(f"{name} {1e6 * times[-1]:.1f} µs a token" for name, times in per_token.items())
        print(f"shard {shard + 1} of {world.plan.n_shards}: {now}", flush=True)
    return _figures(world, catalog, ceiling=median(per_token["ceiling"]), shards=median(per_token["harvest"]))


def _figures(world: _World, catalog: BenchmarkCatalog, *, ceiling: float, shards: float) -> dict[str, Any]:
    """Merge, write and sum up. ceiling, shards: seconds a token."""
    began = time.perf_counter()
    weights = [weight_results(each, world.model.path_to_logits(each.hook_name)) for each in world.dictionaries]
    weighed = time.perf_counter()
    nearest = [weight.neighbour_indices for weight in weights]
    results = merge_shards(world.plan, world.folder / "shards", contexts=world.contexts, neighbours=nearest)
    merged = time.perf_counter()
    catalog.write(world.plan, world.contexts, results, weights)
    written = time.perf_counter()
    catalog.close()
    harvest = shards + (written - weighed) / world.plan.corpus_tokens
    return {
        "ratio": round(harvest / ceiling, 3),
        "tokens_per_second": round(1 / harvest),
        "peak_mb": round(peak_mb()),
        "shards_ratio": round(shards / ceiling, 3),
        "ceiling_us_per_token": round(1e6 * ceiling, 1),
        "harvest_us_per_token": round(1e6 * harvest, 1),
        "merge_seconds": round(merged - weighed, 2),
        "write_seconds": round(written - merged, 2),
        "weights_seconds": round(weighed - began, 2),
        "measured_l0": [round(result.summary.l0, 1) for result in results],
        "size": asdict(world.size) | {"dtype": _name(world.model.dtype)},
        "machine": describe_machine(),
    }


def _plan(size: Size, contexts: ContextTable, model: LanguageModel) -> HarvestPlan:
    options = HarvestOptions(encode_dtype=_name(model.dtype), shard_tokens=max(1, size.tokens // N_SHARDS))
    return plan_harvest(contexts, options, excluded_ids=(0,), d_vocab=model.d_vocab)


def _compile(world: _World) -> None:
    """A whole tiny harvest, so that every kernel is there."""
    few = replace(world.size, tokens=4096)
    contexts = make_contexts(few)
    plan = _plan(few, contexts, world.model)
    tiny = replace(world, size=few, contexts=contexts, plan=plan, folder=world.folder / "warm")
    for shard in range(plan.n_shards):
        tiny.harvest(shard)
    merge_shards(plan, tiny.folder / "shards", contexts=contexts)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class _Ceiling:
    """The unavoidable work by itself."""

    def __init__(self, plain: nn.Module, dictionaries: list[Dictionary], dtype: torch.dtype) -> None:
        self._plain = plain
        self._weights = [each.W_enc.to(dtype) for each in dictionaries if each.W_enc is not None]
        self._buffer: Tensor | None = None

    def seconds(self, plan: HarvestPlan, shard: int, contexts: ContextTable) -> float:
        """Forward passes and products of a whole shard; reading and cutting its contexts is not counted."""
        batches = [
            make_batch(contexts, ids, width=width, excluded_ids=plan.excluded_ids)
            for ids, width in shard_batches(plan, shard, contexts)
        ]
        inputs = [(torch.from_numpy(batch.token_ids), len(batch.kept)) for batch in batches]
        most = max(n_kept for _, n_kept in inputs)
        self._buffer = torch.empty(most, self._weights[0].shape[1], dtype=self._weights[0].dtype).fill_(0)
        began = time.perf_counter()
        with torch.inference_mode():
            for token_ids, n_kept in inputs:
                resid = self._plain(token_ids, use_cache=False).last_hidden_state
                acts = resid.reshape(-1, resid.shape[-1])[:n_kept]
                for weight in self._weights:
                    torch.mm(acts, weight, out=self._buffer[:n_kept])
        return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
