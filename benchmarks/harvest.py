"""Wall time of a harvest over the unavoidable: `python -m benchmarks.harvest`.

The harvest is the real one, all reducers on: reading contexts, the forward pass through worker.lm, encoding,
selection, reducing, the shards' files, merging, and the database write. What the weights alone say is timed apart.
The ceiling is the same forward pass to the same hook by the plain Hugging Face modules (three of the six layers,
no hooks, no cache) and one product of all kept tokens with each W_enc into a buffer that is there already: the
same dtype, batches and threads, no bias and no selection. Both run shard by shard in turn; the medians over the
shards of seconds a token are compared, with the merge and the write shared out over all tokens on the harvest's side.
The kernels are compiled on a few batches before the clock starts. peak_mb is of the harvest's own spans; the plain
modules of the ceiling stay in memory, its buffer does not. Where that buffer would hold more than 2**28 values, the
ceiling's product goes by parts of the tokens.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.harvest_catalog import BenchmarkCatalog
from benchmarks.harvest_world import Size, make_contexts, make_dictionary, make_model
from benchmarks.machine import PeakWatch, describe_machine
from worker.corpus.contexts import ContextTable
from worker.harvest.batch import make_batch
from worker.harvest.engine import harvest_shard
from worker.harvest.fold import fold_shards
from worker.harvest.merge import merge_shards, results_of
from worker.harvest.plan import HarvestOptions, HarvestPlan, plan_harvest, shard_batches
from worker.harvest.result import WeightResult
from worker.harvest.weights import weight_results
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

QUICK_TOKENS = 65_536
N_SHARDS = 4
_MOST_VALUES = 2**28


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    size, with_weights = _size(argv)
    with tempfile.TemporaryDirectory(prefix="featurescope-harvest-") as folder:
        figures = _measure(size, Path(folder), with_weights=with_weights)
    print(json.dumps(figures))
    return 0


def _size(argv: list[str] | None) -> tuple[Size, bool]:
    """What is measured, and whether the weights are weighed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for each in fields(Size):
        parser.add_argument("--" + each.name.replace("_", "-"), type=type(each.default), default=each.default)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TOKENS:,} tokens, whatever else is said")
    parser.add_argument("--no-weights", action="store_true", help="leave out what the weights alone say")
    values = vars(parser.parse_args(argv))
    if values.pop("quick"):
        values["tokens"] = QUICK_TOKENS
    with_weights = not values.pop("no_weights")
    return Size(**values), with_weights


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


def _measure(size: Size, folder: Path, *, with_weights: bool) -> dict[str, Any]:
    model, plain = make_model(size, folder / "model")
    contexts = make_contexts(size)
    numbers = range(size.dictionaries)
    dictionaries = [make_dictionary(size, number, model=model, contexts=contexts) for number in numbers]
    world = _World(size, folder, model, dictionaries, contexts, _plan(size, contexts, model))
    _compile(world)
    ceiling, peak = _Ceiling(plain, dictionaries, model.dtype), PeakWatch()
    per_token: dict[str, list[float]] = {"ceiling": [], "harvest": []}
    for shard, (first, last) in enumerate(pairwise(world.plan.shards)):
        tokens = int(contexts.lengths[first:last].sum())
        per_token["ceiling"].append(ceiling.seconds(world.plan, shard, contexts) / tokens)
        peak.begin()
        began = time.perf_counter()
        world.harvest(shard)
        per_token["harvest"].append((time.perf_counter() - began) / tokens)
        peak.end()
        now = ", ".join(f"{name} {1e6 * times[-1]:.1f} µs a token" for name, times in per_token.items())
        print(f"shard {shard + 1} of {world.plan.n_shards}: {now}", flush=True)
    peak.begin()
    finished = _finish(world, with_weights=with_weights)
    peak.end()
    seconds = {name: median(times) for name, times in per_token.items()}
    return _figures(world, finished, peak, ceiling=seconds["ceiling"], shards=seconds["harvest"])


