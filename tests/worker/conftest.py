"""What the worker's tests share: the tiny world on disk, and good manners with threads and GPUs."""

import pytest
import torch

from tests.tiny import TinyWorld, make_tiny_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves the tests that need CUDA out where there is none; the reason is shown by -rs."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    """A seeded model folder, SAE folder and corpus on disk, made once for each test process. Treat as read-only."""
    return make_tiny_world(tmp_path_factory.mktemp("tiny"))
