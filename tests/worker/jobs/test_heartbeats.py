"""Who is taken for dead, and when."""

import os
import socket
import subprocess
import sys
import threading

from catalog.records import WorkerRecord
from worker.jobs.heartbeats import Heartbeat, Watch


def worker(name: str, seen: str, *, host: str = "elsewhere", pid: int = 1) -> WorkerRecord:
    return WorkerRecord(executor_id=name, host=host, pid=pid, version="0", device="cpu", last_seen_at=seen, alive=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_worker_whose_heartbeat_stands_still_is_dead_after_the_time_whatever_its_own_clock_says():
    clock = Clock()
    watch = Watch(stale_seconds=30, clock=clock)
    assert watch.living([worker("a", "1999"), worker("b", "2099")]) == {"a", "b"}
    clock.now = 29.0
    assert watch.living([worker("a", "1999"), worker("b", "2100")]) == {"a", "b"}
    clock.now = 31.0
    assert watch.living([worker("a", "1999"), worker("b", "2100")]) == {"b"}


def test_a_worker_that_beats_again_is_alive_again():
    clock = Clock()
    watch = Watch(stale_seconds=10, clock=clock)
    watch.living([worker("a", "1")])
    clock.now = 11.0
    assert watch.living([worker("a", "1")]) == frozenset()
    assert watch.living([worker("a", "2")]) == {"a"}


def test_a_process_of_this_machine_that_is_gone_is_dead_at_once():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = socket.gethostname()
    watch = Watch(stale_seconds=30)
    here = worker("here", "1", host=host, pid=os.getpid())
    assert watch.living([here, worker("gone", "1", host=host, pid=gone.pid)]) == {"here"}


def test_with_no_patience_nobody_else_is_alive():
    assert Watch(stale_seconds=0.0).living([worker("a", "1")]) == frozenset()


def test_the_first_beat_comes_before_start_returns_and_failures_do_not_end_it():
    beats, errors, enough = [], [], threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            raise ConnectionError("the database is away")
        if len(beats) > 3:
            enough.set()

    heartbeat = Heartbeat(beat, every_seconds=0.01, on_error=errors.append)
    heartbeat.start()
    assert beats
    assert enough.wait(5)
    heartbeat.stop()
    after = len(beats)
    assert [str(error) for error in errors] == ["the database is away"]
    assert not threading.Event().wait(0.05)
    assert len(beats) == after
