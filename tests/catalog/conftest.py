"""The catalog is tested without PyTorch, which takes longer to load than most tests here to run."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every import of PyTorch fail while a test of the catalog runs."""
    monkeypatch.setitem(sys.modules, "torch", None)
