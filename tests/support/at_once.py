"""Processes that do the same thing at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def run_at_once(program: str, arguments: Sequence[Sequence[str | Path]]) -> list[str]:
    """Run a program in a process for each list of arguments; return what each printed at the end.

    Each process imports what it needs, prints "ready" and waits for a line before it begins.
    """
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, *map(str, own)],
            cwd=REPOSITORY,
            stdin=pipe,
            stdout=pipe,
            text=True,
        )
        for own in arguments
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    printed = [worker.communicate()[0].strip() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return printed
