"""Rates and times left, by a clock that the test turns."""

from worker.jobs.progress import Progress, Reading


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left_follow_from_what_was_done():
    clock, told = Clock(), []
    progress = Progress(told.append, total=1000, clock=clock)
    clock.now += 2
    progress.update(100)
    assert told == [Reading(done=100, total=1000, rate=50.0, seconds_left=18.0)]


def test_work_of_an_earlier_run_does_not_count_towards_the_rate():
    clock, told = Clock(), []
    progress = Progress(told.append, total=1000, done=600, clock=clock)
    clock.now += 4
    progress.update(640)
    assert told[-1].rate == 10.0
    assert told[-1].seconds_left == 36.0


def test_reports_are_held_back_but_never_the_last():
    clock, told = Clock(), []
    progress = Progress(told.append, total=10, clock=clock)
    for done in range(1, 11):
        clock.now += 0.125
        progress.update(done)
    assert [reading.done for reading in told] == [4, 8, 10]


def test_the_rate_is_that_of_the_last_seconds():
    clock, told = Clock(), []
    progress = Progress(told.append, total=100_000, clock=clock)
    for second in range(1, 61):
        clock.now += 1
        progress.update(second * 10 if second <= 30 else 300 + (second - 30) * 100)
    assert told[-1].rate is not None
    assert 95 < told[-1].rate <= 100


def test_nothing_done_has_no_rate():
    clock, told = Clock(), []
    Progress(told.append, total=10, clock=clock).update(10)
    assert told[-1].rate is None or told[-1].done == 10
    clock.now += 5
    progress = Progress(told.append, total=10, clock=clock)
    clock.now += 5
    progress.update(0)
    assert told[-1] == Reading(done=0, total=10, rate=None, seconds_left=None)
