"""Steering over a real socket: events as they come, limits, clients that go away, others beside long texts."""

import json
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import torch

from tests.tiny import ALWAYS, D_SAE
from tests.worker.live.conftest import live, relu, top_k, without_bos
from tests.worker.live.test_batcher import PATIENCE_SECONDS, Gated
from tests.worker.live.test_door import FREE, SECRET, Served, until
from tests.worker.live.test_edits import ids_of
from worker.live.dictionary import LiveDictionary
from worker.live.limits import LiveLimits
from worker.lm.errors import LanguageModelError
from worker.lm.model import LanguageModel

TOP_K, BARE = "topk", "bare"


class GatedReading(Gated):
    """The same with a gate before every token that is read on, which `tokens` may pass."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.open.set()
        self.tokens = threading.Semaphore(1_000_000)
        self.n_read = 0

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def read_on(self, token_ids, kept=None, *, edit=None):
        assert self.tokens.acquire(timeout=PATIENCE_SECONDS)
        self.n_read += 1
        error = self.fails(token_ids)
        if error is not None:
            raise error
        return self._model.read_on(token_ids, kept, edit=edit)

    def hold(self) -> None:
        """Let no token pass from now on."""
        while self.tokens.acquire(blocking=False):
            pass


class Several:
    """The tiny dictionaries on one gated model."""

    def __init__(self, gated: Gated) -> None:
        self.may_load = threading.Event()
        plain = {FREE: relu(), TOP_K: top_k(), BARE: without_bos(relu())}
        ready = {name: live(each, gated._model) for name, each in plain.items()}
        self._ready = {
            name: LiveDictionary(
                name, gated, each.hook_name, each.encoder, each.bos_id, each.n_ctx, each.excluded_ids, each.decoder
            )
            for name, each in ready.items()
        }

    def loaded(self, identity: str) -> LiveDictionary | None:
        return self._ready.get(identity)

    def load(self, identity: str) -> LiveDictionary:
        raise LanguageModelError(f"There is no dictionary {identity!r}.")


def serve(model: LanguageModel, limits: LiveLimits) -> Iterator[Served]:
    served = Served(model, limits, gated=GatedReading(model), make=Several)
    yield served
    served.close()


@pytest.fixture
def served(model: LanguageModel) -> Iterator[Served]:
    yield from serve(model, LiveLimits())


@pytest.fixture
def tight(model: LanguageModel) -> Iterator[Served]:
    yield from serve(model, LiveLimits(tokens=40, new_tokens=5, edits=2, generations=1))


def edit(feature: int = ALWAYS, dictionary: str = FREE, mode: str = "add", value: float = 3.0) -> dict:
    return {"dictionary": dictionary, "feature": feature, "mode": mode, "value": value}


def steer(served: Served, **values) -> httpx.Response:
    return served.client.post("/steer", json={"text": "alpha", "edits": [edit()], **values})


def events_of(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_a_text_comes_as_events_from_prompt_to_end(served: Served, model: LanguageModel):
    events = events_of(steer(served, new_tokens=7, temperature=0))
    assert [each["event"] for each in events[:2]] == ["prompt", "next"]
    assert events[0]["token_ids"] == ids_of(model, "alpha")
    assert [each["step"] for each in events if each["event"] == "token"] == list(range(len(events) - 3))
    assert events[-1]["event"] == "end"
    assert events_of(steer(served, new_tokens=7, temperature=0)) == events


def test_tokens_are_sent_as_they_are_written_and_others_are_answered_between_them(served: Served):
    gated: GatedReading = served.gated
    gated.hold()
    body = {"text": "alpha", "edits": [edit()], "new_tokens": 40, "seed": 3}
    with served.client.stream("POST", "/steer", json=body) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["event"] == "prompt"
        gated.tokens.release()
        assert json.loads(next(lines))["event"] == "next"
        assert json.loads(next(lines))["step"] == 0
        for step in range(1, 4):
            threads = [threading.Thread(target=served.ask) for _ in range(2)]
            for thread in threads:
                thread.start()
            until(lambda: served.service.in_flight == 3)
            # The thread that runs models is at the gate; with one token let through, everybody else is answered.
            gated.tokens.release()
            assert json.loads(next(lines))["step"] == step
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
            assert served.service.in_flight == 1
        gated.tokens.release(100)
    assert served.ask().status_code == 200


def test_two_long_texts_take_turns(served: Served):
    gated: GatedReading = served.gated
    gated.hold()
    order: list[str] = []

    def read(name: str) -> None:
        body = {"text": name * 3, "edits": [edit()], "new_tokens": 12, "seed": 1}
        with served.client.stream("POST", "/steer", json=body) as answer:
            for line in answer.iter_lines():
                if json.loads(line)["event"] == "token":
                    order.append(name)

    threads = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    until(lambda: served.service.in_flight == 2)
    gated.tokens.release(1000)
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    counts = [(order[:n].count("a"), order[:n].count("b")) for n in range(1, min(map(order.count, "ab")) * 2)]
    assert max(abs(a - b) for a, b in counts) <= 3


def test_a_client_that_goes_away_ends_the_writing(served: Served):
    gated: GatedReading = served.gated
    gated.hold()
    with served.client.stream("POST", "/steer", json={"text": "a", "edits": [edit()], "new_tokens": 50}) as answer:
        assert json.loads(next(answer.iter_lines()))["event"] == "prompt"
    until(lambda: served.service.in_flight == 0)
    gated.tokens.release(1_000)
    assert served.ask().status_code == 200
    assert gated.n_read <= 2


def test_what_fails_while_writing_is_told_as_the_last_event(served: Served):
    gated: GatedReading = served.gated
    gated.fails = lambda _: RuntimeError("a bug") if gated.n_read == 3 else None
    events = events_of(steer(served, new_tokens=30, seed=1))
    assert events[-1]["event"] == "error"
    assert "a bug" in events[-1]["error"]["message"]
    gated.fails = lambda _: None
    assert served.ask().status_code == 200


def test_a_step_without_memory_is_taken_again_with_room_made(served: Served):
    gated: GatedReading = served.gated
    plain = events_of(steer(served, new_tokens=8, seed=4))
    started = gated.n_read
    gated.fails = lambda _: torch.OutOfMemoryError("full") if gated.n_read == started + 3 else None
    again = events_of(steer(served, new_tokens=8, seed=4))
    assert [each.get("with", {}).get("id") for each in again if each["event"] == "token"] == [
        each.get("with", {}).get("id") for each in plain if each["event"] == "token"
    ]


def test_whoever_does_not_show_the_secret_writes_nothing(served: Served):
    for path in ("/steer", "/effects", "/attribution"):
        answer = httpx.post(served.address + path, json={}, headers={"Authorization": "no"}, trust_env=False)
        assert answer.status_code == 401
    assert SECRET not in answer.text


def test_limits_name_the_limit_and_the_value(tight: Served):
    assert refusal(steer(tight, new_tokens=6)) == (413, "The request has 6 new tokens; the limit is 5.")
    assert refusal(steer(tight, edits=[edit(n) for n in range(3)])) == (413, "The request has 3 edits; the limit is 2.")
    assert refusal(steer(tight, text="a" * 50, new_tokens=5)) == (413, "The request has 51 tokens; the limit is 40.")
    features = [{"dictionary": FREE, "feature": feature} for feature in (2, 3)]
    status, message = refusal(tight.client.post("/effects", json={"text": "a" * 20, "features": features}))
    assert (status, "21 tokens is to be read 3 times, which makes 63 tokens; the limit is 40" in message) == (413, True)


def test_more_texts_than_may_be_written_at_once_are_told_so(tight: Served):
    gated: GatedReading = tight.gated
    gated.hold()
    body = {"text": "a", "edits": [edit()], "new_tokens": 3}
    with tight.client.stream("POST", "/steer", json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        status, message = refusal(steer(tight, new_tokens=3))
        assert (status, message) == (429, "The worker is writing 1 texts; the limit is 1 at once.")
        gated.tokens.release(100)
        list(lines)
    until(lambda: tight.service.in_flight == 0)
    assert steer(tight, new_tokens=3).status_code == 200


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"edits": []}, 422, "edits: List should have at least 1 item"),
        ({"edits": [edit(mode="double")]}, 422, "edits.0.mode"),
        ({"edits": [edit(feature=D_SAE)]}, 422, f"features 0 to {D_SAE - 1}; there is no feature {D_SAE}"),
        ({"edits": [edit(), edit(mode="remove")]}, 422, "is edited more than once"),
        ({"edits": [edit(dictionary="gone")]}, 409, "no dictionary 'gone'"),
        ({"edits": [edit(), edit(dictionary=BARE)]}, 422, "their first tokens differ"),
        ({"temperature": -1}, 422, "temperature"),
        ({"top_p": 0}, 422, "top_p"),
        ({"seed": 2**63}, 422, "seed"),
        ({"token_ids": [0, 5]}, 422, "either text or token_ids"),
        ({"text": None, "token_ids": [0, 999]}, 422, "Token id 999 is beyond model"),
        ({"text": "a" * 63}, 413, "64 tokens, and 1 more is to come; model 'model' takes 64 in all"),
        ({"sharpness": 2}, 422, "sharpness"),
    ],
)
def test_what_cannot_be_steered_is_refused_by_name(served: Served, values: dict, status: int, words: str):
    answer = steer(served, **values)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_what_is_no_json_is_refused(served: Served):
    for path in ("/steer", "/effects", "/attribution"):
        assert served.client.post(path, content=b"{").status_code == 400
        assert served.client.post(path, content=b'"\xff"').status_code == 400
        assert served.client.post(path, content=b'{"text": "\\ud800"}').status_code in (400, 422)


def test_a_text_without_a_token_needs_bos(served: Served):
    assert events_of(steer(served, text="", new_tokens=2))[0]["token_ids"] == [0]
    status, message = refusal(steer(served, text="", edits=[edit(dictionary=BARE)]))
    assert (status, "has no tokens" in message) == (422, True)


def test_effects_and_attribution_answer_as_json(served: Served, model: LanguageModel):
    features = [{"dictionary": FREE, "feature": 4}, {"dictionary": TOP_K, "feature": 6}]
    found = served.client.post("/effects", json={"text": "alpha beta", "features": features}).json()
    assert np.array(found["log_probabilities"]).shape == (3, len(ids_of(model, "alpha beta")) - 1)
    asked = {"text": "alpha beta", "dictionary": FREE, "position": 4, "targets": [7]}
    found = served.client.post("/attribution", json=asked).json()
    following = ids_of(model, "alpha beta")[5]
    assert found["targets"][:2] == [following, 7]
    assert sorted(found["parts"]) == ["bias", "constant", "error", "rest"]
    parts = [*(each[2] for each in found["features"]), *found["parts"].values()]
    assert sum(each["on_targets"][0] for each in parts) == pytest.approx(found["logits"][0], abs=1e-3)
    one_token = served.client.post("/effects", json={"text": "", "features": features})
    assert refusal(one_token) == (422, "The text has one token, which nothing follows; give it more text.")
    bad = served.client.post("/attribution", json={**asked, "targets": [99_999]})
    assert "targets holds 99999" in refusal(bad)[1]
