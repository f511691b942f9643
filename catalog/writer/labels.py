"""Writes labels: proposals, wordings, votes, choices. Every one of them leaves a row in the history.

Whoever changes any label of a feature holds the feature's row of `labelling` until the commit, so what is read there
stays true until it is written. A wording is changed only from the version that its writer has seen.
"""

import uuid
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalog.clock import now
from catalog.errors import BadLabel, LabelChanged, NotFound
from catalog.label_records import (
    WORDINGS,
    LabelAct,
    LabelChangeRecord,
    LabelContent,
    LabelImport,
    PersonRecord,
    Vote,
    tags_of,
    tags_text,
)
from catalog.label_text import reason_text
from catalog.schema import DictionaryRow, HarvestRow, LabelChangeRow, LabellingRow, LabelRow, LabelVoteRow
from catalog.writer.audit import note
from catalog.writer.people import insert_if_new, person_id
from catalog.writer.settling import settle
from catalog.writer.upserts import upsert


class LabelWriter:
    """Writes labels through a session that writes. Every act is by somebody, whose row is made on first use.

    A label is named by its key. Raises NotFound on one that is not there and BadLabel on what cannot be done with it;
    doing again what is done already changes nothing and leaves no row.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def propose(
        self,
        place: tuple[str, int],
        content: LabelContent,
        *,
        by: PersonRecord,
        harvest: str | None = None,
    ) -> str:
        """Adds a label to the feature of that index in the dictionary of that slug, and gives its key.

        harvest: id of the one it was judged on. Somebody's second label of the same text is refused, unless it is the
        very same label: then its key is given, so that a form sent twice does no harm.
        """
        identity, index = self._identity(*place), place[1]
        self._check_harvest(harvest)
        self._hold(identity, index)
        author = person_id(self._session, by)
        there = self._same_text(identity, index, author, content)
        if there is not None:
            return there
        row = self._added(uuid.uuid4().hex, identity, index, author=author, content=content, harvest=harvest)
        self._record(row, "proposed", author, **_columns(content))
        return row.key

    def take_in(self, place: tuple[str, int], given: LabelImport, *, by: PersonRecord) -> None:
        """Adds a label from a file with all of its history, and the vote that each person gave last.

        An admin's choice comes along where none was made here. A label that is there already stays as it is.
        """
        identity, index = self._identity(*place), place[1]
        self._hold(identity, index)
        if self._session.scalar(select(LabelRow.id).where(LabelRow.key == given.key)) is not None:
            return
        first, last = given.history[0], given.wordings[-1]
        author = person_id(self._session, first.person)
        row = self._added(given.key, identity, index, author=author, content=last, harvest=None)
        row.created_at, row.changed_at, row.hidden = first.at, given.history[-1].at, given.is_hidden
        row.version = max(change.version for change in given.history)
        self._session.add_all(self._taken_in(row.id, change) for change in given.history)
        ballots = {change.person.name: change for change in given.history if change.vote is not None}
        for change in ballots.values():
            self._take_vote(row.id, change)
        self._session.flush()
        row.ups, row.downs = (self._count(row.id, counted) for counted in (1, -1))
        labelling = self._labelling(identity, index)
        if given.is_chosen and labelling.chosen_by is None and not given.is_hidden:
            labelling.label_id, labelling.chosen_by = row.id, person_id(self._session, by)
        self._record(row, "imported", person_id(self._session, by))

    def edit(self, key: str, content: LabelContent, *, version: int, by: PersonRecord) -> None:
        """Gives a label another wording, made from that version.

        Raises LabelChanged where it is not at that version any more and does not say the very same already.
        """
        self._reword(key, content, "edited", version=version, by=by)

    def revert(self, key: str, *, to: int, version: int, by: PersonRecord) -> None:
        """Gives a label the wording back that it had at a version. Raises as `edit`."""
        row = self._held(key)
        old = self._session.scalars(
            select(LabelChangeRow).where(
                LabelChangeRow.label_id == row.id, LabelChangeRow.version == to, LabelChangeRow.act.in_(WORDINGS)
            )
        ).one_or_none()
        if old is None:
            raise NotFound("version of this label", str(to), hint=f"It has versions 1 to {row.version}.")
        content = LabelContent(old.text or "", old.note or "", tags_of(old.tags), old.confidence)
        self._reword(key, content, "reverted", version=version, by=by)

    def vote(self, key: str, value: Vote, *, by: PersonRecord) -> None:
        """Gives somebody's one vote on a label: 1 for it, -1 against it, 0 takes it back."""
        if value not in (-1, 0, 1):
            raise BadLabel(f"A vote is 1, -1 or 0 to take it back; {value!r} is none of them.")
        row = self._held(key)
        _refuse_hidden(row)
        person = person_id(self._session, by)
        mine = self._session.get(LabelVoteRow, (row.id, person), populate_existing=True)
        if value == (mine.value if mine else 0):
            return
        if value == 0:
            self._session.delete(mine)
            self._session.flush()
        else:
            ballot = {"label_id": row.id, "person_id": person, "value": value, "version": row.version, "at": now()}
            upsert(self._session, LabelVoteRow, [ballot])
        row.ups, row.downs = (self._count(row.id, counted) for counted in (1, -1))
        self._record(row, "voted", person, vote=value)

    def hide(self, key: str, *, by: PersonRecord, reason: str = "") -> None:
        """Takes a label out of sight; it stays in the history, and can be shown again."""
        row, why = self._held(key), reason_text(reason)
        if not row.hidden:
            row.hidden = True
            self._record(row, "hidden", person_id(self._session, by), note=why or None)
            note(self._session, "label hidden", person=by.name, about=f"{key} {row.text}")

    def show(self, key: str, *, by: PersonRecord) -> None:
        """Shows a hidden label again."""
        row = self._held(key)
        if row.hidden:
            row.hidden = False
            self._record(row, "shown", person_id(self._session, by))
            note(self._session, "label shown", person=by.name, about=f"{key} {row.text}")

    def choose(self, key: str, *, by: PersonRecord) -> None:
        """Makes a label the accepted one, whatever the votes say."""
        row = self._held(key)
        _refuse_hidden(row)
        labelling, person = self._labelling(row.dictionary_hash, row.index), person_id(self._session, by)
        if labelling.label_id != row.id or labelling.chosen_by is None:
            labelling.label_id, labelling.chosen_by = row.id, person
            self._record(row, "chosen", person)

    def unchoose(self, key: str, *, by: PersonRecord) -> None:
        """Lets the votes say again which label of the feature is accepted, where this one had been chosen."""
        row = self._held(key)
        labelling = self._labelling(row.dictionary_hash, row.index)
        if labelling.label_id == row.id and labelling.chosen_by is not None:
            labelling.chosen_by = None
            self._record(row, "unchosen", person_id(self._session, by))

    def _reword(self, key: str, content: LabelContent, act: LabelAct, *, version: int, by: PersonRecord) -> None:
        row = self._held(key)
        _refuse_hidden(row)
        columns = _columns(content)
        if all(getattr(row, name) == value for name, value in columns.items()):
            return
        if version != row.version:
            raise LabelChanged(key, expected=version, found=row.version)
        for name, value in columns.items():
            setattr(row, name, value)
        row.version, row.changed_at = row.version + 1, now()
        self._record(row, act, person_id(self._session, by), **columns)

    def _record(self, row: LabelRow, act: LabelAct, person: int, **said: Any) -> None:
        """Write the act down, and see what the labels of the feature come to now."""
        change = LabelChangeRow(label_id=row.id, version=row.version, act=act, person_id=person, at=now(), **said)
        self._session.add(change)
        self._session.flush()
        settle(self._session, self._labelling(row.dictionary_hash, row.index), change.id)

    def _added(
        self, key: str, identity: str, index: int, *, author: int, content: LabelContent, harvest: str | None
    ) -> LabelRow:
        at = now()
        values = {
            "key": key,
            "dictionary_hash": identity,
            "index": index,
            "author_id": author,
            "version": 1,
            "hidden": False,
            "ups": 0,
            "downs": 0,
            "harvest_key": harvest,
            "created_at": at,
            "changed_at": at,
        }
        row = LabelRow(**values, **_columns(content))
        self._session.add(row)
        self._session.flush()
        return row

    def _taken_in(self, label_id: int, change: LabelChangeRecord) -> LabelChangeRow:
        said = {"note": change.reason or None} if change.content is None else _columns(change.content)
        return LabelChangeRow(
            label_id=label_id,
            version=change.version,
            act=change.act,
            person_id=person_id(self._session, change.person),
            at=change.at,
            vote=change.vote,
            **said,
        )

    def _take_vote(self, label_id: int, change: LabelChangeRecord) -> None:
        if change.vote:
            ballot = {"label_id": label_id, "person_id": person_id(self._session, change.person)}
            told = {"value": change.vote, "version": change.version, "at": change.at}
            upsert(self._session, LabelVoteRow, [{**ballot, **told}])

    def _identity(self, slug: str, index: int) -> str:
        dictionary = self._session.scalar(select(DictionaryRow).where(DictionaryRow.slug == slug))
        if dictionary is None:
            raise NotFound("dictionary", slug, known=self._session.scalars(select(DictionaryRow.slug)))
        if not 0 <= index < dictionary.d_sae:
            raise NotFound("feature", str(index), hint=f"Dictionary {slug!r} has features 0 to {dictionary.d_sae - 1}.")
        return dictionary.hash

    def _check_harvest(self, harvest: str | None) -> None:
        if harvest is not None and self._session.scalar(select(HarvestRow.id).where(HarvestRow.key == harvest)) is None:
            raise NotFound("harvest", harvest)

    def _same_text(self, identity: str, index: int, author: int, content: LabelContent) -> str | None:
        """The key of the author's label that is the same in all. Raises BadLabel where only its text is the same."""
        mine = select(LabelRow).where(
            LabelRow.dictionary_hash == identity,
            LabelRow.index == index,
            LabelRow.author_id == author,
            LabelRow.text == content.text,
            LabelRow.hidden.is_(False),
        )
        row = self._session.scalars(mine.limit(1)).first()
        if row is None:
            return None
        if all(getattr(row, name) == value for name, value in _columns(content).items()):
            return row.key
        raise BadLabel("You have proposed a label of this very text already. Edit that one instead.")

    def _hold(self, identity: str, index: int) -> None:
        """Wait for others that change labels of the feature; they wait from here until the commit."""
        empty = {"n_labels": 0, "disputed": False, "last_change": 0}
        place = {"dictionary_hash": identity, "index": index}
        insert_if_new(self._session, LabellingRow, {**place, **empty}, key=["dictionary_hash", "index"])
        self._labelling(identity, index)

    def _held(self, key: str) -> LabelRow:
        """The label as it is now that its feature is held."""
        query = select(LabelRow).where(LabelRow.key == key)
        row = self._session.scalars(query).one_or_none()
        if row is None:
            raise NotFound("label", key, hint="The page /labels lists what there is.")
        self._hold(row.dictionary_hash, row.index)
        return self._session.scalars(query.execution_options(populate_existing=True)).one()

    def _labelling(self, identity: str, index: int) -> LabellingRow:
        query = select(LabellingRow).where(LabellingRow.dictionary_hash == identity, LabellingRow.index == index)
        fresh = query.with_for_update().execution_options(populate_existing=True)
        return self._session.scalars(fresh).one()

    def _count(self, label_id: int, value: int) -> int:
        votes = select(func.count()).where(LabelVoteRow.label_id == label_id, LabelVoteRow.value == value)
        return self._session.scalar(votes) or 0


def _columns(content: LabelContent) -> dict[str, Any]:
    return {
        "text": content.text,
        "note": content.note,
        "tags": tags_text(content.tags),
        "confidence": content.confidence,
    }


def _refuse_hidden(row: LabelRow) -> None:
    if row.hidden:
        raise BadLabel("This label is hidden. An admin can show it again; until then it stays as it is.")
