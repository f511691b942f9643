"""Set-up leaves no kernel of the harvest to be compiled while somebody waits."""

import os
import subprocess
import sys
from pathlib import Path

from numba.core.event import install_recorder

from tests.worker.harvest.conftest import make_world
from worker.harvest.precompile import compile_kernels

ROOT = Path(__file__).parents[3]


def test_a_harvest_after_set_up_compiles_nothing(tmp_path):
    """In a process and with a cache of its own, as on a fresh machine."""
    command = [sys.executable, "-m", "tests.worker.harvest.test_precompile", str(tmp_path / "harvest")]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    before, during = run.stdout.split()
    assert int(before) > 20
    assert int(during) == 0


def compiled_before_and_during(folder: Path) -> tuple[int, int]:
    """How many kernels are compiled by set-up, and then by a harvest of several kinds."""
    with install_recorder("numba:compile") as before:
        compile_kernels()
    with install_recorder("numba:compile") as during:
        make_world(kinds=("topk", "jumprelu", "relu", "neurons")).harvest(folder)
    return len(before.buffer), len(during.buffer)


if __name__ == "__main__":
    sys.stdout.write("{} {}".format(*compiled_before_and_during(Path(sys.argv[1]))))
