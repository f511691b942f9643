"""Fifty people label the same twenty features at once: nothing that was taken is lost, and nobody votes twice.

On PostgreSQL through two server processes, on SQLite through one; then with a server killed in the middle.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select

from catalog.engine import make_engine, session_scope
from catalog.label_records import WORDINGS
from catalog.schema import LabelChangeRow, LabellingRow, LabelRow, LabelVoteRow, PersonRow
from tests import own_loop
from tests.app.label_crowd import FEATURES, Servers, Taken, crowd
from tests.app.stored import store
from tests.app.synthetic import SyntheticHarvest

pytestmark = pytest.mark.slow
PEOPLE = 50
REQUESTS = 6
PROCESSES = {"sqlite": 1, "postgresql": 2}


@pytest.fixture
def engine(database_url: str, harvested: SyntheticHarvest) -> Iterator[Engine]:
    engine = make_engine(database_url)
    store(engine, harvested)
    yield engine
    engine.dispose()


def servers_over(engine: Engine, database_url: str) -> Servers:
    return Servers(database_url, PROCESSES[engine.dialect.name])


def wordings(engine: Engine) -> list[tuple[str, int, str, str]]:
    """Key, version, text and person of every wording in the history."""
    query = select(LabelRow.key, LabelChangeRow.version, LabelChangeRow.text, PersonRow.name)
    joined = query.join(LabelRow, LabelRow.id == LabelChangeRow.label_id)
    told = joined.join(PersonRow, PersonRow.id == LabelChangeRow.person_id).where(LabelChangeRow.act.in_(WORDINGS))
    with session_scope(engine) as session:
        return [tuple(row) for row in session.execute(told.order_by(LabelChangeRow.id))]


def check(engine: Engine, taken: Taken) -> None:
    """Every wording that was taken is in the history, once, the newest stands, and votes are what people gave."""
    history = wordings(engine)
    assert set(taken.wordings) <= set(history)
    assert len({(key, version) for key, version, *_ in history}) == len(history)
    with session_scope(engine) as session:
        labels = list(session.scalars(select(LabelRow)))
        people = {row.id: row.name for row in session.scalars(select(PersonRow))}
        votes = list(session.scalars(select(LabelVoteRow)))
        accepted = {row.index: row.label_id for row in session.scalars(select(LabellingRow))}
    versions = Counter(key for key, *_ in history)
    newest = {key: (versions[key], text) for key, _, text, _ in history}
    assert {label.key: (label.version, label.text) for label in labels} == newest
    keys = {label.id: label.key for label in labels}
    stored = {(keys[vote.label_id], people[vote.person_id]): vote.value for vote in votes}
    assert len(stored) == len(votes)
    assert stored == {place: value for place, value in taken.votes.items() if value}
    counted = Counter((vote.label_id, vote.value) for vote in votes)
    assert all((label.ups, label.downs) == (counted[label.id, 1], counted[label.id, -1]) for label in labels)
    for index, label_id in accepted.items():
        here = [label for label in labels if label.index == index]
        assert label_id == max(here, key=lambda label: (label.ups - label.downs, -label.id)).id


def test_nothing_that_was_taken_is_lost_and_nobody_votes_twice(engine: Engine, database_url: str):
    with servers_over(engine, database_url) as servers:
        taken = own_loop.run(crowd(servers.addresses, people=PEOPLE, requests=REQUESTS))
    assert len(taken.wordings) + len(taken.votes) > PEOPLE * REQUESTS / 2
    assert taken.conflicts
    assert taken.statuses == {200, 201, 409}
    with session_scope(engine) as session:
        assert session.scalar(select(func.count()).select_from(LabellingRow)) == FEATURES
    check(engine, taken)


def test_a_server_killed_in_the_middle_loses_nothing_that_it_took(engine: Engine, database_url: str):
    with servers_over(engine, database_url) as servers:
        taken = own_loop.run(
            crowd(
                servers.addresses,
                people=PEOPLE,
                requests=REQUESTS,
                halfway=lambda: servers.kill_and_start_again(0),
            )
        )
    assert taken.statuses <= {200, 201, 409}
    check(engine, taken)
