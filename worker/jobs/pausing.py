"""What is raised where work rests, to be taken up later by whoever is free.

Both are kinds of what DBOS raises in a cancelled workflow: a step that ends in it is not written down, so that it runs
again when the workflow is resumed, and the workflow stays in DBOS's hands.
"""

from dbos import error


class JobPaused(error.DBOSWorkflowCancelledError):
    """Somebody lets the job rest."""


class HandedBack(error.DBOSWorkflowCancelledError):
    """The worker cannot do the job; another may."""
