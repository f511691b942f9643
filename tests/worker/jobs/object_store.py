"""A real S3-compatible server on loopback, in this process."""

import uuid
from collections.abc import Iterator

import pytest
import s3fs
from moto.server import ThreadedMotoServer

BUCKET = "featurescope"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of the server; its bucket is there. Needs the packages of the dev extra.

    All servers of a process share what they hold, and each module that asks for one gets its own.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    s3fs.S3FileSystem(endpoint_url=address, key="test", secret="test").makedirs(BUCKET, exist_ok=True)
    yield address
    server.stop()


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty folder of the bucket, reachable by the environment that any S3 client reads."""
    for name, value in s3_environment(s3_server).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def s3_environment(address: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
