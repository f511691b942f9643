"""featurescope train: train a sparse autoencoder at a hook of a model."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worker.cli.asking import ask, open_ledger
from worker.cli.options import add_following, given, positive, verb_parser
from worker.cli.output import Output
from worker.jobs.corpus_spec import absolute_spec, corpus_name
from worker.jobs.errors import JobError
from worker.jobs.requests import TrainRequest, to_json
from worker.jobs.settings import worker_settings

SAYS = """Train a sparse autoencoder on the activations at a hook of a model, and add it to the catalog.

TopK keeps the --k largest features of every token and revives dead ones (AuxK); ReLU is held sparse by an L1
penalty on activations times decoder norms. A training is a durable job with checkpoints: killed, it goes on."""

EXAMPLES = """featurescope train --model my-model --hook blocks.2.hook_resid_post --corpus ./texts --k 32
featurescope train --model my-model --hook blocks.2.mlp.hook_post --corpus ./texts --kind relu --tokens 50M
featurescope train --model my-model --corpus ./texts --config run.json"""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = _parser().parse_args(argv)
    output = Output(as_json=options.json)
    settings = worker_settings()
    with open_ledger(settings).reading() as reader:
        model = reader.model(options.model)
    config = _config(options)
    hooks = ", ".join(entry.get("hook_name", "?") for entry in config["dictionaries"])
    name = options.name or f"{model.slug} {hooks}"
    request = TrainRequest(
        model=model.slug,
        corpus=absolute_spec(options.corpus),
        name=name,
        folder=str(Path(options.folder).absolute()) if options.folder else "",
        config=config,
        n_ctx=min(options.n_ctx, model.n_ctx),
    )
    title = f"Train {name} on {corpus_name(request.corpus)}"
    job = ask(settings, "train", to_json(request), title=title, following=options, output=output)
    output.say(job.message)
    output.result({"job": job.id, "status": job.status, "message": job.message})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = verb_parser("train", SAYS, examples=EXAMPLES)
    parser.add_argument("--model", required=True, help="slug of the model")
    parser.add_argument("--corpus", required=True, help="text to train on, named as for harvest")
    parser.add_argument("--name", help="what to call the dictionary")
    parser.add_argument("--folder", help="where to write it (default: under FEATURESCOPE_HOME)")
    parser.add_argument("--config", help="a JSON file with all options of a run, several dictionaries if you like")
    parser.add_argument("--n-ctx", type=positive, default=128, help="tokens in a context (default %(default)s)")
    parser.add_argument("--hook", dest="hook_name", help="where the dictionary sits, in TransformerLens's names")
    parser.add_argument("--kind", choices=["topk", "relu"], help="default topk")
    parser.add_argument("--features", dest="d_sae", type=positive, help="width of the dictionary (default 2048)")
    parser.add_argument("--k", type=positive, help="topk: features that may fire on a token (default 32)")
    parser.add_argument("--l1", dest="l1_coefficient", type=float, help="relu: weight of the sparsity term (default 5)")
    parser.add_argument("--lr", type=float, help="peak learning rate (default 1e-3)")
    parser.add_argument("--tokens", dest="n_tokens", type=positive, help="tokens to train on (default 5M)")
    parser.add_argument("--batch-size", type=positive, help="tokens a step (default 4096)")
    parser.add_argument("--seed", type=int, help="seed (default 0)")
    add_following(parser)
    return parser


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """The JSON of a run; the worker checks every value in it."""
    if options.config:
        try:
            return json.loads(Path(options.config).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JobError(f"The configuration {options.config!r} cannot be read: {error}.") from error
    if not options.hook_name:
        raise JobError("Say where the dictionary sits with --hook; featurescope add-model SOURCE --hooks lists hooks.")
    dictionary = given(options, "hook_name", "kind", "d_sae", "k", "l1_coefficient", "lr")
    return {"dictionaries": [dictionary], **given(options, "n_tokens", "batch_size", "seed")}
