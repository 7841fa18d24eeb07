"""What a fresh interpreter loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def loaded_by(code: str, folder: Path | None = None) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running code in a folder."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return set(json.loads(run.stdout.splitlines()[-1]))
