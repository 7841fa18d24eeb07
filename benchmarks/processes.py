"""Run processes to their ends, and say what they took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# A process has at least the largest memory of the one that started it, so a small one does.
_RUN = """
import os, resource, sys, time
began = time.perf_counter()
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status = os.waitpid(process, 0)
passed = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as told:
    print(used.ru_utime + used.ru_stime, passed, used.ru_maxrss, file=told)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Ran(NamedTuple):
    """Seconds of processor time and of the clock, and the largest memory in MB."""

    cpu: float
    clock: float
    memory: float


def run(
    command: Sequence[str], folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> Ran:
    """Run a program, given by its path, with its arguments.

    Args:
        command: The path and the arguments.
        folder: Where it is run.
        settings: Variables of its environment, besides those of this process.

    Raises:
        subprocess.CalledProcessError: It failed; what it said of that is in `stderr`.
    """
    with tempfile.NamedTemporaryFile("r") as told:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _RUN, told.name, *command],
            check=True,
            cwd=folder,
            env=compiled() | dict(settings or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        cpu, clock, kilobytes = map(float, told.read().split())
    return Ran(cpu, clock, kilobytes * 1024 / 1e6)


def compiled() -> dict[str, str]:
    """Return the environment of a process whose modules are compiled, as those of a package are.

    pip compiles what it installs; where Python is told to write no bytecode, what is run from its
    sources would be compiled again by every process, which takes 0.1 s of a search.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peak_mb() -> int:
    """Return the largest memory of this process so far, in MB; by Linux alone."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return round(int(kilobytes) * 1024 / 1e6)
