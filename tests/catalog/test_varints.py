"""Whole numbers as varints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CorruptRow
from catalog.varints import decode_varints, encode_rows, encode_varints, unzigzag, varint_sizes, zigzag


def encoded_by_hand(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number % 128 + 128)
        number //= 128
    return bytes([*out, number])


@given(st.lists(st.integers(0, 2**63 - 1), max_size=40))
def test_numbers_are_written_seven_bits_a_byte_and_read_back(numbers: list[int]):
    values = np.array(numbers, dtype=np.int64)
    data = encode_varints(values)
    assert data == b"".join(encoded_by_hand(number) for number in numbers)
    assert varint_sizes(values).tolist() == [len(encoded_by_hand(number)) for number in numbers]
    assert decode_varints(data).tolist() == numbers


@given(st.lists(st.lists(st.integers(0, 2**40), max_size=4), max_size=5))
def test_rows_are_written_each_by_itself(rows: list[list[int]]):
    arrays = [np.array(row, dtype=np.int64) for row in rows]
    assert encode_rows(arrays) == [encode_varints(array) for array in arrays]


@given(st.lists(st.integers(-(2**61), 2**61), max_size=20))
def test_zigzag_keeps_signed_numbers(numbers: list[int]):
    values = np.array(numbers, dtype=np.int64)
    assert unzigzag(zigzag(values)).tolist() == numbers
    assert zigzag(np.array([0, -1, 1, -2])).tolist() == [0, 1, 2, 3]


def test_a_run_cut_off_in_a_number_is_refused():
    with pytest.raises(CorruptRow, match="cut off"):
        decode_varints(encode_varints(np.array([5, 300]))[:-1])


def test_a_number_without_end_is_refused():
    with pytest.raises(CorruptRow, match="longer"):
        decode_varints(b"\xff" * 12 + b"\x01")
