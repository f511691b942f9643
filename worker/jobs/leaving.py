"""How a worker process ends: at once, because whatever was under way is taken up by the next one, or by itself anew."""

import logging
import os
import sys
from typing import NoReturn

log = logging.getLogger(__name__)
STOPPED = 0
FAILED = 1


def leave(code: int, message: str = "") -> NoReturn:
    """End the process without waiting for its threads."""
    if message:
        log.critical("%s", message)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def begin_again(message: str) -> NoReturn:
    """Start this very process anew, with the words it was started with: its number and its parent stay."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201 (the last words before the first)
    logging.shutdown()
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)
