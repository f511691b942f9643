"""Trains the demo language model on build/train.bin, for a set number of minutes.

The schedule follows the clock, not the step, so that a run ends on time and with
its learning rate wound down however fast the machine turns out to be.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXForCausalLM, PreTrainedModel

from worker.demo.architecture import CONTEXT, MODEL_FOLDER, new_model, save_model
from worker.demo.contexts import training_contexts
from worker.demo.shards import Shards
from worker.demo.tokenizer import FOLDER, open_stream

LATEST = Path("build/demo-model-latest")
CHECKPOINT = FOLDER / "checkpoint.pt"
BEFORE_DECAY = FOLDER / "checkpoint-before-decay.pt"
RECIPE = FOLDER / "recipe.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the model is trained; saved with the run.

    minutes: of training altogether, resumed runs counted together.
    rows: contexts in a step; piece: contexts that a thread takes at once.
    hidden_rate: Muon's rate, for the matrices inside the layers; outer_rate: AdamW's,
    for embeddings, norms and biases. warmup, decay: shares of the time at the
    beginning and end, in which the rates rise and fall.
    """

    minutes: float = 70.0
    rows: int = 32
    piece: int = 4
    hidden_rate: float = 0.02
    outer_rate: float = 0.003
    momentum: float = 0.95
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup: float = 0.02
    decay: float = 0.4
    seed: int = 7
    threads: int = 2


@dataclass(slots=True)
class Progress:
    """How far a run has come: steps, seconds of training and the losses along the way."""

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def rate_factor(share: float, recipe: Recipe) -> float:
    """The learning rates' factor once this share of the time is over, in [0, 1]."""
    rising = min(1.0, (share + 1e-3) / recipe.warmup)
    falling = min(1.0, max(0.02, (1.0 - share) / recipe.decay))
    return rising * falling


