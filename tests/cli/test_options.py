"""How commands open a library."""

from __future__ import annotations

import gc
from pathlib import Path

from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.cli.options import open_engine


def test_collector_rests_while_a_library_is_opened_and_works_again(tmp_path: Path) -> None:
    Catalog(open_database(tmp_path, create=True)).close()
    before, passes = gc.get_freeze_count(), []

    def note(phase: str, info: dict[str, int]) -> None:
        passes.append((phase, info["generation"]))

    gc.callbacks.append(note)
    try:
        with open_engine({"library": str(tmp_path)}):
            assert passes == []
            assert gc.isenabled()
            assert gc.get_freeze_count() > before
            gc.collect()
            assert passes
    finally:
        gc.callbacks.remove(note)
        gc.unfreeze()
