"""How much memory a harvest takes of a worker, and how it is arranged so that it stays under a limit.

Under a limit a worker does one heavy piece at a time, be it a shard or the end of a harvest. What can be chosen is how
many tokens go through the model at once, and how many dictionaries share a pass. The first is part of the plan, since
products may be rounded otherwise in another shape; the second changes no number. Fewer passes go before larger
batches: a pass more is the whole corpus through the model once more.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from worker.harvest.memory import Forward, Load, batch_sizes, finish_bytes, pass_bytes
from worker.harvest.plan import HarvestPlan
from worker.harvest.sounding import forward_bytes, sample_batch, sound
from worker.harvest.subset import features_of
from worker.jobs.errors import NotAtHand
from worker.jobs.harvest_inputs import HarvestInputs
from worker.jobs.resident import keep_nothing_back, resident_bytes
from worker.jobs.sizes import MIB, mib
from worker.sae.dictionary import Dictionary

Passes = tuple[tuple[int, ...], ...]
# Below this many tokens a forward pass takes longer a token, so that dictionaries are parted first.
_EFFICIENT_BATCH = 1024
# What is measured of the process is rounded up to this, so that the same limit gives the same arrangement.
_PROCESS_STEP = 16 * MIB
# Share of what comes and goes that the C library keeps for later, or loses between pieces.
_LOST = 0.1
log = logging.getLogger(__name__)


class TooLittleMemory(NotAtHand):
    """The limit of this worker is below the least that the harvest takes."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a harvest is gone through. needed: bytes of the process at its highest; None where nobody asked."""

    plan: HarvestPlan
    passes: Passes
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What a harvest takes beside its batches, measured. process: with the model loaded. loads: of each dictionary."""

    process: int
    loads: tuple[Load, ...]
    forward: Forward

    def needed(self, plan: HarvestPlan, passes: Passes) -> int:
        """Bytes of the process at its highest."""
        passing = max(pass_bytes(plan, [self.loads[n] for n in numbers], self.forward) for numbers in passes)
        return int(self.process + (1 + _LOST) * max(passing, self.finish(plan)))

    def finish(self, plan: HarvestPlan) -> int:
        """Bytes beside the process while the dictionary that takes the most is finished."""
        return max(finish_bytes(plan, load, self.forward) for load in self.loads)


def measure_room(inputs: HarvestInputs, plan: HarvestPlan) -> Room:
    """Look at a few contexts with each dictionary in turn. Raises NotAtHand where the files of one are not there."""
    batch, model = sample_batch(plan, inputs.contexts), inputs.model
    hooks = tuple(dict.fromkeys(record.hook_name for record in inputs.records))
    forward = Forward(forward_bytes(model, batch, hooks), model.d_model, model.d_vocab)
    loads = []
    for number in range(len(inputs.records)):
        (dictionary,) = inputs.shelf.take([number])
        sounding = sound(plan, batch, model, dictionary)
        loads.append(_load(dictionary, plan, l0=sounding.l0, row=sounding.row))
        del dictionary
    inputs.shelf.clear()
    process = -(-resident_bytes() // _PROCESS_STEP) * _PROCESS_STEP
    return Room(process, tuple(loads), forward)


def arrange(inputs: HarvestInputs, plan: HarvestPlan, *, limit: int | None, keep_batch: bool = False) -> Arrangement:
    """The arrangement of the fewest passes, and of those with the largest batch, that stays under a limit in bytes.

    keep_batch: whether the size of a batch stays the plan's. Raises TooLittleMemory where none does.
    """
    together = (tuple(range(len(inputs.records))),)
    if limit is None:
        return Arrangement(plan, together)
    keep_nothing_back()
    room = measure_room(inputs, plan)
    least = None
    for tried, passes in arrangements(plan, len(room.loads), keep_batch=keep_batch):
        needed = room.needed(tried, passes)
        if needed <= limit:
            log.info(
                "%s of memory at most, in %d passes of %d tokens.", mib(needed), len(passes), tried.options.batch_tokens
            )
            return Arrangement(tried, passes, needed)
        least = min(least or needed, needed)
    assert least is not None
    raise TooLittleMemory(too_little(room, least=least, limit=limit))


def check_room(inputs: HarvestInputs, plan: HarvestPlan, passes: Passes, *, limit: int | None) -> None:
    """Raises TooLittleMemory where a harvest that is arranged already does not stay under a worker's limit."""
    if limit is None:
        return
    keep_nothing_back()
    room = measure_room(inputs, plan)
    # What was rounded up when it was arranged is rounded down here, or a harvest might not find its own place again.
    needed = room.needed(plan, passes) - _PROCESS_STEP
    if needed > limit:
        raise TooLittleMemory(too_little(room, least=needed, limit=limit))


def too_little(room: Room, *, least: int, limit: int) -> str:
    """What is said where a limit is too low."""
    return (
        f"The harvest needs at least {mib(least)} of memory, of which the program and the model take "
        f"{mib(room.process)}, and the limit is {mib(limit)}. Raise it (--memory-limit, FEATURESCOPE_MEMORY_LIMIT), "
        "harvest fewer features (--features), or keep smaller samples (--sample 64)."
    )


def passes_of(n: int, n_passes: int) -> Passes:
    """n dictionaries in so many passes of like size, in their order."""
    cuts = [n * i // n_passes for i in range(n_passes + 1)]
    return tuple(tuple(range(*cut)) for cut in pairwise(cuts))


def arrangements(plan: HarvestPlan, n: int, *, keep_batch: bool) -> Iterator[tuple[HarvestPlan, Passes]]:
    """Ways to go through the corpus with n dictionaries, best first."""
    sizes = [plan.options.batch_tokens] if keep_batch else batch_sizes(plan)
    efficient: Sequence[int] = [size for size in sizes if size >= _EFFICIENT_BATCH] or sizes[:1]
    for group in (efficient, sizes[len(efficient) :]):
        for n_passes in range(1, n + 1):
            for size in group:
                yield replace(plan, options=replace(plan.options, batch_tokens=size)), passes_of(n, n_passes)


def _load(dictionary: Dictionary, plan: HarvestPlan, *, l0: float, row: float) -> Load:
    d_in, d_sae = dictionary.d_in, dictionary.d_sae
    has_weights = dictionary.W_enc is not None
    copied = {"float32": 0, "bfloat16": 2}[plan.options.encode_dtype] if has_weights else 0
    return Load(
        d_in=d_in,
        d_sae=d_sae,
        features=len(features_of(plan.options.features, d_sae)),
        weights=(8 + copied) * d_in * d_sae if has_weights else 0,
        l0=l0,
        row=row,
    )
