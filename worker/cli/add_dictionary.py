"""featurescope add-dictionary: add an SAE, or the neurons, principal components or random directions of a hook."""

import argparse
import sys
from collections.abc import Sequence

from catalog.records import DictionaryRecord
from worker.cli.asking import open_ledger
from worker.cli.follow import terminal_stages
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.bases import BASES, BasisRequest, add_basis
from worker.jobs.corpus_spec import absolute_spec
from worker.jobs.ledger import Ledger
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary
from worker.jobs.settings import WorkerSettings, worker_settings
from worker.jobs.store import open_store
from worker.lm.model import LanguageModel
from worker.sae import formats

SAYS = """Add a dictionary to a model: a sparse autoencoder from a folder or from the hub (owner/name/folder), in the
SAELens layout; or a basis: the neurons of a hook, its principal components, or random directions. A basis has no
zeros of its own, so each of its directions fires above a threshold that is set on a sample of a corpus, to a
density of --density.

What does not fit is refused: a width that is not the hook's, a hook that the model does not have."""

EXAMPLES = """featurescope add-dictionary ./my-sae --model my-model
featurescope add-dictionary owner/saes/layer-8 --model gpt2 --name gpt2-layer-8
featurescope add-dictionary neurons --model my-model --hook blocks.2.mlp.hook_post --corpus python-stdlib
featurescope add-dictionary pca --model my-model --hook blocks.2.hook_resid_post --corpus ./texts"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = _parser().parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    ledger = open_ledger(settings)
    with ledger.reading() as reader:
        source = reader.model(options.model).source
    model = ModelCache(device=settings.device, dtype=settings.dtype).get(source)
    record = _add(settings, ledger, model, options)
    output.say(f"{record.slug}: {record.kind}, {record.d_sae} features at {record.hook_name} of {record.model}.")
    output.say(f"Harvest it with: featurescope harvest {record.slug} --corpus python-stdlib")
    output.result({"slug": record.slug, "hash": record.hash, "kind": record.kind, "d_sae": record.d_sae})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = verb_parser("add-dictionary", SAYS, examples=EXAMPLES)
    parser.add_argument("source", help=f"folder, hub place, or one of {', '.join(BASES)}")
    parser.add_argument("--model", required=True, help="slug of the model it belongs to")
    parser.add_argument("--name", help="what to call it")
    parser.add_argument("--format", default="auto", help="layout of the files (default: seen from what is there)")
    basis = parser.add_argument_group("for neurons, pca and random")
    basis.add_argument("--hook", help="where it sits, in TransformerLens's names")
    basis.add_argument("--corpus", help="text on which the thresholds are set")
    basis.add_argument(
        "--density", type=float, default=0.01, help="share of tokens a direction fires on (default 0.01)"
    )
    basis.add_argument("--directions", type=int, default=256, help="how many random directions (default 256)")
    basis.add_argument("--n-ctx", type=int, default=128, help="tokens in a context (default 128)")
    basis.add_argument(
        "--bos",
        action=argparse.BooleanOptionalAction,
        help="put BOS before each context (default: as the tokenizer does)",
    )
    basis.add_argument("--seed", type=int, default=0, help="seed of the sample and of random directions")
    return parser


def _add(
    settings: WorkerSettings, ledger: Ledger, model: LanguageModel, options: argparse.Namespace
) -> DictionaryRecord:
    if options.source not in BASES:
        dictionary = formats.load(options.source, format=options.format)
        return add_dictionary(
            ledger, model, dictionary, source=options.source, name=options.name, model_slug=options.model
        )
    if not options.hook or not options.corpus:
        print("featurescope add-dictionary: a basis needs --hook and --corpus; see --help.", file=sys.stderr)
        raise SystemExit(2)
    request = BasisRequest(
        kind=options.source,
        model=options.model,
        hook_name=options.hook,
        corpus=absolute_spec(options.corpus),
        n_ctx=min(options.n_ctx, model.n_ctx),
        prepend_bos=options.bos,
        density=options.density,
        n_directions=options.directions,
        seed=options.seed,
        name=options.name,
    )
    return add_basis(open_store(settings.store, settings.home), ledger, model, request, stages=terminal_stages)
