"""Logits taken apart by a worker, with the names of features and the text of tokens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.live.client import LiveClient
from app.live.effects import OpenLibrary
from app.live.steer_bodies import AttributionBody
from app.live.steering import Chosen, chosen_features
from app.pages.tokens import TokenText
from catalog.records import DictionaryRecord


@dataclass(frozen=True, slots=True)
class Part:
    """What one part adds to the logits. on_targets: of the targets; mean: to the mean over the vocabulary.

    up, down: (token id, amount beyond the mean) of the tokens it pushes most.
    """

    on_targets: tuple[float, ...]
    mean: float
    up: tuple[tuple[int, float], ...]
    down: tuple[tuple[int, float], ...]

    @property
    def beyond(self) -> tuple[float, ...]:
        """What it adds to the targets beyond what it adds to the mean, which changes no probability."""
        return tuple(each - self.mean for each in self.on_targets)


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """position: place of the token whose next one is predicted. targets: token ids; following: the true next token.

    features: those that are on, with their activation and part. parts: `bias`, `error`, `rest` and `constant`.
    others: the features beyond the limit together. gap: what the parts miss of the logits, at most.
    """

    dictionary: DictionaryRecord
    tokens: TokenText
    token_ids: tuple[int, ...]
    position: int
    following: int | None
    targets: tuple[int, ...]
    logits: tuple[float, ...]
    log_probabilities: tuple[float, ...]
    mean_logit: float
    features: tuple[tuple[Chosen, float, Part], ...]
    others: Part | None
    n_others: int
    parts: Mapping[str, Part]
    gap: float


async def attribution_of(client: LiveClient, open_library: OpenLibrary, body: AttributionBody) -> Attribution:
    """Raises LiveFailure, and NotFound in its kinds."""

    def dictionary() -> DictionaryRecord:
        with open_library() as library:
            return library.named(body.dictionary)

    record = await run_in_threadpool(dictionary)
    asked = body.model_dump(include={"position", "targets", "most_features"})
    values = {**body.prompt(), **asked, "dictionary": record.hash}
    found = json.loads(await client.post("/attribution", values, model=record.model))

    def told() -> Attribution:
        with open_library() as library:
            indices = [feature for feature, _, _ in found["features"]]
            chosen = chosen_features(library, [(record.slug, index) for index in indices])
            return _told(record, library.tokens(record), found, chosen)

    return await run_in_threadpool(told)


def _told(record: DictionaryRecord, tokens: TokenText, found: dict[str, Any], chosen: list[Chosen]) -> Attribution:
    position = found["position"]
    following = found["token_ids"][position + 1 : position + 2]
    columns = zip(chosen, found["features"], strict=True)
    return Attribution(
        dictionary=record,
        tokens=tokens,
        token_ids=tuple(found["token_ids"]),
        position=position,
        following=following[0] if following else None,
        targets=tuple(found["targets"]),
        logits=tuple(found["logits"]),
        log_probabilities=tuple(found["log_probabilities"]),
        mean_logit=found["mean_logit"],
        features=tuple((feature, activation, _part(part)) for feature, (_, activation, part) in columns),
        others=None if found["others"] is None else _part(found["others"]),
        n_others=found["n_others"],
        parts={name: _part(part) for name, part in found["parts"].items()},
        gap=found["gap"],
    )


def _part(values: dict[str, Any]) -> Part:
    up, down = (tuple((token, amount) for token, amount in values[name]) for name in ("up", "down"))
    return Part(tuple(values["on_targets"]), values["mean"], up, down)
