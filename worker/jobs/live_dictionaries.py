"""The dictionaries and models kept in memory for live inference; what was used longest ago goes out first."""

import gc
import os
import threading
from collections import OrderedDict
from typing import Any

import torch

from catalog.records import DictionaryRecord, ModelRecord
from worker.jobs.context import JobContext
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.errors import JobError
from worker.live.decoder import LiveDecoder
from worker.live.dictionary import LiveDictionary
from worker.live.encode import LiveEncoder
from worker.lm.model import LanguageModel

SHARE_OF_MEMORY = 0.25


class LiveDictionaries:
    """By hash. Safe between threads; one is loaded at a time, and asking for another that is there does not wait."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._kept: OrderedDict[str, LiveDictionary] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def loaded(self, identity: str) -> LiveDictionary | None:
        """The dictionary where it is in memory; that counts as using it."""
        with self._lock:
            if identity in self._kept:
                self._kept.move_to_end(identity)
            return self._kept.get(identity)

    def load(self, identity: str) -> LiveDictionary:
        """The dictionary, read from its files where it is not in memory.

        Raises JobError where there is none, or where model, tokenizer or weights are no longer those registered.
        """
        with self._loading:
            ready = self.loaded(identity)
            if ready is None:
                ready = self._read(identity)
                with self._lock:
                    self._kept[identity] = ready
                self._shrink(self._limit(ready.encoder.device))
            return ready

    def make_room(self) -> None:
        """Let go of all but the one used last, and of the models that nothing uses then."""
        with self._lock:
            while len(self._kept) > 1:
                self._kept.popitem(last=False)
        self._context.models.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def n_bytes(self) -> int:
        """Memory of the weights of all dictionaries kept and of their models, each counted once."""
        with self._lock:
            models: dict[int, Any] = {id(each.model): each.model for each in self._kept.values()}
            return sum(model.n_bytes for model in models.values()) + sum(
                each.encoder.n_bytes + each.decoder.n_bytes for each in self._kept.values()
            )

    def _shrink(self, limit: int) -> None:
        """At least the one used last stays."""
        while len(self._kept) > 1 and self.n_bytes() > limit:
            with self._lock:
                self._kept.popitem(last=False)

    def _limit(self, device: torch.device) -> int:
        set_mb = self._context.settings.live.memory_mb
        if set_mb is not None:
            return set_mb * 2**20
        if device.type == "cuda":
            return int(torch.cuda.mem_get_info(device)[1] * SHARE_OF_MEMORY)
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * SHARE_OF_MEMORY)

    def _read(self, identity: str) -> LiveDictionary:
        with self._context.ledger.reading() as reader:
            record = reader.dictionary_by_hash(identity)
            if record is None:
                raise JobError(f"The catalog has no dictionary of hash {identity[:12]!r}.")
            model_record = reader.model(record.model)
        dictionary = load_dictionary(record, self._context.store)
        conventions = dictionary.conventions
        model = self._context.models.get(
            model_record.source, weight_processing=conventions.weight_processing, dtype=_harvest_dtype(record)
        )
        _check_model(model, model_record)
        encoder = LiveEncoder(dictionary.harvest_weights(), dtype=model.dtype, device=model.device)
        return LiveDictionary(
            hash=dictionary.hash,
            model=model,
            hook_name=dictionary.hook_name,
            encoder=encoder,
            bos_id=model.tokenizer.bos_id if conventions.prepend_bos else None,
            n_ctx=conventions.n_ctx,
            excluded_ids=frozenset({*model.tokenizer.special_ids, *conventions.excluded_tokens}),
            decoder=LiveDecoder(dictionary.W_dec, dictionary.b_dec, device=model.device),
            facts=_facts(record, model),
        )


def _harvest_dtype(record: DictionaryRecord) -> str | None:
    """The dtype its harvest ran in, so that live numbers are the harvest's; None is the worker's own choice."""
    dtype = None if record.harvest is None else record.harvest.plan.get("dtype")
    return dtype if isinstance(dtype, str) else None


def _check_model(model: LanguageModel, record: ModelRecord) -> None:
    found = {"weights": model.weights_hash, "tokenizer": model.tokenizer.hash}
    for part, registered in (("weights", record.weights_hash), ("tokenizer", record.tokenizer_hash)):
        if found[part] != registered:
            raise JobError(
                f"The {part} at {record.source!r} have changed since model {record.slug!r} was added: the hash is "
                f"{found[part][:12]}, registered was {registered[:12]}. What this worker would compute is not what was "
                "harvested. Put the old files back, or add the model again under another name."
            )


def _facts(record: DictionaryRecord, model: LanguageModel) -> dict[str, Any]:
    return {
        "slug": record.slug,
        "model_weights": model.weights_hash,
        "tokenizer": model.tokenizer.hash,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "n_ctx": record.conventions.get("n_ctx"),
        "model_n_ctx": model.n_ctx,
    }
