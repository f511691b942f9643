"""What verbs write to the terminal: sentences for people on stdout, or one JSON object for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


class Output:
    """Says things. With as_json the sentences go to stderr, and `result` prints one JSON object as the last line."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, text: str) -> None:
        """A line for people."""
        print(text, file=sys.stderr if self._as_json else sys.stdout, flush=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """The outcome for programs; nothing where a person reads."""
        if self._as_json:
            print(json.dumps(values, default=str), flush=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Columns as wide as they need be; numbers to the right."""
        texts = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(line[i]) for line in [list(heads), *texts]) for i in range(len(heads))]
        right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))]
        for line in [list(heads), *texts]:
            cells = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)]
            self.say("  ".join(cells).rstrip())


def human(number: float) -> str:
    """1234567 as 1.23M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
