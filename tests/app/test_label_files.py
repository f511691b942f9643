"""Labels go out into files with their history and come back; other files come in; nothing is overwritten."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.cli import export_labels, import_labels
from app.label_files.cells import cell, text_of_cell
from catalog.engine import make_engine, session_scope
from catalog.label_records import LabelRecord
from catalog.reader import CatalogReader
from tests.app.labelled import API
from tests.app.people import client_of
from tests.app.stored import store
from tests.app.synthetic import D_SAE, SyntheticHarvest

FORMULA = '=HYPERLINK("http://evil.example","click")'


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def people(labelling_app: FastAPI, url: str) -> tuple[TestClient, TestClient]:
    return client_of(labelling_app, "kim"), client_of(labelling_app, "root", "admin")


@pytest.fixture
def other(harvested: SyntheticHarvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Another catalog with the same dictionary; the verbs are for it from here on."""
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    engine = make_engine(url)
    store(engine, harvested)
    yield engine
    engine.dispose()


def run_import(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, int]:
    capsys.readouterr()
    assert import_labels.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return {fate: told[fate] for fate in ("new", "changed", "unchanged", "kept", "refused") if told[fate]}


def labels_of(engine: Engine) -> list[LabelRecord]:
    with session_scope(engine) as session:
        return [label for label, _ in CatalogReader(session).labels.with_history()]


def lived(kim: TestClient, root: TestClient) -> str:
    """A label with a life: reworded, voted on, chosen; beside it a hidden one. The key of the first."""
    key = kim.post(API, json={"text": "cats", "note": "n", "tags": ["a", "b"], "confidence": 5}).json()["key"]
    kim.patch(f"/api/v1/labels/{key}", json={"text": FORMULA, "version": 1})
    root.put(f"/api/v1/labels/{key}/vote", json={"value": -1})
    root.post(f"/api/v1/labels/{key}/choose")
    hidden = root.post(API, json={"text": "rude"}).json()["key"]
    root.post(f"/api/v1/labels/{hidden}/hide", json={"reason": "unkind"})
    return key


def test_an_export_comes_back_with_its_history_and_once_only(
    people, other: Engine, tmp_path: Path, capsys, monkeypatch
):
    key = lived(*people)
    file = str(tmp_path / "labels.jsonl")
    assert export_labels.main([file]) == 0
    assert run_import(capsys, file, "--dry-run") == {"unchanged": 2}
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", str(other.url))
    assert run_import(capsys, file, "--dry-run") == {"new": 2}
    assert labels_of(other) == []
    assert run_import(capsys, file, "--same-people") == {"new": 2}
    assert run_import(capsys, file, "--same-people") == {"unchanged": 2}
    with session_scope(other) as session:
        reader = CatalogReader(session)
        label, history = reader.labels.one(key), reader.labels.history(key)
        assert reader.feature("tiny-mid", 0).label == FORMULA
        assert [each.is_hidden for each in reader.labels.of_feature("tiny-mid", 0, hidden=True)] == [False, True]
    assert (label.text, label.version, label.author.name, label.downs, label.is_chosen) == (FORMULA, 2, "kim", 1, True)
    assert [(each.act, each.person.name) for each in history] == [
        ("proposed", "kim"), ("edited", "kim"), ("voted", "root"), ("chosen", "root"), ("imported", "owner"),
    ]  # fmt: skip
    assert history[0].content.text == "cats"


def test_authors_of_a_file_are_kept_apart_from_people_here(people, other: Engine, tmp_path: Path, capsys, monkeypatch):
    lived(*people)
    export_labels.main([str(tmp_path / "labels.jsonl")])
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", str(other.url))
    run_import(capsys, str(tmp_path / "labels.jsonl"))
    assert {label.author.name for label in labels_of(other)} == {"kim (imported)", "root (imported)"}


def test_a_newer_wording_comes_along_and_an_own_one_stays(people, other: Engine, tmp_path: Path, capsys, monkeypatch):
    kim, root = people
    key = lived(kim, root)
    early, late, other_way = (str(tmp_path / f"{name}.jsonl") for name in ("early", "late", "other"))
    export_labels.main([early])
    kim.patch(f"/api/v1/labels/{key}", json={"text": "newer", "version": 2})
    export_labels.main([late])
    assert run_import(capsys, early) == {"unchanged": 2}
    lines = Path(late).read_text(encoding="utf-8").replace("newer", "elsewhere").splitlines()
    Path(other_way).write_text("\n".join(lines), encoding="utf-8")
    assert run_import(capsys, other_way) == {"kept": 1, "unchanged": 1}
    assert kim.get(f"/api/v1/labels/{key}").json()["text"] == "newer"
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", str(other.url))
    run_import(capsys, early)
    assert run_import(capsys, late, "--dry-run") == {"changed": 1, "unchanged": 1}
    assert run_import(capsys, late) == {"changed": 1, "unchanged": 1}
    assert "newer" in {label.text for label in labels_of(other)}


