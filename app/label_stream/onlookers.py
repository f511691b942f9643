"""Who looks at which feature just now: pages that were heard of lately."""

import time
from collections.abc import Callable

from catalog.label_channel import FeaturePlace, SomebodyLooks

HERE_FOR_S = 45.0
"""A page that is open says so more often than this."""


class Onlookers:
    """Open pages by feature, each with the name of whoever sits at it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._there: dict[FeaturePlace, dict[str, tuple[str, float]]] = {}

    def heard(self, message: SomebodyLooks) -> bool:
        """Somebody came, is still there, or went. Whether that changes who is there."""
        before = self.names(message.place)
        there = self._there.setdefault(message.place, {})
        if message.is_here:
            there[message.viewer] = (message.name, self._clock())
        else:
            there.pop(message.viewer, None)
        if not there:
            del self._there[message.place]
        return self.names(message.place) != before

    def names(self, place: FeaturePlace) -> tuple[str, ...]:
        """Everybody who looks at a feature, each once, by name."""
        there, now = self._there.get(place, {}), self._clock()
        for viewer in [viewer for viewer, (_, at) in there.items() if now - at > HERE_FOR_S]:
            del there[viewer]
        return tuple(sorted({name for name, _ in there.values()}))
