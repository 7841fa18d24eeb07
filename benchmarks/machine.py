"""What a figure depends on besides the code: machine, versions, commit."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


def describe(packages: Sequence[str]) -> dict[str, Any]:
    """Return machine, versions of Python and some distributions, git commit and date."""
    return {
        "machine": {
            "cpu": cpu_name(),
            "cores": usable_cores(),
            "memory_gb": memory_gb(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "commit": commit(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def cpu_name() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gb() -> float | None:
    """Return the size of the memory in units of 10**9 bytes, where the system tells."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError):
        return None


def commit() -> str | None:
    """Return the commit of this repository, with `+changes` if the tree differs from it."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def publish(result: dict[str, Any], *, table: str, as_json: bool, out: Path | None) -> None:
    """Print a result as a table or as JSON, and write the JSON to a file if one is named."""
    text = json.dumps(result, indent=2)
    print(text if as_json else table)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")


def _git(*arguments: str) -> str:
    ran = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()
