"""Building a corpus: what is kept, what a kill costs, and what is said when it cannot be built."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.worker.corpus.conftest import END, write_tokenizer
from worker.corpus import reading
from worker.corpus.build import build_corpus
from worker.corpus.document import Document
from worker.corpus.errors import CorpusError, SourceError
from worker.corpus.source import Conversation
from worker.corpus.sources import parse_source
from worker.corpus.tokenized import Corpus
from worker.lm.tokenizer import Tokenizer, tokenizer_of_folder

TEXTS = ["the fox", "and the dog", "the fox", "", "東京 🙂\x00 end", "and the dog"]
KEPT = ["the fox", "and the dog", "東京 🙂\x00 end"]


class Texts:
    """Texts in memory as a source, which says when it is read."""

    def __init__(self, texts: list[str], *, fails_at: int | None = None) -> None:
        self.description = {"kind": "texts", "n": len(texts)}
        self._texts = texts
        self._fails_at = fails_at

    def documents(self, tally: object = None) -> Iterator[Document]:
        for index, text in enumerate(self._texts):
            if index == self._fails_at:
                raise SourceError("The source broke.")
            yield Document(f"document {index}", text)


def text_of(corpus: Corpus, document_id: int, tokenizer: Tokenizer) -> str:
    table = tokenizer.token_bytes()
    return b"".join(table[token_id] for token_id in corpus.document(document_id)).decode()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_CHARACTERS", 20)


def test_documents_are_kept_once_and_read_back_as_they_were(tokenizer, tmp_path):
    corpus = build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    assert [text_of(corpus, index, tokenizer) for index in range(corpus.n_documents)] == KEPT
    assert list(corpus.document_names) == ["document 0", "document 1", "document 4"]
    assert corpus.statistics["duplicate_documents"] == 2 and corpus.statistics["empty_documents"] == 1
    assert corpus.n_tokens == sum(map(len, tokenizer.encode(KEPT))) and corpus.tokens.dtype == np.uint16


def test_chunks_and_workers_change_nothing(tokenizer, tmp_path, monkeypatch):
    texts = [f"the fox number {index} and the dog" for index in range(40)]
    whole = build_corpus(Texts(texts), tokenizer, tmp_path / "whole")
    monkeypatch.setattr(reading, "CHUNK_CHARACTERS", 50)
    for workers in (1, 3):
        cut = build_corpus(Texts(texts), tokenizer, tmp_path / f"cut-{workers}", workers=workers)
        assert cut.hash == whole.hash and np.array_equal(cut.tokens, whole.tokens)
        assert list(cut.document_names) == list(whole.document_names)


def test_progress_tells_documents_and_tokens(tokenizer, tmp_path, small_chunks):
    seen = []
    texts = [f"the dog says {index}" for index in range(10)]
    corpus = build_corpus(Texts(texts), tokenizer, tmp_path / "corpus", on_progress=seen.append)
    assert [progress.tokens for progress in seen] == sorted(progress.tokens for progress in seen)
    assert (seen[-1].documents, seen[-1].tokens) == (10, corpus.n_tokens)


def test_a_finished_corpus_is_opened_without_reading_the_source(tokenizer, tmp_path):
    first = build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    again = build_corpus(Texts(TEXTS, fails_at=0), tokenizer, tmp_path / "corpus")
    assert again.hash == first.hash


def test_a_finished_corpus_of_another_source_or_limit_is_not_replaced(tokenizer, tmp_path):
    build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    with pytest.raises(CorpusError, match="was built with description"):
        build_corpus(Texts(TEXTS[:2]), tokenizer, tmp_path / "corpus")
    with pytest.raises(CorpusError, match="max_documents None, not 1"):
        build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus", max_documents=1)


def test_a_folder_with_other_things_is_left_alone(tokenizer, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("dear")
    with pytest.raises(CorpusError, match="is no corpus"):
        build_corpus(Texts(TEXTS), tokenizer, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("limit", "kept"), [({"max_documents": 2}, 2), ({"max_tokens": 1}, 1), ({"max_tokens": 10_000}, 3)]
)
def test_limits_keep_the_first_documents(tokenizer, tmp_path, small_chunks, limit, kept):
    corpus = build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus", **limit)
    assert [text_of(corpus, index, tokenizer) for index in range(corpus.n_documents)] == KEPT[:kept]


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_an_empty_corpus_is_refused_and_leaves_nothing(tokenizer, tmp_path, texts):
    with pytest.raises(CorpusError, match="corpus is empty"):
        build_corpus(Texts(texts), tokenizer, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists() and not (tmp_path / "corpus.partial").exists()


def test_a_broken_source_leaves_no_corpus_and_the_next_build_goes_on(tokenizer, tmp_path, small_chunks, monkeypatch):
    texts = [f"the fox number {index}" for index in range(12)]
    with pytest.raises(SourceError):
        build_corpus(Texts(texts, fails_at=9), tokenizer, tmp_path / "corpus", workers=1)
    assert not (tmp_path / "corpus").exists()
    encoded = []
    encode = Tokenizer.encode
    monkeypatch.setattr(Tokenizer, "encode", lambda self, texts: encoded.extend(texts) or encode(self, texts))
    resumed = build_corpus(Texts(texts), tokenizer, tmp_path / "corpus", workers=1)
    assert 0 < len(encoded) < 12
    assert resumed.hash == build_corpus(Texts(texts), tokenizer, tmp_path / "straight").hash


def test_a_source_that_changed_since_the_kill_is_tokenised_anew_from_there(tokenizer, tmp_path, small_chunks):
    texts = [f"the fox number {index}" for index in range(12)]
    with pytest.raises(SourceError):
        build_corpus(Texts(texts, fails_at=9), tokenizer, tmp_path / "corpus")
    texts[2] = "something else entirely"
    resumed = build_corpus(Texts(texts), tokenizer, tmp_path / "corpus")
    assert resumed.hash == build_corpus(Texts(texts), tokenizer, tmp_path / "straight").hash


KILLED = """
import sys, time
from pathlib import Path
from worker.corpus import reading
from worker.corpus.build import build_corpus
from worker.corpus.sources import parse_source
from worker.lm.tokenizer import tokenizer_of_folder

