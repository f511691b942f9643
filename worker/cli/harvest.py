"""featurescope harvest: run a corpus through a model and keep what every feature does."""

import argparse
from collections.abc import Sequence

from worker.cli.asking import ask, open_ledger
from worker.cli.options import add_following, positive, verb_parser
from worker.cli.output import Output
from worker.jobs.corpus_spec import absolute_spec, corpus_name
from worker.jobs.groups import harvest_groups
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.settings import worker_settings

SAYS = """Run a corpus once through a model, with one or more of its dictionaries attached, and keep for every
feature its top contexts, quantile bands, silent contexts, histogram, token statistics, co-active features and
more. Dictionaries of one model share the forward pass where they agree on n_ctx, BOS and weight processing;
where they do not, you are told so before anything starts.

The harvest is a durable job: kill anything at any time, start a worker again, and it goes on where it was."""

EXAMPLES = """featurescope harvest my-sae --corpus python-stdlib
featurescope harvest my-sae my-neurons --corpus ./texts --max-tokens 10M
featurescope harvest my-sae --corpus 'chats.jsonl?field=messages' --detach
featurescope harvest my-sae --corpus 'hf:some/dataset?split=train&field=text' --max-tokens 100M"""


def main(argv: Sequence[str]) -> int:
    """Run the verb: one job for each group of dictionaries that share a pass, one after the other."""
    options = _parser().parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    with open_ledger(settings).reading() as reader:
        groups = harvest_groups(reader.dictionary(slug) for slug in dict.fromkeys(options.dictionaries))
    if len(groups) > 1:
        listed = "; ".join(", ".join(group) for group in groups)
        output.say(f"They differ in model or conventions, so the corpus is gone through {len(groups)} times: {listed}.")
    jobs = []
    for group in groups:
        title = f"Harvest of {', '.join(group)} over {corpus_name(options.corpus)}"
        request = to_json(_request(options, group))
        jobs.append(ask(settings, "harvest", request, title=title, detach=options.detach, output=output))
        output.say(jobs[-1].message)
    told = [{"job": job.id, "status": job.status, "message": job.message} for job in jobs]
    output.result({**told[0], "jobs": told})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = verb_parser("harvest", SAYS, examples=EXAMPLES)
    parser.add_argument("dictionaries", nargs="+", metavar="DICTIONARY", help="slugs, see featurescope status")
    parser.add_argument("--corpus", required=True, help="python-stdlib, a file, a folder, or KIND:PLACE?OPTIONS")
    parser.add_argument("--max-tokens", type=positive, help="take so many tokens from the start of the corpus")
    parser.add_argument("--max-documents", type=positive, help="take so many documents")
    parser.add_argument("--top", type=positive, default=20, help="top contexts kept a feature (default %(default)s)")
    parser.add_argument("--sample", type=positive, default=128, help="contexts sampled a feature (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default %(default)s)")
    parser.add_argument("--shard-tokens", type=positive, help="size of the pieces that workers share out")
    parser.add_argument("--again", action="store_true", help="harvest although the same harvest is complete")
    add_following(parser)
    return parser


def _request(options: argparse.Namespace, dictionaries: tuple[str, ...]) -> HarvestRequest:
    return HarvestRequest(
        dictionaries=dictionaries,
        corpus=absolute_spec(options.corpus),
        max_tokens=options.max_tokens,
        max_documents=options.max_documents,
        n_top=options.top,
        n_sample=options.sample,
        seed=options.seed,
        shard_tokens=options.shard_tokens,
        again=options.again,
    )
