"""From a record with named fields (a JSON object, a table's row) to a document."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from worker.corpus.document import Document
from worker.corpus.errors import SourceError
from worker.corpus.source import Conversation

DEFAULT_FIELDS = ("text", "messages", "content")


def choose_field(field: str | None, present: Iterable[str], where: str) -> str:
    """The field to read: the one named, else the first of text, messages and content that is there.

    Raises SourceError that lists the fields there are.
    """
    present = list(present)
    chosen = field if field is not None else next((name for name in DEFAULT_FIELDS if name in present), None)
    if chosen is None or chosen not in present:
        wanted = repr(field) if field is not None else "named text, messages or content"
        raise SourceError(
            f"{where} has no field {wanted}; it has {', '.join(map(repr, present)) or 'none'}. Name one with field=."
        )
    return chosen


def document_of(value: Any, name: str, where: str) -> Document | Conversation:
    """A text, or a conversation where the value is a list of messages. Nothing at all is an empty text.

    Raises SourceError for anything else.
    """
    if value is None:
        return Document(name, "")
    if isinstance(value, str):
        return Document(name, _scalar_text(value))
    if isinstance(value, list | tuple) and all(isinstance(message, Mapping) and "role" in message for message in value):
        return Conversation(
            name, tuple(json.loads(_scalar_text(json.dumps(message, default=str))) for message in value)
        )
    raise SourceError(
        f"{where} holds {type(value).__name__}; expected text, or a list of messages with 'role' and 'content'."
    )


def _scalar_text(text: str) -> str:
    """Text without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode() if any("\ud800" <= mark <= "\udfff" for mark in text) else text
