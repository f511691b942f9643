"""How a list of features is asked for in an address: the same names for the page and its JSON twin."""

from typing import Annotated, Literal

from fastapi import Depends, Query

from catalog.errors import BadQuery
from catalog.queries import FeatureQuery, Order, Sort

State = Literal["", "live", "dead"]
Labelled = Literal["", "yes", "no"]


class Asked:
    """The query of a list, as typed. An empty value counts as not given, as forms send it."""

    def __init__(
        self,
        *,
        sort: Annotated[Sort, Query(description="what the list is sorted by")] = "density",
        order: Annotated[Order | None, Query(description="asc or desc; the natural one by default")] = None,
        limit: Annotated[int, Query(ge=1, le=500, description="features on a page")] = 50,
        after: Annotated[str | None, Query(description="the cursor an earlier page gave as `next`")] = None,
        harvest: Annotated[str | None, Query(description="id of a harvest; the newest complete one by default")] = None,
        token: Annotated[str, Query(max_length=100, description="text the likeliest token contains")] = "",
        state: Annotated[State, Query(description="live: fired at least once; dead: never")] = "",
        labelled: Annotated[Labelled, Query(description="yes: has an accepted label; no: has none")] = "",
        min_density: Annotated[str, Query(description="least share of tokens, 0 to 1")] = "",
        max_density: Annotated[str, Query(description="greatest share of tokens, 0 to 1")] = "",
        min_peak: Annotated[str, Query(description="least peak activation")] = "",
        max_peak: Annotated[str, Query(description="greatest peak activation")] = "",
    ) -> None:
        self.sort: Sort = sort
        self.order: Order = order or ("asc" if sort in ("index", "token") else "desc")
        self.limit, self.after, self.harvest = limit, after or None, harvest or None
        self.token, self.state, self.labelled = token, state, labelled
        self.numbers = {
            "min_density": min_density,
            "max_density": max_density,
            "min_peak": min_peak,
            "max_peak": max_peak,
        }

    def filters(self) -> dict[str, str]:
        """What narrows the list, by name, as typed."""
        return {"token": self.token, "state": self.state, "labelled": self.labelled, **self.numbers}

    def feature_query(self, dictionary: str) -> FeatureQuery:
        """The catalog's query. Raises BadQuery naming what is not a number or out of range."""
        return FeatureQuery(
            dictionary=dictionary,
            harvest=self.harvest,
            sort=self.sort,
            order=self.order,
            limit=self.limit,
            after=self.after,
            live={"live": True, "dead": False}.get(self.state),
            labelled={"yes": True, "no": False}.get(self.labelled),
            token_contains=self.token or None,
            min_density=_number("min_density", self.numbers["min_density"]),
            max_density=_number("max_density", self.numbers["max_density"]),
            min_peak=_number("min_peak", self.numbers["min_peak"]),
            max_peak=_number("max_peak", self.numbers["max_peak"]),
        )


def _number(name: str, text: str) -> float | None:
    """A number as typed; a percentage may be written with a percent sign."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadQuery(f"{name} is {text!r}; expected a number, such as 0.001 or 0.1%.") from None


ListQuery = Annotated[Asked, Depends()]
