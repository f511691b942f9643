"""Labels as plain JSON values."""

from typing import Any

from catalog.label_records import (
    ActivityRecord,
    Coverage,
    LabelChangeRecord,
    LabelContent,
    LabellingRecord,
    LabelRecord,
    PersonRecord,
)


def label_json(label: LabelRecord) -> dict[str, Any]:
    """One label as it stands."""
    return {
        "key": label.key,
        "dictionary": label.dictionary,
        "index": label.index,
        **content_json(label.content),
        "author": person_json(label.author),
        "version": label.version,
        "votes": {"for": label.ups, "against": label.downs, "net": label.net, "mine": label.my_vote},
        "accepted": label.is_accepted,
        "chosen": label.is_chosen,
        "hidden": label.is_hidden,
        "harvest": label.harvest,
        "created_at": label.created_at,
        "changed_at": label.changed_at,
    }


def content_json(content: LabelContent) -> dict[str, Any]:
    """What a label says. confidence: percent or null."""
    return {
        "text": content.text,
        "note": content.note,
        "tags": list(content.tags),
        "confidence": content.confidence,
    }


def change_json(change: LabelChangeRecord) -> dict[str, Any]:
    """One entry of a history; wording is null where the wording stayed."""
    return {
        "number": change.number,
        "version": change.version,
        "act": change.act,
        "person": person_json(change.person),
        "at": change.at,
        "wording": None if change.content is None else content_json(change.content),
        "reason": change.reason or None,
        "vote": change.vote,
    }


def person_json(person: PersonRecord) -> dict[str, Any]:
    """Whoever said something."""
    return {"name": person.name, "kind": person.kind}


def activity_json(activity: ActivityRecord) -> dict[str, Any]:
    """A change and the label it was made to."""
    return {**change_json(activity.change), "label": label_json(activity.label)}


def labelling_json(labelling: LabellingRecord) -> dict[str, Any]:
    """What the labels of a feature come to."""
    return {
        "dictionary": labelling.dictionary,
        "index": labelling.index,
        "label": labelling.text,
        "labels": labelling.n_labels,
        "disputed": labelling.is_disputed,
    }


def coverage_json(coverage: Coverage) -> dict[str, Any]:
    """How far a dictionary is labelled."""
    return {
        "dictionary": coverage.dictionary,
        "features": coverage.d_sae,
        "labelled": coverage.labelled,
        "labels": coverage.labels,
        "disputed": coverage.disputed,
        "people": coverage.people,
    }
