"""Examples: texts pinned to a feature with what live inference made of them."""

import numpy as np
import pytest

from catalog.engine import session_scope
from catalog.errors import BadRecord, CorruptRow, NotFound
from catalog.live_answers import LiveFirings
from catalog.reader import CatalogReader
from catalog.schema import ExampleRow
from catalog.writer import CatalogWriter
from catalog.writer.examples import LONGEST_TEXT, MOST_EXAMPLES, MOST_TOKENS
from tests.catalog.random_features import D_SAE, SmallCatalog

IDENTITY = "dictionary-hash"


def firings(index: int = 5, *, n_tokens: int = 6, fires_at: tuple[int, ...] = (1, 4)) -> LiveFirings:
    return LiveFirings(
        text=0,
        dictionary=IDENTITY,
        token_ids=np.arange(n_tokens, dtype=np.int32),
        context_starts=np.zeros(1, np.int32),
        positions=np.array(fires_at, np.int32),
        features=np.full(len(fires_at), index, np.int32),
        activations=np.array(fires_at, np.float32) / 3,
        pre_acts=np.empty(0, np.float32),
        bars=np.empty(0, np.float32),
    )


def pin(catalog: SmallCatalog, live: LiveFirings, *, index: int = 5, text: str = "naïve\t東京") -> int:
    with session_scope(catalog.engine, write=True) as session:
        return CatalogWriter(session).add_example(index, live, text=text, author="kim", facts={"dtype": "float32"})


def examples(catalog: SmallCatalog, index: int = 5):
    with session_scope(catalog.engine) as session:
        return CatalogReader(session).examples(IDENTITY, index)


def test_an_example_comes_back_as_it_was_pinned_newest_first(own_catalog: SmallCatalog):
    first, second = pin(own_catalog, firings()), pin(own_catalog, firings(fires_at=()), text="silent")
    newest, oldest = examples(own_catalog)
    assert (newest.id, oldest.id) == (second, first)
    assert (oldest.text, oldest.author, oldest.facts) == ("naïve\t東京", "kim", {"dtype": "float32"})
    assert oldest.token_ids.tolist() == list(range(6))
    assert dict(zip(oldest.positions.tolist(), oldest.activations.tolist(), strict=True)) == {
        1: pytest.approx(1 / 3),
        4: pytest.approx(4 / 3),
    }
    assert len(newest.positions) == 0
    assert examples(own_catalog, 6) == []


def test_a_page_says_how_many_examples_its_feature_has(own_catalog: SmallCatalog):
    pin(own_catalog, firings())
    pin(own_catalog, firings())
    with session_scope(own_catalog.engine) as session:
        reader = CatalogReader(session)
        data = reader.feature_page_data("tiny-sae", 5)
        assert data.n_examples == 2
        assert reader.feature_page_data("tiny-sae", 5, head=data.head).n_examples == 2
        assert reader.feature_page_data("tiny-sae", 6, head=data.head).n_examples == 0


def test_an_example_is_taken_down_from_its_own_feature_only(own_catalog: SmallCatalog):
    number = pin(own_catalog, firings())
    with session_scope(own_catalog.engine, write=True) as session:
        writer = CatalogWriter(session)
        for identity, index in ((IDENTITY, 6), ("another", 5)):
            with pytest.raises(NotFound, match="example"):
                writer.remove_example(identity, index, number)
        writer.remove_example(IDENTITY, 5, number)
        with pytest.raises(NotFound, match="taken it down"):
            writer.remove_example(IDENTITY, 5, number)
    assert examples(own_catalog) == []


def test_what_cannot_be_an_example_is_refused(own_catalog: SmallCatalog):
    with pytest.raises(NotFound, match="feature"):
        pin(own_catalog, firings(D_SAE), index=D_SAE)
    with pytest.raises(BadRecord, match="firings of others"):
        pin(own_catalog, firings(6))
    with pytest.raises(BadRecord, match="empty"):
        pin(own_catalog, firings(), text="")
    with pytest.raises(BadRecord, match=f"{LONGEST_TEXT + 1:,} characters"):
        pin(own_catalog, firings(), text="a" * (LONGEST_TEXT + 1))
    with pytest.raises(BadRecord, match=f"{MOST_TOKENS + 1:,} tokens"):
        pin(own_catalog, firings(n_tokens=MOST_TOKENS + 1))
    assert examples(own_catalog) == []


def test_a_feature_takes_so_many_examples_and_no_more(own_catalog: SmallCatalog):
    for _ in range(MOST_EXAMPLES):
        pin(own_catalog, firings())
    with pytest.raises(BadRecord, match=f"has {MOST_EXAMPLES} examples"):
        pin(own_catalog, firings())
    pin(own_catalog, firings(6), index=6)


def test_text_with_nul_is_kept_on_both_databases(own_catalog: SmallCatalog):
    pin(own_catalog, firings(), text="a\x00b")
    assert examples(own_catalog)[0].text == "a␀b"


def test_a_damaged_example_is_named(own_catalog: SmallCatalog):
    number = pin(own_catalog, firings())
    with session_scope(own_catalog.engine, write=True) as session:
        session.get(ExampleRow, number).payload = b"broken"
    with pytest.raises(CorruptRow, match=f"Example {number} is damaged"):
        examples(own_catalog)
