"""Which GPU a worker has to itself: a lock of this machine for each, held until the process ends.

The lock is the kernel's (flock), so that it goes with the process however that ends, and nobody has to clean up.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.jobs.errors import DeviceTaken
from worker.jobs.settings import WorkerSettings
from worker.lm.placement import choose_device


@dataclass(slots=True)
class DeviceClaim:
    """What a worker runs on. device: as torch calls it. handle: the open lock, None where there is none to hold."""

    device: str
    handle: int | None = None

    def give_up(self) -> None:
        """Let others have it."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def claim_device(settings: WorkerSettings) -> DeviceClaim:
    """The device of the settings; of several GPUs 'auto' takes the first that no other worker has.

    Raises DeviceTaken where another worker of this machine has it, and the two are not both told to share.
    """
    if settings.device == "auto" and torch.cuda.is_available():
        wanted = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    else:
        wanted = [str(choose_device(settings.device))]
    return claim_first(wanted, name_of=device_name, shared=settings.share_device)


def claim_first(
    devices: Sequence[str], *, name_of: Callable[[str], str | None], shared: bool, folder: Path | None = None
) -> DeviceClaim:
    """The first of the devices that is free. name_of: what a device is known by on this machine, None for a CPU.

    shared: take it beside others that share it too. folder: of the locks; the one for temporary files by default.
    """
    folder = folder or Path(tempfile.gettempdir())
    for device in devices:
        if (name := name_of(device)) is None:
            return DeviceClaim(device)
        handle = _lock(folder / f"featurescope-{name}.lock", shared=shared)
        if handle is not None:
            return DeviceClaim(device, handle)
    listed = " or ".join(devices)
    raise DeviceTaken(
        f"Another worker of this machine has {listed} to itself. Choose another device (FEATURESCOPE_DEVICE=cuda:1, or "
        "cpu), stop that worker, or start both with FEATURESCOPE_SHARE_DEVICE=yes to let them share its memory."
    )


def device_name(device: str) -> str | None:
    """The GPU's own number, the same whatever CUDA_VISIBLE_DEVICES makes of it; None for anything else."""
    if torch.device(device).type != "cuda":
        return None
    return f"gpu-{torch.cuda.get_device_properties(torch.device(device)).uuid}"


def _lock(path: Path, *, shared: bool) -> int | None:
    handle = _open(path)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _open(path: Path) -> int:
    """A file that another user of the machine has made cannot be opened for creation, but it can be locked."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
