"""Addresses to measure: features all over a dictionary, and lists of every sort, filter and depth."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Engine, select

from benchmarks.synthetic_catalog import DICTIONARY
from catalog.cursors import Cursor
from catalog.queries import ORDERS, SORTS, FeatureQuery, Order, Sort
from catalog.schema import FeatureRow

DEPTHS = (0.0, 0.1, 0.5, 0.9, 0.999)
FILTERS = {
    "live": "state=live",
    "dead": "state=dead",
    "dense": "min_density=0.01",
    "rare": "max_density=0.00001&state=live",
    "in between": "min_density=0.0001&max_density=0.0002",
    "high peaks": "min_peak=15",
    "low peaks": "max_peak=3&state=live",
    "common text": "token=e",
    "rare text": "token=qxz",
    "no text": "token=%E6%9D%B1%E4%BA%AC",
    "dense with low peaks": "min_density=0.001&max_peak=8",
    "rare with high peaks": "max_density=0.00001&min_peak=20",
    "three at once": "min_density=0.0001&min_peak=6&token=an",
}
_COLUMNS = {
    "density": FeatureRow.tokens_fired,
    "peak": FeatureRow.peak,
    "mean": FeatureRow.mean,
    "token": FeatureRow.top_token,
}
API = f"/api/v1/dictionaries/{DICTIONARY}/features"


def feature_indices(d_sae: int, n: int, *, seed: int) -> list[int]:
    """Features drawn by the seed, none twice."""
    return np.random.default_rng(seed).choice(d_sae, min(n, d_sae), replace=False).tolist()


def page_of(index: int) -> str:
    """The page of a feature."""
    return f"/d/{DICTIONARY}/{index}"


def plain_lists(engine: Engine, d_sae: int) -> dict[str, str]:
    """The queries of lists that nothing narrows, by what they are: every sort, both ways, at every depth."""
    return {f"{sort} {order}, {depth:.1%} down": asked for sort, order, depth, asked in _plain(engine, d_sae)}


def filtered_lists() -> dict[str, str]:
    """The queries of narrowed lists, by what they are: every filter in every sort, both ways."""
    return {
        f"{sort} {order}, {name}": f"sort={sort}&order={order}&{asked}"
        for sort in SORTS
        for order in ORDERS
        for name, asked in FILTERS.items()
    }


def _plain(engine: Engine, d_sae: int) -> Iterator[tuple[Sort, Order, float, str]]:
    for sort in SORTS:
        for order in ORDERS:
            for depth in DEPTHS:
                after = f"&after={_cursor(engine, sort, order, int(depth * d_sae))}" if depth else ""
                yield sort, order, depth, f"sort={sort}&order={order}{after}"


def _cursor(engine: Engine, sort: Sort, order: Order, place: int) -> str:
    """The cursor behind so many features, found the slow way."""
    keys = (FeatureRow.index,) if sort == "index" else (_COLUMNS[sort], FeatureRow.index)
    columns = [key.asc() if order == "asc" else key.desc() for key in keys]
    with engine.connect() as connection:
        row = connection.execute(select(*keys).order_by(*columns).offset(place).limit(1)).one()
    query = FeatureQuery(DICTIONARY, sort=sort, order=order)
    return Cursor(0 if sort == "index" else row[0], row[-1], backwards=False).encode(query)
