"""Runs the training of one or more dictionaries on one stream of activations, with live metrics and resume."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary
from worker.sae.folding import row_norms
from worker.train.activations import BlockSource
from worker.train.buffer import ActivationBuffer
from worker.train.checkpoints import Checkpoint, load_checkpoint, save_checkpoint, under_prefix, with_prefix
from worker.train.config import DictionaryConfig, TrainConfig
from worker.train.errors import TrainingError
from worker.train.relu import ReluTrainer
from worker.train.step import DictionaryTrainer, Moment, StepMetrics
from worker.train.topk import TopKTrainer

CONFIG_FILE = "config.json"
PILOT_TOKENS = 16_384


@dataclass(frozen=True, slots=True)
class DictionaryProgress:
    """How one dictionary stands: means over the steps since the last report."""

    hook_name: str
    loss: float
    fvu: float
    l0: float
    dead_fraction: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands. tokens_per_second: since this process took the run up; seconds_left: at that rate."""

    step: int
    n_steps: int
    tokens: int
    n_tokens: int
    tokens_per_second: float
    seconds_left: float
    dictionaries: tuple[DictionaryProgress, ...]


class TrainingRun:
    """A run in a folder of its own, which holds its configuration and its last checkpoint.

    A folder with a checkpoint is taken up where it stands, and ends with the same weights, to the bit, as if it had
    never stopped, on the same machine with as many threads. Raises TrainingError where the folder holds a run of
    another configuration or a damaged checkpoint.
    """

    def __init__(
        self, config: TrainConfig, source: BlockSource, folder: Path, *, model_name: str, conventions: Conventions
    ) -> None:
        self.config = config
        self._source = source
        self._folder = folder
        self._model_name = model_name
        self._conventions = conventions
        self._trainers: list[DictionaryTrainer] = []
        self.step = 0
        _claim_folder(folder, config)

    def run(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Trains to the end, or until `should_stop`; a checkpoint is left either way. True when it is finished.

        on_progress is called every `report_every_steps` steps and at the end.
        Raises TrainingError where the stream of activations ends early.
        """
        buffer = self._take_up()
        batches = iter(buffer)
        report = _Report(self.config, first_step=self.step)
        while self.step < self.config.n_steps:
            if should_stop():
                self._save(buffer)
                return False
            report.add(self._train_step(batches))
            self.step += 1
            finished = self.step == self.config.n_steps
            if on_progress and (finished or self.step % self.config.report_every_steps == 0):
                on_progress(report.progress(self.step))
            if finished or self.step % self.config.checkpoint_every_steps == 0:
                self._save(buffer)
        return True

    def dictionaries(self) -> tuple[Dictionary, ...]:
        """What has been learnt so far, in the order of the configuration.

        Raises TrainingError before `run` has begun.
        """
        if not self._trainers:
            raise TrainingError("Nothing has been learnt yet; run the training first.")
        return tuple(
            self._dictionary(config, trainer)
            for config, trainer in zip(self.config.dictionaries, self._trainers, strict=True)
        )

    def _take_up(self) -> ActivationBuffer:
        checkpoint = load_checkpoint(self._folder)
        counts = None if checkpoint is None else checkpoint.tensors["buffer/counts"]
        blocks = self._source.blocks(0 if counts is None else int(counts[1]))
        config = self.config
        buffer = ActivationBuffer(blocks, capacity=config.buffer_tokens, batch_size=config.batch_size, seed=config.seed)
        if checkpoint is not None:
            buffer.load_state(under_prefix("buffer", checkpoint.tensors))
        pilot = buffer.pilot(min(PILOT_TOKENS, config.buffer_tokens))
        self._trainers = [
            _trainer(dictionary, pilot[dictionary.hook_name], config, seed=config.seed + number)
            for number, dictionary in enumerate(config.dictionaries)
        ]
        if checkpoint is not None:
            self.step = int(checkpoint.values["step"])
            for number, trainer in enumerate(self._trainers):
                trainer.load_state(under_prefix(str(number), checkpoint.tensors))
        return buffer

    def _train_step(self, batches) -> list[StepMetrics]:  # noqa: ANN001
        batch = next(batches, None)
        if batch is None:
            raise TrainingError(
                f"The activations ended after {self.step} of {self.config.n_steps} steps; "
                "give more text, or train on fewer tokens."
            )
        moment = Moment(self.step, self.config.n_steps)
        return [
            trainer.step(batch[config.hook_name], moment)
            for config, trainer in zip(self.config.dictionaries, self._trainers, strict=True)
        ]

    def _save(self, buffer: ActivationBuffer) -> None:
        tensors = with_prefix("buffer", buffer.state())
        for number, trainer in enumerate(self._trainers):
            tensors |= with_prefix(str(number), trainer.state())
        save_checkpoint(self._folder, Checkpoint(tensors, {"step": self.step}))

    def _dictionary(self, config: DictionaryConfig, trainer: DictionaryTrainer) -> Dictionary:
        weights = trainer.weights()
        d_in, d_sae = weights.W_enc.shape
        return Dictionary(
            kind=config.kind,
            d_in=d_in,
            d_sae=d_sae,
            W_enc=weights.W_enc,
            b_enc=weights.b_enc,
            W_dec=weights.W_dec,
            b_dec=weights.b_dec,
            hook_name=config.hook_name,
            model_name=self._model_name,
            conventions=self._conventions,
            k=config.k if config.kind == "topk" else None,
            decoder_norms=row_norms(weights.W_dec),
            metadata={"trained": replace(self.config, dictionaries=(config,)).to_json(), "steps": self.step},
        )


def _trainer(
    dictionary: DictionaryConfig, pilot: Float[Tensor, "token d_in"], config: TrainConfig, *, seed: int
) -> DictionaryTrainer:
    made = {"topk": TopKTrainer, "relu": ReluTrainer}[dictionary.kind]
    return made(dictionary, pilot, seed=seed, betas=config.adam_betas)


def _claim_folder(folder: Path, config: TrainConfig) -> None:
    path = folder / CONFIG_FILE
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            config.save(path)
        except OSError as error:
            raise TrainingError(f"The folder {str(folder)!r} cannot hold a training run: {error}.") from error
    elif TrainConfig.read(path) != config:
        raise TrainingError(
            f"{str(folder)!r} holds a run with other options (see {CONFIG_FILE} in it); "
            "give the same options, or another folder."
        )


class _Report:
    """Adds up metrics between two reports."""

    def __init__(self, config: TrainConfig, *, first_step: int) -> None:
        self._config = config
        self._first_step = first_step
        self._started = time.monotonic()
        self._steps: list[list[StepMetrics]] = []

    def add(self, metrics: list[StepMetrics]) -> None:
        self._steps.append(metrics)

    def progress(self, step: int) -> Progress:
        config = self._config
        rate = (step - self._first_step) * config.batch_size / max(time.monotonic() - self._started, 1e-9)
        left = (config.n_steps - step) * config.batch_size / rate
        means = tuple(
            _mean(dictionary.hook_name, [metrics[number] for metrics in self._steps])
            for number, dictionary in enumerate(config.dictionaries)
        )
        self._steps = []
        tokens = step * config.batch_size
        return Progress(step, config.n_steps, tokens, config.n_steps * config.batch_size, rate, left, means)


def _mean(hook_name: str, steps: list[StepMetrics]) -> DictionaryProgress:
    table = torch.tensor([[each.loss, each.fvu, each.l0, each.dead_fraction] for each in steps], dtype=torch.float64)
    loss, fvu, l0, _ = table.mean(0).tolist()
    return DictionaryProgress(hook_name, loss, fvu, l0, steps[-1].dead_fraction)
