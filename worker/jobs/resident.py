"""How much memory this process holds, now and at the most so far."""

import ctypes
import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_C_LIBRARY = "libc.so.6"
# glibc's number for the size from which memory comes from the system by itself, and that size.
_M_MMAP_THRESHOLD, _BY_ITSELF = -3, 2**20


def resident_bytes() -> int:
    """What the process holds after it has given back what it can. Where the system does not say, the most so far."""
    give_back()
    return _from_status("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """The most that the process has held at once since it was started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
    return _from_status("VmHWM") or peak


def give_back() -> None:
    """Hand memory that is free, but kept by the C library for later, back to the system."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(_C_LIBRARY).malloc_trim(0)


def keep_nothing_back() -> None:
    """From now on let arrays of a megabyte and more go back to the system as soon as they are free.

    The C library else keeps what it takes for batches of changing sizes in pieces that fit none of the next, and holds
    twice of what is in use. It costs some per cent of time. Where the library is another, nothing changes.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(_C_LIBRARY).mallopt(_M_MMAP_THRESHOLD, _BY_ITSELF)


def _from_status(name: str) -> int | None:
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines())
    return int(lines[name].split()[0]) * 2**10 if name in lines else None
