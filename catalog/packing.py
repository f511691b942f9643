"""A feature's record as one compact run of bytes, and back.

Layout, after a header of version, flags and the length of the first part: all whole numbers as varints (counts,
lengths, ids, positions; ascending ones as differences), all 16-bit fractions (low bytes, then high bytes), all exact
float32, and two float64. `storage_steps.py` says what a 16-bit fraction may lose. The whole is deflated where that
makes it smaller. Many records are packed at once, because numpy is fast on long arrays only.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from catalog import packing_layout as layout
from catalog.errors import BadRecord, CorruptRow
from catalog.packing_layout import Coding, Field
from catalog.records import FeatureRecord
from catalog.storage_steps import (
    decode_log,
    decode_mean,
    decode_share,
    decode_signed,
    encode_log,
    encode_mean,
    encode_share,
    encode_signed,
)
from catalog.varints import decode_varints, encode_varints, unzigzag, varint_sizes, zigzag

VERSION = 1
_DEFLATED = 1
_HEADER = struct.Struct("<BBI")
_LEVEL = 1
_HISTOGRAM = layout.HEAD.index("histogram")


def pack(record: FeatureRecord) -> bytes:
    """The record without its label. Raises BadRecord where its arrays contradict each other."""
    return pack_many([record])[0]


def pack_many(records: Sequence[FeatureRecord]) -> list[bytes]:
    """`pack` of each record, much faster together."""
    if not records:
        return []
    whole = [layout.with_logits(record) for record in records]
    lengths = _lengths(whole)
    scales = _Scales(whole)
    numbers, number_ends = _pack_numbers(whole, lengths, scales)
    halves, half_ends = _pack_halves(whole, scales)
    singles, single_ends = _pack_singles(whole, scales)
    doubles = np.array([layout.DOUBLES(record) for record in whole], dtype="<f8")
    parts = zip(
        _slices(numbers, number_ends),
        _slices(halves, half_ends),
        _slices(singles, single_ends),
        doubles,
        strict=True,
    )
    return [_seal(ints, half.view(np.uint8), single, double) for ints, half, single, double in parts]


def unpack(packed: bytes) -> FeatureRecord:
    """The record, its label None. Raises CorruptRow where the bytes are damaged or of another version."""
    numbers, rest = _open(packed)
    counts = dict(zip(layout.HEAD, numbers[: len(layout.HEAD)].tolist(), strict=False))
    try:
        return _Unpacking(counts, numbers[len(layout.HEAD) :], rest).record()
    except (ValueError, IndexError, KeyError) as error:
        raise CorruptRow(f"A packed feature is damaged: {error}.") from error


def unpack_histograms(packed: Sequence[bytes]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What `unpack` gives of each as histogram_bins and histogram_counts, many times faster: they stand in front.

    Raises CorruptRow where bytes are damaged.
    """
    runs = [_number_bytes(each) for each in packed]
    data = b"".join(runs)
    numbers = decode_varints(data)
    n_before = np.cumsum(np.frombuffer(data, dtype=np.uint8) < 0x80, dtype=np.int64)
    ends = np.cumsum([len(run) for run in runs], dtype=np.int64)
    return [_histogram(part) for part in _slices(numbers, n_before[ends - 1])] if runs else []


def _number_bytes(packed: bytes) -> bytes:
    """The bytes of the whole numbers, which end with one of theirs."""
    n_numbers, is_deflated, body = _header(packed)
    try:
        numbers = zlib.decompressobj().decompress(body, n_numbers) if is_deflated else body[:n_numbers]
    except zlib.error as error:
        raise CorruptRow(f"A packed feature is damaged: {error}.") from error
    if len(numbers) < n_numbers or not n_numbers or numbers[-1] >= 0x80:
        raise CorruptRow("A packed feature is cut off.")
    return numbers


