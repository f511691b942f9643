"""The secret that the app shows at the worker's live door: named by the settings, else kept in a file of the home."""

import os
import secrets
import tempfile
from pathlib import Path

from catalog.errors import CatalogError
from catalog.settings import CatalogSettings

FILE = "live-secret"
N_BYTES = 32


def read_live_secret(settings: CatalogSettings) -> str | None:
    """The secret; None where none is named and no worker of this home has made one yet."""
    if settings.live_secret is not None:
        return settings.live_secret
    path = settings.home / FILE
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if not text:
        raise CatalogError(
            f"{path} is empty; expected the secret of the live door. Delete it and start the worker again."
        )
    return text


def make_live_secret(settings: CatalogSettings) -> str:
    """The same, made where there is none, readable by this user alone. Workers that start at once agree on one."""
    known = read_live_secret(settings)
    if known is not None:
        return known
    settings.home.mkdir(parents=True, exist_ok=True)
    # A link puts the finished file in its place, or fails where another worker was first.
    descriptor, name = tempfile.mkstemp(dir=settings.home, prefix=f".{FILE}-")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(N_BYTES) + "\n")
    try:
        os.link(name, settings.home / FILE)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
    made = read_live_secret(settings)
    assert made is not None
    return made


def _unreadable(path: Path, error: Exception) -> CatalogError:
    return CatalogError(
        f"The secret of the live door in {path} cannot be read: {error}. Let this user read it, or set "
        "FEATURESCOPE_LIVE_SECRET for app and worker alike."
    )
