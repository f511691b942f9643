"""The language models that a worker has loaded, so that the shards of a harvest do not load it each time."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from transformers.utils import logging as hf_logging

from worker.jobs.sources import locate
from worker.lm.model import LanguageModel, WeightProcessing, load_language_model

KEPT = 2


@dataclass(slots=True)
class _Place:
    """A model, or the room for one that is being loaded."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: LanguageModel | None = None


class ModelCache:
    """Keeps the models used last. Threads may ask at once; who asks for one that is there waits for no other.

    A library's own bars for the loading of weights are switched off: they would run into ours.
    """

    def __init__(self, *, device: str, dtype: str, kept: int = KEPT) -> None:
        hf_logging.disable_progress_bar()
        self._device = device
        self._dtype = dtype
        self._kept = kept
        self._places: OrderedDict[tuple[str, WeightProcessing, str], _Place] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, source: str, *, weight_processing: WeightProcessing = "raw", dtype: str | None = None
    ) -> LanguageModel:
        """The model of a folder or hub name. dtype: as resolved for a harvest, or None for the worker's own."""
        key = (locate(source), weight_processing, dtype or self._dtype)
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > self._kept:
                self._places.popitem(last=False)
        with place.lock:
            if place.model is None:
                place.model = load_language_model(
                    key[0], device=self._device, dtype=key[2], weight_processing=weight_processing
                )
            return place.model

    def clear(self) -> None:
        """Let go of every model; those in use stay as long as they are used."""
        with self._lock:
            self._places.clear()
