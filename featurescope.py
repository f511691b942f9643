"""The console command: finds the verb a person typed and hands it to the app's or the worker's command line.

The only place that knows both. A verb's module is loaded when the verb is typed, so that --help is instant.
"""

import importlib
import os
import sys
from collections.abc import Sequence

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 130

LOG_VARIABLE = "FEATURESCOPE_LOG"
LOG_OPTION = "--log-format"

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("worker.cli.demo", "harvest the bundled model and browse its features: start here"),
    "up": ("worker.cli.up", "start the app and a worker together, stop them together"),
    "serve": ("app.cli.serve", "start the app alone; pages work without a worker"),
    "worker": ("worker.cli.worker", "start a worker: it runs queued jobs until stopped"),
    "add-model": ("worker.cli.add_model", "add a language model from a folder or a hub name"),
    "add-dictionary": ("worker.cli.add_dictionary", "add an SAE, or the neurons, PCA or random directions"),
    "add-corpus": ("worker.cli.add_corpus", "tokenise text once, ready to be harvested"),
    "train": ("worker.cli.train", "train a sparse autoencoder at a hook of a model"),
    "harvest": ("worker.cli.harvest", "run a corpus through a model and keep what every feature does"),
    "forget": ("worker.cli.forget", "remove what is kept of finished harvests so that they can grow"),
    "cancel": ("worker.cli.cancel", "stop a job"),
    "pause": ("worker.cli.pause", "let a job rest"),
    "resume": ("worker.cli.resume", "let a paused job go on"),
    "priority": ("worker.cli.priority", "let a job go sooner or later than others"),
    "status": ("worker.cli.status", "show dictionaries, harvests, jobs and workers"),
    "export": ("app.cli.export", "write a dictionary as a static site, JSONL or Parquet"),
    "export-labels": ("app.cli.export_labels", "write all labels with their history to a file, JSONL or CSV"),
    "import-labels": ("app.cli.import_labels", "read labels from a file; --dry-run says what would change"),
    "people": ("app.cli.people", "who may sign in: add somebody, list, reset a password, role, remove"),
    "backup": ("worker.cli.backup", "write the whole catalog to one file, while it is in use"),
    "restore": ("worker.cli.restore", "put a backup into SQLite or Postgres, all of it or nothing"),
    "doctor": ("worker.cli.doctor", "check this machine, the database and the files"),
    "digest": ("worker.cli.digest", "one checksum over everything the catalog says, to compare two of them by"),
    "migrate": ("worker.cli.migrate", "create the database, or bring it to this version"),
}

HELP = """Featurescope: browse, test and label the features of sparse autoencoders.

usage: featurescope VERB [options]        featurescope VERB --help explains one verb

{verbs}

A first look, with everything bundled:
  featurescope demo

Your own model and dictionary:
  featurescope add-model ./my-model --name my-model
  featurescope add-dictionary ./my-sae --model my-model
  featurescope up                                            # app and worker
  featurescope harvest my-sae --corpus ./my-texts

All data is kept under FEATURESCOPE_HOME (default ./featurescope-data).
FEATURESCOPE_DATABASE_URL=postgresql://... uses Postgres instead of SQLite.
Every verb takes --json (one JSON object on the last line) and --debug (the whole stack trace).
The log goes to stderr: FEATURESCOPE_LOG=json, or --log-format json, writes a JSON object a line.

exit codes: 0 done, 1 it failed and the message says why, 2 wrong usage, 130 stopped with Ctrl-C
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit code; never raises for what a person or a file did wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        return OK
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"There is no verb {verb!r}.{_nearest(verb)}\nfeaturescope --help lists them.", file=sys.stderr)
        return MISUSED
    debug = "--debug" in rest
    try:
        words, log_format = _log_format([word for word in rest if word != "--debug"])
    except ValueError as error:
        print(f"featurescope {verb}: {error}", file=sys.stderr)
        return MISUSED
    return _run(verb, words, debug=debug, log_format=log_format)


def help_text() -> str:
    """What `featurescope --help` prints."""
    return HELP.format(verbs="\n".join(f"  {verb:<16}{line}" for verb, (_, line) in VERBS.items()))


def _log_format(words: list[str]) -> tuple[list[str], str]:
    """The words without --log-format, and what it or the environment says. Raises ValueError on another format."""
    chosen, source, kept = os.environ.get(LOG_VARIABLE) or "plain", LOG_VARIABLE, []
    coming = iter(words)
    for word in coming:
        name, _, value = word.partition("=")
        if name == LOG_OPTION:
            chosen, source = value or next(coming, ""), LOG_OPTION
        else:
            kept.append(word)
    if chosen not in ("plain", "json"):
        raise ValueError(f"{source} is {chosen!r}; it is plain or json.")
    return kept, chosen


def _run(verb: str, arguments: list[str], *, debug: bool, log_format: str) -> int:
    # Idle threads of torch's pool sleep instead of spinning: the compiled reducers want the same cores. Read once, when
    # torch is loaded, so it has to be here; a harvest on two cores is two to three times as fast.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # For the processes that this one starts.
    os.environ[LOG_VARIABLE] = log_format
    known = importlib.import_module("worker.errors").WorkerError, importlib.import_module("catalog.errors").CatalogError
    set_up_logging = importlib.import_module("catalog.log_lines").set_up_logging
    set_up_logging(log_format, debug=debug, process={"process": verb, "pid": os.getpid()})
    try:
        return importlib.import_module(VERBS[verb][0]).main(arguments) or OK
    except SystemExit as stop:  # argparse, after --help or wrong usage
        return stop.code if isinstance(stop.code, int) else MISUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (*known, OSError) as error:
        if debug:
            raise
        print(f"featurescope {verb}: {error}", file=sys.stderr)
        return FAILED


def _nearest(verb: str) -> str:
    near = importlib.import_module("difflib").get_close_matches(verb, VERBS, n=2)
    return f" Did you mean {' or '.join(near)}?" if near else ""


if __name__ == "__main__":
    sys.exit(main())
