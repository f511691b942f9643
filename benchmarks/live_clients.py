"""Clients that ask a live door at once, each again as soon as it is answered."""

import threading
import time
from dataclasses import dataclass

from benchmarks.live_world import Door

OK = 200


@dataclass(frozen=True, slots=True)
class Round:
    """So many clients for a while. rate: answers a second. slowest: seconds of the answer that took longest."""

    clients: int
    rate: float
    slowest: float
    errors: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    began: float
    ended: float


def crowd(door: Door, clients: int, text: str, *, seconds: float) -> Round:
    """Nobody asks anew when the time is over; what is under way then is waited for, and counts with its time."""
    answers: list[_Answer] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(target=_ask, args=(door, text, answers), kwargs={"until": began + seconds})
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [each for each in answers if each.status == OK]
    return Round(
        clients=clients,
        rate=len(good) / (max(each.ended for each in answers) - began),
        slowest=max(each.ended - each.began for each in answers),
        errors=len(answers) - len(good),
    )


def _ask(door: Door, text: str, answers: list[_Answer], *, until: float) -> None:
    while (began := time.perf_counter()) < until:
        status, _ = door.ask(text)
        answers.append(_Answer(status, began, time.perf_counter()))
