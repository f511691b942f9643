"""featurescope harvest: run a corpus through a model and keep what every feature does."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from worker.cli.asking import ask, open_ledger
from worker.cli.dry_run import dry_run
from worker.cli.options import add_following, memory_size, positive, verb_parser
from worker.cli.output import Output
from worker.jobs.corpus_spec import absolute_spec, corpus_name
from worker.jobs.errors import JobError
from worker.jobs.groups import harvest_groups
from worker.jobs.growing import Addition, growth_request
from worker.jobs.ledger import Ledger
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.settings import worker_settings

SAYS = """Run a corpus once through a model, with one or more of its dictionaries attached, and keep for every
feature its top contexts, quantile bands, silent contexts, histogram, token statistics, co-active features and
more. Dictionaries of one model share the forward pass where they agree on n_ctx, BOS and weight processing;
where they do not, you are told so before anything starts.

A finished harvest can grow: --add-tokens goes on in its corpus where it stopped, --add-corpus takes more text
behind it. Only the new text goes through the model, and the result is that of one harvest of all of it. The
harvest that grows stays readable until the grown one is complete, which then takes its place.

--dry-run says beforehand what a harvest takes, and does nothing else.

Harvests of one dictionary on different corpora are kept beside each other, and its pages offer the choice.

The harvest is a durable job: kill anything at any time, start a worker again, and it goes on where it was."""

EXAMPLES = """featurescope harvest my-sae --corpus python-stdlib
featurescope harvest my-sae my-neurons --corpus ./texts --max-tokens 10M
featurescope harvest my-sae --corpus ./texts --max-tokens 10M --dry-run
featurescope harvest my-sae --corpus ./texts --features 0-4095,5000
featurescope harvest my-sae my-neurons --corpus ./texts --memory-limit 4GiB
featurescope harvest my-sae --add-tokens 10M
featurescope harvest my-sae --add-corpus ./more-texts
featurescope harvest my-sae --corpus ./texts --corpus 'chats.jsonl?field=messages' --detach
featurescope harvest my-sae --corpus 'hf:some/dataset?split=train&field=text' --max-tokens 100M"""


ANEW = ("corpus", "max_tokens", "max_documents", "shard_tokens", "features", "again")


def main(argv: Sequence[str]) -> int:
    """Run the verb: one job for each group of dictionaries that share a pass, one after the other."""
    options = _options(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    ledger = open_ledger(settings)
    with ledger.reading() as reader:
        groups = harvest_groups(reader.dictionary(slug) for slug in dict.fromkeys(options.dictionaries))
    if len(groups) > 1:
        listed = "; ".join(", ".join(group) for group in groups)
        output.say(f"They differ in model or conventions, so the corpus is gone through {len(groups)} times: {listed}.")
    asked = [_growth(ledger, options, group) if _grows(options) else _anew(options, group) for group in groups]
    if options.dry_run:
        return dry_run(settings, ledger, [request for _, request in asked], output=output)
    jobs = []
    for title, request in asked:
        jobs.append(ask(settings, "harvest", to_json(request), title=title, following=options, output=output))
        output.say(jobs[-1].message)
    told = [{"job": job.id, "status": job.status, "message": job.message} for job in jobs]
    output.result({**told[0], "jobs": told})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = verb_parser("harvest", SAYS, examples=EXAMPLES)
    parser.add_argument("dictionaries", nargs="+", metavar="DICTIONARY", help="slugs, see featurescope status")
    parser.add_argument(
        "--corpus",
        action="append",
        help="python-stdlib, a file, a folder, or KIND:PLACE?OPTIONS; several are taken one behind the other",
    )
    parser.add_argument("--max-tokens", type=positive, help="take so many tokens from the start of the corpus")
    parser.add_argument("--max-documents", type=positive, help="take so many documents")
    parser.add_argument(
        "--features",
        help="only these features, such as 0-4095,5000: kept beside harvests of all, which pages show first",
    )
    parser.add_argument("--top", type=positive, default=20, help="top contexts kept a feature (default %(default)s)")
    parser.add_argument("--sample", type=positive, default=128, help="contexts sampled a feature (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default %(default)s)")
    parser.add_argument("--shard-tokens", type=positive, help="size of the pieces that workers share out")
    parser.add_argument(
        "--memory-limit",
        type=memory_size,
        metavar="SIZE",
        help="most memory that a worker may hold meanwhile, such as 4GiB (default: FEATURESCOPE_MEMORY_LIMIT of the "
        "worker, else none); what does not fit is refused beforehand",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what time, memory and disk it would take, after a trial of a few batches on this machine, with "
        "the device and dtype that a worker here would use; the catalog and the store stay as they are",
    )
    parser.add_argument("--again", action="store_true", help="harvest although the same harvest is complete")
    growing = parser.add_argument_group("adding to a finished harvest; all other choices stay as they were")
    growing.add_argument("--add-tokens", type=positive, metavar="N", help="go on for so many tokens of its corpus")
    growing.add_argument("--add-corpus", action="append", metavar="CORPUS", help="more text behind its corpus")
    growing.add_argument("--harvest", metavar="ID", help="which harvest grows (default: the one that pages show)")
    add_following(parser)
    return parser


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    anew = [name for name in ANEW if vars(options)[name]]
    if _grows(options) and anew:
        parser.error(f"--{anew[0].replace('_', '-')} begins a harvest anew, and does not go with adding to one")
    if options.harvest and not _grows(options):
        parser.error("--harvest names a harvest to add to: say what with --add-tokens or --add-corpus")
    if not _grows(options) and not options.corpus:
        parser.error("--corpus is missing: which text is to be harvested? (Or --add-tokens, to add to a harvest.)")
    return options


def _grows(options: argparse.Namespace) -> bool:
    return bool(options.add_tokens or options.add_corpus)


def _anew(options: argparse.Namespace, dictionaries: tuple[str, ...]) -> tuple[str, HarvestRequest]:
    first, *others = options.corpus
    request = HarvestRequest(
        dictionaries=dictionaries,
        corpus=absolute_spec(first),
        joined=tuple({"corpus": absolute_spec(each), "behind": None} for each in others),
        max_tokens=options.max_tokens,
        max_documents=options.max_documents,
        n_top=options.top,
        n_sample=options.sample,
        seed=options.seed,
        shard_tokens=options.shard_tokens,
        features=options.features,
        again=options.again,
        memory_limit=options.memory_limit,
    )
    over = " + ".join(corpus_name(each) for each in options.corpus)
    return f"Harvest of {', '.join(dictionaries)} over {over}", request


def _growth(ledger: Ledger, options: argparse.Namespace, dictionaries: tuple[str, ...]) -> tuple[str, HarvestRequest]:
    added = Addition(options.add_tokens, tuple(absolute_spec(each) for each in options.add_corpus or ()))
    with ledger.reading() as reader:
        base = reader.harvest(options.harvest) if options.harvest else reader.dictionary(dictionaries[0]).harvest
        if base is None:
            raise JobError(f"{dictionaries[0]!r} has no harvest yet that could grow. Make one with --corpus.")
        request = replace(growth_request(reader, base, dictionaries, added), memory_limit=options.memory_limit)
    more = [f"{options.add_tokens:,} tokens"] if options.add_tokens else []
    more += [corpus_name(each) for each in options.add_corpus or ()]
    return f"Harvest {base.id} of {', '.join(dictionaries)} grows by {' and '.join(more)}", request