def new_optimizers(model: GPTNeoXForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW for all but the matrices of the layers, then Muon for a share of those a thread."""
    hidden, outer = [], []
    for name, parameter in model.named_parameters():
        inside = ".layers." in name and parameter.ndim == 2
        (hidden if inside else outer).append(parameter)
    adam = torch.optim.AdamW(outer, lr=recipe.outer_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    muons = [
        torch.optim.Muon(
            hidden[first :: recipe.threads],
            lr=recipe.hidden_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        for first in range(recipe.threads)
    ]
    return [adam, *muons]


def loss_of(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Mean loss in nats of predicting each token after the first."""
    logits = model(ids[:, :-1], use_cache=False).logits
    return cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def train(recipe: Recipe) -> Progress:
    """Trains until the minutes are over, resuming from the checkpoint where there is one."""
    torch.set_num_threads(1)
    model = new_model(recipe.seed)
    optimizers = new_optimizers(model, recipe)
    progress = _resumed(model, optimizers)
    contexts = training_contexts(open_stream("train"), n_ctx=CONTEXT, seed=recipe.seed)
    batches = _batches(islice(contexts, progress.steps * recipe.rows, None), recipe.rows)
    step = _step(model, optimizers, recipe)
    budget = recipe.minutes * 60
    keeper = _Keeper(model, optimizers, progress)
    started = time.monotonic() - progress.seconds
    while progress.seconds < budget:
        share = progress.seconds / budget
        loss = step(next(batches), rate_factor(share, recipe))
        progress.steps += 1
        progress.losses.append(round(loss, 4))
        progress.seconds = time.monotonic() - started
        keeper.look(recipe)
    keeper.save()
    return progress


def faster_dtype() -> torch.dtype:
    """bf16 where this machine multiplies it clearly faster than float32, else float32."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.ones(4096, 256, dtype=dtype), torch.ones(256, 1024, dtype=dtype)
        times = []
        for _ in range(8):
            begun = time.perf_counter()
            _ = left @ right
            times.append(time.perf_counter() - begun)
        seconds[dtype] = min(times)
    faster = seconds[torch.bfloat16] < 0.8 * seconds[torch.float32]
    return torch.bfloat16 if faster else torch.float32


def _step(
    model: GPTNeoXForCausalLM, optimizers: list[torch.optim.Optimizer], recipe: Recipe
) -> Callable[[Tensor, float], float]:
    base = [recipe.outer_rate] + [recipe.hidden_rate] * (len(optimizers) - 1)
    dtype = faster_dtype()
    shards = Shards(partial(_loss_in, dtype), threads=recipe.threads, rows=recipe.piece)

    def step(ids: Tensor, factor: float) -> float:
        loss = shards.backward(model, ids)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer, rate in zip(optimizers, base, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        shards.step(optimizers)
        return loss

    return step


def _loss_in(dtype: torch.dtype, model: PreTrainedModel, ids: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        return loss_of(model, ids)


def _batches(contexts: Iterator[np.ndarray], rows: int) -> Iterator[Tensor]:
    while True:
        yield torch.from_numpy(np.stack(list(islice(contexts, rows))))


class _Keeper:
    """Saves checkpoints, exports the model and prints a line, each when it is time."""

    def __init__(
        self,
        model: GPTNeoXForCausalLM,
        optimizers: list[torch.optim.Optimizer],
        progress: Progress,
    ) -> None:
        self._model, self._optimizers, self._progress = model, optimizers, progress
        self._next_line = self._next_save = progress.seconds
        self._marked = (progress.seconds, progress.steps)
        self._before_decay = BEFORE_DECAY.exists()

    def look(self, recipe: Recipe) -> None:
        now = self._progress.seconds
        share = now / (60 * recipe.minutes)
        if now >= self._next_line:
            self._print(recipe)
            self._next_line = now + 20
        if not self._before_decay and share >= 1 - recipe.decay:
            self.save(BEFORE_DECAY)
            self._before_decay = True
        if now >= self._next_save and now > 120:
            self.save()
            save_model(self._model, LATEST)
            self._next_save = now + 300

    def save(self, path: Path = CHECKPOINT) -> None:
        state = {
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "progress": asdict(self._progress),
        }
        unfinished = path.with_suffix(".partial")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def _print(self, recipe: Recipe) -> None:
        progress = self._progress
        seconds, steps = self._marked
        recent = progress.losses[steps:] or progress.losses[-1:]
        rate = (progress.steps - steps) * recipe.rows * CONTEXT / max(1e-9, progress.seconds - seconds)
        self._marked = (progress.seconds, progress.steps)
        print(
            f"step {progress.steps}, {progress.steps * recipe.rows * CONTEXT / 1e6:.2f} M tokens, "
            f"loss {sum(recent) / len(recent):.3f}, {rate:.0f} tokens/s, "
            f"{recipe.minutes - progress.seconds / 60:.1f} min left",
            flush=True,
        )


def _resumed(model: GPTNeoXForCausalLM, optimizers: list[torch.optim.Optimizer]) -> Progress:
    if not CHECKPOINT.exists():
        return Progress()
    state = torch.load(CHECKPOINT, weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return Progress(**state["progress"])


def _parsed(argv: list[str] | None) -> Recipe:
    parser = argparse.ArgumentParser(description=__doc__)
    for setting in fields(Recipe):
        default = setting.default
        parser.add_argument(f"--{setting.name.replace('_', '-')}", type=type(default), default=default)
    return Recipe(**vars(parser.parse_args(argv)))


def main(argv: list[str] | None = None) -> None:
    """Trains and writes assets/model, with the recipe and the losses in build/demo/recipe.json."""
    recipe = _parsed(argv)
    progress = train(recipe)
    state = torch.load(CHECKPOINT, weights_only=True)
    model = new_model(recipe.seed)
    model.load_state_dict(state["model"])
    save_model(model, LATEST)
    save_model(model, MODEL_FOLDER)
    report = {
        "recipe": asdict(recipe),
        "steps": progress.steps,
        "tokens": progress.steps * recipe.rows * CONTEXT,
        "minutes": round(progress.seconds / 60, 1),
        "losses": progress.losses,
    }
    RECIPE.write_text(json.dumps(report) + "\n")
    print(f"Trained {progress.steps} steps; the model is in {MODEL_FOLDER}.")


if __name__ == "__main__":
    main()
