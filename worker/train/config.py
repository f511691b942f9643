"""What a training run is told, frozen, saved with the run, and strict about what it does not know."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from worker.train.errors import TrainingError

Config = TypeVar("Config")
TrainedKind = Literal["topk", "relu"]


@dataclass(frozen=True, slots=True)
class DictionaryConfig:
    """One dictionary of a run.

    lr: peak learning rate of Adam, reached after lr_warmup and falling linearly to 0 over the last lr_decay; these
    and other `…_warmup`, `…_decay` are shares of the run.
    k, k_start, k_warmdown (topk): k falls from k_start to k over the first k_warmdown; None starts at k.
    auxk_coefficient, k_aux, dead_after_tokens (topk): weight of the loss that revives features which have not fired
    for so many tokens, and how many of them may fire on a token (None: half of the width).
    l1_coefficient, l1_warmup, clip (relu): weight of the sparsity term, and the largest norm of the gradient.
    """

    hook_name: str
    kind: TrainedKind = "topk"
    d_sae: int = 2048
    lr: float = 1e-3
    lr_warmup: float = 0.02
    lr_decay: float = 0.3
    k: int = 32
    k_start: int | None = None
    k_warmdown: float = 0.2
    auxk_coefficient: float = 1 / 32
    k_aux: int | None = None
    dead_after_tokens: int = 1_000_000
    l1_coefficient: float = 5.0
    l1_warmup: float = 0.05
    clip: float = 1.0

    def __post_init__(self) -> None:
        _expect(self.d_sae >= 1, "d_sae", self.d_sae, "at least 1")
        if self.kind == "topk":
            _expect(1 <= self.k <= self.d_sae, "k", self.k, f"1 to d_sae, {self.d_sae}")
            start = self.k if self.k_start is None else self.k_start
            _expect(self.k <= start <= self.d_sae, "k_start", start, f"k to d_sae, {self.k} to {self.d_sae}")
        _expect(self.lr > 0, "lr", self.lr, "above 0")
        _expect(self.clip > 0, "clip", self.clip, "above 0")
        _expect(self.k_aux is None or self.k_aux >= 1, "k_aux", self.k_aux, "at least 1")
        _expect(self.dead_after_tokens >= 1, "dead_after_tokens", self.dead_after_tokens, "at least 1")
        for name in ("lr_warmup", "lr_decay", "k_warmdown", "l1_warmup"):
            _expect(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share of the run, 0 to 1")
        for name in ("auxk_coefficient", "l1_coefficient"):
            _expect(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A run: several dictionaries trained on the same stream of tokens.

    n_tokens: to train on, rounded up to whole batches. batch_size: tokens a step.
    buffer_tokens: how many tokens' activations are mixed; half of them are replaced at a time.
    """

    dictionaries: tuple[DictionaryConfig, ...]
    n_tokens: int = 5_000_000
    batch_size: int = 4096
    buffer_tokens: int = 131_072
    seed: int = 0
    report_every_steps: int = 10
    checkpoint_every_steps: int = 500
    adam_betas: tuple[float, float] = field(default=(0.9, 0.999))

    def __post_init__(self) -> None:
        _expect(len(self.dictionaries) >= 1, "dictionaries", self.dictionaries, "at least one")
        for name in ("n_tokens", "batch_size", "report_every_steps", "checkpoint_every_steps"):
            _expect(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        enough = 2 * self.batch_size
        _expect(self.buffer_tokens >= enough, "buffer_tokens", self.buffer_tokens, f"two batches or more, {enough}")

    @property
    def n_steps(self) -> int:
        return -(-self.n_tokens // self.batch_size)

    @property
    def hook_names(self) -> tuple[str, ...]:
        """Each hook once, in the order of the dictionaries."""
        return tuple(dict.fromkeys(dictionary.hook_name for dictionary in self.dictionaries))

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises TrainingError on keys that are no options, and on values out of range."""
        _refuse_unknown(cls, values)
        listed = values.get("dictionaries", [])
        if not isinstance(listed, list | tuple) or not all(isinstance(entry, Mapping) for entry in listed):
            raise TrainingError(f"dictionaries is {listed!r}; a list of objects was expected.")
        for entry in listed:
            _refuse_unknown(DictionaryConfig, entry)
            kinds = get_args(TrainedKind)
            _expect(entry.get("kind", kinds[0]) in kinds, "kind", entry.get("kind"), " or ".join(kinds))
        given = {**values, "dictionaries": tuple(_built(DictionaryConfig, entry) for entry in listed)}
        if "adam_betas" in given:
            given["adam_betas"] = tuple(given["adam_betas"])
        return _built(cls, given)

    def save(self, path: Path) -> None:
        """Writes JSON that `read` gives back."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises TrainingError where the file is missing or no configuration of a run."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"The configuration {str(path)!r} cannot be read: {error}.") from error
        if not isinstance(values, dict):
            raise TrainingError(f"{str(path)!r} holds a JSON {type(values).__name__}; an object was expected.")
        return cls.from_json(values)


def _expect(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"{name} is {value!r}; it has to be {expected}.")


def _refuse_unknown(kind: type, values: Mapping[str, Any]) -> None:
    known = [option.name for option in fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        raise TrainingError(f"There is no option {', '.join(unknown)}; options are {', '.join(known)}.")


def _built(kind: type[Config], values: Mapping[str, Any]) -> Config:
    try:
        return kind(**values)
    except TypeError as error:
        raise TrainingError(f"The options do not make a {kind.__name__}: {error}.") from error
