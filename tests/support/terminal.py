"""A command on a terminal of its own, on which somebody may type."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


def on_terminal(
    command: Sequence[str], env: Mapping[str, str], typed: str = "", code: int = 0
) -> str:
    """Run a command, type what it will read, check its exit code; return what it shows."""
    main, terminal = pty.openpty()
    with subprocess.Popen(
        command, env={**env, "TERM": "xterm"}, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        os.write(main, typed.encode())
        shown = b""
        try:
            while chunk := os.read(main, 65536):
                shown += chunk
        except OSError:  # the terminal closes with the last process that has it
            pass
        os.close(main)
        assert process.wait() == code, shown
    return shown.decode()
