"""Who is answered when: requests that wait together, long beside short, given up, failing, out of memory."""

import json
import threading
from collections.abc import Callable

import pytest
import torch

from tests.worker.live.conftest import live, relu
from worker.live.ask import Ask
from worker.live.batcher import Batcher
from worker.live.errors import LiveError
from worker.live.limits import LiveLimits
from worker.live.request import read_request
from worker.live.rows import rows_of
from worker.lm.model import LanguageModel

PATIENCE_SECONDS = 120
ROW = 32


class Gated:
    """The tiny model behind a gate: notes what each forward pass is given, and passes when it may.

    fails: whether a pass over these token ids fails, and how.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.n_ctx, self.d_vocab, self.name, self.tokenizer = model.n_ctx, model.d_vocab, model.name, model.tokenizer
        self.open, self.entered = threading.Event(), threading.Event()
        self.passes: list[tuple[int, int]] = []
        self.fails: Callable[[torch.Tensor], Exception | None] = lambda _: None

    def activations(self, token_ids, hook_names):
        self.passes.append(tuple(token_ids.shape))
        self.entered.set()
        assert self.open.wait(PATIENCE_SECONDS)
        error = self.fails(token_ids)
        if error is not None:
            raise error
        return self._model.activations(token_ids, hook_names)


@pytest.fixture
def gated(model: LanguageModel) -> Gated:
    return Gated(model)


@pytest.fixture
def made_room() -> list[int]:
    return []


@pytest.fixture
def batcher(gated: Gated, made_room: list[int]):
    batcher = Batcher(batch_tokens=4 * ROW, make_room=lambda: made_room.append(1))
    yield batcher
    gated.open.set()
    batcher.stop()


def submit(batcher: Batcher, gated: Gated, letter: str, rows: int = 1) -> Ask:
    """A request of so many full rows of one letter."""
    limits = LiveLimits()
    body = json.dumps({"texts": [letter * (ROW - 1) * rows], "dictionaries": ["h"]}).encode()
    dictionary = live(relu(), gated._model)
    ready = type(dictionary)(
        hash="h",
        model=gated,
        hook_name=dictionary.hook_name,
        encoder=dictionary.encoder,
        bos_id=dictionary.bos_id,
        n_ctx=ROW,
        excluded_ids=dictionary.excluded_ids,
        decoder=dictionary.decoder,
    )
    ask = Ask(rows_of(read_request(body, limits), [ready], limits), most_firings=limits.firings)
    batcher.submit(ask)
    return ask


def begun(batcher: Batcher, gated: Gated) -> Ask:
    """A request that is in the model and stays there until the gate opens."""
    first = submit(batcher, gated, "z")
    assert gated.entered.wait(PATIENCE_SECONDS)
    return first


def test_a_request_alone_waits_for_no_other(batcher: Batcher, gated: Gated):
    gated.open.set()
    assert len(submit(batcher, gated, "a").done.result(PATIENCE_SECONDS)) == 1
    assert gated.passes == [(1, ROW)]


def test_requests_that_come_while_the_model_is_busy_go_through_it_together(batcher: Batcher, gated: Gated):
    asks = [begun(batcher, gated), *(submit(batcher, gated, letter) for letter in "abc")]
    gated.open.set()
    answers = [ask.done.result(PATIENCE_SECONDS) for ask in asks]
    assert gated.passes == [(1, ROW), (3, ROW)]
    assert [len(answer) for answer in answers] == [1] * 4


def test_a_short_request_is_not_held_up_by_a_long_one_that_came_before(batcher: Batcher, gated: Gated):
    begun(batcher, gated)
    long = submit(batcher, gated, "l", rows=11)
    short = submit(batcher, gated, "s")
    order: list[str] = []
    long.done.add_done_callback(lambda _: order.append("long"))
    short.done.add_done_callback(lambda _: order.append("short"))
    gated.open.set()
    assert len(long.done.result(PATIENCE_SECONDS)) == 11
    assert order == ["short", "long"]
    # The short one has a place in the first of three batches of four.
    assert gated.passes == [(1, ROW), (4, ROW), (4, ROW), (4, ROW)]


def test_a_request_that_is_given_up_takes_no_more_of_the_model(batcher: Batcher, gated: Gated):
    begun(batcher, gated)
    given_up = submit(batcher, gated, "g", rows=20)
    other = submit(batcher, gated, "o")
    assert given_up.done.cancel()
    gated.open.set()
    other.done.result(PATIENCE_SECONDS)
    assert gated.passes == [(1, ROW), (1, ROW)]


def test_rows_of_much_different_length_are_not_padded_to_each_other(batcher: Batcher, gated: Gated):
    begun(batcher, gated)
    limits = LiveLimits()
    long = submit(batcher, gated, "l")
    body = json.dumps({"texts": ["ab"], "dictionaries": ["h"]}).encode()
    small = Ask(rows_of(read_request(body, limits), long.rows[0].dictionaries, limits), most_firings=limits.firings)
    batcher.submit(small)
    gated.open.set()
    small.done.result(PATIENCE_SECONDS)
    long.done.result(PATIENCE_SECONDS)
    assert sorted(gated.passes[1:]) == [(1, 3), (1, ROW)]


def test_a_request_that_fails_fails_no_other_of_its_batch(batcher: Batcher, gated: Gated):
    bad = gated.tokenizer.encode(["x"])[0][0]
    gated.fails = lambda ids: RuntimeError("bad row") if bool((ids == int(bad)).any()) else None
    begun(batcher, gated)
    good, failing = submit(batcher, gated, "a"), submit(batcher, gated, "x")
    gated.open.set()
    assert len(good.done.result(PATIENCE_SECONDS)) == 1
    with pytest.raises(RuntimeError, match="bad row"):
        failing.done.result(PATIENCE_SECONDS)
    assert len(submit(batcher, gated, "b").done.result(PATIENCE_SECONDS)) == 1


def test_out_of_memory_is_tried_again_with_room_made_and_then_told(
    batcher: Batcher, gated: Gated, made_room: list[int]
):
    gated.open.set()
    gated.fails = lambda _: torch.OutOfMemoryError("no room") if not made_room else None
    assert len(submit(batcher, gated, "a").done.result(PATIENCE_SECONDS)) == 1
    assert made_room == [1]
    gated.fails = lambda _: torch.OutOfMemoryError("no room")
    with pytest.raises(LiveError, match="no memory left") as caught:
        submit(batcher, gated, "a").done.result(PATIENCE_SECONDS)
    assert (caught.value.status, caught.value.code) == (503, "out_of_memory")
    gated.fails = lambda _: None
    assert len(submit(batcher, gated, "a").done.result(PATIENCE_SECONDS)) == 1
