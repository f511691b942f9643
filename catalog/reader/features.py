"""Reads single features: the packed row, what surrounds it, and the live ones beside it."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Integer, String, bindparam, select
from sqlalchemy.orm import Session, aliased

from catalog.among import among
from catalog.errors import NotFound
from catalog.packing import unpack, unpack_histograms, without_reserve
from catalog.reader.contexts import by_ids
from catalog.reader.dictionaries import dictionary_record, one_dictionary
from catalog.reader.examples import number_of
from catalog.reader.feature_lists import accepted_label
from catalog.reader.harvests import harvest_columns, harvest_record
from catalog.reader.kept_blocks import KeptBlocks
from catalog.reader.runs import Run, find_run, which_run
from catalog.records import FeaturePageData, FeatureRecord, PageHead, Reserve
from catalog.schema import DictionaryRow, FeaturePageRow, FeatureRow, HarvestRow, ModelRow, RunRow

Place = tuple[str, int, str | None]
"""Slug of a dictionary, index of a feature, id of a harvest or None for the one shown."""
PageRow = tuple[PageHead, bytes, str | None, int | None, int | None, int]
"""The head, the packed feature, its label, the nearest live features on either side, how many examples it has."""


def one_feature(session: Session, place: Place) -> FeatureRecord:
    """Everything of one feature except its reserve."""
    payload, label = _packed(session, place)
    return replace(without_reserve(unpack(payload)), label=label)


def reserve(session: Session, place: Place) -> Reserve:
    """The contexts of a feature kept for blind tests."""
    payload, _ = _packed(session, place)
    return unpack(payload).reserve


def page_data(session: Session, place: Place, kept: KeptBlocks, head: PageHead | None = None) -> FeaturePageData:
    """All that a feature's page needs: one query for the feature, at most two for its contexts.

    head: from an earlier page of the same dictionary and harvest; the first query is a shorter one then.
    """
    row = _whole_row(session, place) if head is None else _row(session, place, head)
    head, payload, label, before, behind, n_examples = row
    feature = replace(without_reserve(unpack(payload)), label=label)
    return FeaturePageData(
        dictionary=head.dictionary,
        harvest=head.harvest,
        feature=feature,
        contexts=by_ids(session, head.harvest.id, context_ids(feature), kept),
        previous=before,
        next=behind,
        head=head,
        n_examples=n_examples,
    )


def _whole_row(session: Session, place: Place) -> PageRow:
    slug, index, harvest_id = place
    named = {} if harvest_id is None else {"harvest": harvest_id}
    query = _page_query(is_pinned=harvest_id is not None)
    row = session.execute(query, {"slug": slug, "index": index, **named}).one_or_none()
    if row is None:
        raise _not_there(session, place)
    dictionary, model, run, harvest, harvest_model, corpus, n_ctx, names, *rest = tuple(row)
    pinned = harvest_record(harvest, harvest_model, corpus, n_ctx=n_ctx, dictionaries=names)
    return PageHead(dictionary_record(dictionary, model, pinned), pinned, run), *rest


def _row(session: Session, place: Place, head: PageHead) -> PageRow:
    """Straight on the connection: the session's part would cost as much as the query."""
    values = {"run": head.run, "index": place[1], "hash": head.dictionary.hash}
    row = session.connection().execute(_row_query(), values).one_or_none()
    if row is None:
        raise _not_there(session, place)
    return head, *row


def context_ids(feature: FeatureRecord) -> list[int]:
    """Every context that a feature's page refers to."""
    parts = (feature.top.context_ids, feature.bands.contexts.context_ids, feature.controls.context_ids)
    return np.unique(np.concatenate(parts)).tolist()


