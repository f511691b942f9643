"""featurescope add-corpus: tokenise text once, ready to be harvested."""

from collections.abc import Sequence

from worker.cli.asking import ask
from worker.cli.options import add_following, positive, verb_parser
from worker.cli.output import Output
from worker.jobs.corpus_spec import absolute_spec, corpus_name
from worker.jobs.requests import CorpusRequest, to_json
from worker.jobs.settings import worker_settings

SAYS = """Tokenise a corpus for a model, once; harvests and trainings of the same corpus then start at once.
(They also do it by themselves when they need it.)

A corpus is: python-stdlib, a text file, a folder (?glob=**/*.md), a JSONL file (?field=text, or ?field=messages
for chats), a Parquet file, or hf:NAME?split=train&field=text. Documents with the same text are taken once."""

EXAMPLES = """featurescope add-corpus ./texts --model my-model
featurescope add-corpus 'hf:some/dataset?split=train&field=text' --model my-model --max-tokens 50M"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("add-corpus", SAYS, examples=EXAMPLES)
    parser.add_argument("corpus", help="what to read")
    parser.add_argument("--model", required=True, help="slug of the model whose tokenizer is used")
    parser.add_argument("--max-tokens", type=positive, help="stop after so many tokens")
    parser.add_argument("--max-documents", type=positive, help="stop after so many documents")
    add_following(parser)
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    request = CorpusRequest(
        model=options.model,
        source=absolute_spec(options.corpus),
        max_documents=options.max_documents,
        max_tokens=options.max_tokens,
    )
    title = f"Tokenise {corpus_name(request.source)} for {request.model}"
    job = ask(worker_settings(), "corpus", to_json(request), title=title, following=options, output=output)
    output.say(job.message)
    output.result({"job": job.id, "status": job.status, "message": job.message})
    return 0
