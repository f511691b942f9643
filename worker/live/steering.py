"""Answers requests that change features: texts written on, features taken away one by one, logits taken apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Int64

from worker.live.attribution import Attribution, attribute
from worker.live.dictionary import LiveDictionary
from worker.live.edits import Edit
from worker.live.effects import Effects
from worker.live.errors import LiveError
from worker.live.generation import Event, Generation
from worker.live.sampling import Sampling
from worker.live.service import LiveService
from worker.live.steer_request import (
    AttributionAsked,
    EffectsAsked,
    FeatureAsked,
    SteerAsked,
    prompt_of,
    read_asked,
)
from worker.live.work import Work


class EventStream:
    """Events of a text that is being written, each a line of JSON. `close` gives the rest up; it must be called."""

    def __init__(self, work: Work, events: asyncio.Queue[Event | None], held: ExitStack) -> None:
        self._work = work
        self._events = events
        self._held = held

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises whatever the work failed with, in its place among the events."""
        while (event := await self._events.get()) is not None:
            yield json.dumps(event).encode() + b"\n"
        await asyncio.wrap_future(self._work.done)

    def close(self) -> None:
        """Nobody reads any more."""
        self._work.done.cancel()
        self._held.close()


class SteeringService:
    """Beside the LiveService whose dictionaries, thread and limits it shares."""

    def __init__(self, service: LiveService) -> None:
        self._service = service
        self._generations = 0

    async def steer(self, body: bytes) -> EventStream:
        """Begin to write. Raises LiveError, and whatever the dictionaries raise, before anything is written."""
        with ExitStack() as held:
            held.enter_context(self._service.admitted())
            self._hold_a_place(held)
            asked = await self._service.prepared(read_asked, SteerAsked, body, self._service.limits)
            dictionaries = await self._dictionaries(asked.edits)
            edits = [Edit(dictionaries[each.dictionary], each.feature, each.mode, each.value) for each in asked.edits]
            first = edits[0].dictionary
            prompt = await self._service.prepared(prompt_of, asked, first, self._service.limits, room=1)
            events: asyncio.Queue[Event | None] = asyncio.Queue()
            tell = _teller(asyncio.get_running_loop(), events)
            tell({"event": "prompt", "token_ids": prompt.tolist(), "facts": dict(first.facts)})
            generation = Generation(
                first.model,
                prompt,
                edits,
                sampling=Sampling(asked.temperature, asked.top_k, asked.top_p, asked.seed),
                n_tokens=asked.new_tokens,
                tell=tell,
            )
            return EventStream(self._begun(generation.step, tell), events, held.pop_all())

    async def effects(self, body: bytes) -> bytes:
        """The log probabilities, as JSON: `following` rows, the text as it is first."""
        with self._service.admitted():
            asked = await self._service.prepared(read_asked, EffectsAsked, body, self._service.limits)
            dictionaries = await self._dictionaries(asked.features)
            first = next(iter(dictionaries.values()))
            token_ids = await self._service.prepared(prompt_of, asked, first, self._service.limits)
            self._check_room(len(token_ids), len(asked.features) + 1)
            variants = [[Edit(dictionaries[each.dictionary], each.feature, "remove")] for each in asked.features]
            effects = Effects(first.model, token_ids, variants, batch_tokens=self._service.batch_tokens)
            await self._finished(effects.step)
            answer = {"token_ids": token_ids.tolist(), "log_probabilities": effects.found.tolist()}
            return json.dumps({**answer, "facts": dict(first.facts)}).encode()

    async def attribution(self, body: bytes) -> bytes:
        """The attribution at one token, as JSON."""
        with self._service.admitted():
            asked = await self._service.prepared(read_asked, AttributionAsked, body, self._service.limits)
            dictionary = await self._service.dictionary(asked.dictionary)
            token_ids = await self._service.prepared(prompt_of, asked, dictionary, self._service.limits)
            _check_targets(asked, dictionary)
            position = _position(asked, dictionary, token_ids)
            following = token_ids[position + 1 : position + 2].tolist()
            found: list[Attribution] = []

            def step() -> bool:
                found.append(
                    attribute(
                        dictionary,
                        token_ids,
                        position=position,
                        targets=[*following, *asked.targets],
                        most_features=asked.most_features,
                    )
                )
                return False

            await self._finished(step)
            answer = {"token_ids": token_ids.tolist(), "position": position, **asdict(found[0])}
            return json.dumps({**answer, "facts": dict(dictionary.facts)}).encode()

    async def _dictionaries(self, asked: Sequence[FeatureAsked]) -> dict[str, LiveDictionary]:
        """By hash. All are of one model and begin their contexts alike, and have the features asked for."""
        if not asked:
            raise LiveError("The request names no feature; name at least one.")
        named = dict.fromkeys(each.dictionary for each in asked)
        found = {identity: await self._service.dictionary(identity) for identity in named}
        for each in asked:
            d_sae = found[each.dictionary].encoder.d_sae
            if each.feature >= d_sae:
                raise LiveError(
                    f"Dictionary {each.dictionary[:12]!r} has features 0 to {d_sae - 1}; there is no feature "
                    f"{each.feature}."
                )
        _check_together(list(found.values()))
        return found

    def _hold_a_place(self, held: ExitStack) -> None:
        limit = self._service.limits.generations
        if self._generations >= limit:
            raise LiveError(
                f"The worker is writing {self._generations} texts; the limit is {limit} at once.",
                status=429,
                code="busy",
                hint="Try again in a moment, or raise FEATURESCOPE_LIVE_MAX_GENERATIONS where the worker runs.",
            )
        self._generations += 1
        held.callback(self._left)

    def _left(self) -> None:
        self._generations -= 1

    def _check_room(self, n_tokens: int, n_rows: int) -> None:
        limit = self._service.limits.tokens
        if n_tokens < 2:
            raise LiveError("The text has one token, which nothing follows; give it more text.")
        if n_tokens * n_rows > limit:
            raise LiveError(
                f"The text of {n_tokens:,} tokens is to be read {n_rows:,} times, which makes {n_tokens * n_rows:,} "
                f"tokens; the limit is {limit:,}.",
                status=413,
                code="too_large",
                hint="Name fewer features, or raise FEATURESCOPE_LIVE_MAX_TOKENS where the worker runs.",
            )

    def _begun(self, step: Callable[[], bool], tell: Callable[[Event | None], None]) -> Work:
        work = Work(step)
        work.done.add_done_callback(lambda _: tell(None))
        self._service.batcher.take_on(work)
        return work

    async def _finished(self, step: Callable[[], bool]) -> None:
        work = Work(step)
        self._service.batcher.take_on(work)
        await asyncio.wrap_future(work.done)


