"""A GPU belongs to one worker of a machine, unless all are told to share it. Real locks; the GPUs are names."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.jobs.device_claim import DeviceClaim, claim_device, claim_first, device_name
from worker.jobs.errors import DeviceTaken
from worker.jobs.settings import WorkerSettings

HOLDER = """
import sys
from pathlib import Path
from worker.jobs.device_claim import claim_first
claim = claim_first(["cuda:0"], name_of=lambda device: device.replace(":", "-"), shared=False, folder=Path(sys.argv[1]))
print(claim.device, flush=True)
sys.stdin.read()
"""


def claim(folder: Path, *devices: str, shared: bool = False) -> DeviceClaim:
    return claim_first(devices, name_of=lambda device: device.replace(":", "-"), shared=shared, folder=folder)


def test_the_first_free_gpu_is_taken_and_the_next_worker_gets_the_next(tmp_path: Path):
    first, second = claim(tmp_path, "cuda:0", "cuda:1"), claim(tmp_path, "cuda:0", "cuda:1")
    assert (first.device, second.device) == ("cuda:0", "cuda:1")
    with pytest.raises(DeviceTaken, match=r"cuda:0 or cuda:1 to itself.*FEATURESCOPE_SHARE_DEVICE"):
        claim(tmp_path, "cuda:0", "cuda:1")
    first.give_up()
    assert claim(tmp_path, "cuda:0", "cuda:1").device == "cuda:0"


def test_a_gpu_is_shared_only_by_those_who_are_all_told_to(tmp_path: Path):
    sharing = [claim(tmp_path, "cuda:0", shared=True) for _ in range(2)]
    with pytest.raises(DeviceTaken):
        claim(tmp_path, "cuda:0")
    for each in sharing:
        each.give_up()
    alone = claim(tmp_path, "cuda:0")
    with pytest.raises(DeviceTaken):
        claim(tmp_path, "cuda:0", shared=True)
    alone.give_up()


def test_the_lock_of_a_killed_worker_goes_with_it(tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "cuda:0"
    with pytest.raises(DeviceTaken):
        claim(tmp_path, "cuda:0")
    holder.kill()
    holder.communicate()
    assert claim(tmp_path, "cuda:0").device == "cuda:0"


def test_a_cpu_is_nobodys(settings: WorkerSettings):
    assert device_name("cpu") is None
    assert [claim_device(settings).device for _ in range(2)] == ["cpu", "cpu"]


@pytest.mark.gpu
def test_a_real_gpu_is_known_by_its_own_number_and_claimed_once(tmp_path: Path):
    name = device_name("cuda:0")
    assert name is not None
    assert len(name) > 20
    first = claim_first(["cuda:0"], name_of=device_name, shared=False, folder=tmp_path)
    with pytest.raises(DeviceTaken):
        claim_first(["cuda:0"], name_of=device_name, shared=False, folder=tmp_path)
    first.give_up()
