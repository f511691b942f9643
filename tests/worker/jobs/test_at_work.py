"""Workflows that a process holds on paper only are found, and no others."""

from worker.jobs.at_work import GRACE_SECONDS, AtWork


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_in_hand_is_no_stray_and_what_is_not_becomes_one_after_a_while():
    clock = Clock()
    at_work = AtWork(clock=clock)
    with at_work.on("a"):
        assert at_work.strays(["a", "b"]) == []
        clock.now = GRACE_SECONDS
        assert at_work.strays(["a", "b"]) == ["b"]
    assert at_work.strays(["a"]) == []
    clock.now = 2 * GRACE_SECONDS
    assert at_work.strays(["a"]) == ["a"]


def test_what_is_taken_up_again_or_no_longer_held_begins_anew():
    clock = Clock()
    at_work = AtWork(clock=clock)
    at_work.strays(["a", "b"])
    clock.now = GRACE_SECONDS - 1
    with at_work.on("a"):
        assert at_work.strays(["a"]) == []
    clock.now = GRACE_SECONDS + 1
    assert at_work.strays(["a", "b"]) == []


def test_two_threads_on_one_workflow_have_it_in_hand_until_both_are_done():
    at_work = AtWork(clock=iter([0.0, GRACE_SECONDS, 2 * GRACE_SECONDS]).__next__)
    with at_work.on("a"):
        with at_work.on("a"):
            pass
        assert at_work.strays(["a"]) == []
    assert at_work.strays(["a"]) == []
    assert at_work.strays(["a"]) == ["a"]
