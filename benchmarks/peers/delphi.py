"""delphi's side: `python -m benchmarks.peers.delphi FOLDER OUT`, in delphi's own environment.

Its cache is one pass, like ours, and keeps every activation above 1e-5 in memory, then on disk in five splits in
float16: no counts, histograms, samples, token statistics or co-activation. The clock stops when the splits are written.
The top contexts come from the splits by delphi's own loader and pooling; that is timed apart. It loads nothing of this
project that needs more than numpy.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from delphi.latents.cache import LatentCache  # pyright: ignore[reportMissingImports]
from delphi.latents.constructors import pool_max_activation_windows  # pyright: ignore[reportMissingImports]
from delphi.latents.loader import TensorBuffer  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel

from benchmarks.peers.job import (
    MODEL_FOLDER,
    SAE_FOLDER,
    Job,
    Stopwatch,
    own_peak_mb,
    read_tokens,
    write_figures,
)
from benchmarks.peers.top_lists import FoundContext, TopLists

PACKAGES = ("eai-delphi", "transformers", "torch", "numpy")
BATCH_SIZE, N_SPLITS = 32, 5
"""delphi's own defaults."""


def main(argv: list[str]) -> int:
    """Fill the cache, and write figures.json and tops.npz to OUT."""
    folder, out = map(Path, argv)
    job = Job.read(folder)
    torch.set_num_threads(job.threads)
    model = AutoModel.from_pretrained(folder / MODEL_FOLDER, dtype=torch.float32).eval()
    rows = read_tokens(folder)
    hook, encode = f"h.{job.layer}", _encoder(folder / SAE_FOLDER)
    watch = Stopwatch()
    cache = LatentCache(model, {hook: encode}, batch_size=BATCH_SIZE)
    cache.run(rows.size, torch.from_numpy(rows))
    cache.save_splits(N_SPLITS, out / "cache")
    time = watch.read()
    del cache
    watch = Stopwatch()
    tops = _top_lists(out / "cache" / hook, hook, rows, job)
    figures = time | {"peak_mb": own_peak_mb(), "examples_seconds": watch.read()["seconds"]}
    write_figures(out / "figures.json", figures | {"versions": {name: version(name) for name in PACKAGES}})
    tops.write(out / "tops.npz")
    return 0


def _encoder(folder: Path) -> Callable[[Tensor], Tensor]:
    """The ReLU encoder of the dictionary in the folder, as delphi takes encoders: activations in, dense codes out."""
    weights = load_file(folder / "sae_weights.safetensors")
    W_enc, b_enc = weights["W_enc"].float(), weights["b_enc"].float()
    return lambda acts: torch.relu(acts @ W_enc + b_enc)


def _top_lists(splits: Path, hook: str, rows: NDArray[np.int64], job: Job) -> TopLists:
    found, complete = [], []
    number_of = {row.tobytes(): number for number, row in enumerate(rows)}
    fired = _fired(splits, hook, job.features)
    for feature in range(job.features):
        contexts, n_contexts = _pooled(fired.get(feature), torch.from_numpy(rows), number_of, job=job)
        found.append((feature, contexts))
        complete.append(n_contexts <= job.n_top)
    return TopLists.of(found, complete, n_top=job.n_top, n_ctx=job.n_ctx)


def _fired(splits: Path, hook: str, n_features: int) -> dict[int, tuple[Tensor, Tensor]]:
    """Locations and activations of the first features; those that never fired are not there."""
    fired = {}
    for path in sorted(splits.glob("*.safetensors")):
        if int(path.name.split("_")[0]) < n_features:
            buffer = TensorBuffer(str(path), hook, latents=torch.arange(n_features))
            features, locations, activations = buffer.load_data_per_latent()
            fired |= dict(zip(features.tolist(), zip(locations, activations, strict=True), strict=True))
    return fired


def _pooled(
    fired: tuple[Tensor, Tensor] | None, tokens: Tensor, number_of: dict[bytes, int], *, job: Job
) -> tuple[list[FoundContext], int]:
    """The top contexts of one feature, and the number of contexts it fires in. What it does on BOS is left out."""
    locations, activations = fired if fired is not None else (torch.empty(0, 3, dtype=torch.int64), torch.empty(0))
    text = locations[:, 1] > 0
    locations, activations = locations[text], activations[text].float()
    if not len(activations):
        return [], 0
    pooled = pool_max_activation_windows(activations, tokens, locations[:, 0], locations[:, 1], job.n_ctx)
    windows = zip(pooled[0][: job.n_top].numpy(), pooled[1][: job.n_top].numpy(), strict=True)
    return [FoundContext(number_of[row.tobytes()], acts) for row, acts in windows], len(pooled[0])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
