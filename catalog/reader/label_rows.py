"""How rows become labels and changes: the queries that gather them, built once, and the records made of them."""

from functools import cache
from typing import Any

from sqlalchemy import String, and_, bindparam, select
from sqlalchemy.orm import aliased

from catalog.label_records import WORDINGS, LabelChangeRecord, LabelContent, LabelRecord, PersonRecord, tags_of
from catalog.schema import DictionaryRow, LabelChangeRow, LabellingRow, LabelRow, LabelVoteRow, PersonRow

_AUTHOR, _ACTOR, _ME = aliased(PersonRow), aliased(PersonRow), aliased(PersonRow)


@cache
def label_query() -> Any:
    """Labels with their author, their standing and the vote of `me`, a name to be bound; it may be None."""
    me = select(_ME.id).where(_ME.name == bindparam("me", type_=String)).scalar_subquery()
    return _joined(select(*_label_columns(), LabelVoteRow.value.label("my_vote")).select_from(LabelRow)).outerjoin(
        LabelVoteRow, and_(LabelVoteRow.label_id == LabelRow.id, LabelVoteRow.person_id == me)
    )


@cache
def change_query() -> Any:
    """Changes with whoever made them and the label they were made to."""
    change = [
        LabelChangeRow.id.label("number"),
        LabelChangeRow.version.label("change_version"),
        LabelChangeRow.act,
        LabelChangeRow.at,
        LabelChangeRow.text.label("change_text"),
        LabelChangeRow.note.label("change_note"),
        LabelChangeRow.tags.label("change_tags"),
        LabelChangeRow.confidence.label("change_confidence"),
        LabelChangeRow.vote,
        *_person_columns(_ACTOR, "actor"),
    ]
    query = select(*_label_columns(), *change).select_from(LabelChangeRow)
    return _joined(query.join(LabelRow, LabelRow.id == LabelChangeRow.label_id)).join(
        _ACTOR, _ACTOR.id == LabelChangeRow.person_id
    )


def author_name() -> Any:
    """The column of the author's name in both queries."""
    return _AUTHOR.name


def actor_name() -> Any:
    """The column of the name of whoever made a change."""
    return _ACTOR.name


def label_record(row: Any) -> LabelRecord:
    """A row of either query as the label it is about."""
    return LabelRecord(
        key=row.key,
        dictionary_hash=row.dictionary_hash,
        dictionary=row.slug,
        index=row.index,
        content=LabelContent(row.text, row.note, tags_of(row.tags), row.confidence),
        author=PersonRecord(row.author_name, row.author_role, row.author_kind),
        version=row.version,
        created_at=row.created_at,
        changed_at=row.changed_at,
        ups=row.ups,
        downs=row.downs,
        my_vote=getattr(row, "my_vote", None) or 0,
        is_accepted=row.label_id == row.id,
        is_chosen=row.label_id == row.id and row.chosen_by is not None,
        is_hidden=bool(row.hidden),
        harvest=row.harvest_key,
        feature_change=row.last_change,
    )


def change_record(row: Any) -> LabelChangeRecord:
    """A row of `change_query` as the change."""
    is_wording = row.act in WORDINGS
    wording = None
    if is_wording:
        wording = LabelContent(
            row.change_text or "", row.change_note or "", tags_of(row.change_tags), row.change_confidence
        )
    return LabelChangeRecord(
        number=row.number,
        label=row.key,
        version=row.change_version,
        act=row.act,
        person=PersonRecord(row.actor_name, row.actor_role, row.actor_kind),
        at=row.at,
        content=wording,
        reason="" if is_wording else row.change_note or "",
        vote=row.vote,
    )


def _label_columns() -> list[Any]:
    left_out = ("author_id",)
    own = [column for column in LabelRow.__table__.columns if column.name not in left_out]
    return [
        *own,
        DictionaryRow.slug,
        LabellingRow.label_id,
        LabellingRow.chosen_by,
        LabellingRow.last_change,
        *_person_columns(_AUTHOR, "author"),
    ]


def _person_columns(person: Any, name: str) -> list[Any]:
    return [getattr(person, part).label(f"{name}_{part}") for part in ("name", "role", "kind")]


def _joined(query: Any) -> Any:
    place = and_(LabellingRow.dictionary_hash == LabelRow.dictionary_hash, LabellingRow.index == LabelRow.index)
    return (
        query.join(DictionaryRow, DictionaryRow.hash == LabelRow.dictionary_hash)
        .join(_AUTHOR, _AUTHOR.id == LabelRow.author_id)
        .join(LabellingRow, place)
    )
