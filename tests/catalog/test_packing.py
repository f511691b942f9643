"""Packing a feature's record: exact where it says so, within the storage step elsewhere."""

from dataclasses import fields, is_dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import BadRecord, CorruptRow
from catalog.packing import pack, pack_many, unpack, unpack_histograms, without_reserve
from catalog.records import ContextSet, FeatureRecord
from catalog.storage_steps import LOG_RELATIVE_ERROR, MEAN_RELATIVE_ERROR, SIGNED_TOP, TOP
from tests.catalog.random_features import feature

FLOAT32_ERROR = 1e-6
SHARES = ("recall", "precision", "lift", "mass", "low", "high", "share_of_firings", "share_of_activation")
SHARES += ("jaccard", "other_given_this", "this_given_other")


def leaves(value: object, path: str = ""):
    """Every field that is no record itself, with its dotted path."""
    for field in fields(value):  # type: ignore[arg-type]
        part = getattr(value, field.name)
        if is_dataclass(part):
            yield from leaves(part, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}", part


def tolerance(path: str, record: FeatureRecord) -> tuple[float, float]:
    """Relative and absolute error that the storage step allows for a field."""
    name = path.rsplit(".", 1)[-1]
    if name == "activations":
        return FLOAT32_ERROR, record.peak / TOP
    if name in SHARES and path not in ("bands.low", "bands.high"):
        return LOG_RELATIVE_ERROR + FLOAT32_ERROR, 0.0
    if name == "position_sum":
        return MEAN_RELATIVE_ERROR + FLOAT32_ERROR, 0.0
    if name == "neighbour_cosines":
        return FLOAT32_ERROR, 0.5 / SIGNED_TOP
    if path in ("logits.promoted", "logits.suppressed"):
        assert record.logits is not None
        scale = max(np.abs(record.logits.promoted).max(initial=0), np.abs(record.logits.suppressed).max(initial=0))
        return FLOAT32_ERROR, float(scale) * 0.5 / SIGNED_TOP
    return 0.0, 0.0


def assert_same_within_the_step(written: FeatureRecord, read: FeatureRecord) -> None:
    found = dict(leaves(read))
    for path, value in leaves(written):
        relative, absolute = tolerance(path, written)
        np.testing.assert_allclose(
            found[path], value, rtol=relative, atol=absolute, err_msg=path
        ) if value is not None else None
        if isinstance(value, np.ndarray):
            assert found[path].dtype == value.dtype, path


@st.composite
def context_sets(draw: st.DrawFn, peak: float) -> ContextSet:
    rows = draw(st.lists(st.sets(st.integers(0, 70_000), max_size=6), max_size=6))
    positions = [sorted(row) for row in rows]
    offsets = np.cumsum([0, *map(len, positions)])
    shares = draw(st.lists(st.floats(2**-20, 1, width=32), min_size=int(offsets[-1]), max_size=int(offsets[-1])))
    activations = np.minimum(np.array(shares, np.float32) * np.float32(peak), np.float32(peak))
    bounds = pairwise(offsets)
    peaks = np.array([activations[start:stop].max(initial=0) for start, stop in bounds], np.float32)
    ids = draw(st.lists(st.integers(0, 2**40), min_size=len(rows), max_size=len(rows)))
    flat = [position for row in positions for position in row]
    return ContextSet(np.array(ids, np.int64), peaks, offsets, np.array(flat, np.int64), activations)


@st.composite
def records(draw: st.DrawFn) -> FeatureRecord:
    fired = draw(st.sampled_from([0, 1, 500, 2**40]))
    base = feature(draw(st.integers(0, 2**31 - 1)), seed=draw(st.integers(0, 2**32)), fired=fired)
    if not fired:
        return base
    peak = float(np.float32(draw(st.floats(2**-40, 2**40, width=32))))
    top, shown, kept = (draw(context_sets(peak)) for _ in range(3))
    bands = replace(base.bands, contexts=shown, band=np.zeros(len(shown.peaks), np.uint8))
    reserve = replace(base.reserve, contexts=kept, band=np.zeros(len(kept.peaks), np.uint8))
    logits = base.logits if draw(st.booleans()) else None
    sums = (base.position_sum / base.peak * peak).astype(np.float32)
    return replace(base, peak=peak, position_sum=sums, top=top, bands=bands, reserve=reserve, logits=logits)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(records(), min_size=1, max_size=3))