reading.CHUNK_CHARACTERS = 400
def report(progress):
    print(progress.tokens, flush=True)
    time.sleep(0.05)

build_corpus(parse_source(sys.argv[1]), tokenizer_of_folder(Path(sys.argv[2])), Path(sys.argv[3]), on_progress=report)
"""


def test_a_killed_build_goes_on_to_the_same_corpus(tokenizer, tokenizer_folder, tmp_path, monkeypatch):
    lines = [json.dumps({"text": f"the fox {index} and the dog " * 4}) for index in range(300)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    arguments = [str(tmp_path / "rows.jsonl"), str(tokenizer_folder), str(tmp_path / "corpus")]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        assert process.stdout.readline().strip().isdigit()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "corpus").exists()
    left = sorted((tmp_path / "corpus.partial" / "chunks").glob("*.npz"))
    assert len(left) >= 3
    # As if the kill had come in the middle of a write.
    with (tmp_path / "corpus.partial" / "tokens.bin").open("ab") as tokens:
        tokens.write(b"\x01\x02\x03")
    written_before = left[0].stat().st_mtime_ns
    time.sleep(0.01)
    monkeypatch.setattr(reading, "CHUNK_CHARACTERS", 400)
    source = parse_source(tmp_path / "rows.jsonl")
    seen_first = []
    resumed = build_corpus(
        source,
        tokenizer,
        tmp_path / "corpus",
        on_progress=lambda _: seen_first.append(left[0].stat().st_mtime_ns) if not seen_first else None,
    )
    assert seen_first == [written_before]
    assert resumed.hash == build_corpus(source, tokenizer, tmp_path / "straight").hash
    assert not (tmp_path / "corpus.partial").exists()


def test_a_full_disk_is_said_and_nothing_half_written_can_be_opened(tokenizer, tmp_path):
    with pytest.raises(SourceError):
        build_corpus(Texts(TEXTS, fails_at=0), tokenizer, tmp_path / "corpus")
    tokens = tmp_path / "corpus.partial" / "tokens.bin"
    tokens.unlink()
    tokens.symlink_to("/dev/full")
    with pytest.raises(CorpusError, match="no disk space"):
        build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    with pytest.raises(CorpusError, match="no finished corpus"):
        Corpus.open(tmp_path / "corpus")
    tokens.unlink()
    assert build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus").n_documents == 3


def test_a_corpus_belongs_to_its_tokenizer(tokenizer, tmp_path):
    build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    other = tokenizer_of_folder(write_tokenizer(tmp_path / "other", ["quite another text, another text"]))
    with pytest.raises(CorpusError, match="Build it for this model in a folder of its own"):
        Corpus.open(tmp_path / "corpus", tokenizer=other)
    with pytest.raises(CorpusError, match="Build it for this model in a folder of its own"):
        build_corpus(Texts(TEXTS), other, tmp_path / "corpus")


def test_a_token_file_cut_short_is_noticed(tokenizer, tmp_path):
    corpus = build_corpus(Texts(TEXTS), tokenizer, tmp_path / "corpus")
    path = tmp_path / "corpus" / "tokens.bin"
    os.truncate(path, corpus.n_tokens)
    with pytest.raises(CorpusError, match="cut short or changed"):
        Corpus.open(tmp_path / "corpus")


def test_conversations_go_through_the_chat_template(tokenizer, tmp_path):
    messages = ({"role": "user", "content": f"the {END} fox"}, {"role": "assistant", "content": "the dog"})

    class Chats(Texts):
        def documents(self, tally: object = None) -> Iterator[Document | Conversation]:
            yield Conversation("one", messages)
            yield Document("two", "plain")
            yield Conversation("three", messages)

    corpus = build_corpus(Chats([]), tokenizer, tmp_path / "corpus")
    assert list(corpus.document_names) == ["one", "two"]
    assert text_of(corpus, 0, tokenizer) == f"user: the {END} fox\n{END}assistant: the dog\n"
    assert np.count_nonzero(corpus.document(0) == tokenizer.bos_id) == 1


def test_contexts_begin_with_bos_when_asked_and_end_padded(tokenizer, tmp_path):
    corpus = build_corpus(Texts(["the fox and the dog " * 3]), tokenizer, tmp_path / "corpus")
    contexts = corpus.contexts(n_ctx=8, prepend_bos=True)
    rows = contexts.token_ids(np.arange(len(contexts)))
    assert (rows[:, 0] == tokenizer.bos_id).all()
    text = np.concatenate([row[1 : 1 + length] for row, length in zip(rows, contexts.lengths, strict=True)])
    assert np.array_equal(text, corpus.document(0))
    with pytest.raises(CorpusError, match="no room for text"):
        corpus.contexts(n_ctx=1, prepend_bos=True)


def test_only_a_few_chunks_of_documents_are_in_memory_at_once(tokenizer, tmp_path, small_chunks):
    alive = []

    class Counting(Texts):
        def documents(self, tally: object = None) -> Iterator[Document]:
            for index, document in enumerate(super().documents(tally)):
                if index % 100 == 99:
                    alive.append(sum(type(thing) is Document for thing in gc.get_objects()))
                yield document

    build_corpus(Counting([f"the fox number {index}" for index in range(400)]), tokenizer, tmp_path / "corpus")
    # A chunk holds two of these texts; a few are read ahead or being tokenised.
    assert len(alive) == 4 and max(alive) < 40
