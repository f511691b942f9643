"""Text that a worker writes, event by event: lines of bytes in, plain values with the text of their tokens out."""

import codecs
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.live.failures import LiveFailure
from catalog.tokens import Vocabulary

Event = dict[str, Any]
SIDES = ("without", "with")


async def events_of(parts: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events of an answer of the door's /steer. Raises LiveFailure where the worker says that it failed."""
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield _event(line)
    if rest:
        yield _event(rest)


def _event(line: bytes) -> Event:
    event = json.loads(line)
    if event["event"] == "error":
        error = event["error"]
        raise LiveFailure(error["message"], status=502, code=error["code"], hint=error["hint"])
    return event


class Reader:
    """Adds the text of tokens to the events of one answer, in the order in which they come.

    A character whose bytes are spread over several tokens is the text of the last of them; the texts of a side's
    tokens, joined, are what was written, but for a character that is not finished when the text ends.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {side: decoder("backslashreplace") for side in SIDES}
        self._written: dict[str, list[int]] = {side: [] for side in SIDES}

    def read(self, event: Event) -> Event:
        """The event as it is told."""
        kind = event["event"]
        if kind == "prompt":
            return {**event, "tokens": self._vocabulary.texts(event["token_ids"])}
        if kind == "next":
            rows = {name: self._rows(event[name]) for name in ("gained", "lost")}
            return {**event, **rows, "likeliest": {side: self._rows(event["likeliest"][side]) for side in SIDES}}
        if kind == "token":
            return {**event, **{side: self._token(side, event[side]) for side in SIDES}}
        return {**event, "written": {side: self._whole(side) for side in SIDES}}

    def _rows(self, rows: list[list[Any]]) -> list[dict[str, Any]]:
        return [
            {"id": token, "text": self._vocabulary.text(token), "without": without, "with": with_}
            for token, without, with_ in rows
        ]

    def _token(self, side: str, token: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if token is None:
            return None
        token_id = token["id"]
        self._written[side].append(token_id)
        is_special = self._vocabulary.is_special(token_id)
        text = self._vocabulary.text(token_id) if is_special else self._decoded(side, token_id)
        return {**token, "text": text, "is_special": is_special}

    def _decoded(self, side: str, token_id: int) -> str:
        return self._decoders[side].decode(self._vocabulary[token_id])

    def _whole(self, side: str) -> dict[str, Any]:
        """Token ids and the text, special tokens left out of it."""
        token_ids = self._written[side]
        texts = self._vocabulary.texts(token_ids)
        spoken = [text for text, each in zip(texts, token_ids, strict=True) if not self._vocabulary.is_special(each)]
        return {"token_ids": token_ids, "text": "".join(spoken)}
