"""The secret that the app shows at the worker's live door: named by the settings, else kept in a file of the home."""

from catalog.kept_secret import make_secret, read_secret
from catalog.settings import CatalogSettings

FILE = "live-secret"
OF = "the live door"
WAY_OUT = "set FEATURESCOPE_LIVE_SECRET for app and worker alike"


def read_live_secret(settings: CatalogSettings) -> str | None:
    """The secret; None where none is named and no worker of this home has made one yet."""
    if settings.live_secret is not None:
        return settings.live_secret
    return read_secret(settings.home / FILE, of=OF, way_out=WAY_OUT)


def make_live_secret(settings: CatalogSettings) -> str:
    """The same, made where there is none, readable by this user alone. Workers that start at once agree on one."""
    if settings.live_secret is not None:
        return settings.live_secret
    return make_secret(settings.home / FILE, of=OF, way_out=WAY_OUT)
