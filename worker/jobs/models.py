"""The language models that a worker has loaded, so that the shards of a harvest do not load it each time."""

import threading
from collections import OrderedDict

from transformers.utils import logging as hf_logging

from worker.jobs.sources import locate
from worker.lm.model import LanguageModel, WeightProcessing, load_language_model

KEPT = 2


class ModelCache:
    """Keeps the models used last. Threads may ask at once; a model is loaded one at a time.

    A library's own bars for the loading of weights are switched off: they would run into ours.
    """

    def __init__(self, *, device: str, dtype: str, kept: int = KEPT) -> None:
        hf_logging.disable_progress_bar()
        self._device = device
        self._dtype = dtype
        self._kept = kept
        self._models: OrderedDict[tuple[str, WeightProcessing, str], LanguageModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, source: str, *, weight_processing: WeightProcessing = "raw", dtype: str | None = None
    ) -> LanguageModel:
        """The model of a folder or hub name. dtype: as resolved for a harvest, or None for the worker's own."""
        key = (locate(source), weight_processing, dtype or self._dtype)
        with self._lock:
            if key not in self._models:
                self._models[key] = load_language_model(
                    key[0], device=self._device, dtype=key[2], weight_processing=weight_processing
                )
            self._models.move_to_end(key)
            while len(self._models) > self._kept:
                self._models.popitem(last=False)
            return self._models[key]
