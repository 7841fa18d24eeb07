"""What keeps people out of a page, as axe-core finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright import sync_api

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"


def complaints(tab: sync_api.Page) -> list[str]:
    """Return what axe-core finds that is serious or critical, and where."""
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = tab.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert len(found["passes"]) > 10, "axe has looked at something"
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
