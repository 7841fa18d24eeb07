"""A process that ends, as by a power cut, at each step of its work in the folder of an index."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

FOLDER = "the-index"
"""Name of the folder in which steps count."""
_CRASHED = 86


def crash_at_each_step(action: Callable[[int, Callable[[], None]], None]) -> int:
    """Run an action in a child for each step, until one gets to its end; return the steps.

    The action gets the number of the step, from 1, and a function from whose call on steps count.
    """
    for step in range(1, 100):
        child = os.fork()
        if not child:
            action(step, lambda: _end_at(step))  # noqa: B023 - it is called here and now
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, _CRASHED), status
        if not status:
            return step
    raise AssertionError("it never got to its end")


def _end_at(step: int) -> None:
    seen = 0

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and FOLDER in str(args[0]):
            seen += 1
            if seen == step:
                os._exit(_CRASHED)

    sys.addaudithook(hook)
