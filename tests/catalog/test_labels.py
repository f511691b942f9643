"""Labels: proposals, wordings, votes, choices; nothing is overwritten, and everything is in the history."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from catalog.engine import session_scope
from catalog.errors import BadLabel, LabelChanged, NotFound
from catalog.label_records import LabelChangeRecord, LabelRecord
from catalog.queries import FeatureQuery
from catalog.reader import CatalogReader
from catalog.reader.label_lists import ListPage
from catalog.reader.labels import LabelReader
from catalog.writer import CatalogWriter
from catalog.writer.labels import LabelWriter
from tests.catalog.labelling import ADA, KIM, ROOT, worded
from tests.catalog.random_features import D_SAE, SmallCatalog

PLACE = ("tiny-sae", 5)


@pytest.fixture
def engine(own_catalog: SmallCatalog) -> Engine:
    return own_catalog.engine


def write(engine: Engine, act: Callable[[LabelWriter], object]) -> object:
    with session_scope(engine, write=True) as session:
        return act(CatalogWriter(session).labels)


def read(engine: Engine, ask: Callable[[LabelReader], Any]) -> Any:
    with session_scope(engine) as session:
        return ask(CatalogReader(session).labels)


def propose(engine: Engine, text: str, by=KIM, index: int = 5) -> str:
    return str(write(engine, lambda labels: labels.propose(("tiny-sae", index), worded(text), by=by)))


def one(engine: Engine, key: str, me: str | None = None) -> LabelRecord:
    return read(engine, lambda labels: labels.one(key, me=me))


def history(engine: Engine, key: str) -> list[LabelChangeRecord]:
    return read(engine, lambda labels: labels.history(key))


def accepted(engine: Engine, index: int = 5) -> str | None:
    """What the feature's page and the lists show; they agree."""
    with session_scope(engine) as session:
        reader = CatalogReader(session)
        lines = reader.features(FeatureQuery("tiny-sae", sort="index", order="asc", limit=D_SAE)).features
        listed = {line.index: line.label for line in lines}
        assert reader.feature("tiny-sae", index).label == listed[index]
        return listed[index]


def test_the_most_net_votes_win_and_the_earliest_of_several(engine: Engine):
    assert accepted(engine) is None
    first, second = propose(engine, "first"), propose(engine, "second", ADA)
    assert accepted(engine) == "first"
    write(engine, lambda labels: labels.vote(second, 1, by=KIM))
    assert accepted(engine) == "second"
    write(engine, lambda labels: labels.vote(first, 1, by=ADA))
    assert accepted(engine) == "first"
    write(engine, lambda labels: labels.vote(first, -1, by=ADA))
    assert accepted(engine) == "second"
    assert [label.text for label in read(engine, lambda labels: labels.of_feature(*PLACE))] == ["second", "first"]


def test_a_person_has_one_vote_however_often_they_press(engine: Engine):
    key = propose(engine, "cats")
    for value in (1, 1, -1, -1, 0, 0, 1, 1):
        write(engine, lambda labels, value=value: labels.vote(key, value, by=ADA))
    label = one(engine, key, me="ada")
    assert (label.ups, label.downs, label.my_vote) == (1, 0, 1)
    assert one(engine, key, me="kim").my_vote == one(engine, key).my_vote == 0
    assert [change.vote for change in history(engine, key) if change.act == "voted"] == [1, -1, 0, 1]
    with pytest.raises(BadLabel, match="A vote is 1, -1 or 0"):
        write(engine, lambda labels: labels.vote(key, 2, by=ADA))


def test_the_second_writer_of_a_version_is_told_and_overwrites_nothing(engine: Engine):
    key = propose(engine, "cats")
    write(engine, lambda labels: labels.edit(key, worded("cats and dogs"), version=1, by=KIM))
    with pytest.raises(LabelChanged, match="at version 2, and your change was made to version 1"):
        write(engine, lambda labels: labels.edit(key, worded("felines"), version=1, by=ADA))
    assert one(engine, key).text == accepted(engine) == "cats and dogs"
    assert [change.content.text for change in history(engine, key)] == ["cats", "cats and dogs"]


