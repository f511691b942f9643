"""Features cast from few that are drawn: each is whole, and page and list say the same of it."""

import numpy as np
import pytest

from benchmarks.synthetic_features import SyntheticHarvest
from benchmarks.varied_features import LISTED, VARIED, Rows, chunk_rows
from catalog.packing import unpack
from catalog.tokens import Vocabulary

HARVEST = SyntheticHarvest(d_sae=600, tokens=200_000, l0=6.0, n_ctx=32, d_vocab=500)
START, RUN = 1_000, 7
N_DEAD = 20


@pytest.fixture(scope="module")
def rows() -> Rows:
    densities = HARVEST.densities()
    densities[:N_DEAD] = 0.0
    return chunk_rows(HARVEST, START, densities, run_id=RUN)


def test_every_index_is_there_once_in_order(rows: Rows):
    for part in rows:
        assert [row[:2] for row in part] == [(RUN, START + place) for place in range(HARVEST.d_sae)]


def test_page_and_list_say_the_same_and_sums_are_those_of_their_parts(rows: Rows):
    vocabulary = Vocabulary.of("benchmark", HARVEST.vocabulary(), frozenset({0}))
    for narrow, page in zip(*rows, strict=True):
        listed, feature = dict(zip(LISTED, narrow, strict=True)), unpack(page[2])
        assert (listed["index"], listed["tokens_fired"]) == (feature.index, feature.tokens_fired)
        assert feature.histogram_counts.sum() == feature.position_fired.sum() == feature.tokens_fired
        assert listed["peak"] == feature.peak
        if feature.tokens_fired:
            assert listed["mean"] == pytest.approx(feature.activation_sum / feature.tokens_fired)
            assert 0 < listed["mean"] <= feature.peak
            assert feature.top.peaks.max(initial=0) <= feature.peak
        if len(feature.tokens.token_ids):
            likeliest = int(feature.tokens.token_ids[np.argmax(feature.tokens.recall)])
            assert (listed["top_token"], listed["top_token_text"]) == (likeliest, vocabulary.text(likeliest))
        else:
            assert listed["top_token"] == -1


def test_the_dead_are_dead_and_those_of_one_mould_differ(rows: Rows):
    features = [dict(zip(LISTED, row, strict=True)) for row in rows[0]]
    assert all(feature["tokens_fired"] == 0 == feature["peak"] for feature in features[:N_DEAD])
    live = {(feature["tokens_fired"], feature["peak"], feature["top_token"]) for feature in features[N_DEAD:]}
    assert len(live) > HARVEST.d_sae / 2 > 2 * VARIED
    assert len({row[2] for row in rows[1]}) == HARVEST.d_sae
