"""Exports: whole or not at all, readable without a server, and without what is kept for blind tests."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup

from app.cli import export
from app.export.folder import ExportError, whole_folder
from catalog.errors import NotFound
from tests.app.reading import links_of, text_of
from tests.app.synthetic import D_SAE, SyntheticHarvest


@pytest.fixture(autouse=True)
def _catalog(stored_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", stored_url)


@pytest.fixture(scope="module")
def site(stored_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATURESCOPE_DATABASE_URL", stored_url)
        assert export.main(["tiny-mid", "--to", str(target), "--json"]) == 0
    return target


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_a_site_has_a_list_and_a_page_for_every_feature(site: Path):
    index = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert len(index.select(".features tbody tr")) == D_SAE
    assert len(pages(site)) == D_SAE + 1


def test_every_address_in_a_site_is_a_file_beside_it(site: Path):
    for page in pages(site):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        used = links_of(soup) + [str(tag.get("href") or tag.get("src")) for tag in soup.select("link, script")]
        for address in used:
            if not address.startswith("#"):
                assert (page.parent / address).is_file(), f"{page}: {address}"


def test_a_site_needs_no_server_and_no_modules(site: Path):
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert "hx-" not in text and "http://" not in text.replace("http://www.w3.org", "")
        assert 'type="module"' not in text


def test_json_lines_hold_the_twin_of_every_feature(tmp_path: Path, harvested: SyntheticHarvest):
    assert export.main(["tiny-mid", "--to", str(tmp_path / "out"), "--format", "jsonl", "--json"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "features.jsonl").open(encoding="utf-8")]
    assert [line["index"] for line in lines] == list(range(D_SAE))
    assert [line["counts"]["tokens_fired"] for line in lines] == [f.tokens_fired for f in harvested.features]
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["dictionary"]["hash"] == harvested.dictionary.hash


def test_parquet_holds_every_feature(tmp_path: Path, harvested: SyntheticHarvest):
    assert export.main(["tiny-mid", "--to", str(tmp_path / "out"), "--format", "parquet", "--json"]) == 0
    table = pq.read_table(tmp_path / "out" / "features.parquet")
    assert table["tokens_fired"].to_pylist() == [feature.tokens_fired for feature in harvested.features]
    first = table["top_contexts"][0].as_py()[0]
    assert first["context"] == harvested.features[0].top.context_ids[0]
    assert first["activations"][0].keys() == {"position", "activation"}


def test_no_export_holds_a_reserve_context(tmp_path: Path, harvested: SyntheticHarvest):
    export.main(["tiny-mid", "--to", str(tmp_path / "out"), "--format", "jsonl", "--json"])
    for line in (tmp_path / "out" / "features.jsonl").open(encoding="utf-8"):
        told = json.loads(line)
        record = harvested.features[told["index"]]
        shown = {context["context"] for context in told["top_contexts"] + told["controls"]}
        shown |= {context["context"] for band in told["bands"]["bands"] for context in band["contexts"]}
        secret = set(record.reserve.contexts.context_ids.tolist()) - set(record.top.context_ids.tolist())
        assert not secret & shown


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "out").mkdir()
    assert export.main(["tiny-mid", "--to", str(tmp_path / "out"), "--json"]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match="holds something that is no export"), whole_folder(tmp_path, replace=True):
        pass
    assert (tmp_path / "thesis.txt").is_file()


def test_an_export_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):
        _fail_while_writing(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def _fail_while_writing(target: Path) -> None:
    with whole_folder(target, replace=False) as folder:
        (folder / "half").write_text(str(1 / 0), encoding="utf-8")


def test_an_unknown_dictionary_is_named_with_the_nearest(tmp_path: Path):
    with pytest.raises(NotFound, match="Did you mean 'tiny-mid'"):
        export.main(["tinymid", "--to", str(tmp_path / "out"), "--json"])
    assert not (tmp_path / "out").exists()


def test_a_dictionary_never_harvested_cannot_be_exported(tmp_path: Path):
    with pytest.raises(NotFound, match="featurescope harvest not-yet"):
        export.main(["not-yet", "--to", str(tmp_path / "out"), "--json"])


def test_a_site_says_the_same_as_the_page(site: Path, client):
    exported = BeautifulSoup((site / "features/0000/0.html").read_text(encoding="utf-8"), "html.parser")
    served = BeautifulSoup(client.get("/d/tiny-mid/0").text, "html.parser")
    for selector in ("main > .facts", "#logits", "#tokens", "#position", "#histogram figcaption"):
        assert text_of(exported.select(selector)[0]) == text_of(served.select(selector)[0])
