"""A secret kept in a file that this user alone can read, made by chance by whoever needs it first."""

import os
import secrets
import tempfile
from pathlib import Path

from catalog.errors import CatalogError

N_BYTES = 32


def read_secret(path: Path, *, of: str, way_out: str) -> str | None:
    """The secret; None where none has been made yet. of: whose it is. way_out: what else lets a person go on."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(
            f"The secret of {of} in {path} cannot be read: {error}. Let this user read it, or {way_out}."
        ) from error
    if not text:
        raise CatalogError(f"{path} is empty; expected the secret of {of}. Delete it and start again.")
    return text


def make_secret(path: Path, *, of: str, way_out: str) -> str:
    """The same, made where there is none. Processes that start at once agree on one."""
    known = read_secret(path, of=of, way_out=way_out)
    if known is not None:
        return known
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link puts the finished file in its place, or fails where another process was first.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(N_BYTES) + "\n")
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
    made = read_secret(path, of=of, way_out=way_out)
    assert made is not None
    return made
