"""The console command: help that is instant, verbs that are found, failures that are one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

import featurescope

ROOT = Path(featurescope.__file__).parent


def test_help_teaches_and_loads_neither_torch_nor_the_app():
    script = (
        "import featurescope, sys; code = featurescope.main(['--help']); "
        "heavy = {'torch', 'sqlalchemy', 'fastapi', 'dbos'} & set(sys.modules); sys.exit(code or len(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    for verb in featurescope.VERBS:
        assert f"\n  {verb} " in done.stdout
    assert "featurescope demo" in done.stdout


def test_every_verb_has_a_module_with_a_main():
    files = [ROOT / (module.replace(".", "/") + ".py") for module, _ in featurescope.VERBS.values()]
    assert all("def main(argv" in file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("verb", ["demo", "up", "harvest", "add-corpus", "cancel", "status", "train", "migrate"])
def test_a_verbs_help_has_examples_or_explains_itself_without_loading_torch(
    verb: str, capsys: pytest.CaptureFixture[str]
):
    assert featurescope.main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: featurescope {verb}" in shown
    assert "--json" in shown
    assert len(shown) > 400


def test_a_verb_that_is_none_gets_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert featurescope.main(["harvset"]) == 2
    assert "Did you mean harvest" in capsys.readouterr().err


def test_wrong_usage_is_two(capsys: pytest.CaptureFixture[str]):
    assert featurescope.main(["harvest", "--no-such-option"]) == 2
    assert "usage: featurescope harvest" in capsys.readouterr().err
