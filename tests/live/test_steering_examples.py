"""The examples of docs/steering.md, run as they stand against a real server; address and dictionary are this test's."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.conftest import SAE

TEXT = (Path(__file__).parents[2] / "docs" / "steering.md").read_text(encoding="utf-8")


def example(language: str, server: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return found.replace("http://127.0.0.1:8000", server).replace("demo-resid-mid", SAE)


def test_the_python_example_prints_tokens_effects_and_logits(server: str):
    command = [sys.executable, "-c", example("python", server)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert 1 <= sum(line.startswith("[") for line in lines) <= 8
    assert sum(line.startswith("without feature ") for line in lines) == 5
    assert sum("of which the error wrote" in line for line in lines) == 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example_prints_events(server: str):
    done = subprocess.run(["sh", "-c", example("sh", server)], capture_output=True, text=True, timeout=120)
    events = re.findall(r"^event: (\w+)$", done.stdout, re.MULTILINE)
    assert events[:3] == ["prompt", "next", "token"]
    assert events[-1] == "end"
