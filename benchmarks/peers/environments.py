"""Virtual environments of the other tools, made once under `build/` from the pinned lists beside this file."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / "build" / "peers"
TORCH = "torch==2.13.0"
_STAMP = "installed.sha256"


class EnvironmentFailed(Exception):
    """An environment could not be made; the message ends with what the installer said."""


def environment(name: str, folder: Path = ENVIRONMENTS) -> Path:
    """The Python of a tool's environment, which is made where it is not there yet or its list has changed.

    name: saedashboard or delphi. torch comes with its dependencies, all else without: the lists are whole, and what
    they leave out on purpose (torchvision and torchaudio, of which the index may hold builds for another torch, and
    vLLM, which no cache needs) must not come in by the back door. Raises EnvironmentFailed.
    """
    listed = requirements(name)
    place = folder / name
    stamp, python = place / _STAMP, place / "bin" / "python"
    wanted = hashlib.sha256(listed.read_bytes() + TORCH.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and python.exists():
        return python
    print(f"Making an environment for {name} in {place}; this is done once.", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(place)])
    _run([str(python), "-m", "pip", "install", "--quiet", TORCH])
    _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(listed)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def requirements(name: str) -> Path:
    """The tool's pinned list."""
    return Path(__file__).parent / f"{name}-requirements.txt"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise EnvironmentFailed(
            f"The environment could not be made. {' '.join(command)} ended with {done.returncode}:\n{tail}"
        )
