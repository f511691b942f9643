"""A real server in a process of its own in which a header says who asks: python -m tests.app.people_server URL PORT."""

import sys
from pathlib import Path

import uvicorn

from app.cli.serve import listen
from app.main import create_app
from app.settings import AppSettings
from catalog.settings import CatalogSettings
from tests.app.people import ByHeader


def main(url: str, port: int) -> None:
    """Serve the catalog of that address until ended; the address of the server is printed when it listens."""
    settings = AppSettings(catalog=CatalogSettings(Path(), url), access_log=False)
    app = create_app(settings, asking=ByHeader())
    with listen("127.0.0.1", port) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 (for whoever started it)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
