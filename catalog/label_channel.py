"""How PostgreSQL tells every process that the labels of a feature have changed: the channel and its messages."""

import json
from dataclasses import dataclass

CHANNEL = "featurescope_labels"


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    """Something was done to a label of this feature. change: number of its row in the history."""

    dictionary_hash: str
    index: int
    change: int


def change_message(dictionary_hash: str, index: int, change: int) -> str:
    """The message of a change."""
    return json.dumps([dictionary_hash, index, change], separators=(",", ":"))


def read_message(message: str) -> LabelsChanged | None:
    """The change that a message tells of, None where it is not one of ours."""
    try:
        parts = json.loads(message)
    except ValueError:
        return None
    match parts:
        case [str(identity), int(index), int(change)]:
            return LabelsChanged(identity, index, change)
    return None
