"""Gathers the text that the demo model is trained on, and the held-out text beside it.

No file that repeats the Python standard library is taken, since that is the
corpus that the demo harvests, nor one that repeats another taken file.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from worker.corpus.document import Document
from worker.corpus.near_duplicates import SeenLines
from worker.corpus.python_stdlib import documents
from worker.demo.archive_text import Kind, TrainingFile, readable_files
from worker.demo.packages import PinnedPackage, fetch, pinned_packages

FOLDER = Path("build/demo")
TRAINING_TEXT = FOLDER / "training_text.jsonl"
HELD_OUT_TEXT = FOLDER / "heldout_text.jsonl"
REPORT = FOLDER / "training_text.json"
_MAX_CHARACTERS: dict[Kind, int] = {"code": 220_000, "prose": 650_000}
_MAX_SIDE_SHARE = 0.12
_MAX_STDLIB_SHARE, _MIN_STDLIB_LINES = 0.15, 6
_MAX_REPEAT_SHARE, _MIN_REPEAT_LINES = 0.4, 5


class Sieve:
    """Lets a text through unless it repeats the demo corpus or what was let through.

    corpus: the documents that no training text may repeat.
    """

    def __init__(self, corpus: Iterable[Document]) -> None:
        self._corpus = SeenLines(max_share=_MAX_STDLIB_SHARE, min_lines=_MIN_STDLIB_LINES)
        self._taken = SeenLines(max_share=_MAX_REPEAT_SHARE, min_lines=_MIN_REPEAT_LINES)
        for document in corpus:
            self._corpus.add(document.text)

    def verdict(self, text: str) -> str:
        """'taken', 'in the demo corpus' or 'repeats another'; what is taken is remembered."""
        if self._corpus.repeats(text):
            return "in the demo corpus"
        if self._taken.repeats(text):
            return "repeats another"
        self._taken.add(text)
        return "taken"


def within_budget(files: Iterable[TrainingFile]) -> Iterator[TrainingFile]:
    """The first files of a package, as many as keep it from dominating.

    Of each kind at most a fixed number of characters, of which tests and lists of
    changes make at most an eighth.
    """
    spent: Counter[tuple[Kind, bool]] = Counter()
    for file in files:
        limit = _MAX_CHARACTERS[file.kind]
        side = spent[file.kind, True]
        total = spent[file.kind, False] + side
        if total + len(file.text) > limit:
            continue
        if file.side and side + len(file.text) > _MAX_SIDE_SHARE * limit:
            continue
        spent[file.kind, file.side] += len(file.text)
        yield file


def main() -> None:
    """Writes the training text and the held-out text, a JSON line for each file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    sieve = Sieve(documents())
    verdicts: Counter[str] = Counter()
    characters: dict[str, Counter[str]] = {}
    pins = pinned_packages()
    with (
        ProcessPoolExecutor(max_workers=2) as processes,
        TRAINING_TEXT.open("w") as training,
        HELD_OUT_TEXT.open("w") as held_out,
    ):
        for pin, files in zip(pins, processes.map(_files_of, pins), strict=True):
            taken = characters.setdefault(pin.name, Counter())
            for file in files:
                verdict = sieve.verdict(file.text)
                verdicts[verdict] += 1
                if verdict == "taken":
                    taken[file.kind] += len(file.text)
                    output = held_out if pin.held_out else training
                    output.write(json.dumps(asdict(file)) + "\n")
    REPORT.write_text(json.dumps({"files": verdicts, "characters": characters}, indent=1))
    print(json.dumps({"files": verdicts, "total": sum(characters.values(), Counter())}))


def _files_of(pin: PinnedPackage) -> list[TrainingFile]:
    return list(within_budget(readable_files(pin.name, fetch(pin))))


if __name__ == "__main__":
    main()
