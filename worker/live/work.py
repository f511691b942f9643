"""Something that the batcher's thread does in steps, so that others have their turn between them."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError


class Work:
    """step: does one step and says whether there is more; after a step that failed it may be called again.

    done: settled after the last step; cancelling it from any thread ends the work before the next.
    """

    def __init__(self, step: Callable[[], bool]) -> None:
        self.done: Future[None] = Future()
        self._step = step

    @property
    def is_over(self) -> bool:
        """Finished, failed, or given up by whoever asked."""
        return self.done.done()

    def go_on(self) -> bool:
        """Do one step. Returns whether there is more; raises what the step raises."""
        if self._step():
            return True
        self._settle(None)
        return False

    def fail(self, error: Exception) -> None:
        """The work cannot be done."""
        self._settle(error)

    def _settle(self, error: Exception | None) -> None:
        try:
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(None)
        except InvalidStateError:
            return
