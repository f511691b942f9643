"""Lines of files as labels that can be imported: their text is cleaned and limited here, as if it were typed."""

import hashlib
from typing import Any

from app.label_files.shapes import ChangeIn, ExplanationIn, LabelIn, PersonIn, RowIn, WordingIn, moment
from catalog.clock import now
from catalog.errors import BadLabel
from catalog.label_records import LabelChangeRecord, LabelContent, LabelImport, PersonRecord
from catalog.label_text import label_content, one_line, reason_text

LONGEST_NAME = 200
APART = " (imported)"


def label_from_export(value: Any, *, same_people: bool) -> LabelImport:
    """A line of our own JSON lines. same_people: the names in it are people of this catalog."""
    line = LabelIn.model_validate(value)
    changes = line.history or [
        ChangeIn(version=1, act="proposed", person=line.author, at=line.created_at, wording=line)
    ]
    history = tuple(_change(line.key, number, change, same_people) for number, change in enumerate(changes))
    if history[0].content is None:
        raise BadLabel("The first entry of its history is no wording.")
    return LabelImport(
        key=line.key,
        index=line.index,
        history=history,
        dictionary_hash=line.dictionary_hash,
        dictionary=line.dictionary,
        is_hidden=line.hidden,
        is_chosen=line.chosen,
    )


def label_from_row(value: dict[str, str], *, same_people: bool) -> LabelImport:
    """A row of a table. Its key, where it has none, is drawn from what it says of which feature."""
    row = RowIn.model_validate({name: text for name, text in value.items() if text != ""})
    content = label_content(row.text, note=row.note, tags=row.tags, confidence=row.confidence)
    key = row.key or _drawn("table", row.dictionary_hash or row.dictionary, row.index, content.text, row.author)
    author = _person(PersonIn(name=row.author, kind=row.author_kind), same_people)
    at = moment(row.created_at) if row.created_at else now()
    return LabelImport(
        key=key,
        index=row.index,
        history=(_proposed(key, content, author, at),),
        dictionary_hash=row.dictionary_hash or None,
        dictionary=row.dictionary or None,
        is_hidden=row.hidden,
    )


def label_from_neuronpedia(value: Any) -> LabelImport:
    """An explanation as Neuronpedia exports it; its author is the model that wrote it, or whoever it names."""
    given = ExplanationIn.model_validate(value)
    content = label_content(given.description, note=given.notes or "")
    source = f"{given.modelId}/{given.layer}"
    writer = given.explanationModelName or given.authorId or "somebody"
    person = PersonRecord(
        f"{_name(writer)} on Neuronpedia", "viewer", "program" if given.explanationModelName else "person"
    )
    key = f"neuronpedia-{given.id}" if given.id else _drawn("np", source, given.index, content.text, writer)
    at = moment(given.createdAt) if given.createdAt else now()
    return LabelImport(key=key, index=given.index, history=(_proposed(key, content, person, at),), neuronpedia=source)


def _change(key: str, number: int, change: ChangeIn, same_people: bool) -> LabelChangeRecord:
    return LabelChangeRecord(
        number=number,
        label=key,
        version=change.version,
        act=change.act,
        person=_person(change.person, same_people),
        at=change.at,
        content=None if change.wording is None else _content(change.wording),
        reason=reason_text(change.reason or ""),
        vote=change.vote if change.act == "voted" else None,
    )


def _content(wording: WordingIn) -> LabelContent:
    return label_content(wording.text, note=wording.note, tags=wording.tags, confidence=wording.confidence)


def _proposed(key: str, content: LabelContent, by: PersonRecord, at: str) -> LabelChangeRecord:
    return LabelChangeRecord(0, key, 1, "proposed", by, at, content)


def _person(person: PersonIn, same_people: bool) -> PersonRecord:
    """Whoever is named. Apart from the people of this catalog, unless they are said to be the same, so that nobody is
    made to have said what they did not.
    """
    name = _name(person.name)
    return PersonRecord(name if same_people or name.endswith(APART) else f"{name}{APART}", "viewer", person.kind)


def _name(name: str) -> str:
    cleaned = one_line(name)[:LONGEST_NAME]
    if not cleaned:
        raise BadLabel("The name of its author is empty.")
    return cleaned


def _drawn(kind: str, *parts: object) -> str:
    return f"{kind}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"
