"""What a figure was measured on, for the JSON line of every benchmark."""

import os
import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_FORGET_THE_PEAK = "5"


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads and versions; the load average, because a busy machine spoils a figure."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 1),
    }


def peak_mb() -> float:
    """The most memory this process has held at once, in MB (2**20 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class PeakWatch:
    """The most memory that this process held within some spans of its time, in MB (2**20 bytes).

    Where the system cannot forget an earlier peak, the most so far.
    """

    def __init__(self) -> None:
        self.mb = 0.0

    def begin(self) -> None:
        """A span begins."""
        if _CLEAR.exists():
            with suppress(OSError):
                _CLEAR.write_text(_FORGET_THE_PEAK)

    def end(self) -> None:
        """A span ends."""
        lines = _STATUS.read_text(errors="replace").splitlines() if _STATUS.exists() else []
        peaks = [int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")]
        self.mb = max(self.mb, peaks[0] if peaks else peak_mb())


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
