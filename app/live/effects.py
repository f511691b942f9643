"""What taking features away from a text does to the tokens that follow: which features, and what a worker found."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from app.library import Library
from app.live.client import LiveClient
from app.live.failures import LiveFailure
from app.live.steer_bodies import EffectsBody
from app.live.steering import Chosen, check_one_model, chosen_features
from app.pages.tokens import TokenText
from catalog.live_answers import LiveAnswer, LiveFirings
from catalog.records import DictionaryRecord

OpenLibrary = Callable[[], AbstractContextManager[Library]]


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to the following tokens without one feature; natural logarithms.

    activation: the greatest before the token that is predicted, at place `at`; heat: over the harvest's maximum.
    before, after: log probability of that token as it is and without the feature. whole: change of the log probability
    of the whole text after its first token.
    """

    feature: Chosen
    activation: float
    at: int
    heat: float
    before: float
    after: float
    whole: float

    @property
    def change(self) -> float:
        """What the token gains in log probability when the feature is gone."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """token_ids: with BOS. position: place of the token that is predicted. log_probabilities: of each token after the
    first, as it is. effects: those without which it loses most first. n_firing: how many of the features asked about
    fire before it.
    """

    tokens: TokenText
    token_ids: NDArray[np.int32]
    position: int
    log_probabilities: NDArray[np.float64]
    effects: tuple[Effect, ...]
    n_firing: int


@dataclass(frozen=True, slots=True, eq=False)
class _Fired:
    """A feature that fires before the token that is predicted."""

    dictionary: DictionaryRecord
    index: int
    activation: float
    at: int
    heat: float


@dataclass(frozen=True, slots=True, eq=False)
class _Picked:
    """The features to take away, beside each what it is before the position, and how many fire there."""

    features: list[Chosen]
    fired: list[_Fired]
    n_firing: int


async def effects_of(client: LiveClient, open_library: OpenLibrary, body: EffectsBody) -> Effects:
    """Raises LiveFailure, and NotFound in its kinds."""

    def dictionaries() -> list[DictionaryRecord]:
        names = dict.fromkeys(body.dictionaries or [each.dictionary for each in body.features])
        with open_library() as library:
            found = [library.named(name) for name in names]
        check_one_model(found)
        return list({each.hash: each for each in found}.values())

    read = await run_in_threadpool(dictionaries)
    answer = await client.ask(_activations_asked(body, read), model=read[0].model)
    position = _position(body, answer.results[0])

    def picked() -> _Picked:
        with open_library() as library:
            return _picked(library, body, _all_fired(library, read, answer, position))

    chosen = await run_in_threadpool(picked)
    found = {"log_probabilities": [], "token_ids": answer.results[0].token_ids.tolist()}
    if chosen.features:
        values = {"token_ids": found["token_ids"], "features": [each.for_worker() for each in chosen.features]}
        found = json.loads(await client.post("/effects", values, model=read[0].model))

    def told() -> Effects:
        with open_library() as library:
            return _told(library.tokens(read[0]), found, position, chosen)

    return await run_in_threadpool(told)


def _activations_asked(body: EffectsBody, read: Sequence[DictionaryRecord]) -> dict[str, Any]:
    text = {"texts": [body.text]} if body.token_ids is None else {"token_ids": [body.token_ids]}
    only = sorted({each.feature for each in body.features}) if body.features else None
    return {**text, "dictionaries": [each.hash for each in read], "mode": "whole", "only": only}


def _position(body: EffectsBody, found: LiveFirings) -> int:
    n_tokens = len(found.token_ids)
    position = n_tokens - 1 if body.position is None else body.position
    if n_tokens < 2:
        raise _bad("The text has one token at most, which nothing follows; give it more text.")
    if position >= n_tokens:
        raise _bad(f"The text has tokens 0 to {n_tokens - 1}; there is no token {position} to predict.")
    return position


def _all_fired(library: Library, read: Sequence[DictionaryRecord], answer: LiveAnswer, position: int) -> list[_Fired]:
    """What fires before the position, strongest first."""
    by_hash = {each.hash: each for each in read}
    fired = [
        each for found in answer.results for each in _fired_before(library, by_hash[found.dictionary], found, position)
    ]
    return sorted(fired, key=lambda each: -each.heat)


def _picked(library: Library, body: EffectsBody, fired: list[_Fired]) -> _Picked:
    """The strongest, or those named, of which some may be silent."""
    if body.dictionaries:
        strongest = fired[: body.strongest]
        named = [(each.dictionary.hash, each.index) for each in strongest]
        return _Picked(chosen_features(library, named), strongest, len(fired))
    features = chosen_features(library, [(each.dictionary, each.feature) for each in body.features])
    known = {(each.dictionary.hash, each.index): each for each in fired}
    silent = [_Fired(each.dictionary, each.index, 0.0, 0, 0.0) for each in features]
    mine = [known.get((each.dictionary.hash, each.index), each) for each in silent]
    return _Picked(features, mine, sum(each.activation > 0 for each in mine))


def _fired_before(library: Library, dictionary: DictionaryRecord, found: LiveFirings, position: int) -> list[_Fired]:
    """Each feature that fires before the position, with its greatest activation there."""
    before = found.positions < position
    order = np.lexsort((-found.activations[before], found.features[before]))
    features, first = np.unique(found.features[before][order], return_index=True)
    activations = found.activations[before][order][first].astype(np.float64)
    places = found.positions[before][order][first]
    harvest = dictionary.harvest
    known = library.reader.feature_scales(dictionary.slug, features.tolist(), harvest and harvest.id)
    scales = dict(zip(known.indices.tolist(), known.peaks.tolist(), strict=True))
    columns = zip(features.tolist(), activations.tolist(), places.tolist(), strict=True)
    return [
        _Fired(dictionary, feature, activation, place, activation / (scales.get(feature) or activation))
        for feature, activation, place in columns
    ]


def _told(tokens: TokenText, found: dict[str, Any], position: int, picked: _Picked) -> Effects:
    rows = np.array(found["log_probabilities"], dtype=np.float64).reshape(-1, len(found["token_ids"]) - 1)
    effects = [
        Effect(
            feature=chosen,
            activation=fired.activation,
            at=fired.at,
            heat=fired.heat,
            before=float(rows[0, position - 1]),
            after=float(rows[number + 1, position - 1]),
            whole=float(rows[number + 1].sum() - rows[0].sum()),
        )
        for number, (chosen, fired) in enumerate(zip(picked.features, picked.fired, strict=True))
    ]
    effects.sort(key=lambda each: each.change)
    plain = rows[0] if len(rows) else np.empty(0)
    return Effects(tokens, np.array(found["token_ids"], np.int32), position, plain, tuple(effects), picked.n_firing)


def _bad(message: str) -> LiveFailure:
    return LiveFailure(message, status=422, code="bad_request")
