"""How every process writes its log: a line for people, or one JSON object a line for programs.

Both kinds carry the same fields: those given to one call (`log.info("…", extra=fields(shard=3))`), those
bound for the length of some work, and those of the whole process. What comes from users is escaped, so that nobody
can write lines of their own into the log.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TextIO

LogFormat = Literal["plain", "json"]
FORMATS: tuple[LogFormat, ...] = ("plain", "json")
OWN_LOGGERS = ("app", "catalog", "worker")
MACHINE_FIELDS = ("process", "pid", "executor")
"""Fields that are the same on all lines of a process; people see them at its start."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_bound: ContextVar[Mapping[str, Any]] = ContextVar("bound_log_fields", default=_NOTHING)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogLines(logging.Formatter):
    """Puts records into lines.

    kind: "plain" or "json". process: fields of every line of this process, such as the verb that it runs.
    """

    def __init__(self, kind: LogFormat, process: Mapping[str, Any]) -> None:
        super().__init__()
        self._is_json = kind == "json"
        self._process = dict(process)

    def add_process_fields(self, fields: Mapping[str, Any]) -> None:
        """Fields for all further lines, learnt after the start, such as the id of a worker."""
        self._process |= fields

    def format(self, record: logging.LogRecord) -> str:
        """One line; in plain ones a stack trace follows on lines of its own."""
        known = {**self._process, **_bound.get(), **getattr(record, "fields", {})}
        trace = self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
        if self._is_json:
            return self._json(record, known | getattr(record, "told", {}), trace)
        return self._plain(record, known, trace)

    def _json(self, record: logging.LogRecord, known: Mapping[str, Any], trace: str) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **known,
        }
        return json.dumps(line | ({"trace": trace} if trace else {}), default=str)

    def _plain(self, record: logging.LogRecord, known: Mapping[str, Any], trace: str) -> str:
        shown = "".join(f" {name}={value}" for name, value in known.items() if name not in MACHINE_FIELDS)
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{shown}"
        return one_line(line) + (f"\n{trace}" if trace else "")


def set_up_logging(
    kind: LogFormat, *, debug: bool = False, process: Mapping[str, Any] | None = None, stream: TextIO | None = None
) -> LogLines:
    """Let this process log to stderr: our own packages from INFO (or DEBUG), all others from WARNING.

    Returns the formatter, to which fields of the process can be added.
    """
    lines = LogLines(kind, process or {})
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)
    return lines


def add_process_fields(**fields: Any) -> None:
    """Fields for all further lines of this process, where `set_up_logging` was called; else nothing happens."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, LogLines):
            handler.formatter.add_process_fields(fields)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Fields for every line logged meanwhile by this thread or task."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def fields(**values: Any) -> dict[str, Mapping[str, Any]]:
    """What a call that logs takes as `extra`: fields for that line alone."""
    return {"fields": values}


def told(**values: Any) -> dict[str, Mapping[str, Any]]:
    """The same, for what the message itself tells people: only programs get these as fields."""
    return {"told": values}


def one_line(text: str) -> str:
    r"""The text with line ends and other control characters as \n, \x1b and the like."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
