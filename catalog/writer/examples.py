"""Pins texts to features, and takes them down."""

import zlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import BadRecord, NotFound
from catalog.live_answers import LiveAnswer, LiveFirings, write_live_answer
from catalog.schema import DictionaryRow, ExampleRow

LONGEST_TEXT = 20_000
MOST_TOKENS = 4_096
MOST_EXAMPLES = 50


def add_example(
    session: Session, index: int, live: LiveFirings, *, text: str, author: str, facts: Mapping[str, Any]
) -> int:
    """Adds an example to a feature of the dictionary that `live` names; all its firings are of that feature."""
    d_sae = session.scalar(select(DictionaryRow.d_sae).where(DictionaryRow.hash == live.dictionary))
    if d_sae is None or not 0 <= index < d_sae:
        raise NotFound("feature", str(index), hint=f"No dictionary of hash {live.dictionary[:12]!r} has it.")
    if len(live.features) and (live.features != index).any():
        raise BadRecord(f"An example of feature {index} holds firings of others.")
    _check_size(text, len(live.token_ids))
    _check_room(session, live.dictionary, index)
    row = ExampleRow(
        dictionary_hash=live.dictionary,
        index=index,
        # PostgreSQL keeps no NUL in text; the token ids keep what was there.
        text=text.replace("\x00", "\N{SYMBOL FOR NULL}"),
        author=author,
        created_at=now(),
        payload=zlib.compress(write_live_answer(LiveAnswer((live,), facts))),
    )
    session.add(row)
    session.flush()
    return row.id


def remove_example(session: Session, dictionary_hash: str, index: int, example_id: int) -> None:
    """Takes an example down. Raises NotFound where the feature has none of that number."""
    mine = (ExampleRow.dictionary_hash == dictionary_hash) & (ExampleRow.index == index)
    gone = session.execute(delete(ExampleRow).where(mine, ExampleRow.id == example_id).returning(ExampleRow.id))
    if gone.scalar() is None:
        raise NotFound("example", str(example_id), hint="Somebody may have taken it down already.")


def _check_size(text: str, n_tokens: int) -> None:
    if not text:
        raise BadRecord("An example is empty; expected some text.")
    if len(text) > LONGEST_TEXT or n_tokens > MOST_TOKENS:
        raise BadRecord(
            f"An example has {len(text):,} characters and {n_tokens:,} tokens; at most {LONGEST_TEXT:,} and "
            f"{MOST_TOKENS:,} can be pinned. Pin the part that matters."
        )


def _check_room(session: Session, dictionary_hash: str, index: int) -> None:
    mine = (ExampleRow.dictionary_hash == dictionary_hash) & (ExampleRow.index == index)
    n = session.scalar(select(func.count()).select_from(ExampleRow).where(mine)) or 0
    if n >= MOST_EXAMPLES:
        raise BadRecord(f"Feature {index} has {n} examples, which is the most. Take one down first.")
