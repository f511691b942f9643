"""Reading features back: pages, lists, neighbours, and how many queries that takes."""

import numpy as np
import pytest

from catalog.engine import session_scope
from catalog.queries import FeatureQuery
from catalog.reader import CatalogReader
from tests.catalog.random_features import D_SAE, N_TOKENS, SmallCatalog


def test_a_page_has_the_feature_its_contexts_and_its_live_neighbours(catalog: SmallCatalog):
    with session_scope(catalog.engine) as session:
        data = CatalogReader(session).feature_page_data("tiny-sae", 5)
    written = catalog.features[5]
    assert data.harvest.id == "first" and data.dictionary.slug == "tiny-sae"
    np.testing.assert_array_equal(data.feature.top.context_ids, written.top.context_ids)
    np.testing.assert_array_equal(data.feature.top.peaks, written.top.peaks)
    assert set(written.top.context_ids.tolist()) <= set(data.contexts)
    assert data.contexts[int(written.top.context_ids[0])].document.startswith("document ")
    assert (data.previous, data.next) == (2, 6)
    assert not len(data.feature.reserve.contexts.context_ids)


@pytest.mark.parametrize("index", [0, 5, D_SAE - 1])
def test_a_page_read_with_the_head_of_another_is_the_same(catalog: SmallCatalog, index: int):
    with session_scope(catalog.engine) as session:
        reader = CatalogReader(session)
        head = reader.feature_page_data("tiny-sae", 6).head
        alone, with_head = (reader.feature_page_data("tiny-sae", index, head=each) for each in (None, head))
    assert (alone.dictionary, alone.harvest) == (with_head.dictionary, with_head.harvest)
    assert (alone.previous, alone.next) == (with_head.previous, with_head.next)
    assert alone.feature.label == with_head.feature.label
    np.testing.assert_array_equal(alone.feature.top.context_ids, with_head.feature.top.context_ids)
    assert list(alone.contexts) == list(with_head.contexts)


@pytest.mark.parametrize("sort", ["index", "density", "peak", "mean", "token"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_forwards_and_backwards_show_every_feature_once(catalog: SmallCatalog, sort: str, order: str):
    with session_scope(catalog.engine) as session:
        reader = CatalogReader(session)
        pages = [reader.features(FeatureQuery("tiny-sae", sort=sort, order=order, limit=7))]
        while pages[-1].next:
            pages.append(
                reader.features(FeatureQuery("tiny-sae", sort=sort, order=order, limit=7, after=pages[-1].next))
            )
        back = [pages[-1]]
        while back[-1].previous:
            back.append(
                reader.features(FeatureQuery("tiny-sae", sort=sort, order=order, limit=7, after=back[-1].previous))
            )
    forwards = [row.index for page in pages for row in page.features]
    assert sorted(forwards) == list(range(D_SAE))
    assert [row.index for page in reversed(back) for row in page.features] == forwards
    assert pages[0].previous is None
    if sort == "density":
        densities = [row.density for page in pages for row in page.features]
        assert densities == sorted(densities, reverse=order == "desc")
        assert max(densities) == max(record.tokens_fired for record in catalog.features) / N_TOKENS


def test_some_features_are_read_together_as_each_alone(catalog: SmallCatalog):
    wanted = [7, 3, 0, D_SAE - 1, D_SAE + 5, 7]
    there = [0, 3, 7, D_SAE - 1]
    with session_scope(catalog.engine) as session:
        reader = CatalogReader(session)
        lines = reader.some_features("tiny-sae", wanted)
        scales = reader.feature_scales("tiny-sae", wanted)
        histograms = reader.histograms("tiny-sae", wanted)
        listed = {row.index: row for row in reader.features(FeatureQuery("tiny-sae", limit=500)).features}
        assert reader.some_features("tiny-sae", []) == []
        assert reader.histograms("tiny-sae", []) == {}
    assert lines == [listed[index] for index in there]
    assert (scales.harvest, scales.tokens, scales.indices.tolist()) == ("first", N_TOKENS, there)
    assert scales.tokens_fired.tolist() == [catalog.features[index].tokens_fired for index in there]
    assert scales.peaks.tolist() == pytest.approx([catalog.features[index].peak for index in there], rel=1e-6)
    assert set(histograms) == set(there)
    for index in there:
        np.testing.assert_array_equal(histograms[index][0], catalog.features[index].histogram_bins)
        np.testing.assert_array_equal(histograms[index][1], catalog.features[index].histogram_counts)
