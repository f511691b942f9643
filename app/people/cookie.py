"""The cookie of a signed-in browser: signed, out of reach of scripts, never sent along by other sites' forms."""

import hashlib
import secrets

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadSignature, Signer

from app.paths import SitePaths
from app.settings import AppSettings
from catalog.kept_secret import make_secret

NAME = "featurescope_session"
FILE = "session-secret"
N_BYTES = 32


class SessionCookie:
    """Writes and reads the cookie. The secret is named by the settings, else made once and kept in the home."""

    def __init__(self, settings: AppSettings, paths: SitePaths) -> None:
        self._path = paths.home()
        self._seconds = int(settings.session_days * 86_400)
        secret = settings.session_secret or make_secret(
            settings.catalog.home / FILE, of="the sessions", way_out="set FEATURESCOPE_SESSION_SECRET"
        )
        self._signer = Signer(secret, salt="featurescope session", digest_method=hashlib.sha256)

    def read(self, request: Request) -> str | None:
        """What the cookie says, where it was signed here."""
        cookie = request.cookies.get(NAME)
        try:
            return None if cookie is None else self._signer.unsign(cookie).decode("ascii")
        except (BadSignature, UnicodeError):
            return None

    def signed(self, secret: str) -> str:
        """What the cookie holds."""
        return self._signer.sign(secret).decode("ascii")

    def write(self, request: Request, response: Response, secret: str) -> None:
        """Signs the browser in; over HTTPS the cookie never goes out on anything else."""
        response.set_cookie(
            NAME,
            self.signed(secret),
            max_age=self._seconds,
            path=self._path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        """Signs the browser out."""
        response.delete_cookie(NAME, path=self._path, httponly=True, samesite="lax")


def new_secret() -> str:
    """Something that nobody guesses."""
    return secrets.token_urlsafe(N_BYTES)
