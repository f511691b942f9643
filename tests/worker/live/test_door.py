"""The door over a real socket: the secret, the limits, clients that go away, errors."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from tests import own_loop
from tests.worker.live.conftest import live, relu
from tests.worker.live.test_batcher import PATIENCE_SECONDS, Gated
from worker.live.batcher import Batcher
from worker.live.dictionary import LiveDictionary
from worker.live.door import LiveDoor
from worker.live.errors import LiveError
from worker.live.limits import LiveLimits
from worker.live.listening import address_of, listen, serve
from worker.live.service import LiveService
from worker.lm.errors import LanguageModelError
from worker.lm.model import LanguageModel

SECRET = "open sesame"
FREE, OTHER = "h", "slow"


class OneModel:
    """Dictionaries of one gated model. Loading the hash `slow` waits for `may_load`."""

    def __init__(self, gated: Gated) -> None:
        self._gated = gated
        self.may_load = threading.Event()
        self._ready: dict[str, LiveDictionary] = {}

    def loaded(self, identity: str) -> LiveDictionary | None:
        return self._ready.get(identity)

    def load(self, identity: str) -> LiveDictionary:
        if identity not in (FREE, OTHER):
            raise LanguageModelError(f"There is no dictionary {identity!r}.")
        if identity == OTHER:
            assert self.may_load.wait(PATIENCE_SECONDS)
        ready = live(relu(), self._gated._model)
        self._ready[identity] = replace(ready, hash=identity, model=self._gated, facts={"slug": identity})
        return self._ready[identity]


class Served:
    """A door that is open, and a client that shows the secret."""

    def __init__(self, model: LanguageModel, limits: LiveLimits, *, gated: Gated | None = None, make=OneModel) -> None:
        self.gated = gated or Gated(model)
        self.gated.open.set()
        self.dictionaries = make(self.gated)
        self.batcher = Batcher(batch_tokens=64, make_room=lambda: None)
        write = lambda results, _: json.dumps([each.features.tolist() for each in results]).encode()  # noqa: E731
        self.service = LiveService(self.dictionaries, self.batcher, limits, write=write)
        listener = listen("127.0.0.1", 0)
        self.address = address_of(listener, "127.0.0.1")
        self.server = serve(LiveDoor(self.service, secret=SECRET, explain=lambda _: None).app(), listener)
        headers = {"Authorization": f"Bearer {SECRET}"}
        self.client = httpx.Client(base_url=self.address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)

    def ask(self, text: str = "alpha", dictionary: str = FREE) -> httpx.Response:
        return self.client.post("/activations", json={"texts": [text], "dictionaries": [dictionary]})

    def close(self) -> None:
        self.gated.open.set()
        self.dictionaries.may_load.set()
        self.client.close()
        self.server.should_exit = True
        self.batcher.stop()


@contextmanager
def door(model: LanguageModel, limits: LiveLimits | None = None) -> Iterator[Served]:
    served = Served(model, limits or LiveLimits())
    yield served
    served.close()


def until(holds) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_whoever_does_not_show_the_secret_learns_nothing(model: LanguageModel):
    with door(model) as served:
        for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": SECRET}):
            for method, path in (("POST", "/activations"), ("GET", "/health")):
                answer = httpx.request(method, served.address + path, headers=headers, trust_env=False)
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "refused"
        assert served.client.get("/health").json() == {"in_flight": 0, "limit": 64}
        assert served.ask().status_code == 200
        assert served.gated.passes == [(1, 6)]


def test_a_port_that_is_taken_names_the_setting():
    first = listen("127.0.0.1", 0)
    with pytest.raises(LiveError, match="FEATURESCOPE_LIVE_PORT"):
        listen("127.0.0.1", first.getsockname()[1])
    first.close()


def test_answers_are_sent_without_delay():
    async def is_undelayed() -> bool:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = writer.get_extra_info("socket")
            found.set_result(bool(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        found = asyncio.get_running_loop().create_future()
        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(answer, sock=listener):
                await asyncio.open_connection(*listener.getsockname())
                return await found

    assert own_loop.run(is_undelayed())


def test_more_requests_than_may_be_under_way_are_told_so_at_once(model: LanguageModel):
    with door(model, LiveLimits(in_flight=2)) as served:
        served.gated.open.clear()
        waiting = [threading.Thread(target=served.ask) for _ in range(2)]
        for thread in waiting:
            thread.start()
        until(lambda: served.service.in_flight == 2)
        refused = served.ask()
        assert refused.status_code == 429
        assert "2 live requests under way; the limit is 2" in refused.json()["error"]["message"]
        served.gated.open.set()
        for thread in waiting:
            thread.join()
        assert served.ask().status_code == 200


def test_a_client_that_goes_away_leaves_its_place_to_others(model: LanguageModel):
    with door(model) as served:
        served.gated.open.clear()
        with pytest.raises(httpx.ReadTimeout):
            served.client.post(
                "/activations", json={"texts": ["a" * 310], "dictionaries": [FREE]}, timeout=httpx.Timeout(60, read=0.5)
            )
        assert served.gated.entered.wait(PATIENCE_SECONDS)
        until(lambda: served.service.in_flight == 0)
        before = len(served.gated.passes)
        served.gated.open.set()
        assert served.ask().status_code == 200
        assert len(served.gated.passes) == before + 1


def test_a_model_that_is_being_loaded_holds_up_nobody_who_asks_for_another(model: LanguageModel):
    with door(model) as served:
        served.ask()
        answers: list[httpx.Response] = []
        slow = threading.Thread(target=lambda: answers.append(served.ask(dictionary=OTHER)))
        slow.start()
        until(lambda: served.service.in_flight == 1)
        assert served.ask().status_code == 200
        assert not answers
        served.dictionaries.may_load.set()
        slow.join()
        assert answers[0].status_code == 200


def test_errors_are_told_with_the_right_status(model: LanguageModel):
    with door(model, LiveLimits(tokens=200)) as served:
        assert served.ask(dictionary="unknown").status_code == 409
        assert "no dictionary 'unknown'" in served.ask(dictionary="unknown").json()["error"]["message"]
        assert served.client.post("/activations", content=b"{").status_code == 400
        assert served.ask("a" * 500).status_code == 413
        huge = served.client.post("/activations", content=b" " * (served.service.limits.body_bytes + 1))
        assert huge.status_code == 413
        served.gated.fails = lambda _: RuntimeError("a bug")
        broken = served.ask()
        assert broken.status_code == 500
        assert "a bug" in broken.json()["error"]["message"]
        served.gated.fails = lambda _: None
        assert served.ask().status_code == 200
        assert served.service.in_flight == 0
