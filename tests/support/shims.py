"""Libraries in C that are preloaded into the process of a test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_log.c")

can_be_compiled = sys.platform == "linux" and shutil.which("cc") is not None


def compile_disk_log(folder: Path) -> Path:
    """Compile what logs the writes of a process, or has its disk be full; return the library."""
    library = folder / "disk_log.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library
