"""A crowd that labels the same features through real servers, and what each of its people was told was taken."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.app.people import HEADER

ROOT = Path(__file__).resolve().parents[2]
FEATURES = 20
PATIENCE_SECONDS = 60.0
DICTIONARY = "/api/v1/dictionaries/tiny-mid/features"


@dataclass(slots=True)
class Taken:
    """What servers said they took. wordings: key, version, text, name; votes: by label and name, the last one."""

    wordings: list[tuple[str, int, str, str]] = field(default_factory=list)
    votes: dict[tuple[str, str], int] = field(default_factory=dict)
    conflicts: int = 0
    writes: int = 0
    statuses: set[int] = field(default_factory=set)


class Servers:
    """Server processes over one catalog, each on a port that it keeps when it is started again."""

    def __init__(self, url: str, n: int) -> None:
        self._url = url
        self._processes: list[subprocess.Popen[str]] = []
        self.addresses: list[str] = []
        for number in range(n):
            self._start(number, port=0)

    def kill_and_start_again(self, number: int) -> None:
        """End a server in the middle of whatever it does, and start another on its port."""
        self._processes[number].kill()
        self._processes[number].wait()
        self._start(number, port=int(self.addresses[number].rpartition(":")[2]))

    def _start(self, number: int, *, port: int) -> None:
        command = [sys.executable, "-m", "tests.app.people_server", self._url, str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self._processes[number : number + 1] = [process]
        self.addresses[number : number + 1] = [process.stdout.readline().strip()]

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


class Labeller:
    """One person at one browser: looks at a feature, then proposes, rewords or votes. Everything is drawn by a seed."""

    def __init__(self, name: str, taken: Taken, addresses: Sequence[str]) -> None:
        self._name, self._taken, self._addresses = name, taken, addresses
        self._random = random.Random(name)
        self._said = 0

    async def work(self, client: httpx.AsyncClient, requests: int) -> None:
        """Send that many writes."""
        for _ in range(requests):
            place = f"{DICTIONARY}/{self._random.randrange(FEATURES)}/labels"
            there = (await self._ask(client, "GET", place)).json()["labels"]
            act = self._random.choice(("propose", "edit", "edit", "vote")) if there else "propose"
            await getattr(self, f"_{act}")(client, place, there)
            self._taken.writes += 1

    async def _propose(self, client: httpx.AsyncClient, place: str, _there: list[dict[str, Any]]) -> None:
        answer = await self._ask(client, "POST", place, {"text": self._words()})
        self._note(answer)

    async def _edit(self, client: httpx.AsyncClient, _place: str, there: list[dict[str, Any]]) -> None:
        """Another wording; where somebody was faster, both together."""
        label, text = self._random.choice(there), self._words()
        path, body = f"/api/v1/labels/{label['key']}", {"text": text, "version": label["version"]}
        answer = await self._ask(client, "PATCH", path, body)
        if answer.status_code == 409:
            self._taken.conflicts += 1
            current = answer.json()["current"]
            merged = f"{text}, once {current['text']}"[:200]
            answer = await self._ask(client, "PATCH", path, {"text": merged, "version": current["version"]})
        if answer.status_code == 200:
            self._note(answer)

    async def _vote(self, client: httpx.AsyncClient, _place: str, there: list[dict[str, Any]]) -> None:
        key, value = self._random.choice(there)["key"], self._random.choice((-1, 0, 1, 1))
        for _ in range(2):
            answer = await self._ask(client, "PUT", f"/api/v1/labels/{key}/vote", {"value": value})
            assert answer.json()["votes"]["mine"] == value
        self._taken.votes[key, self._name] = value

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """The answer of one of the servers; where it dies, the same is asked again, as a person would."""
        while True:
            address = self._random.choice(self._addresses)
            try:
                answer = await client.request(
                    method, f"{address}{path}", json=body, headers={HEADER: f"{self._name}:labeller"}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            self._taken.statuses.add(answer.status_code)
            assert answer.status_code < 500, answer.text
            return answer

    def _note(self, answer: httpx.Response) -> None:
        label = answer.json()
        self._taken.wordings.append((label["key"], label["version"], label["text"], self._name))

    def _words(self) -> str:
        self._said += 1
        return f"{self._name} says {self._said}"


async def crowd(
    addresses: Sequence[str], *, people: int, requests: int, halfway: Callable[[], None] | None = None
) -> Taken:
    """People who all work at once, each sending a fixed number of writes. halfway: done once after half of them."""
    taken = Taken()
    limits = httpx.Limits(max_connections=people, max_keepalive_connections=people)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits) as client, asyncio.TaskGroup() as group:
        for number in range(people):
            group.create_task(Labeller(f"person {number}", taken, addresses).work(client, requests))
        if halfway is not None:
            group.create_task(_when_half_done(taken, people * requests // 2, halfway))
    return taken


async def _when_half_done(taken: Taken, writes: int, act: Callable[[], None]) -> None:
    while taken.writes < writes:
        await asyncio.sleep(0.02)
    await asyncio.to_thread(act)