def test_sending_the_same_wording_twice_changes_nothing(engine: Engine):
    key = propose(engine, "cats")
    assert propose(engine, "cats") == key
    for _ in range(2):
        write(engine, lambda labels: labels.edit(key, worded("dogs"), version=1, by=KIM))
    assert one(engine, key).version == len(history(engine, key)) == 2
    with pytest.raises(BadLabel, match="of this very text already"):
        write(engine, lambda labels: labels.propose(PLACE, worded("dogs", note="more"), by=KIM))
    assert propose(engine, "dogs", ADA) != key


def test_going_back_keeps_what_came_between(engine: Engine):
    first = worded("cats", note="a note", tags="animal", confidence=70)
    key = str(write(engine, lambda labels: labels.propose(PLACE, first, by=KIM)))
    write(engine, lambda labels: labels.edit(key, worded("dogs"), version=1, by=ADA))
    write(engine, lambda labels: labels.revert(key, to=1, version=2, by=ROOT))
    label = one(engine, key)
    assert (label.content, label.version, label.author.name) == (first, 3, "kim")
    told = [(change.person.name, change.act, change.version) for change in history(engine, key)]
    assert told == [("kim", "proposed", 1), ("ada", "edited", 2), ("root", "reverted", 3)]
    with pytest.raises(NotFound, match="versions 1 to 3"):
        write(engine, lambda labels: labels.revert(key, to=9, version=3, by=KIM))
    with pytest.raises(LabelChanged):
        write(engine, lambda labels: labels.revert(key, to=2, version=2, by=KIM))


def test_a_hidden_label_counts_for_nothing_and_comes_back_whole(engine: Engine):
    key, other = propose(engine, "rude"), propose(engine, "polite", ADA)
    write(engine, lambda labels: labels.vote(key, 1, by=ADA))
    write(engine, lambda labels: labels.hide(key, by=ROOT, reason="unkind"))
    assert accepted(engine) == "polite"
    assert [label.key for label in read(engine, lambda labels: labels.of_feature(*PLACE))] == [other]
    everything = read(engine, lambda labels: labels.of_feature(*PLACE, hidden=True))
    assert [label.is_hidden for label in everything] == [False, True]
    for act in (lambda labels: labels.vote(key, 1, by=KIM), lambda labels: labels.choose(key, by=ROOT)):
        with pytest.raises(BadLabel, match="hidden"):
            write(engine, act)
    with pytest.raises(BadLabel, match="hidden"):
        write(engine, lambda labels: labels.edit(key, worded("x"), version=1, by=KIM))
    write(engine, lambda labels: labels.show(key, by=ROOT))
    assert (accepted(engine), one(engine, key).ups) == ("rude", 1)
    assert [change.act for change in history(engine, key)] == ["proposed", "voted", "hidden", "shown"]
    assert history(engine, key)[2].reason == "unkind"


def test_the_last_label_hidden_leaves_the_feature_unlabelled(engine: Engine):
    key = propose(engine, "rude")
    write(engine, lambda labels: labels.hide(key, by=ROOT))
    assert accepted(engine) is None
    with session_scope(engine) as session:
        assert not CatalogReader(session).features(FeatureQuery("tiny-sae", labelled=True)).features


def test_an_admins_choice_stands_until_it_is_undone_or_hidden(engine: Engine):
    first, second = propose(engine, "first"), propose(engine, "second", ADA)
    write(engine, lambda labels: labels.choose(second, by=ROOT))
    write(engine, lambda labels: labels.vote(first, 1, by=KIM))
    assert accepted(engine) == "second"
    assert one(engine, second).is_chosen and not one(engine, first).is_accepted
    write(engine, lambda labels: labels.unchoose(second, by=ROOT))
    assert accepted(engine) == "first"
    write(engine, lambda labels: labels.choose(second, by=ROOT))
    write(engine, lambda labels: labels.edit(second, worded("second, better"), version=1, by=ADA))
    assert accepted(engine) == "second, better"
    write(engine, lambda labels: labels.hide(second, by=ROOT))
    write(engine, lambda labels: labels.show(second, by=ROOT))
    assert accepted(engine) == "first"


