"""How verbs read their words: one parser each, with help that teaches, and the options all of them share."""

import argparse
from typing import Any

from catalog.records import HIGHEST_PRIORITY
from worker.jobs.errors import JobError
from worker.jobs.sizes import parse_size


def verb_parser(verb: str, says: str, *, examples: str = "") -> argparse.ArgumentParser:
    """A parser with --json and --debug. examples: command lines shown under the help, one a line."""
    epilog = f"examples:\n{_indented(examples)}\n" if examples else None
    parser = argparse.ArgumentParser(
        prog=f"featurescope {verb}",
        description=says,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line, for programs")
    parser.add_argument("--debug", action="store_true", help="show the whole stack trace when something fails")
    parser.add_argument("--log-format", choices=["plain", "json"], help="how the log on stderr is written")
    return parser


def positive(text: str) -> int:
    """A whole number above 0; underscores and a k or M behind it are understood (1_000_000, 500k, 2M)."""
    factors = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
    factor = factors.get(text[-1:].lower(), 1)
    digits = text[:-1] if factor > 1 else text
    try:
        number = round(float(digits.replace("_", "")) * factor)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number


def memory_size(text: str) -> int:
    """A size of memory in bytes: 900MiB, 4GiB."""
    try:
        return parse_size(text, name="the limit")
    except JobError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def priority_number(text: str) -> int:
    """A priority: a whole number from -100 to 100."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if abs(number) > HIGHEST_PRIORITY:
        raise argparse.ArgumentTypeError(f"{text} is beyond {HIGHEST_PRIORITY}")
    return number


def port_number(text: str) -> int:
    """A TCP port."""
    number = positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; ports go to 65535")
    return number


def add_address(parser: argparse.ArgumentParser) -> None:
    """--host, --port, and what opens the pages to other machines."""
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default %(default)s)")
    parser.add_argument("--port", type=port_number, default=8000, help="port to serve on (default %(default)s)")
    parser.add_argument("--public", action="store_true", help="yes, serve where other machines can reach it")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a further name to answer to")


def add_following(parser: argparse.ArgumentParser) -> None:
    """--detach, --priority."""
    parser.add_argument(
        "--priority",
        type=priority_number,
        default=0,
        metavar="N",
        help="from -100 to 100; of jobs that wait the highest goes first",
    )
    parser.add_argument(
        "--detach", action="store_true", help="only put the job on the queue; follow it with: featurescope status"
    )


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options of these names that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
