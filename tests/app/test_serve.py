"""featurescope serve: refuses what is unsafe or impossible, in words."""

import asyncio
import socket
import subprocess
import sys

import pytest

from app.cli import serve
from app.failures import AppError
from app.settings import AppSettings
from catalog.errors import WrongRevision
from tests import own_loop


def test_a_port_in_use_is_named_with_another(capsys: pytest.CaptureFixture[str], stored_url: str, monkeypatch):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", stored_url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.main(["--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 is in use" in error
    assert f"--port {port + 1}" in error


def test_answers_are_sent_without_delay():
    async def is_undelayed() -> bool:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = writer.get_extra_info("socket")
            found.set_result(bool(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        found = asyncio.get_running_loop().create_future()
        with serve.listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(answer, sock=listener):
                await asyncio.open_connection(*listener.getsockname())
                return await found

    assert own_loop.run(is_undelayed())


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_cannot_be_is_refused(port: str, capsys: pytest.CaptureFixture[str]):
    assert serve.main(["--port", port]) == 1
    assert f"--port {port}: a port is a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "lab.example.org"])
def test_a_public_address_must_be_asked_for_twice(host: str, capsys: pytest.CaptureFixture[str]):
    assert serve.main(["--host", host]) == 1
    assert "--public" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_is_private(host: str):
    assert serve.is_loopback(host)


def test_a_catalog_without_tables_stops_the_server():
    with pytest.raises(WrongRevision, match="make migrate"):
        serve.main(["--port", "0"])


def test_settings_add_allowed_hosts_to_the_loopback_names():
    environ = {"FEATURESCOPE_ALLOWED_HOSTS": "Lab.example.org, b ", "FEATURESCOPE_PATH_PREFIX": "/x/"}
    settings = AppSettings.from_environment(environ)
    assert settings.allowed_hosts[-2:] == ("lab.example.org", "b")
    assert "127.0.0.1" in settings.allowed_hosts
    assert settings.path_prefix == "/x"


def test_the_app_starts_without_torch():
    code = "import sys, app.main, app.cli.serve, app.cli.export; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_settings_of_sign_in_take_no_value_that_nobody_meant():
    assert AppSettings.from_environment({}).auth == "off"
    assert AppSettings.from_environment({"FEATURESCOPE_AUTH": "accounts"}).anonymous_reading is False
    for name, value in {"AUTH": "account", "ANONYMOUS_READING": "1", "SESSION_SECRET": "short"}.items():
        with pytest.raises(AppError, match=f"FEATURESCOPE_{name}"):
            AppSettings.from_environment({f"FEATURESCOPE_{name}": value})


def test_with_sign_in_a_public_address_is_asked_for_once(stored_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATURESCOPE_DATABASE_URL", stored_url)
    monkeypatch.setenv("FEATURESCOPE_AUTH", "accounts")
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        # It gets as far as the port, which is in use.
        assert serve.main(["--host", "0.0.0.0", "--port", str(taken.getsockname()[1])]) == 1
