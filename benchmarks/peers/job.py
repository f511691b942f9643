"""What every side is given and what it gives back: a folder with a job, and a line of figures. Needs only numpy."""

import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

JOB_FILE, TOKENS_FILE = "job.json", "tokens.npy"
MODEL_FOLDER, SAE_FOLDER = "model", "sae"


@dataclass(frozen=True, slots=True)
class Job:
    """The work, the same for every side. It lies in a folder beside the model, the dictionary and the token ids.

    layer: the dictionary reads the residual stream after this layer, counted from 0. n_contexts rows of n_ctx tokens,
    each a document of its own that begins with the token bos_id and has no padding. features: those whose top
    contexts are compared, from 0 up. n_top: contexts (SAEDashboard: tokens) a feature. threads: of each side.
    """

    layer: int
    n_contexts: int
    n_ctx: int
    bos_id: int
    d_sae: int
    features: int
    n_top: int
    threads: int

    @property
    def hook_name(self) -> str:
        """The hook's name in TransformerLens."""
        return f"blocks.{self.layer}.hook_resid_post"

    @property
    def text_tokens(self) -> int:
        """Tokens without the BOS of each context."""
        return self.n_contexts * (self.n_ctx - 1)

    def write(self, folder: Path) -> None:
        """Save as the folder's job."""
        (folder / JOB_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The folder's job."""
        return cls(**json.loads((folder / JOB_FILE).read_text(encoding="utf-8")))


def read_tokens(folder: Path) -> NDArray[np.int64]:
    """Token ids of every context, [context, token], BOS first."""
    return np.load(folder / TOKENS_FILE).astype(np.int64)


class Stopwatch:
    """Runs from its making. Processor time is that of all threads of this process."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Seconds of wall and of processor time since the making."""
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
        }


def own_peak_mb() -> int:
    """The most memory this process has held at once, in MB (2**20 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def write_figures(path: Path, figures: Mapping[str, Any]) -> None:
    """Save what a side measured."""
    path.write_text(json.dumps(figures), encoding="utf-8")


def read_figures(path: Path) -> dict[str, Any]:
    """What a side measured."""
    return json.loads(path.read_text(encoding="utf-8"))