def test_disputed_is_where_votes_disagree_or_labels_are_level_and_nobody_chose(engine: Engine):
    def disputed() -> list[int]:
        return [each.index for each in read(engine, lambda labels: labels.lists.disputed(ListPage())).items]

    first = propose(engine, "first")
    propose(engine, "mine too")
    assert disputed() == []
    second = propose(engine, "second", ADA)
    assert disputed() == [5]
    write(engine, lambda labels: labels.vote(first, 1, by=KIM))
    assert disputed() == []
    write(engine, lambda labels: labels.vote(first, -1, by=ADA))
    assert disputed() == [5]
    write(engine, lambda labels: labels.choose(second, by=ROOT))
    assert disputed() == []


def test_lists_go_on_where_they_ended(engine: Engine):
    keys = [propose(engine, f"label {number}", index=number) for number in range(7)]
    for number in range(7):
        propose(engine, f"another {number}", ADA, index=number)
    write(engine, lambda labels: labels.hide(keys[0], by=ROOT))

    def walk(ask: Callable[[LabelReader, ListPage], object], **changes: object) -> list:
        seen, below = [], None
        while True:
            page = ListPage(below=below, limit=3, **changes)
            found = read(engine, lambda labels, page=page: ask(labels, page))
            seen += found.items
            if found.next is None:
                return seen
            below = found.next

    mine = walk(lambda labels, page: labels.lists.by_author(page, "kim"))
    assert [label.key for label in mine] == keys[:0:-1]
    assert len(walk(lambda labels, page: labels.lists.by_author(page, "kim"), hidden=True)) == 7
    assert len(walk(lambda labels, page: labels.lists.activity(page))) == 13
    assert len(walk(lambda labels, page: labels.lists.activity(page), hidden=True)) == 15
    assert len(walk(lambda labels, page: labels.lists.activity(page, person="root"), hidden=True)) == 1
    assert [each.index for each in walk(lambda labels, page: labels.lists.disputed(page))] == [6, 5, 4, 3, 2, 1]
    assert walk(lambda labels, page: labels.lists.activity(page), dictionary="elsewhere") == []


def test_coverage_counts_features_labels_people_and_disputes(engine: Engine):
    for index in (1, 2):
        propose(engine, "one", index=index)
    propose(engine, "two", ADA, index=2)
    hidden = propose(engine, "three", ROOT, index=3)
    write(engine, lambda labels: labels.hide(hidden, by=ROOT))
    [coverage] = read(engine, lambda labels: labels.coverage())
    counted = (coverage.d_sae, coverage.labelled, coverage.labels, coverage.people, coverage.disputed)
    assert counted == (D_SAE, 2, 3, 2, 1)


def test_what_is_not_there_is_said(engine: Engine):
    with pytest.raises(NotFound, match="features 0 to 39"):
        propose(engine, "x", index=D_SAE)
    with pytest.raises(NotFound, match="Did you mean 'tiny-sae'"):
        write(engine, lambda labels: labels.propose(("tiny-sea", 1), worded("x"), by=KIM))
    with pytest.raises(NotFound, match="harvest 'gone'"):
        write(engine, lambda labels: labels.propose(PLACE, worded("x"), by=KIM, harvest="gone"))
    with pytest.raises(NotFound, match="label 'nothing'"):
        write(engine, lambda labels: labels.hide("nothing", by=ROOT))
    with pytest.raises(NotFound, match="label 'nothing'"):
        one(engine, "nothing")


def test_a_person_is_written_down_once_and_keeps_their_role(engine: Engine):
    assert read(engine, lambda labels: labels.person("kim")) is None
    propose(engine, "one")
    propose(engine, "two")
    assert read(engine, lambda labels: labels.person("kim")) == KIM
