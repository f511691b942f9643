"""Runs the sides one after the other, each in its own process, and puts their figures together."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.agreement import Agreement, Tolerance, compare
from benchmarks.peers.environments import ROOT, EnvironmentFailed, environment
from benchmarks.peers.extrapolation import of_all_features
from benchmarks.peers.job import Job, read_figures
from benchmarks.peers.top_lists import TopLists

SAEDASHBOARD_TOLERANCE = Tolerance(relative=1e-3, absolute=5e-5)
DELPHI_TOLERANCE = Tolerance(relative=1e-3 + 2**-11, absolute=1e-5)
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_MODE": "disabled", "PYTHONWARNINGS": "ignore"}


class SideFailed(Exception):
    """The process of a side did not come to its end."""


class Sides:
    """The sides of one comparison, on the job in a folder."""

    def __init__(self, folder: Path, environments: Path) -> None:
        self._folder, self._environments = folder, environments
        self._pythons: dict[str, Path] = {}
        self._delphi_left_out = "--no-delphi was given"

    def prepare(self, *, delphi: bool) -> None:
        """Make the environments; delphi may fail and is left out then. Raises EnvironmentFailed for SAEDashboard."""
        self._pythons["saedashboard"] = environment("saedashboard", self._environments)
        if delphi:
            try:
                self._pythons["delphi"] = environment("delphi", self._environments)
            except EnvironmentFailed as error:
                self._delphi_left_out = str(error)

    def ours(self) -> dict[str, Any]:
        """Figures of one harvest."""
        figures = self._run("ours", Path(sys.executable), [])
        print(f"ours: {figures}", flush=True)
        return figures

    def saedashboard(self, sizes: Sequence[int], *, batches: int, prompts: int) -> dict[str, Any]:
        """Figures of SAEDashboard's batches."""
        return self._run("saedashboard", self._pythons["saedashboard"], [batches, prompts, *sizes])

    def delphi(self) -> dict[str, Any]:
        """Figures of delphi's cache, or why there are none."""
        if "delphi" not in self._pythons:
            return {"left_out": self._delphi_left_out}
        try:
            figures = self._run("delphi", self._pythons["delphi"], [])
        except SideFailed as error:
            return {"left_out": str(error)}
        print(f"delphi: {figures}", flush=True)
        return figures

    def figures(
        self, job: Job, runs: Sequence[dict[str, Any]], *, saedashboard: dict[str, Any], delphi: dict[str, Any]
    ) -> dict[str, Any]:
        """Everything compared. Ours is the mean of its runs."""
        mine = {name: sum(run[name] for run in runs) / len(runs) for name in ("seconds", "cpu_seconds")}
        tops = TopLists.read(self._folder / "ours" / "tops.npz")
        sizes = of_all_features(saedashboard["sizes"], job.d_sae)
        agreements = []
        for size in sizes:
            size |= _ratios(size, mine)
            theirs = f"saedashboard/tops-{size['feature_batch']}.npz"
            agreements.append(self._compare(tops, theirs, SAEDASHBOARD_TOLERANCE))
            size["agreement"] = agreements[-1].to_json()
        if "seconds" in delphi:
            agreements.append(self._compare(tops, "delphi/tops.npz", DELPHI_TOLERANCE))
            delphi |= _ratios(delphi, mine) | {"agreement": agreements[-1].to_json()}
        best = min(sizes, key=lambda size: size["seconds"])
        ours = {name: round(value, 1) for name, value in mine.items()}
        ours |= {"tokens_per_second": round(job.text_tokens / mine["seconds"]), "peak_mb": runs[0]["peak_mb"]}
        return {
            "ratio": best["ratio"],
            "cpu_ratio": best["cpu_ratio"],
            "extrapolated": best["extrapolated"],
            "same": all(agreement.same for agreement in agreements),
            "ours": ours | {"runs": runs},
            "saedashboard": saedashboard | {"sizes": sizes},
            "delphi": delphi,
        }

    def _compare(self, tops: TopLists, theirs: str, tolerance: Tolerance) -> Agreement:
        agreement = compare(tops, TopLists.read(self._folder / theirs), tolerance)
        print(f"top contexts, ours and {theirs}: {agreement.to_json()}", flush=True)
        return agreement

    def _run(self, name: str, python: Path, arguments: Sequence[int]) -> dict[str, Any]:
        """A side in a new process, in a new folder. Raises SideFailed where it fails."""
        out = self._folder / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        command = [str(python), "-m", f"benchmarks.peers.{name}", str(self._folder), str(out), *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=dict(os.environ) | _OFFLINE, check=False)
        if done.returncode:
            raise SideFailed(f"The side {name!r} ended with {done.returncode}; what it said stands above.")
        return read_figures(out / "figures.json")


def _ratios(theirs: dict[str, Any], ours: dict[str, float]) -> dict[str, float]:
    return {
        "ratio": round(theirs["seconds"] / ours["seconds"], 2),
        "cpu_ratio": round(theirs["cpu_seconds"] / ours["cpu_seconds"], 2),
    }
