"""Runs a random sample of stored contexts again, through live inference, and holds them against what is stored."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from catalog.errors import NotFound
from catalog.live_agreement import Agreement, compare, other_makings, stored_contexts, tolerance_of
from catalog.live_answers import LiveAnswer, read_live_answer
from catalog.reader import CatalogReader
from catalog.records import ContextRecord, DictionaryRecord, FeatureRecord, HarvestRecord
from worker.jobs.context import JobContext
from worker.jobs.errors import JobError
from worker.jobs.live_door import make_service
from worker.live.service import LiveService

DRAWS_A_FEATURE = 4
UNKNOWN = "unknown"
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How many live features are drawn, how many of the contexts stored of each, and by which seed."""

    features: int = 20
    contexts: int = 8
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Rerun:
    """One context of one feature. share: the greatest difference, as a share of the feature's harvest maximum."""

    index: int
    context: int
    share: float
    agreement: Agreement


@dataclass(slots=True)
class RerunSample:
    """What came of a sample. dtype: in which it was run again. tolerance: a share of each feature's maximum."""

    dictionary: str
    harvest: str
    dtype: str
    harvest_dtype: str
    device: str
    tolerance: float
    n_features: int = 0
    n_tokens: int = 0
    reruns: list[Rerun] = field(default_factory=list)

    @property
    def failed(self) -> list[Rerun]:
        """Those that do not agree, the worst first."""
        return sorted((each for each in self.reruns if not each.agreement.passes), key=lambda each: -each.share)

    @property
    def greatest(self) -> float:
        """The greatest difference of all, as a share of its feature's maximum."""
        return max((each.share for each in self.reruns), default=0.0)

    @property
    def n_firings(self) -> int:
        """Tokens that fire on either side, over all features."""
        return sum(len(each.agreement.positions) for each in self.reruns)

    @property
    def n_flips(self) -> int:
        """Tokens that fire on one side only."""
        return sum(each.agreement.n_flips for each in self.reruns)


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    """What is stored of one feature: contexts and activations by context, then by position."""

    feature: FeatureRecord
    contexts: Sequence[ContextRecord]
    activations: Mapping[int, Mapping[int, float]]


def rerun_sample(
    context: JobContext,
    slug: str,
    *,
    harvest_id: str | None = None,
    size: SampleSize | None = None,
    on_progress: OnProgress | None = None,
) -> RerunSample:
    """Run the sample. on_progress: told the features done and in all.

    Raises NotFound on an unknown dictionary or harvest, JobError where nothing is stored, or where what made the
    harvest is no longer at hand.
    """
    size = size or SampleSize()
    with context.ledger.reading() as reader:
        dictionary = reader.dictionary(slug)
        harvest = _harvest(reader, dictionary, harvest_id)
        indices = _features(reader, slug, harvest.id, size)
        stored = [_stored(reader, (slug, index, harvest.id), size) for index in indices]
    if not stored:
        raise JobError(f"No feature of {slug!r} fires in harvest {harvest.id!r}, so there is nothing to run again.")
    service = make_service(context)
    sample: RerunSample | None = None
    for done, each in enumerate(stored, start=1):
        answers = _ask(service, dictionary, each)
        sample = sample or _begun(dictionary, harvest, answers[0])
        _compare(sample, each, answers)
        if on_progress is not None:
            on_progress(done, len(stored))
    assert sample is not None
    return sample


def _harvest(reader: CatalogReader, dictionary: DictionaryRecord, harvest_id: str | None) -> HarvestRecord:
    harvest = dictionary.harvest if harvest_id is None else reader.harvest(harvest_id)
    if harvest is None:
        raise NotFound("harvest of dictionary", dictionary.slug, hint="Make one with: featurescope harvest.")
    return harvest


def _features(reader: CatalogReader, slug: str, harvest_id: str, size: SampleSize) -> list[int]:
    """Different live features, drawn by seeds that follow from the one given; fewer where there are fewer."""
    seeds = np.random.default_rng(size.seed).integers(2**31, size=DRAWS_A_FEATURE * size.features).tolist()
    drawn: dict[int, None] = {}
    for seed in seeds:
        index = reader.random_live(slug, seed, harvest_id)
        if index is not None:
            drawn[index] = None
        if len(drawn) == size.features:
            break
    return list(drawn)


def _stored(reader: CatalogReader, place: tuple[str, int, str], size: SampleSize) -> _Stored:
    slug, index, harvest_id = place
    feature = reader.feature(slug, index, harvest_id)
    activations = stored_contexts(feature)
    draw = np.random.default_rng((size.seed, index))
    ids = draw.permutation(sorted(activations))[: size.contexts].tolist()
    found = reader.contexts(harvest_id, ids)
    return _Stored(feature, [found[number] for number in ids], activations)


def _ask(service: LiveService, dictionary: DictionaryRecord, stored: _Stored) -> list[LiveAnswer]:
    """The contexts by their token ids, as many in a request as the service takes."""
    at_once = service.limits.texts
    rows = [each.token_ids.tolist() for each in stored.contexts]
    answers = []
    for first in range(0, len(rows), at_once):
        asked = {
            "token_ids": rows[first : first + at_once],
            "dictionaries": [dictionary.hash],
            "only": [stored.feature.index],
            "margins_of": stored.feature.index,
        }
        answers.append(read_live_answer(asyncio.run(service.answer(json.dumps(asked).encode()))))
    return answers


def _begun(dictionary: DictionaryRecord, harvest: HarvestRecord, answer: LiveAnswer) -> RerunSample:
    facts: Mapping[str, Any] = answer.facts["dictionaries"][dictionary.hash]
    others = other_makings(harvest, dictionary.hash, facts)
    if others:
        raise JobError(
            f"The {' and the '.join(others)} at hand did not make harvest {harvest.id!r}: the hashes differ, so live "
            "numbers are not the stored ones. Put the old files back, or harvest again."
        )
    harvest_dtype = str(harvest.provenance.get("dtype") or UNKNOWN)
    dtype = str(facts.get("dtype") or UNKNOWN)
    return RerunSample(
        dictionary=dictionary.slug,
        harvest=harvest.id,
        dtype=dtype,
        harvest_dtype=harvest_dtype,
        device=str(facts.get("device") or UNKNOWN),
        tolerance=tolerance_of(dtype, harvest_dtype),
    )


def _compare(sample: RerunSample, stored: _Stored, answers: Sequence[LiveAnswer]) -> None:
    results = [result for answer in answers for result in answer.results]
    index, peak = stored.feature.index, stored.feature.peak
    for each, live in zip(stored.contexts, results, strict=True):
        before = stored.activations[each.id]
        found = compare(before, live, index, peak=peak, tolerance=sample.tolerance)
        sample.reruns.append(Rerun(index, each.id, found.greatest / peak if peak else 0.0, found))
        sample.n_tokens += len(each.token_ids)
    sample.n_features += 1
