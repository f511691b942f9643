"""The points at which the cost of a harvest is measured: each takes at most some two minutes on two cores."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One run of `benchmarks.harvest`. series: what it is compared with; x: what grows, 0 where it stands alone."""

    name: str
    series: str
    x: int
    options: tuple[str, ...]


def _point(series: str, x: int, **options: object) -> Point:
    """In float32 unless said otherwise: which dtype is faster is measured, and noise must not decide it anew."""
    options = {"dtype": "float32", **options}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return Point(f"{series}-{x}", series, x, tuple(words))


def _other(name: str, **options: object) -> Point:
    return Point(name, "others", 0, _point("others", 0, tokens=65_536, **options).options)


POINTS: tuple[Point, ...] = (
    *(_point("tokens", tokens, tokens=tokens) for tokens in (16_384, 65_536, 262_144)),
    *(_point("features", d_sae, tokens=32_768, d_sae=d_sae) for d_sae in (4_096, 16_384, 65_536, 131_072)),
    *(_point("dictionaries", n, tokens=32_768, dictionaries=n) for n in (1, 4, 8)),
    _other("topk", kind="topk"),
    _other("jumprelu", kind="jumprelu"),
    _other("bfloat16", dtype="bfloat16"),
    _other("n-ctx-32", n_ctx=32),
    _other("n-ctx-1024", n_ctx=1024),
)
# What grows, or what is varied, and what stays the same.
SERIES = {
    "tokens": ("tokens", "16,384 features, one dictionary"),
    "features": ("features", "32,768 tokens, one dictionary"),
    "dictionaries": ("dictionaries", "of 16,384 features, 32,768 tokens"),
    "others": ("other kinds", "65,536 tokens, 16,384 features"),
}
