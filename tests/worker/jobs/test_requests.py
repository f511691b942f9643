"""Requests as JSON, how a corpus is named, and which dictionaries share a pass."""

from pathlib import Path

import pytest

from catalog.records import DictionaryRecord
from worker.jobs.corpus_spec import absolute_spec, corpus_name
from worker.jobs.errors import JobError
from worker.jobs.groups import harvest_groups
from worker.jobs.requests import HarvestRequest, from_json, to_json
from worker.jobs.sources import ASSETS, locate, portable


def record(slug: str, *, model: str = "m", **conventions: object) -> DictionaryRecord:
    settled = {"prepend_bos": True, "n_ctx": 128, "weight_processing": "raw", "excluded_tokens": []} | conventions
    return DictionaryRecord(
        slug=slug,
        name=slug,
        hash=slug,
        model=model,
        hook_name="blocks.0.hook_out",
        kind="relu",
        d_in=4,
        d_sae=8,
        source="",
        conventions=settled,
        config={},
        quality=None,
        harvest=None,
    )


def test_a_request_comes_back_from_json_as_it_went():
    request = HarvestRequest(dictionaries=("a", "b"), corpus="python-stdlib", max_tokens=5, seed=3)
    assert from_json(HarvestRequest, to_json(request)) == request


def test_a_request_refuses_what_it_does_not_know():
    with pytest.raises(JobError, match="has no colour; it has"):
        from_json(HarvestRequest, {"dictionaries": ["a"], "corpus": "c", "colour": "red"})


def test_a_request_says_what_is_missing():
    with pytest.raises(JobError, match="corpus"):
        from_json(HarvestRequest, {"dictionaries": ["a"]})


def test_a_path_is_named_from_the_root_whatever_stands_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "texts").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("texts?glob=*.md") == f"{tmp_path}/texts?glob=*.md"
    assert absolute_spec("directory:texts") == f"directory:{tmp_path}/texts"
    assert corpus_name(f"directory:{tmp_path}/texts?glob=*.md") == "texts"


def test_what_is_no_path_stays_as_it_is():
    assert absolute_spec("python-stdlib") == "python-stdlib"
    assert absolute_spec("hf:some/dataset?split=train") == "hf:some/dataset?split=train"
    assert corpus_name("hf:some/dataset?split=train") == "hf:some/dataset"


def test_dictionaries_that_agree_share_a_pass_and_others_form_groups_of_their_own():
    records = [
        record("a"),
        record("other-model", model="n"),
        record("b", excluded_tokens=[2, 1]),
        record("c"),
        record("d", excluded_tokens=[1, 2]),
        record("no-bos", prepend_bos=False),
        record("short", n_ctx=64),
        record("folded", weight_processing="folded"),
    ]
    assert harvest_groups(records) == [
        ("a", "c"),
        ("other-model",),
        ("b", "d"),
        ("no-bos",),
        ("short",),
        ("folded",),
    ]


def test_what_is_bundled_is_written_down_without_the_path_of_this_clone(tmp_path: Path):
    bundled = str(ASSETS / "model")
    assert portable(bundled) == "bundled:model"
    assert locate("bundled:model") == bundled
    assert portable(str(tmp_path)) == locate(str(tmp_path)) == str(tmp_path)
    assert portable("owner/name") == locate("owner/name") == "owner/name"