def _teller(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event | None]) -> Callable[[Event | None], None]:
    """Puts events in the queue from any thread; the loop may have ended before the thread that tells."""

    def tell(event: Event | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, event)

    return tell


def _check_together(dictionaries: Sequence[LiveDictionary]) -> None:
    first = dictionaries[0]
    for other in dictionaries[1:]:
        one, two = _way_of_reading(first), _way_of_reading(other)
        if one != two:
            what = next(name for name in one if one[name] != two[name])
            raise LiveError(
                f"Dictionaries {first.hash[:12]!r} and {other.hash[:12]!r} do not go through one model together: their "
                f"{what} differ ({one[what]!r} and {two[what]!r}). Change features of one of them at a time."
            )


def _way_of_reading(dictionary: LiveDictionary) -> Mapping[str, Any]:
    model = dictionary.model
    return {
        "models": model.weights_hash[:12],
        "weight processings": model.weight_processing,
        "first tokens": dictionary.bos_id,
    }


def _check_targets(asked: AttributionAsked, dictionary: LiveDictionary) -> None:
    for target in asked.targets:
        if target >= dictionary.model.d_vocab:
            raise LiveError(f"targets holds {target}; the model's token ids go to {dictionary.model.d_vocab - 1}.")


def _position(asked: AttributionAsked, dictionary: LiveDictionary, token_ids: Int64[np.ndarray, " token"]) -> int:
    """The token asked for, else the one before the last, or the last where the dictionary leaves that one out."""
    if asked.position is not None:
        return asked.position
    last = len(token_ids) - 1
    return last - 1 if last and dictionary.kept(token_ids)[last - 1] else last
