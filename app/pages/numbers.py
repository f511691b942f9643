"""Numbers as people read them. Every figure on a page goes through one of these."""

import math

MINUTE = 60
HOUR = 3600
DAY = 86400


def count(value: int) -> str:
    """A whole number with thousands apart: 12,345."""
    return f"{value:,}"


def significant(value: float) -> str:
    """A measurement to three significant digits, without an exponent where that stays readable."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if 0.001 <= size < 100_000:
        text = f"{size:#.3g}"
        text = f"{size:,.0f}" if "e" in text else text.removesuffix(".")
        return text if value > 0 else "−" + text
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def signed(value: float) -> str:
    """As `significant`, with a plus sign before what is above zero."""
    return f"+{significant(value)}" if value > 0 else significant(value)


def share(value: float) -> str:
    """A fraction as a percentage, to about two significant digits; below 0 where something made matters worse."""
    if value < 0:
        return "−" + share(-value)
    percent = value * 100
    if percent == 0:
        return "0 %"
    if percent >= 10:
        return f"{percent:.0f} %"
    if percent >= 1:
        return f"{percent:.1f} %"
    digits = min(6, 1 - math.floor(math.log10(percent)))
    return f"{percent:.{digits}f} %"


def one_in(density: float) -> str:
    """A density in plain words: 'one token in 8,100'."""
    if density <= 0:
        return "no token"
    if density > 0.5:
        return f"{share(density)} of tokens"
    spacing = 1 / density
    rounded = round(spacing, 1 - math.floor(math.log10(spacing))) if spacing >= 100 else round(spacing)
    return f"one token in {rounded:,.0f}"


def duration(seconds: float) -> str:
    """A length of time in the two largest units: '1 h 5 min', '40 s'."""
    seconds = max(0, round(seconds))
    if seconds < MINUTE:
        return f"{seconds} s"
    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
    large = next(place for place, (size, _) in enumerate(units) if seconds >= size)
    (size, name), (smaller, small_name) = units[large], units[large + 1]
    rest = seconds % size // smaller
    return f"{seconds // size} {name} {rest} {small_name}" if rest else f"{seconds // size} {name}"


def plural(value: int, noun: str) -> str:
    """A count with its noun: '1 context', '20 contexts'."""
    if value == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{value:,} {noun[:-1]}ies"
    return f"{value:,} {noun}s"
