"""Settings, and what is made once, that tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from searchengine.models.joint import JointEncoder

# Workers of pytest-xdist share the cores. Unless told otherwise, libraries start a thread for every
# core in each of them, which then wait for those of the others; processes that tests start do too.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

# Locally every run tries new examples. In CI the same commit must give the same answer: what a
# new example finds is a bug of its own, not of the change that happened to be tested.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


LONGEST_FIRST = ("train", "web", "library", "cli", "search", "maps", "models", "evaluation")
"""Rooms with files that take long; last, one of them would keep one process busy alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand out files in an order that keeps all processes busy to the end."""

    def rank(item: pytest.Item) -> int:
        room = item.path.parent.name
        return LONGEST_FIRST.index(room) if room in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def float32_on_each_machine() -> None:
    """Hide what the processor can do: scores are compared to places that bfloat16 does not have.

    Processes of their own are told by `tests.support.command.environment`; what is computed in
    bfloat16 is tested in `tests/models/test_inference.py`.
    """
    from searchengine.models import inference

    inference.CPU_INFO = Path(os.devnull)


@pytest.fixture(scope="module")
def one_torch_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, for tests of small networks."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def drawn_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures of two colours with captions: the file of pairs."""
    from tests.support.drawn_captions import save_pairs

    return save_pairs(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a joint model that sees colours."""
    from tests.support.small_models import save_colour_model

    return save_colour_model(tmp_path_factory.mktemp("joint") / "colours")


@pytest.fixture(scope="session")
def colour_encoder(colour_model: Path) -> JointEncoder:
    """That model."""
    from searchengine.models.joint import JointEncoder

    return JointEncoder(colour_model)


@pytest.fixture(scope="session")
def drawn_captioner(
    drawn_pairs: Path, colour_encoder: JointEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a captioner, trained for real on the drawn pictures."""
    from tests.support.small_models import train_small

    out = tmp_path_factory.mktemp("captioners") / "soft"
    train_small(drawn_pairs, out, colour_encoder)
    return out


@pytest.fixture(scope="session")
def photo_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of real photographs that tests of the page look at."""
    from tests.support.served import make_library

    return make_library(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def photo_server(photo_library: Path) -> Iterator[str]:
    """The address of a server over it, in a process of its own."""
    from tests.support.served import serving

    with serving(photo_library) as address:
        yield address
