"""The first thing that happens to a request of any route: who asks, and whether they may come in at all.

A route that is added comes behind this door too; the few that anybody may reach are named here.
"""

from fastapi import Depends, Request

from app.people.rules import NotAllowed, who_asks
from app.people.shown import Shown, show

OPEN = frozenset({"/sign-in", "/join", "/healthz"})
"""Routes that answer whoever asks, also where reading takes a sign-in."""


async def arrive(request: Request) -> None:
    """Lets a request in. Raises NotAllowed where nobody is known and reading is not open."""
    asking = request.app.state.asking
    if asking.has_accounts:
        show(Shown(None))
    person = await who_asks(request)
    if asking.has_accounts and person is not None:
        show(Shown(person.name))
    if person is None and not asking.is_reading_open and request.scope["route"].path not in OPEN:
        raise NotAllowed(None, "viewer")


ARRIVED = Depends(arrive)
