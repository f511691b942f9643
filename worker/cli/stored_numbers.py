"""The doctor's look at one dictionary: do its stored contexts, run again, give the activations that are stored?"""

import argparse
from typing import Any

from catalog.errors import CatalogError
from worker.cli.asking import open_ledger
from worker.cli.bar import Bar
from worker.cli.finding import Finding
from worker.errors import WorkerError
from worker.jobs.context import make_context
from worker.jobs.ledger import Ledger
from worker.jobs.rerun import Rerun, RerunSample, SampleSize, rerun_sample
from worker.jobs.settings import WorkerSettings

WORST_SHOWN = 5


def look_at_stored(settings: WorkerSettings, options: argparse.Namespace) -> tuple[list[Finding], dict[str, Any]]:
    """What there is to say, and the sample for programs.

    options: dictionary (its slug or its name), harvest, features, contexts, seed.
    """
    subject = f"dictionary {options.dictionary}"
    size = SampleSize(features=options.features, contexts=options.contexts, seed=options.seed)
    try:
        ledger = open_ledger(settings)
        with Bar("Running stored contexts again", unit="features") as bar:
            sample = rerun_sample(
                make_context(settings, ledger),
                _slug(ledger, options.dictionary),
                harvest_id=options.harvest,
                size=size,
                on_progress=lambda done, total: bar.update("live against stored", done, total),
            )
    except (WorkerError, CatalogError, OSError) as error:
        return [Finding(subject, False, str(error))], {}
    return _findings(subject, sample), {"sample": _plain(sample)}


def _slug(ledger: Ledger, name: str) -> str:
    """The slug of the dictionary that is called so; the name itself where none is."""
    with ledger.reading() as reader:
        return next((each.slug for each in reader.dictionaries() if name in (each.slug, each.name)), name)


def _findings(subject: str, sample: RerunSample) -> list[Finding]:
    failed = sample.failed
    asked = f"{len(sample.reruns)} contexts of {sample.n_features} features, {sample.n_tokens:,} tokens"
    verdict = f"{len(failed)} of {asked} do NOT give what is stored" if failed else f"{asked} give what is stored"
    text = (
        f"{verdict} by harvest {sample.harvest}, on {sample.device} in {sample.dtype}{_harvested_in(sample)}: "
        f"{sample.n_firings:,} firing tokens, the greatest difference {sample.greatest:.2g} of its feature's maximum "
        f"({sample.tolerance:g} and the storage step are allowed), {sample.n_flips} on one side only."
    )
    worst = [
        Finding(f"feature {each.index}, context {each.context}", False, _wrong(sample, each))
        for each in failed[:WORST_SHOWN]
    ]
    return [Finding(subject, not failed, text), *worst]


def _harvested_in(sample: RerunSample) -> str:
    return "" if sample.dtype == sample.harvest_dtype else f" (harvested in {sample.harvest_dtype})"


def _wrong(sample: RerunSample, rerun: Rerun) -> str:
    flips = rerun.agreement.n_unexplained
    told = f"the greatest difference is {rerun.share:.2g} of the feature's maximum"
    if flips:
        told += f"; {flips} tokens fire on one side only, and are not near their bar"
    return f"{told}. See /d/{sample.dictionary}/{rerun.index}/contexts/{rerun.context}/rerun, or harvest again."


def _plain(sample: RerunSample) -> dict[str, Any]:
    names = ("dictionary", "harvest", "dtype", "harvest_dtype", "device", "tolerance", "n_features", "n_tokens")
    failed = [
        {"feature": each.index, "context": each.context, "difference": each.share, "flips": each.agreement.n_flips}
        for each in sample.failed
    ]
    return {
        **{name: getattr(sample, name) for name in names},
        "contexts": len(sample.reruns),
        "firing_tokens": sample.n_firings,
        "flips": sample.n_flips,
        "greatest_difference": sample.greatest,
        "failed": failed,
    }