def test_tables_hold_no_formula_and_come_back_as_they_were(people, other: Engine, tmp_path: Path, capsys, monkeypatch):
    kim, root = people
    key = lived(kim, root)
    for kind, rows in (("csv", 2), ("history-csv", 6)):
        table = list(csv.reader(io.StringIO(root.get(f"/api/v1/labels/export?format={kind}").text)))
        assert len(table) == rows + 1
        assert not [text for row in table for text in row if text.startswith(("=", "+", "@"))]
        assert any(text == f"'{FORMULA}" for row in table for text in row)
    file = tmp_path / "labels.csv"
    export_labels.main([str(file)])
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", str(other.url))
    assert run_import(capsys, str(file)) == {"new": 2}
    assert {label.key: label.text for label in labels_of(other)}[key] == FORMULA
    assert kim.get("/api/v1/labels/export").status_code == 403


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "'", "'=1", "''", "＝1", "plain", "a=b", ""])
def test_a_cell_is_read_as_it_was_written(text: str):
    assert text_of_cell(cell(text)) == text
    assert not cell(text).startswith(("=", "+", "-", "@", "＝"))


def test_a_spreadsheet_needs_three_columns(people, tmp_path: Path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text(
        "Dictionary,Index,Text,Tags\ntiny-mid,1,Dogs,Pet\ntiny-mid,99999,x,\ntiny-mid,2,,\nno,1,x,\n", "utf-8"
    )
    assert run_import(capsys, str(file), "--dry-run") == {"new": 1, "refused": 3}
    assert run_import(capsys, str(file)) == {"new": 1, "refused": 3}
    assert run_import(capsys, str(file)) == {"unchanged": 1, "refused": 3}
    import_labels.main([str(file), "--dry-run"])
    told = capsys.readouterr().out
    assert f"features 0 to {D_SAE - 1}" in told and "no dictionary 'no'" in told and "Nothing was changed" in told


NEURONPEDIA = [
    {"modelId": "gpt2-small", "layer": "0-res-jb", "index": "3", "description": " commas <b>", "typeName": "oai",
     "explanationModelName": "gpt-4o-mini"},
    {"modelId": "gpt2-small", "layer": "0-res-jb", "index": 4, "description": "names", "id": "abc", "authorId": "u1"},
    {"modelId": "gpt2-small", "layer": "0-res-jb", "index": 5, "description": ""},
]  # fmt: skip


@pytest.mark.parametrize("form", ["list", "lines", "packed", "features", "batch"])
def test_explanations_of_neuronpedia_come_in(people, tmp_path: Path, capsys, form: str, url: str):
    file = tmp_path / "explanations.jsonl"
    lines = "\n".join(json.dumps(each) for each in NEURONPEDIA)
    feature = {"modelId": "gpt2-small", "layer": "0-res-jb"}
    said = [{**feature, "index": each["index"], "explanations": [each]} for each in NEURONPEDIA]
    batch = {"model_id": "gpt2-small", "layer": 0, "sae_set": "res-jb"}
    inner = [
        {"feature_index": int(each["index"]), "explanations": [{"description": each["description"]}]}
        for each in NEURONPEDIA
    ]
    texts = {
        "list": json.dumps(NEURONPEDIA, indent=1),
        "lines": lines,
        "features": json.dumps(said),
        "batch": json.dumps({**batch, "features": inner}),
    }
    if form == "packed":
        file = tmp_path / "batch-0.jsonl.gz"
        file.write_bytes(gzip.compress(lines.encode()))
    else:
        file.write_text(texts[form], "utf-8")
    assert run_import(capsys, str(file)) == {"refused": 3}
    assert run_import(capsys, str(file), "--dictionary", "tiny-mid") == {"new": 2, "refused": 1}
    assert run_import(capsys, str(file), "--dictionary", "tiny-mid") == {"unchanged": 2, "refused": 1}
    engine = make_engine(url)
    found = {label.index: label for label in labels_of(engine)}
    engine.dispose()
    assert (found[3].text, found[4].text) == ("commas <b>", "names")
    if form != "batch":
        assert (found[3].author.name, found[3].author.kind) == ("gpt-4o-mini on Neuronpedia", "program")
        assert (found[4].key, found[4].author.kind) == ("neuronpedia-abc", "person")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "neither JSON nor JSON lines"),
        ("a.jsonl", b"not json at all", "neither JSON nor JSON lines"),
        ("a.json", b"\xff\xfe\x00", "cannot be read as text"),
        ("a.json.gz", b"plain", "cannot be read as text"),
        ("a.json", b"[]", "holds no label"),
        (
            "a.json",
            b'{"model_id": "m", "layer": 0, "sae_set": "s", "features": [{"feature_index": 0}]}',
            "holds no label",
        ),
        ("a.csv", b"", "holds no label"),
        ("a.json", b"[" * 100_000, "neither JSON nor JSON lines"),
    ],
)
def test_files_of_another_kind_are_refused_in_words(
    people, tmp_path: Path, capsys, name: str, content: bytes, words: str
):
    (tmp_path / name).write_bytes(content)
    assert import_labels.main([str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err
    assert import_labels.main([str(tmp_path / "missing.json")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_entries_that_are_no_labels_are_told_one_by_one(people, tmp_path: Path, capsys):
    bad = [3, "x", None, {"a": 1}, {"key": "k", "author": {"name": "x"}, "index": -1}, {"description": "d"}]
    (tmp_path / "a.json").write_text(json.dumps(bad), "utf-8")
    assert run_import(capsys, str(tmp_path / "a.json")) == {"refused": len(bad)}