def _histogram(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first = len(layout.HEAD)
    n_bins = int(numbers[_HISTOGRAM]) if len(numbers) > first else 0
    if len(numbers) < first + 2 * n_bins:
        raise CorruptRow("A packed feature is cut off.")
    return np.cumsum(numbers[first : first + n_bins]), numbers[first + n_bins : first + 2 * n_bins]


class _Scales:
    """What the 16-bit codings of each record are relative to."""

    def __init__(self, records: Sequence[FeatureRecord]) -> None:
        self.peak = np.array([record.peak for record in records], dtype=np.float32).astype(np.float64)
        effects = [record.logits for record in records if record.logits is not None]
        largest = [max(np.abs(e.promoted).max(initial=0), np.abs(e.suppressed).max(initial=0)) for e in effects]
        self.logits = np.array(largest, dtype=np.float32).astype(np.float64)


def _lengths(records: Sequence[FeatureRecord]) -> NDArray[np.int64]:
    """Length of each group of fields in each record, [record, group]; refuses fields of a group that differ."""
    fields = (*layout.NUMBERS, *layout.HALVES, *layout.SINGLES)
    arrays = ((*layout.numbers(record), *layout.halves(record), *layout.singles(record)) for record in records)
    sizes = np.fromiter(map(len, chain.from_iterable(arrays)), dtype=np.int64).reshape(len(records), len(fields))
    groups = [layout.GROUPS.index(field.group) for field in fields]
    first = [groups.index(number) for number in range(len(layout.GROUPS))]
    lengths = sizes[:, first]
    wrong = np.argwhere(sizes != lengths[:, groups])
    if len(wrong):
        row, column = wrong[0]
        raise BadRecord(
            f"Feature {records[row].index} has {sizes[row, column]} values of {fields[column].name} "
            f"but {lengths[row, groups[column]]} of {fields[first[groups[column]]].name}; they must be as many."
        )
    return lengths


def _pack_numbers(
    records: Sequence[FeatureRecord], lengths: NDArray[np.int64], scales: "_Scales"
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    heads = np.column_stack([np.array([layout.COUNTS(record) for record in records], dtype=np.int64), lengths])
    per_record = len(layout.NUMBERS) + 1
    pieces = list(
        chain.from_iterable((head, *layout.numbers(record)) for head, record in zip(heads, records, strict=True))
    )
    pieces[layout.MEAN_COLUMN + 1 :: per_record] = _means(records, scales)
    stream, starts, sizes = _join(pieces)
    codings = np.tile([Coding.PLAIN, *(field.coding for field in layout.NUMBERS)], len(records))
    differs = np.repeat((codings == Coding.ASCENDING) | (codings == Coding.ROWS), sizes)
    differs[starts[sizes > 0]] = False
    differs[_row_starts(records, starts.reshape(-1, per_record), len(stream))] = False
    values = np.where(differs, np.diff(stream, prepend=0), stream)
    values = np.where(np.repeat(codings == Coding.SIGNED, sizes), zigzag(values), values)
    if values.min(initial=0) < 0:
        raise _out_of_order(records, int(np.argmax(values < 0)), starts, per_record)
    ends = np.cumsum(varint_sizes(values))[np.cumsum(sizes.reshape(-1, per_record).sum(axis=1)) - 1]
    return np.frombuffer(encode_varints(values), dtype=np.uint8), ends


def _means(records: Sequence[FeatureRecord], scales: "_Scales") -> list[NDArray]:
    """The coded sums by position of each record."""
    sums, _, sizes = _join([record.position_sum for record in records], np.float64)
    counts, _, _ = _join([record.position_fired for record in records])
    if not np.isfinite(sums).all() or sums.min(initial=0) < 0:
        raise BadRecord(
            f"One of features {records[0].index} to {records[-1].index} has a position_sum below 0 or none."
        )
    return _slices(encode_mean(sums, counts, np.repeat(scales.peak, sizes)), np.cumsum(sizes))


def _row_starts(records: Sequence[FeatureRecord], starts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Places in the stream where the positions of a context begin."""
    places = []
    for name, column in layout.POSITION_COLUMNS:
        offsets = [layout.context_set(record, name).offsets[:-1] for record in records]
        rows, _, counts = _join(offsets)
        places.append(rows + np.repeat(starts[:, column + 1], counts))
    joined = np.concatenate(places)
    return joined[joined < size]


def _out_of_order(
    records: Sequence[FeatureRecord], place: int, starts: NDArray[np.int64], per_record: int
) -> BadRecord:
    row, column = divmod(int(np.searchsorted(starts, place, side="right")) - 1, per_record)
    name = "counts" if column == 0 else layout.NUMBERS[column - 1].name
    return BadRecord(
        f"{name} of feature {records[row].index} must be at least 0, and ascending where it is a sequence."
    )


def _pack_halves(records: Sequence[FeatureRecord], scales: _Scales) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    arrays = list(chain.from_iterable(layout.halves(record) for record in records))
    values, _, sizes = _join(arrays, np.float64)
    per_record = sizes.reshape(len(records), -1).sum(axis=1)
    coding = np.repeat(np.tile([field.coding for field in layout.HALVES], len(records)), sizes)
    row = np.repeat(np.arange(len(records)), per_record)
    codes, peak = np.empty(len(values), dtype=np.uint16), scales.peak[row]
    _check_halves(records, values, coding, np.where(coding == Coding.SHARE, peak, np.inf))
    for kind, encode in (
        (Coding.SHARE, lambda at: encode_share(values[at], peak[at])),
        (Coding.LOG, lambda at: encode_log(values[at])),
        (Coding.COSINE, lambda at: encode_signed(values[at], np.ones(1))),
        (Coding.EFFECT, lambda at: encode_signed(values[at], scales.logits[row[at]])),
    ):
        at = np.flatnonzero(coding == kind)
        codes[at] = encode(at)
    return codes, np.cumsum(per_record)


def _check_halves(
    records: Sequence[FeatureRecord],
    values: NDArray[np.float64],
    coding: NDArray[np.int64],
    highest: NDArray[np.float64],
) -> None:
    """Refuses what the codings cannot hold. highest: the most that each value may be."""
    signed = (coding == Coding.COSINE) | (coding == Coding.EFFECT)
    wrong = np.flatnonzero(~np.isfinite(values) | (~signed & (values < 0)) | (values > highest))
    if not len(wrong):
        return
    at = int(wrong[0])
    sizes = [sum(map(len, layout.halves(record))) for record in records]
    index = records[int(np.searchsorted(np.cumsum(sizes), at, side="right"))].index
    raise BadRecord(
        f"Feature {index} has the value {values[at]} among its {Coding(coding[at]).name.lower()} values; "
        f"expected a finite number{'' if signed[at] else f' from 0 to {highest[at]}'}."
    )


def _pack_singles(records: Sequence[FeatureRecord], scales: _Scales) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    scalars = np.column_stack(
        [np.array([layout.SCALARS(record) for record in records], dtype=np.float32), scales.logits]
    )
    pieces = [(scalar, *layout.singles(record)) for scalar, record in zip(scalars, records, strict=True)]
    values, _, sizes = _join(list(chain.from_iterable(pieces)), np.dtype("<f4"))
    if not np.isfinite(values).all():
        raise BadRecord(f"Features {records[0].index} to {records[-1].index} have a peak that is no finite number.")
    return values.view(np.uint8), 4 * np.cumsum(sizes.reshape(len(records), -1).sum(axis=1))


def _join(
    arrays: Sequence[NDArray], dtype: type | np.dtype = np.int64
) -> tuple[NDArray, NDArray[np.int64], NDArray[np.int64]]:
    """Arrays end to end, where each starts, and how long each is."""
    sizes = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))
    return np.concatenate(arrays, dtype=dtype, casting="same_kind"), np.cumsum(sizes) - sizes, sizes


def _slices(values: NDArray, ends: NDArray[np.int64]) -> list[NDArray]:
    bounds = [0, *ends.tolist()]
    return [values[start:stop] for start, stop in pairwise(bounds)]


def _seal(numbers: NDArray[np.uint8], halves: NDArray[np.uint8], singles: NDArray, doubles: NDArray) -> bytes:
    body = b"".join(
        (numbers.tobytes(), halves[0::2].tobytes(), halves[1::2].tobytes(), singles.tobytes(), doubles.tobytes())
    )
    return deflated(len(numbers), body)


def deflated(n_numbers: int, body: bytes) -> bytes:
    """A packed feature of a body that begins with so many bytes of whole numbers; the other way round of `inflated`."""
    smaller = zlib.compress(body, _LEVEL)
    if len(smaller) < len(body):
        return _HEADER.pack(VERSION, _DEFLATED, n_numbers) + smaller
    return _HEADER.pack(VERSION, 0, n_numbers) + body


def inflated(packed: bytes) -> tuple[int, bytes]:
    """The bytes as they were before they were deflated, and how many of them are whole numbers.

    Raises CorruptRow where they are damaged or of another version.
    """
    n_numbers, is_deflated, body = _header(packed)
    try:
        return n_numbers, zlib.decompress(body) if is_deflated else body
    except zlib.error as error:
        raise CorruptRow(f"A packed feature is damaged: {error}.") from error


def _header(packed: bytes) -> tuple[int, bool, bytes]:
    """How many bytes of whole numbers there are, whether what follows is deflated, and what follows."""
    if len(packed) < _HEADER.size:
        raise CorruptRow(f"A packed feature has {len(packed)} bytes, fewer than its header.")
    version, flags, n_numbers = _HEADER.unpack_from(packed)
    if version != VERSION:
        raise CorruptRow(f"A packed feature is of version {version}; this code reads {VERSION}. Update the code.")
    return n_numbers, bool(flags & _DEFLATED), packed[_HEADER.size :]


def _open(packed: bytes) -> tuple[NDArray[np.int64], bytes]:
    """The whole numbers, and the bytes behind them."""
    n_numbers, body = inflated(packed)
    numbers = decode_varints(body[:n_numbers])
    if len(body) < n_numbers or len(numbers) < len(layout.HEAD):
        raise CorruptRow("A packed feature is cut off.")
    return numbers, body[n_numbers:]


class _Unpacking:
    """One record being read: its counts and lengths, its whole numbers, and the bytes of its fractions."""

    def __init__(self, counts: dict[str, int], numbers: NDArray[np.int64], rest: bytes) -> None:
        self.counts = counts
        n_halves = sum(counts[field.group] for field in layout.HALVES)
        n_singles = layout.N_SCALARS + sum(counts[field.group] for field in layout.SINGLES)
        if len(rest) != 2 * n_halves + 4 * n_singles + 16:
            raise CorruptRow("A packed feature is cut off.")
        planes = np.frombuffer(rest, dtype=np.uint8, count=2 * n_halves).reshape(2, n_halves)
        self.codes = planes[0] | planes[1].astype(np.uint16) << 8
        singles = np.frombuffer(rest, dtype="<f4", count=n_singles, offset=2 * n_halves)
        self.scalars: dict[str, float] = dict(
            zip(layout.SCALAR_NAMES, singles[: layout.N_SCALARS].tolist(), strict=True)
        )
        self.singles = singles[layout.N_SCALARS :]
        self.doubles = np.frombuffer(rest, dtype="<f8", offset=len(rest) - 16).tolist()
        self.numbers = numbers

    def record(self) -> FeatureRecord:
        """The record, built from its parts."""
        values = self._named(layout.SINGLES, self.singles.astype(np.float32))
        values |= self._named(layout.NUMBERS, self.numbers)
        for field in layout.NUMBERS:
            if field.coding != Coding.PLAIN or field.dtype is not np.int64:
                values[field.name] = self._number(field, values)
        values |= self._named(layout.HALVES, self._decoded(values).astype(np.float32))
        return layout.build(values, self.counts, self.scalars, self.doubles)

    def _named(self, fields: Sequence[Field], stream: NDArray) -> dict[str, NDArray]:
        ends = np.cumsum([self.counts[field.group] for field in fields])
        if len(stream) != ends[-1]:
            raise CorruptRow("A packed feature is cut off.")
        return dict(zip((field.name for field in fields), _slices(stream, ends), strict=True))

    def _number(self, field: Field, values: dict[str, NDArray]) -> NDArray:
        part = values[field.name]
        if field.coding == Coding.SIGNED:
            return unzigzag(part)
        if field.coding == Coding.ASCENDING:
            return np.cumsum(part)
        if field.coding == Coding.ROWS:
            return _cumulate_rows(part, values[field.name.replace("positions", "offsets")])
        if field.coding == Coding.MEAN:
            return decode_mean(part, values["position_fired"], self.scalars["peak"]).astype(np.float32)
        return part.astype(field.dtype)

    def _decoded(self, values: dict[str, NDArray]) -> NDArray[np.float64]:
        """All 16-bit fractions as numbers, in the order of HALVES."""
        peak = self.scalars["peak"]
        parts = dict(zip(_CODING_ORDER, _slices(self.codes, self._coding_ends()), strict=True))
        at_most = [np.repeat(values[f"{path}.peaks"], _sizes(values[f"{path}.offsets"])) for path in _CONTEXT_PATHS]
        shares = np.minimum(decode_share(parts[Coding.SHARE], peak), np.concatenate(at_most))
        effects = decode_signed(parts[Coding.EFFECT], self.scalars["logit_scale"])
        return np.concatenate(
            [shares, decode_log(parts[Coding.LOG]), effects, decode_signed(parts[Coding.COSINE], 1.0)]
        )

    def _coding_ends(self) -> NDArray[np.int64]:
        sizes: dict[Coding, int] = dict.fromkeys(_CODING_ORDER, 0)
        for field in layout.HALVES:
            sizes[field.coding] += self.counts[field.group]
        return np.cumsum(list(sizes.values()))


_CODING_ORDER: tuple[Coding, ...] = (Coding.SHARE, Coding.LOG, Coding.EFFECT, Coding.COSINE)
_CONTEXT_PATHS = tuple(path for path, _ in layout.CONTEXT_SETS)


def _sizes(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes = ends.copy()
    sizes[1:] -= ends[:-1]
    return sizes


def _cumulate_rows(differences: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions from their differences; row i ends before ends[i] and starts anew."""
    if not len(differences):
        return differences
    total = np.cumsum(differences)
    sizes = _sizes(ends)
    before = np.concatenate([[0], total])[ends - sizes]
    return total - np.repeat(before, sizes)


def without_reserve(record: FeatureRecord) -> FeatureRecord:
    """The record as pages may see it: its reserve emptied."""
    return replace(record, reserve=layout.EMPTY_RESERVE)
