"""More requests at once than there are threads or connections."""

import asyncio

import httpx

from app.main import create_app
from tests import own_loop
from tests.app.conftest import BASE, settings_for

CROWD = 120


def test_more_requests_than_threads_and_connections_are_all_answered(stored_url: str, tmp_path):
    app = create_app(settings_for(stored_url, tmp_path))

    async def ask_all() -> list[int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            asked = (client.get(f"/d/tiny-mid/{number % 3}") for number in range(CROWD))
            return [answer.status_code for answer in await asyncio.wait_for(asyncio.gather(*asked), timeout=25)]

    assert own_loop.run(ask_all()) == [200] * CROWD


def test_answers_are_compressed_for_other_machines_alone(stored_url: str, tmp_path):
    app = create_app(settings_for(stored_url, tmp_path))

    async def encoding_for(client_host: str) -> str | None:
        transport = httpx.ASGITransport(app=app, client=(client_host, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            answer = await client.get("/d/tiny-mid/0", headers={"accept-encoding": "gzip"})
            return answer.headers.get("content-encoding")

    assert own_loop.run(encoding_for("127.0.0.1")) is None
    assert own_loop.run(encoding_for("192.0.2.7")) == "gzip"
