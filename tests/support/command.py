"""The command `lexpix` as a user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LEXPIX = str(Path(sys.executable).with_name("lexpix"))


def lexpix(
    *arguments: str | Path,
    library: Path,
    code: int = 0,
    cwd: Path | None = None,
    inference: str = "onnxruntime",
) -> subprocess.CompletedProcess[str]:
    """Run the command in a new process and check its exit code."""
    ran = subprocess.run(
        [LEXPIX, *map(str, arguments)],
        env=environment(library) | {"LEXPIX_INFERENCE": inference},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def environment(library: Path) -> dict[str, str]:
    """Return an environment in which the library is set, and float32, but nothing else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LEXPIX_")}
    return kept | {
        "LEXPIX_INFERENCE": "onnxruntime",
        "LEXPIX_LIBRARY": str(library),
        "XDG_CONFIG_HOME": str(library / "no-config"),
    }
