"""featurescope harvest: run a corpus through a model and keep what every feature does."""

from collections.abc import Sequence

from worker.cli.asking import ask
from worker.cli.options import add_following, positive, verb_parser
from worker.cli.output import Output
from worker.jobs.corpus_spec import absolute_spec, corpus_name
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
    """Run the verb."""
    parser = verb_parser("harvest", SAYS, examples=EXAMPLES)
    parser.add_argument(
        "dictionaries", nargs="+", metavar="DICTIONARY", help="slugs, as featurescope status shows them"
    )
    parser.add_argument("--corpus", required=True, help="python-stdlib, a file, a folder, or KIND:PLACE?OPTIONS")
    parser.add_argument("--max-tokens", type=positive, help="take so many tokens from the start of the corpus")
    parser.add_argument("--max-documents", type=positive, help="take so many documents")
    parser.add_argument("--top", type=positive, default=20, help="top contexts kept a feature (default %(default)s)")
    parser.add_argument("--sample", type=positive, default=128, help="contexts sampled a feature (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default %(default)s)")
    parser.add_argument("--shard-tokens", type=positive, help="size of the pieces that workers share out")
    parser.add_argument("--again", action="store_true", help="harvest although the same harvest is complete")
    add_following(parser)
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    request = HarvestRequest(
        dictionaries=tuple(options.dictionaries),
        corpus=absolute_spec(options.corpus),
        max_tokens=options.max_tokens,
        max_documents=options.max_documents,
        n_top=options.top,
        n_sample=options.sample,
        seed=options.seed,
        shard_tokens=options.shard_tokens,
        again=options.again,
    )
    title = f"Harvest of {', '.join(request.dictionaries)} over {corpus_name(request.corpus)}"
    job = ask(worker_settings(), "harvest", to_json(request), title=title, detach=options.detach, output=output)
    output.say(job.message)
    output.result({"job": job.id, "status": job.status, "message": job.message})
    return 0
