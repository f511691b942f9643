"""How PostgreSQL tells every process that the labels of a feature have changed, and who looks at which feature.

A message is sent with the commit of the change, so that whoever reads it finds the change.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from catalog.engine import CONNECT_TIMEOUT_S

CHANNEL = "featurescope_labels"
LONGEST_MESSAGE = 7_000
"""PostgreSQL takes messages of less than 8,000 bytes."""


@dataclass(frozen=True, slots=True)
class FeaturePlace:
    """A feature that labels hang on."""

    dictionary_hash: str
    index: int


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    """Something was done to a label of the feature. change: number of its row in the history."""

    place: FeaturePlace
    change: int


@dataclass(frozen=True, slots=True)
class SomebodyLooks:
    """Somebody looks at the feature, or no longer does. viewer: the name of one open page. is_new: just opened."""

    place: FeaturePlace
    viewer: str
    name: str
    is_here: bool
    is_new: bool = False


Message = LabelsChanged | SomebodyLooks


def send(session: Session, message: Message) -> None:
    """Tells every process that listens, with the commit. SQLite has nobody to tell."""
    if session.get_bind().dialect.name == "postgresql":
        text = _written(message)
        if len(text.encode()) < LONGEST_MESSAGE:
            session.execute(select(func.pg_notify(CHANNEL, text)))


async def listen(engine: Engine) -> AsyncIterator[Message | None]:
    """Messages as they come, over a connection of its own; first None, when it listens from now on.

    Raises psycopg.Error or OSError where the connection cannot be made or is lost: what came meanwhile is lost too.
    """
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connecting = psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    async with await connecting as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        yield None
        async for notice in connection.notifies():
            message = read_message(notice.payload)
            if message is not None:
                yield message


def read_message(text: str) -> Message | None:
    """The message of a text, None where it is not one of ours."""
    try:
        parts: Any = json.loads(text)
    except ValueError:
        return None
    match parts:
        case ["changed", str(identity), int(index), int(change)]:
            return LabelsChanged(FeaturePlace(identity, index), change)
        case ["looks", str(identity), int(index), str(viewer), str(name), bool(is_here), bool(is_new)]:
            return SomebodyLooks(FeaturePlace(identity, index), viewer, name, is_here, is_new)
    return None


def _written(message: Message) -> str:
    place = [message.place.dictionary_hash, message.place.index]
    if isinstance(message, LabelsChanged):
        parts = ["changed", *place, message.change]
    else:
        parts = ["looks", *place, message.viewer, message.name, message.is_here, message.is_new]
    return json.dumps(parts, separators=(",", ":"))
