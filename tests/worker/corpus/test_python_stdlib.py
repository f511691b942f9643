"""The built-in corpus: what of the standard library is in it, and what is not."""

import hashlib
import sysconfig
from itertools import islice

import pytest

from worker.corpus.errors import SourceError
from worker.corpus.licence_header import without_licence_header
from worker.corpus.near_duplicates import SeenLines, telling_lines
from worker.corpus.python_stdlib import documents, is_table


@pytest.fixture(scope="module")
def library():
    return list(documents())


def test_it_is_large_enough_to_harvest(library):
    assert sum(len(document.text) for document in library) > 5_000_000


def test_its_names_are_unique(library):
    assert len({document.name for document in library}) == len(library)


def test_well_known_modules_are_in_it(library):
    names = {document.name for document in library}
    assert {"argparse.py", "asyncio/locks.py", "json/decoder.py", "turtle.py"} <= names


def test_tests_tables_and_installed_packages_are_not(library):
    banned = {"test", "tests", "idle_test", "encodings", "site-packages", "pydoc_data", "_bundled"}
    for document in library:
        if not document.name.startswith("topics/"):
            assert not banned & set(document.name.split("/")[:-1]), document.name
    names = {document.name for document in library}
    assert not {"html/entities.py", "stringprep.py", "_compat_pickle.py"} & names
    assert not any("_sysconfigdata" in name for name in names)


def test_modules_and_help_topics_are_mixed_by_a_hash_of_their_names(library):
    names = [document.name for document in library]
    assert names == sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    topics = [name.startswith("topics/") for name in names]
    assert sum(topics) > 50
    assert "topics/assert" in names
    assert 0.3 < sum(topics[: len(names) // 2]) / sum(topics) < 0.7


def test_reading_it_again_gives_the_same_documents(library):
    assert list(islice(documents(), 60)) == library[:60]


def test_no_document_mostly_repeats_an_earlier_one(library):
    seen = set()
    for document in sorted(library, key=lambda document: (document.name.startswith("topics/"), document.name)):
        lines = telling_lines(document.text)
        assert len(lines) < 5 or len(lines & seen) <= 0.6 * len(lines), document.name
        seen |= lines


def test_no_module_begins_with_a_licence(library):
    for document in library:
        top = document.text.lstrip().split("\n\n")[0]
        assert not (top.startswith("#") and "copyright" in top.lower()), document.name


def test_a_python_without_sources_is_told_apart_from_an_empty_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(SourceError, match="no sources of the Python standard library"):
        next(documents())


def test_a_licence_header_is_folded_and_other_comments_are_kept():
    text = "#!/usr/bin/env python\n# Copyright 2001 Somebody.\n\n# How it works.\n\nimport os\n"
    assert without_licence_header(text) == "# How it works.\n\nimport os\n"


def test_a_text_without_a_licence_header_loses_nothing_but_blank_lines_at_its_top():
    assert without_licence_header("\n# About.\nx = 1\n# Copyright\n") == "# About.\n\nx = 1\n# Copyright\n"


def test_rows_of_literals_are_a_table_and_code_is_not():
    assert is_table("NAMES = {\n" + "    'key': 0x21,\n" * 30 + "}\n")
    assert not is_table("def add(left, right):\n    total = left + right\n    return total\n")


def test_a_text_repeats_when_more_than_the_share_of_its_telling_lines_was_seen():
    lines = [f"this is the telling line number {number}" for number in range(10)]
    seen = SeenLines(max_share=0.5, min_lines=3)
    seen.add("\n".join(lines[:5]))
    assert not seen.repeats("\n".join(lines))
    assert seen.repeats("\n".join(lines[:9]))
    assert not seen.repeats("\n".join(lines[3:5]))
    assert seen.repeats("\n  ".join(lines[:5]) + "\nshort\n")


def test_a_text_of_short_lines_repeats_only_as_a_whole():
    seen = SeenLines(max_share=0.5, min_lines=3)
    seen.add("import os\nimport re\n")
    assert seen.repeats("import os\nimport re")
    assert not seen.repeats("import os\n")
