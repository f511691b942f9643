"""What an address carries: read and written again it is the same, and what cannot be meant is refused by name."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.live.state import DENSITIES, LONGEST_ADDRESS, SORTS, LiveState, Selection, query_of, read_state
from catalog.errors import BadQuery

PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=60)
NAMES = st.text("abc-0123456789", min_size=1, max_size=8)
STATES = st.builds(
    LiveState,
    text=PLAIN,
    other=PLAIN,
    dictionaries=st.lists(NAMES, unique=True, max_size=3).map(tuple),
    models=st.lists(NAMES, unique=True, max_size=2).map(tuple),
    mode=st.sampled_from(["cut", "whole"]),
    view=st.lists(NAMES, unique=True, max_size=2).map(tuple),
    sort=st.sampled_from([None, *SORTS]),
    at=st.one_of(
        st.none(),
        st.tuples(st.integers(0, 1), st.integers(0, 99), st.integers(100, 200)).map(lambda at: Selection(*at)),
    ),
    feature=NAMES,
    dense=st.integers(0, len(DENSITIES) - 1),
    begin=st.integers(0, 10_000),
    shown=st.sampled_from([25, 100, 400]),
)


@settings(max_examples=200, deadline=None)
@given(STATES)
def test_a_state_read_from_its_own_address_is_the_same(state: LiveState):
    assert read_state(state.items()) == state
    query = query_of(state)
    if query is not None:
        assert parse_qsl(query, keep_blank_values=True) == state.items()


def test_of_what_is_said_twice_the_last_counts_and_dictionaries_add_up():
    state = read_state(
        [("sort", "peak"), ("d", "a"), ("at", "0:1"), ("d", "b"), ("d", "a"), ("sort", "sum"), ("at", "")]
    )
    assert (state.sort, state.dictionaries, state.at) == ("sum", ("a", "b"), None)


def test_a_span_is_chosen_by_number():
    fields = [("at", "span"), ("side", "1"), ("first", "9"), ("last", "4")]
    assert read_state(fields).at == Selection(1, 4, 9)
    assert read_state([("at", "1:4-9")]).at == Selection(1, 4, 9)
    assert read_state([("at", "0:7")]).at == Selection(0, 7, 7)
    assert str(Selection(0, 7, 7)) == "0:7"


def test_texts_are_read_as_a_browser_gives_them():
    state = read_state([("text", "a\r\nb\rc\0d")])
    assert state.text == "a\nb\nc\ufffdd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sort", "size"),
        ("mode", "half"),
        ("dense", "10"),
        ("dense", "-1"),
        ("begin", "x"),
        ("begin", "٣"),
        ("begin", "9" * 5000),
        ("shown", "401"),
        ("at", "2:1"),
        ("at", "0:x"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: str):
    with pytest.raises(BadQuery):
        read_state([(name, value)])


def test_a_text_too_long_for_an_address_has_none():
    assert query_of(LiveState(text="a" * (LONGEST_ADDRESS - 5))) is not None
    assert query_of(LiveState(text="a" * LONGEST_ADDRESS)) is None