@dataclass(slots=True)
class _Finished:
    """Seconds of what comes behind the shards, and what fires in the mean."""

    weighing: float = 0.0
    merging: float = 0.0
    writing: float = 0.0
    l0: list[float] = field(default_factory=list)


def _finish(world: _World, *, with_weights: bool) -> _Finished:
    """Weigh, merge and write one dictionary after the other, as a worker does."""
    done = _Finished()
    catalog = BenchmarkCatalog(world.folder, world.model, world.dictionaries)
    began = time.perf_counter()
    catalog.begin(world.plan)
    done.writing += time.perf_counter() - began
    for number, dictionary in enumerate(world.dictionaries):
        times = [time.perf_counter()]
        weights = _weigh(world, dictionary) if with_weights else _unweighed(dictionary)
        times.append(time.perf_counter())
        folded = fold_shards(world.plan, world.folder / "shards", contexts=world.contexts, numbers=[number])
        nearest = [weights.neighbour_indices]
        (result,) = results_of(world.plan, folded, contexts=world.contexts, neighbours=nearest)
        del folded
        times.append(time.perf_counter())
        catalog.add(world.plan, world.contexts, number=number, result=result, weights=weights)
        times.append(time.perf_counter())
        weighing, merging, writing = (after - before for before, after in pairwise(times))
        done.weighing, done.merging = done.weighing + weighing, done.merging + merging
        done.writing += writing
        done.l0.append(round(result.summary.l0, 1))
        del result
    catalog.finish()
    catalog.close()
    return done


def _weigh(world: _World, dictionary: Dictionary) -> WeightResult:
    return weight_results(dictionary, world.model.path_to_logits(dictionary.hook_name))


def _unweighed(dictionary: Dictionary) -> WeightResult:
    """As of a dictionary without a way to the logits and without neighbours."""
    n = dictionary.d_sae
    ones = np.ones(n, np.float32)
    return WeightResult(None, np.empty((n, 0), np.int64), np.empty((n, 0), np.float32), ones, ones)


def _figures(world: _World, done: _Finished, peak: PeakWatch, *, ceiling: float, shards: float) -> dict[str, Any]:
    """Sum up. ceiling, shards: seconds a token."""
    harvest = shards + (done.merging + done.writing) / world.plan.corpus_tokens
    return {
        "ratio": round(harvest / ceiling, 3),
        "tokens_per_second": round(1 / harvest),
        "peak_mb": round(peak.mb),
        "shards_ratio": round(shards / ceiling, 3),
        "ceiling_us_per_token": round(1e6 * ceiling, 1),
        "harvest_us_per_token": round(1e6 * harvest, 1),
        "merge_seconds": round(done.merging, 2),
        "write_seconds": round(done.writing, 2),
        "weights_seconds": round(done.weighing, 2),
        "measured_l0": done.l0,
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

    def seconds(self, plan: HarvestPlan, shard: int, contexts: ContextTable) -> float:
        """Forward passes and products of a whole shard; reading and cutting its contexts is not counted."""
        batches = [
            make_batch(contexts, ids, width=width, excluded_ids=plan.excluded_ids)
            for ids, width in shard_batches(plan, shard, contexts)
        ]
        inputs = [(torch.from_numpy(batch.token_ids), len(batch.kept)) for batch in batches]
        d_sae = self._weights[0].shape[1]
        most = min(max(n_kept for _, n_kept in inputs), _MOST_VALUES // d_sae)
        buffer = torch.empty(most, d_sae, dtype=self._weights[0].dtype).fill_(0)
        began = time.perf_counter()
        with torch.inference_mode():
            for token_ids, n_kept in inputs:
                resid = self._plain(token_ids, use_cache=False).last_hidden_state
                parts = resid.reshape(-1, resid.shape[-1])[:n_kept].split(most)
                for weight in self._weights:
                    for acts in parts:
                        torch.mm(acts, weight, out=buffer[: len(acts)])
        return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
