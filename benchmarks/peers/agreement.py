"""Whether two sides found the same top contexts. Needs only numpy.

Two activations agree when they differ by at most `relative` of the feature's greatest activation plus `absolute`, the
rounding with which the other side writes. Contexts whose peaks agree with the last peak of a list may stand on either
side of its end: such ties are counted, not hidden, and are no difference. Order is compared through the peaks, place by
place, so that two contexts with agreeing peaks may change places.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.top_lists import NO_CONTEXT, TopLists

SHOWN_DIFFERENCES = 10


@dataclass(frozen=True, slots=True)
class Tolerance:
    """relative: share of the feature's greatest activation. absolute: in activations' own units."""

    relative: float
    absolute: float = 0.0

    def of(self, greatest: float) -> float:
        """The most that two activations of a feature with this greatest activation may differ."""
        return self.relative * greatest + self.absolute


@dataclass(slots=True)
class Agreement:
    """What the comparison found.

    features: compared. silent: of them, those that fire for neither side. contexts: in the other side's lists.
    tied: contexts that only one list holds, their peak being that of the list's end. greatest_difference: of any
    activation on any token of a shared context, as a share of the feature's greatest activation.
    differing: features with a difference beyond the tolerance; differences: the first of them in words.
    """

    features: int = 0
    silent: int = 0
    contexts: int = 0
    tied: int = 0
    greatest_difference: float = 0.0
    differing: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """No feature differs, and some were compared."""
        return self.differing == 0 and self.features > 0

    def to_json(self) -> dict[str, Any]:
        """For the line of figures."""
        return asdict(self) | {"same": self.same}


def compare(ours: TopLists, theirs: TopLists, tolerance: Tolerance) -> Agreement:
    """Compare the features that the other side has. Raises ValueError where ours lack one of them."""
    row_of = {int(feature): row for row, feature in enumerate(ours.features)}
    if missing := [int(feature) for feature in theirs.features if int(feature) not in row_of]:
        raise ValueError(
            f"Feature {missing[0]} is in the other side's lists but not in ours; compare the same features."
        )
    agreement = Agreement()
    for row, feature in enumerate(theirs.features):
        pair = _Pair(
            _List.of(ours, row_of[int(feature)]),
            _List.of(theirs, row),
            tolerance,
        )
        agreement.features += 1
        agreement.silent += len(pair.ours.peaks) == len(pair.theirs.peaks) == 0
        agreement.contexts += len(pair.theirs.peaks)
        agreement.tied += pair.n_tied
        agreement.greatest_difference = max(agreement.greatest_difference, pair.greatest_difference())
        if said := list(pair.differences()):
            agreement.differing += 1
            agreement.differences.append(f"Feature {feature}: {' '.join(said)}")
    agreement.differences = agreement.differences[:SHOWN_DIFFERENCES]
    return agreement


@dataclass(frozen=True, slots=True, eq=False)
class _List:
    """One feature of one side, without the empty places."""

    context_ids: NDArray[np.int64]
    peaks: NDArray[np.float32]
    activations: NDArray[np.float32]
    complete: bool

    @classmethod
    def of(cls, lists: TopLists, row: int) -> "_List":
        """The filled places of a row."""
        filled = lists.context_ids[row] != NO_CONTEXT
        activations = lists.activations[row][filled]
        return cls(lists.context_ids[row][filled], activations.max(axis=1), activations, bool(lists.complete[row]))


class _Pair:
    """The two lists of one feature."""

    def __init__(self, ours: _List, theirs: _List, tolerance: Tolerance) -> None:
        self.ours, self.theirs = ours, theirs
        self._greatest = float(max(ours.peaks.max(initial=0), theirs.peaks.max(initial=0)))
        self._allowed = tolerance.of(self._greatest)
        self._n = min(len(ours.peaks), len(theirs.peaks))
        _, self._in_ours, self._in_theirs = np.intersect1d(ours.context_ids, theirs.context_ids, return_indices=True)
        self._only_theirs = np.setdiff1d(np.arange(len(theirs.peaks)), self._in_theirs)
        # Past the other list's end ours may go on; only what should have been in both is asked for.
        self._only_ours = np.setdiff1d(np.arange(self._n), self._in_ours)

    @property
    def n_tied(self) -> int:
        """Contexts in one list alone whose peak is that of the other list's end."""
        return sum(1 for _ in self._alone(tied=True))

    def greatest_difference(self) -> float:
        """Of any activation in a shared context, as a share of the feature's greatest."""
        return float(self._token_differences().max(initial=0)) / self._greatest if self._greatest > 0 else 0.0

    def differences(self) -> Iterator[str]:
        """What is beyond the tolerance, in words."""
        peaks = np.abs(self.ours.peaks[: self._n] - self.theirs.peaks[: self._n])
        if self._n and peaks.max() > self._allowed:
            place = int(peaks.argmax())
            yield f"peak {place} is {self.ours.peaks[place]:.6g} here, {self.theirs.peaks[place]:.6g} there."
        if self._token_differences().max(initial=0) > self._allowed:
            yield f"an activation in a shared context differs by {self._token_differences().max():.3g}."
        for context_id, peak, side in self._alone(tied=False):
            yield f"context {context_id} with peak {peak:.6g} is {side}."
        yield from self._wrong_ends()

    def _token_differences(self) -> NDArray[np.float32]:
        return np.abs(self.ours.activations[self._in_ours] - self.theirs.activations[self._in_theirs])

    def _alone(self, *, tied: bool) -> Iterator[tuple[int, float, str]]:
        """Contexts in one list alone, those that are (or are not) ties with the other list's last peak."""
        sides = (
            (self.theirs, self._only_theirs, self.ours, "only there"),
            (self.ours, self._only_ours, self.theirs, "only here"),
        )
        for side, places, other, said in sides:
            end = 0.0 if other.complete or not len(other.peaks) else float(other.peaks[-1])
            for place in places:
                if (float(side.peaks[place]) - end <= self._allowed) == tied:
                    yield int(side.context_ids[place]), float(side.peaks[place]), said

    def _wrong_ends(self) -> Iterator[str]:
        """A list that says it is complete, or is the longer by right, must not lack what the other has."""
        longer = self.ours.peaks[self._n :]
        if self.theirs.complete and longer.max(initial=0) > self._allowed:
            yield f"{len(longer)} more contexts fire here than there."
