"""The role that a route needs, declared where the route names who is asking: the only place where it is checked.

A route that changes anything takes one of `Labeller` and `Admin`; a page that shows something of whoever looks at it
takes `Viewer`. Where all that a route changes is its answer, its router takes `VIEWERS` among its dependencies.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.failures import AppError
from app.people.asking import Asking
from catalog.label_records import PersonRecord, Role


class NotAllowed(AppError):
    """Somebody asked for what their role does not let them do."""

    def __init__(self, person: PersonRecord | None, needed: Role) -> None:
        who = f"{person.name!r} is a {person.role}" if person else "Nobody is signed in"
        super().__init__(f"{who}; this takes a person with the role {needed!r}.")


class Rule:
    """Gives a route whoever is asking. Raises NotAllowed where they have not the role."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    async def __call__(self, request: Request) -> PersonRecord:
        """Who is asking. A coroutine, for a plain function would be sent to a thread and waited for."""
        asking: Asking = request.app.state.asking
        person = await asking.person(request)
        if person is None or not person.may(self.role):
            raise NotAllowed(person, self.role)
        return person


Viewer = Annotated[PersonRecord, Depends(Rule("viewer"))]
Labeller = Annotated[PersonRecord, Depends(Rule("labeller"))]
Admin = Annotated[PersonRecord, Depends(Rule("admin"))]
VIEWERS = Depends(Rule("viewer"))
