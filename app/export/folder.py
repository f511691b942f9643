"""A folder that appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.failures import AppError


class ExportError(AppError):
    """The export cannot be written where it was asked for."""


@contextmanager
def whole_folder(target: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to write into; it takes the target's place when all went well and vanishes when not.

    replace: what is at the target may go. Raises ExportError where it is in the way, or cannot be written.
    """
    if target.exists() and not replace:
        raise ExportError(f"{str(target)!r} is there already. Choose another folder, or add --replace.")
    if target.exists() and not (target / MARKER).is_file() and any(target.iterdir()):
        raise ExportError(f"{str(target)!r} holds something that is no export, so it is not replaced.")
    partial = target.with_name(target.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        (partial / MARKER).write_text("Written by featurescope export.\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except OSError as error:
        raise ExportError(f"{str(target)!r} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


MARKER = "featurescope-export.txt"
