"""Numbers as people read them."""

import pytest

from app.pages import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (0.00123, "0.00123"),
        (-2.5, "−2.50"),
        (123456.0, "1.23e5"),
        (1e-7, "1.00e−7"),
        (12345, "12,345"),
    ],
)
def test_significant_keeps_three_digits(value: float, text: str):
    assert numbers.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.0213, "2.1 %"),
        (0.00071, "0.071 %"),
        (1.2e-7, "0.000012 %"),
        (0.9996, "100 %"),
        (1.304, "130 %"),
        (-0.0213, "−2.1 %"),
    ],
)
def test_shares_read_as_percentages(value: float, text: str):
    assert numbers.share(value) == text


@pytest.mark.parametrize(
    ("density", "text"),
    [(0, "no token"), (0.7, "70 % of tokens"), (1 / 48, "one token in 48"), (1 / 8123, "one token in 8,100")],
)
def test_a_density_reads_as_one_token_in_so_many(density: float, text: str):
    assert numbers.one_in(density) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (60, "1 min"), (61, "1 min 1 s"), (3900, "1 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations_name_their_two_largest_units(seconds: float, text: str):
    assert numbers.duration(seconds) == text


def test_plurals_follow_their_noun():
    assert [numbers.plural(1, "context"), numbers.plural(2, "context"), numbers.plural(2, "entry")] == [
        "1 context",
        "2 contexts",
        "2 entries",
    ]


def test_a_sign_stands_before_what_is_above_zero():
    assert [numbers.signed(0.5), numbers.signed(-0.5), numbers.signed(0)] == ["+0.500", "−0.500", "0"]
