"""What the labels of a feature come to: which is accepted, and whether people disagree."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.label_channel import FeaturePlace, LabelsChanged, send
from catalog.schema import LabellingRow, LabelRow


def settle(session: Session, labelling: LabellingRow, change: int) -> None:
    """Write down what a feature's labels come to after that change; whoever listens is told with the commit.

    Accepted is the one an admin chose, as long as it is not hidden, else the one with the most net votes, of several
    the earliest. They are disputed where there are votes against the accepted one or where somebody else's label has
    as many net votes, unless an admin chose.
    """
    query = select(LabelRow.id, LabelRow.author_id, LabelRow.text, LabelRow.ups, LabelRow.downs).where(
        LabelRow.dictionary_hash == labelling.dictionary_hash,
        LabelRow.index == labelling.index,
        LabelRow.hidden.is_(False),
    )
    labels = session.execute(query.order_by(LabelRow.id)).all()
    accepted = _chosen(labels, labelling) or max(labels, key=_standing, default=None)
    labelling.label_id, labelling.text = (accepted.id, accepted.text) if accepted else (None, None)
    labelling.disputed = labelling.chosen_by is None and accepted is not None and _is_disputed(labels, accepted)
    labelling.n_labels, labelling.last_change = len(labels), change
    session.flush()
    send(session, LabelsChanged(FeaturePlace(labelling.dictionary_hash, labelling.index), change))


def _chosen(labels: Sequence[Any], labelling: LabellingRow) -> Any:
    """The label an admin chose. Where it is hidden the choice is over."""
    if labelling.chosen_by is None:
        return None
    found = next((label for label in labels if label.id == labelling.label_id), None)
    if found is None:
        labelling.chosen_by = None
    return found


def _standing(label: Any) -> tuple[int, int]:
    return label.ups - label.downs, -label.id


def _is_disputed(labels: Sequence[Any], accepted: Any) -> bool:
    rivals = (label for label in labels if label.author_id != accepted.author_id)
    return accepted.downs > 0 or any(_standing(label)[0] >= _standing(accepted)[0] for label in rivals)
