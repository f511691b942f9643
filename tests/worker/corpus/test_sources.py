"""Sources of documents: what is typed, what comes out, and what is said when it cannot."""

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.source import Conversation, Tally
from worker.corpus.sources import parse_source

MESSAGES = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "fox"}]


def texts(spec: object) -> list[tuple[str, str]]:
    return [(document.name, document.text) for document in parse_source(spec).documents()]


def write_table(path: Path, columns: dict[str, list]) -> Path:
    parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / "b.txt").write_text("second")
    (tmp_path / "docs" / "a.txt").write_text("first")
    (tmp_path / "docs" / "deep" / "c.md").write_text("# third")
    (tmp_path / "docs" / ".hidden.txt").write_text("never")
    return tmp_path / "docs"


def test_a_text_file_is_one_document(tmp_path):
    (tmp_path / "note.txt").write_bytes(b"one\r\ntwo\r\n")
    assert texts(str(tmp_path / "note.txt")) == [("note.txt", "one\ntwo\n")]


def test_a_separator_cuts_a_file_into_documents_across_read_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("worker.corpus.text_files._BLOCK", 5)
    (tmp_path / "many.txt").write_text("one\n<|endoftext|>\ntwo\n<|endoftext|>")
    found = texts(f"{tmp_path / 'many.txt'}?separator=<|endoftext|>")
    assert found == [("many.txt#1", "one"), ("many.txt#2", "two"), ("many.txt#3", "")]


def test_control_characters_survive_and_bad_bytes_are_replaced_and_counted(tmp_path):
    (tmp_path / "odd.txt").write_bytes(b"a\x00b\x1b[0m\x7f" + b"\xff\xfe" + "ü\ufffd".encode())
    tally = Tally()
    (document,) = parse_source(tmp_path / "odd.txt").documents(tally)
    assert document.text == "a\x00b\x1b[0m\x7f\ufffd\ufffdü\ufffd"
    assert tally.undecodable == 2


def test_a_directory_gives_its_files_in_the_order_of_paths(folder):
    assert texts(str(folder)) == [("a.txt", "first"), ("b.txt", "second")]
    assert texts(f"{folder}?glob=**/*.md") == [("deep/c.md", "# third")]


def test_a_pattern_that_matches_nothing_says_what_is_there(folder):
    with pytest.raises(SourceError, match=r"'\*\*/\*.rst'.*2 .txt|1 .md"):
        texts(f"{folder}?glob=**/*.rst")


def test_a_directory_of_tables_reads_each_by_its_kind(tmp_path):
    write_table(tmp_path / "a.parquet", {"body": ["one", "two"]})
    (tmp_path / "b.jsonl").write_text('{"body": "three"}\n')
    found = texts({"kind": "directory", "path": str(tmp_path), "glob": "*", "field": "body"})
    assert found == [("a.parquet:1", "one"), ("a.parquet:2", "two"), ("b.jsonl:1", "three")]


def test_json_lines_give_the_field_asked_for(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one", "body": "uno"}\n\n{"text": "two", "body": "due"}\n')
    assert texts(str(path)) == [("rows.jsonl:1", "one"), ("rows.jsonl:3", "two")]
    assert texts(f"{path}?field=body") == [("rows.jsonl:1", "uno"), ("rows.jsonl:3", "due")]


def test_half_a_surrogate_pair_in_json_becomes_a_question_mark(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "a\\ud83d b"}\n')
    assert texts(str(tmp_path / "rows.jsonl")) == [("rows.jsonl:1", "a? b")]


def test_chat_messages_are_a_conversation(tmp_path):
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": MESSAGES}) + "\n")
    assert list(parse_source(tmp_path / "chat.jsonl").documents()) == [Conversation("chat.jsonl:1", tuple(MESSAGES))]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2, is not JSON"),
        ("[1]", "line 2, holds list"),
        ('{"titel": "x"}', "has no field.*'titel'"),
        ('{"text": 3}', "int"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    (tmp_path / "rows.jsonl").write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(SourceError, match=complaint):
        texts(str(tmp_path / "rows.jsonl"))


def test_a_parquet_column_gives_a_document_a_row(tmp_path):
    path = write_table(tmp_path / "rows.parquet", {"id": [1, 2, 3], "text": ["one", None, "three"]})
    assert texts(str(path)) == [("rows.parquet:1", "one"), ("rows.parquet:2", ""), ("rows.parquet:3", "three")]
    chats = write_table(tmp_path / "chats.parquet", {"messages": [MESSAGES]})
    assert list(parse_source(chats).documents()) == [Conversation("chats.parquet:1", tuple(MESSAGES))]


def test_a_missing_column_and_a_broken_table_are_named(tmp_path):
    path = write_table(tmp_path / "rows.parquet", {"id": [1], "text": ["one"]})
    with pytest.raises(SourceError, match="no field 'body'; it has 'id', 'text'"):
        texts(f"{path}?field=body")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        texts(str(path))


def test_a_hugging_face_dataset_is_streamed_from_a_local_folder(tmp_path):
    data = tmp_path / "set"
    data.mkdir()
    (data / "train.jsonl").write_text('{"body": "one"}\n{"body": "two"}\n')
    (data / "test.jsonl").write_text('{"body": "held out"}\n')
    assert [text for _, text in texts(f"hf:{data}?split=train&field=body")] == ["one", "two"]
    assert [text for _, text in texts(f"hf:{data}?split=test&field=body")] == ["held out"]
    with pytest.raises(SourceError, match="no field named text, messages or content; it has 'body'"):
        texts(f"hf:{data}")
    with pytest.raises(SourceError, match="split 'absent'"):
        texts(f"hf:{data}?split=absent&field=body")


def test_a_dataset_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(SourceError, match="cannot be streamed"):
        texts(f"hf:{tmp_path / 'absent'}")


def test_the_standard_library_is_built_in():
    source = parse_source("python-stdlib")
    first = next(iter(source.documents()))
    assert isinstance(first, Document) and first.text
    with pytest.raises(SourceError, match=r"Python 2\.7"):
        next(parse_source({"kind": "python-stdlib", "version": "2.7"}).documents())


@pytest.mark.parametrize(
    "spec",
    [
        "python-stdlib",
        "hf:some/name?split=test&field=body&config=de",
        "jsonl:rows?field=text",
        "text:a.md?separator=--",
        "parquet:x",
    ],
)
def test_a_description_makes_the_same_source_again(spec):
    source = parse_source(spec)
    description = json.loads(json.dumps(source.description))
    assert parse_source(description) == source


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("no/such/place", "no file or directory 'no/such/place'"),
        ({"kind": "carrier-pigeon"}, "no kind of corpus 'carrier-pigeon'"),
        ("text:a.txt?wings=2", "no option 'wings'; it has path, separator"),
        ("hf:", "needs a name"),
        ("text:absent.txt", "no file 'absent.txt'"),
        ("directory:absent", "no directory 'absent'"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_the_way_out(spec, complaint):
    with pytest.raises(SourceError, match=complaint):
        list(parse_source(spec).documents())
