"""Opens the worker's live door: settings in, rooms joined, answers in the form that the app reads."""

import logging
from collections.abc import Sequence
from dataclasses import fields

from catalog.errors import CatalogError, NotFound
from catalog.live_answers import LiveAnswer, LiveFirings, write_live_answer
from catalog.live_secret import make_live_secret
from catalog.log_lines import told
from worker.jobs.context import JobContext
from worker.jobs.live_dictionaries import LiveDictionaries
from worker.live.answer import TextFired
from worker.live.batcher import Batcher
from worker.live.dictionary import LiveDictionary
from worker.live.door import LiveDoor
from worker.live.errors import LiveError
from worker.live.listening import address_of, listen, serve
from worker.live.service import LiveService
from worker.lm.placement import choose_device

log = logging.getLogger(__name__)
# What a batch may hold before the next requests have their turn: about a second of a small model's work on a CPU.
BATCH_TOKENS = {"cpu": 512}
BATCH_TOKENS_ON_GPU = 8_192


def open_live_door(context: JobContext) -> str | None:
    """Answer live requests from threads of this process. Returns the address, or None where the settings say no.

    Raises LiveError where the port cannot be had, CatalogError where the secret cannot be read.
    """
    settings = context.settings.live
    if not settings.is_on:
        return None
    secret = make_live_secret(context.settings.catalog)
    listener = listen(settings.host, settings.port)
    door = LiveDoor(make_service(context), secret=secret, explain=_explained)
    serve(door.app(), listener)
    address = address_of(listener, settings.host)
    log.info("The live door is open at %s.", address, extra=told(live_address=address))
    return address


def make_service(context: JobContext) -> LiveService:
    """The service over this worker's catalog and models."""
    dictionaries = LiveDictionaries(context)
    device = choose_device(context.settings.device)
    batcher = Batcher(batch_tokens=BATCH_TOKENS.get(device.type, BATCH_TOKENS_ON_GPU), make_room=dictionaries.make_room)
    return LiveService(dictionaries, batcher, context.settings.live.limits, write=_written)


def _written(results: Sequence[TextFired], dictionaries: Sequence[LiveDictionary]) -> bytes:
    names = [field.name for field in fields(LiveFirings)]
    firings = tuple(LiveFirings(**{name: getattr(each, name) for name in names}) for each in results)
    facts = {"dictionaries": {each.hash: dict(each.facts) for each in dictionaries}}
    return write_live_answer(LiveAnswer(firings, facts))


def _explained(error: Exception) -> LiveError | None:
    """Errors of the catalog, which the door does not know."""
    if isinstance(error, NotFound):
        return LiveError(str(error), status=404, code="not_found")
    if isinstance(error, CatalogError):
        return LiveError(str(error), status=503, code="catalog_unavailable")
    return None
