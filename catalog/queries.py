"""What a list of features can be asked, and what it answers. It knows no SQL."""

from dataclasses import dataclass
from typing import Literal

from catalog.errors import BadQuery
from catalog.records import FeatureSummary

Sort = Literal["index", "density", "peak", "mean", "token"]
Order = Literal["asc", "desc"]
SORTS: tuple[Sort, ...] = ("index", "density", "peak", "mean", "token")
ORDERS: tuple[Order, ...] = ("asc", "desc")
MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class FeatureQuery:
    """One page of a dictionary's features.

    harvest: id of a harvest; None means the newest complete one, else a preview, else the newest running one.
    sort: token sorts by the id of the likeliest token. after: a cursor that an earlier page of the same sort and
    order gave, of either direction. live: True for features that fired, False for dead ones, None for both.
    token_contains: text that the likeliest token contains, letter case ignored. token: id of the likeliest token.
    Densities are shares of tokens in [0, 1], bounds included. Raises BadQuery naming what is out of range.
    """

    dictionary: str
    harvest: str | None = None
    sort: Sort = "density"
    order: Order = "desc"
    limit: int = 50
    after: str | None = None
    min_density: float | None = None
    max_density: float | None = None
    min_peak: float | None = None
    max_peak: float | None = None
    live: bool | None = None
    token_contains: str | None = None
    token: int | None = None
    labelled: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what has no answer."""
        if self.sort not in SORTS:
            raise BadQuery(f"Features cannot be sorted by {self.sort!r}. Sort by one of {', '.join(SORTS)}.")
        if self.order not in ORDERS:
            raise BadQuery(f"The order {self.order!r} is neither 'asc' nor 'desc'.")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise BadQuery(f"A page holds 1 to {MAX_LIMIT} features, not {self.limit}.")
        for name in ("min_density", "max_density", "min_peak", "max_peak"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise BadQuery(f"{name} is {value}; expected a number of at least 0.")


@dataclass(frozen=True, slots=True)
class FeatureListPage:
    """Features in the order asked for. next, previous: cursors for `FeatureQuery.after`, None at the ends."""

    features: tuple[FeatureSummary, ...]
    next: str | None
    previous: str | None
    harvest: str | None