def histograms(
    session: Session, slug: str, harvest_id: str | None, indices: Iterable[int]
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Bins of the common grid and counts of those features that a harvest has written."""
    run = find_run(session, slug, harvest_id)
    if run is None:
        return {}
    pages = select(FeaturePageRow.index, FeaturePageRow.payload)
    wanted = pages.where(FeaturePageRow.run_id == run.id, among(FeaturePageRow.index, "indices"))
    rows = session.execute(wanted, {"indices": [int(i) for i in indices]}).all()
    unpacked = unpack_histograms([payload for _, payload in rows])
    return {row[0]: histogram for row, histogram in zip(rows, unpacked, strict=True)}


def previous_live(session: Session, place: Place) -> int | None:
    """The nearest live feature before the index."""
    run = find_run(session, place[0], place[2])
    return None if run is None else session.scalar(_live_before(run.id, place[1]))


def next_live(session: Session, place: Place) -> int | None:
    """The nearest live feature behind the index."""
    run = find_run(session, place[0], place[2])
    return None if run is None else session.scalar(_live_behind(run.id, place[1]))


def random_live(session: Session, slug: str, *, seed: int, harvest_id: str | None) -> int | None:
    """The first live feature from a seeded random index on, going round at the end."""
    run = find_run(session, slug, harvest_id)
    if run is None:
        return None
    start = int(np.random.default_rng(seed).integers(run.d_sae))
    found = session.scalar(_live_behind(run.id, start - 1))
    return session.scalar(_live_behind(run.id, -1)) if found is None else found


def _packed(session: Session, place: Place) -> tuple[bytes, str | None]:
    slug, index, harvest_id = place
    query = (
        select(FeaturePageRow.payload, accepted_label(DictionaryRow.hash, index))
        .select_from(DictionaryRow)
        .join(RunRow, which_run(harvest_id))
        .join(FeaturePageRow, FeaturePageRow.run_id == RunRow.id)
        .where(DictionaryRow.slug == slug, FeaturePageRow.index == index)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise _not_there(session, place)
    return row[0], row[1]


@cache
def _page_query(*, is_pinned: bool) -> Any:
    """The query of a page, built once: building it costs more than running it.

    It takes `slug`, `index` and, where it is pinned to one, `harvest`.
    """
    index = bindparam("index", type_=Integer)
    return (
        select(
            DictionaryRow,
            ModelRow.slug,
            RunRow.id,
            *harvest_columns(HarvestRow),
            FeaturePageRow.payload,
            accepted_label(DictionaryRow.hash, index),
            _live_before(RunRow.id, index).correlate(RunRow).scalar_subquery(),
            _live_behind(RunRow.id, index).correlate(RunRow).scalar_subquery(),
            number_of(DictionaryRow.hash, index),
        )
        .select_from(DictionaryRow)
        .join(ModelRow, ModelRow.id == DictionaryRow.model_id)
        .join(RunRow, which_run(bindparam("harvest", type_=String) if is_pinned else None))
        .join(HarvestRow, HarvestRow.id == RunRow.harvest_id)
        .join(FeaturePageRow, (FeaturePageRow.run_id == RunRow.id) & (FeaturePageRow.index == index))
        .where(DictionaryRow.slug == bindparam("slug", type_=String))
    )


@cache
def _row_query() -> Any:
    """What differs from page to page: of the feature `index` of a `run`, labelled under a dictionary's `hash`."""
    run, index = bindparam("run", type_=Integer), bindparam("index", type_=Integer)
    identity = bindparam("hash", type_=String)
    return select(
        FeaturePageRow.payload,
        accepted_label(identity, index),
        _live_before(run, index).scalar_subquery(),
        _live_behind(run, index).scalar_subquery(),
        number_of(identity, index),
    ).where(FeaturePageRow.run_id == run, FeaturePageRow.index == index)


def _live_before(run_id: Any, index: Any) -> Any:
    beside = aliased(FeatureRow)
    near = select(beside.index).where(beside.run_id == run_id, beside.index < index, beside.tokens_fired > 0)
    return near.order_by(beside.index.desc()).limit(1)


def _live_behind(run_id: Any, index: Any) -> Any:
    beside = aliased(FeatureRow)
    near = select(beside.index).where(beside.run_id == run_id, beside.index > index, beside.tokens_fired > 0)
    return near.order_by(beside.index).limit(1)


def _not_there(session: Session, place: Place) -> NotFound:
    slug, index, harvest_id = place
    dictionary = one_dictionary(session, slug)
    run: Run | None = find_run(session, slug, harvest_id)
    if not 0 <= index < dictionary.d_sae:
        hint = f"Dictionary {slug!r} has features 0 to {dictionary.d_sae - 1}."
    elif run is None:
        hint = f"Dictionary {slug!r} has not been harvested yet. Run: featurescope harvest."
    elif run.features is not None:
        hint = f"Harvest {run.harvest!r} is of features {run.features} only. Harvest all to see the others."
    else:
        hint = f"Harvest {run.harvest!r} has not written it yet; the page /jobs says how far it is."
    return NotFound("feature", str(index), hint=hint)
