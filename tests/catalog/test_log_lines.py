"""Lines of the log: one JSON object each, or one line for people that no user can break."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from catalog.log_lines import LogFormat, LogLines, add_process_fields, bound, fields, one_line, told


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(request: pytest.FixtureRequest, stream: io.StringIO) -> Iterator[logging.Logger]:
    """A logger of the test's own that writes lines of the kind asked for."""
    kind: LogFormat = getattr(request, "param", "json")
    logger = logging.getLogger("worker.test_log_lines")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines(kind, {"process": "worker", "pid": 7}))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)


def test_a_json_line_holds_the_fields_of_process_work_and_call(log: logging.Logger, stream: io.StringIO):
    with bound(job="harvest-1"), bound(shard=3):
        log.info("Done in %d s.", 4, extra=fields(tokens=10) | told(seconds=4))
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "worker.test_log_lines",
        "message": "Done in 4 s.",
        "process": "worker",
        "pid": 7,
        "job": "harvest-1",
        "shard": 3,
        "tokens": 10,
        "seconds": 4,
    }


@pytest.mark.parametrize("log", ["plain"], indirect=True)
def test_a_plain_line_leaves_out_what_it_says_already(log: logging.Logger, stream: io.StringIO):
    with bound(job="harvest-1"):
        log.info("Done in %d s.", 4, extra=told(seconds=4))
    assert stream.getvalue().endswith(" INFO worker.test_log_lines: Done in 4 s. job=harvest-1\n")


@pytest.mark.parametrize("log", ["plain", "json"], indirect=True)
def test_nobody_can_write_a_line_of_their_own(log: logging.Logger, stream: io.StringIO):
    log.info("name %s", "x\n2026-01-01 INFO app: all is well\x1b[2J\u2028", extra=fields(path="a\r\nb"))
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_bound_fields_end_with_their_work_and_stay_with_their_thread(log: logging.Logger, stream: io.StringIO):
    with bound(job="a"):
        other = threading.Thread(target=lambda: log.info("elsewhere"))
        other.start()
        other.join()
    log.info("after")
    assert all("job" not in json.loads(line) for line in stream.getvalue().splitlines())


def test_a_stack_trace_is_one_field_of_a_json_line(log: logging.Logger, stream: io.StringIO):
    try:
        raise RuntimeError("deep")
    except RuntimeError:
        log.exception("It failed.")
    line = json.loads(stream.getvalue())
    assert "RuntimeError: deep" in line["trace"]
    assert line["message"] == "It failed."


def test_fields_of_the_process_can_be_learnt_later(stream: io.StringIO):
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines("json", {"process": "worker"}))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        add_process_fields(executor="host-1")
        root.error("x")
    finally:
        root.removeHandler(handler)
    assert json.loads(stream.getvalue())["executor"] == "host-1"


def test_control_characters_are_written_out():
    assert one_line("a\nb\x00\x7f\x85é") == "a\\nb\\x00\\x7f\\x85é"
