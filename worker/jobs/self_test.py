"""A harvest of the bundled model in a folder that goes away, checked against the whole matrix of activations.

It takes the way of every harvest (registering, tokenising, planning, shards, merging, the catalog), on the device and
in the dtype of this machine's workers, and touches nothing of theirs.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.engine import make_engine
from catalog.queries import FeatureQuery
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from worker.jobs.context import JobContext, make_context
from worker.jobs.demo_key import DICTIONARIES_FOLDER, MODEL_FOLDER
from worker.jobs.errors import JobError
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_inputs import HarvestInputs, open_inputs
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.ledger import Ledger
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest
from worker.jobs.settings import WorkerSettings
from worker.sae import formats

JOB = "self-test"
DICTIONARY = DICTIONARIES_FOLDER / "demo-resid-mid"
# A few documents that every installation of Python has.
TEXTS = f"{Path(json.__file__).parent}?glob=*.py"
TOKENS = 9_000
SHARD_TOKENS = 2_500
CONTEXTS_AT_ONCE = 8
# How far an activation may be off, as a share of its feature's peak: another batch shape rounds otherwise.
TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}
FEATURES_AT_ONCE = 500


def self_test(settings: WorkerSettings) -> str:
    """What was checked, in a sentence. Raises JobError where a number is wrong, and whatever a harvest may raise."""
    with tempfile.TemporaryDirectory(prefix="featurescope-self-test-") as folder:
        home = Path(folder)
        catalog = CatalogSettings(home, f"sqlite:///{home / 'catalog.sqlite'}")
        engine = make_engine(catalog.database_url)
        try:
            migrate(engine)
            context = make_context(replace(settings, catalog=catalog, store=None), Ledger(engine))
            inputs, shards = harvest_bundled(context)
            return compare(context, inputs, shards)
        finally:
            engine.dispose()


def harvest_bundled(context: JobContext) -> tuple[HarvestInputs, int]:
    """Harvest into an empty catalog, step by step. Returns what was read, and the number of shards."""
    model = context.models.get(str(MODEL_FOLDER))
    slug = add_model(context.ledger, model, name="self-test").slug
    dictionary = formats.load(DICTIONARY)
    record = add_dictionary(
        context.ledger, model, dictionary, source=str(DICTIONARY), model_slug=slug, name="self-test"
    )
    request = HarvestRequest(dictionaries=(record.slug,), corpus=TEXTS, max_tokens=TOKENS, shard_tokens=SHARD_TOKENS)
    context.ledger.queued(JOB, kind="harvest", title="Self-test")
    prepared = prepare(context, JOB, request)
    for shard in range(prepared["shards"]):
        run_shard(context, JOB, prepared["harvest"], shard)
    finish(context, JOB, prepared["harvest"])
    return open_inputs(context, request, stages=context.stages(JOB)), prepared["shards"]


def compare(context: JobContext, inputs: HarvestInputs, shards: int) -> str:
    """Hold the catalog's numbers against the whole matrix. Raises JobError where they differ by more than rounding."""
    fired, peaks = _harvested(context, inputs.records[0].slug)
    dense, n_tokens = whole_matrix(inputs)
    tolerance = TOLERANCE[inputs.dtype_name]
    slack = tolerance * dense.max(0)
    wrong_peaks = np.flatnonzero(np.abs(peaks - dense.max(0)) > np.maximum(slack, 1e-6))
    # A token counts as near where rounding can carry it over its threshold.
    certain, possible = (dense > slack).sum(0), (dense > 0).sum(0)
    near = possible - certain + np.ceil(tolerance * n_tokens)
    wrong_counts = np.flatnonzero(np.abs(fired - possible) > near)
    if len(wrong_peaks) or len(wrong_counts):
        raise JobError(
            f"a harvest of the bundled model gives wrong numbers here: {len(wrong_peaks)} peaks and "
            f"{len(wrong_counts)} counts of {len(fired)} features differ from the whole matrix of activations. Do not "
            "trust harvests of this machine; try FEATURESCOPE_DTYPE=float32 and FEATURESCOPE_DEVICE=cpu."
        )
    if not possible.any():
        raise JobError("no feature fires in a harvest of the bundled model: its files are damaged. Clone again.")
    return (
        f"{len(fired)} features over {n_tokens} tokens in {shards} shards, on {inputs.model.device} in "
        f"{inputs.dtype_name}: peaks and counts are those of the whole matrix"
    )


def _harvested(context: JobContext, slug: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Tokens fired and peak of every feature, as the catalog's pages would list them."""
    found, after = {}, None
    with context.ledger.reading() as reader:
        while True:
            page = reader.features(FeatureQuery(slug, sort="index", order="asc", limit=FEATURES_AT_ONCE, after=after))
            found |= {feature.index: feature for feature in page.features}
            after = page.next
            if after is None:
                break
    features = [found[index] for index in sorted(found)]
    return (
        np.array([feature.tokens_fired for feature in features], dtype=np.int64),
        np.array([feature.peak for feature in features], dtype=np.float64),
    )


def whole_matrix(inputs: HarvestInputs) -> tuple[NDArray[np.float32], int]:
    """Every activation of every feature, (token, d_sae), by the dictionary's own encode; and the number of tokens."""
    contexts, dictionary, model = inputs.contexts, inputs.dictionaries[0].to(inputs.model.device), inputs.model
    rows = []
    for first in range(0, len(contexts), CONTEXTS_AT_ONCE):
        chosen = np.arange(first, min(first + CONTEXTS_AT_ONCE, len(contexts)))
        ids = contexts.token_ids(chosen)
        acts = model.activations(torch.from_numpy(ids).to(model.device), (dictionary.hook_name,))[dictionary.hook_name]
        feature_acts = dictionary.encode(acts.to(torch.float32)).cpu().numpy()
        keep = np.arange(ids.shape[1]) < contexts.row_lengths(chosen)[:, None]
        keep &= ~np.isin(ids, inputs.excluded_ids)
        keep[:, 0] = False
        rows.append(feature_acts[keep])
    dense = np.concatenate(rows)
    return dense, len(dense)
