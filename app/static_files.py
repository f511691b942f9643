"""Files of `static/`, kept by browsers for good where their address carries the content's hash."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOR_GOOD = "public, max-age=31536000, immutable"


class CachedStaticFiles(StaticFiles):
    """Static files whose answers may be kept when asked for with `?v=`."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, marked for keeping."""
        response = await super().get_response(path, scope)
        if scope.get("query_string", b"").startswith(b"v="):
            response.headers["Cache-Control"] = FOR_GOOD
        return response
