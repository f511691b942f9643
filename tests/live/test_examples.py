"""The examples of docs/live.md, run as they stand against a real server; address and dictionary are this test's."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.conftest import SAE

TEXT = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def adapted(example: str, server: str) -> str:
    return example.replace("http://127.0.0.1:8000", server).replace("demo-resid-mid", SAE)


def test_the_python_example_prints_features(server: str):
    (example,) = examples("python")
    done = subprocess.run([sys.executable, "-c", adapted(example, server)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(SAE) == 2
    assert re.search(r"feature \d+: [\d.]+ on '", done.stdout)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example_answers_json(server: str):
    (example,) = examples("sh")
    done = subprocess.run(["sh", "-c", adapted(example, server)], capture_output=True, text=True, timeout=120)
    (result,) = json.loads(done.stdout)["results"]
    assert result["dictionary"] == SAE
    assert len(result["features"]) == 5
    assert {"label", "density", "harvest_peak", "surprise"} <= set(result["features"][0])
