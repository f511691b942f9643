"""featurescope add-model: add a language model from a folder or a hub name."""

from collections.abc import Sequence

from worker.cli.asking import open_ledger
from worker.cli.options import verb_parser
from worker.cli.output import Output
from worker.jobs.models import ModelCache
from worker.jobs.register import add_model
from worker.jobs.settings import worker_settings

SAYS = """Add a language model: a folder as Hugging Face lays it out (config.json, model.safetensors,
tokenizer.json), or a name on the hub. Any decoder that TransformerLens supports will do. A folder never touches
the network, and no code that comes with a model is run. The same weights are added only once.

--hooks lists where a dictionary can sit, with the width of each hook."""

EXAMPLES = """featurescope add-model ./my-model
featurescope add-model openai-community/gpt2 --name gpt2
featurescope add-model ./my-model --hooks"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("add-model", SAYS, examples=EXAMPLES)
    parser.add_argument("source", help="folder or hub name")
    parser.add_argument("--name", help="what to call it (default: the folder's or the hub's name)")
    parser.add_argument("--hooks", action="store_true", help="list the model's hooks")
    options = parser.parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    ledger = open_ledger(settings)
    model = ModelCache(device=settings.device, dtype=settings.dtype).get(options.source)
    record = add_model(ledger, model, name=options.name)
    output.say(
        f"{record.slug}: {record.architecture}, {record.n_layers} layers of width {record.d_model}, "
        f"{record.d_vocab} tokens, contexts up to {record.n_ctx}."
    )
    hooks = {name: model.hook_width(name) for name in model.hook_names()}
    if options.hooks:
        output.table(["hook", "width"], list(hooks.items()))
    output.result({"slug": record.slug, "weights_hash": record.weights_hash, "hooks": hooks})
    return 0
