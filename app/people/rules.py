"""The role that a route needs, declared where the route names who is asking: the only place where it is checked.

A route that changes anything takes one of `Labeller` and `Admin`; a page that shows something of whoever looks at it
takes `Viewer`. Where all that a route changes is its answer, its router takes `VIEWERS` among its dependencies. What is
about signing in itself takes `Myself`, `AdminMyself` or, where nobody can be known yet, `Newcomer`.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.failures import AppError
from app.people.asking import ANYBODY, Asking
from app.security import SAFE_METHODS
from catalog.label_records import PersonRecord, Role


class NotAllowed(AppError):
    """Somebody asked for what their role does not let them do. is_unknown: nobody is signed in."""

    def __init__(self, person: PersonRecord | None, needed: Role) -> None:
        self.is_unknown = person is None
        who = f"{person.name!r} is a {person.role}" if person else "Nobody is signed in"
        super().__init__(f"{who}; this takes a person with the role {needed!r}.")


class TakesPerson(AppError):
    """A program with a token asked for what only somebody who has signed in may do."""

    def __init__(self) -> None:
        super().__init__("A token does not do for this: sign in with your password.")


class Rule:
    """Gives a route whoever is asking. Raises NotAllowed where they have not the role.

    in_person: a token does not do. Where reading is open, whoever is not known may read as `ANYBODY`.
    """

    def __init__(self, role: Role, *, in_person: bool = False) -> None:
        self.role: Role = role
        self.in_person = in_person

    async def __call__(self, request: Request) -> PersonRecord:
        """Who is asking. A coroutine, for a plain function would be sent to a thread and waited for."""
        person = await who_asks(request)
        if person is None and self._is_open(request):
            return ANYBODY
        if person is None or not person.may(self.role):
            raise NotAllowed(person, self.role)
        if self.in_person and getattr(request.state, "by_token", False):
            raise TakesPerson
        return person

    def _is_open(self, request: Request) -> bool:
        reads = self.role == "viewer" and not self.in_person and request.method in SAFE_METHODS
        return reads and request.app.state.asking.is_reading_open


class Open:
    """The rule of the few routes that anybody may reach, signed in or not. Gives whoever it is."""

    async def __call__(self, request: Request) -> PersonRecord | None:
        """Who is asking, if they are known."""
        return await who_asks(request)


async def who_asks(request: Request) -> PersonRecord | None:
    """Whoever a request comes from, looked up once."""
    if not hasattr(request.state, "person"):
        asking: Asking = request.app.state.asking
        request.state.person = await asking.person(request)
    return request.state.person


Viewer = Annotated[PersonRecord, Depends(Rule("viewer"))]
Labeller = Annotated[PersonRecord, Depends(Rule("labeller"))]
Admin = Annotated[PersonRecord, Depends(Rule("admin"))]
VIEWERS = Depends(Rule("viewer"))
Myself = Annotated[PersonRecord, Depends(Rule("viewer", in_person=True))]
AdminMyself = Annotated[PersonRecord, Depends(Rule("admin", in_person=True))]
Newcomer = Annotated[PersonRecord | None, Depends(Open())]
