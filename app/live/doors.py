"""Which workers take live requests, and in which order to try them."""

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import Engine

from app.live.failures import no_door, no_secret, no_worker
from catalog.engine import session_scope
from catalog.live_secret import read_live_secret
from catalog.reader import CatalogReader
from catalog.settings import CatalogSettings


@dataclass(frozen=True, slots=True)
class Door:
    """Where one worker takes live requests, and what it wants to be shown."""

    address: str
    secret: str = field(repr=False)


class Doors:
    """The live doors of a catalog's workers. Every call reads the catalog, so that a worker just started is known."""

    def __init__(self, engine: Engine, settings: CatalogSettings) -> None:
        self._engine = engine
        self._settings = settings

    def in_turn(self, model: str) -> tuple[Door, ...]:
        """The doors of workers heard of lately, the one to try first in front; at least one.

        model: what is asked for. Requests for one model go to one worker as long as it takes them, so that not every
        worker loads every model. Raises LiveFailure where no worker is up, or none that this app may ask, and what
        the catalog raises where it cannot be read.
        """
        with session_scope(self._engine) as session:
            up = [worker for worker in CatalogReader(session).workers() if worker.alive]
        if not up:
            raise no_worker()
        addresses = [worker.live_address for worker in up if worker.live_address]
        if not addresses:
            raise no_door()
        secret = read_live_secret(self._settings)
        if secret is None:
            raise no_secret()
        return tuple(Door(address, secret) for address in sorted(addresses, key=lambda each: _turn(each, model)))


def _turn(address: str, model: str) -> bytes:
    """A number that is the same in every process of the app, and another for every worker and model."""
    return hashlib.sha256(f"{model} {address}".encode()).digest()