def test_whatever_is_packed_comes_back_within_the_storage_step(drawn: list[FeatureRecord]):
    for record, packed in zip(drawn, pack_many(drawn), strict=True):
        assert packed == pack(record)
        assert_same_within_the_step(record, unpack(packed))


def test_a_firing_token_never_becomes_silent_and_none_exceeds_the_context_peak():
    record = feature(1)
    tiny = replace(record.top, activations=np.where(record.top.activations > 1, record.top.activations, 1e-9))
    record = replace(record, top=replace(tiny, activations=tiny.activations.astype(np.float32)))
    read = unpack(pack(record)).top
    assert (read.activations > 0).all()
    assert (read.activations <= np.repeat(read.peaks, np.diff(read.offsets))).all()


def test_zero_and_one_stay_exact_where_shares_are_logarithmic():
    record = feature(2)
    ends = np.where(np.arange(10) % 2, 1, 0).astype(np.float32)
    read = unpack(pack(replace(record, tokens=replace(record.tokens, recall=ends))))
    np.testing.assert_array_equal(read.tokens.recall, ends)


def test_a_feature_without_a_path_to_the_logits_has_none_again():
    assert unpack(pack(feature(1, with_logits=False))).logits is None


def test_a_dead_feature_is_small():
    packed = pack(feature(0, fired=0))
    assert len(packed) < 260
    assert not len(unpack(packed).top.context_ids)


def test_an_activation_above_the_peak_is_refused_with_the_feature():
    record = feature(7)
    with pytest.raises(BadRecord, match=r"Feature 7 has the value .* share values"):
        pack_many([feature(6), replace(record, peak=record.peak / 2), feature(8)])


def test_arrays_that_do_not_fit_each_other_are_refused_by_name():
    record = feature(7)
    short = replace(record.tokens, mass=record.tokens.mass[:-1])
    with pytest.raises(BadRecord, match=r"Feature 7 has 9 values of tokens\.mass but 10 of tokens\.token_ids"):
        pack(replace(record, tokens=short))


def test_positions_out_of_order_are_refused_by_name():
    record = feature(7)
    positions = record.top.positions.copy()
    positions[record.top.offsets[0] : record.top.offsets[1]] = 9
    positions[record.top.offsets[0]] = 12
    if record.top.offsets[1] < 2:
        positions[0] = -1
    with pytest.raises(BadRecord, match=r"top\.positions of feature 7"):
        pack(replace(record, top=replace(record.top, positions=positions)))


def test_a_value_that_is_no_number_is_refused():
    record = feature(7)
    with pytest.raises(BadRecord, match="nan"):
        pack(replace(record, neighbour_cosines=np.full(6, np.nan, np.float32)))


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_bytes_that_are_cut_off_are_refused(place: int):
    with pytest.raises(CorruptRow):
        unpack(pack(feature(3))[:place])


def test_bytes_of_a_later_version_are_refused_with_the_way_out():
    with pytest.raises(CorruptRow, match=r"version 9; this code reads 1\. Update the code"):
        unpack(b"\x09" + pack(feature(3))[1:])


def test_pages_get_a_record_without_its_reserve():
    record = without_reserve(feature(3))
    assert not len(record.reserve.contexts.context_ids) and not len(record.reserve.controls.context_ids)
    assert len(record.top.context_ids)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), max_size=4))
def test_histograms_alone_are_those_of_the_whole_records(drawn: list[FeatureRecord]):
    packed = pack_many(drawn)
    for alone, each in zip(unpack_histograms(packed), map(unpack, packed), strict=True):
        np.testing.assert_array_equal(alone[0], each.histogram_bins)
        np.testing.assert_array_equal(alone[1], each.histogram_counts)


@pytest.mark.parametrize("place", [0, 3, 7, 40])
def test_histograms_of_bytes_that_are_cut_off_are_refused(place: int):
    packed = pack(feature(5))
    with pytest.raises(CorruptRow):
        unpack_histograms([packed, packed[:place]])
