"""A command on a terminal that is read as a person sees it: by pyte, an emulator of a VT100."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyte

PATIENCE = 120.0
"""Seconds after which what is waited for will not come."""


class _Emulated(pyte.HistoryScreen):
    """A screen that says where its cursor is; what else it can is for `Screen` to say."""

    def __init__(self, main: int, size: tuple[int, int]) -> None:
        super().__init__(*size, history=5000)
        self._main = main

    def write_process_input(self, data: str) -> None:
        if data.endswith("R"):
            os.write(self._main, data.encode())


class Screen:
    """A running command, its screen, and the keys of its keyboard.

    Attributes:
        sent: All bytes that the command has written.
    """

    def __init__(
        self,
        main: int,
        process: subprocess.Popen[bytes],
        size: tuple[int, int],
        answers: Mapping[bytes, bytes],
    ) -> None:
        self._main, self._process, self._answers = main, process, answers
        self._screen = _Emulated(main, size)
        self._stream = pyte.ByteStream(self._screen)
        self.sent = b""

    def press(self, keys: str) -> None:
        """Type on the keyboard."""
        os.write(self._main, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without spaces at the ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The same as one text without empty lines."""
        return "\n".join(line for line in self.lines if line)

    def colours(self, row: int, column: int) -> tuple[str, str]:
        """Return the colours of a cell, of what is written and of what is behind it."""
        cell = self._screen.buffer[row][column]
        return cell.fg, cell.bg

    def wait_for(self, seen: str | Callable[[Screen], bool]) -> Screen:
        """Read on until a text, or something else, is seen."""
        until = time.monotonic() + PATIENCE
        is_seen = seen if callable(seen) else lambda screen: seen in screen.text
        while not is_seen(self):
            assert time.monotonic() < until, f"{seen} is not seen in:\n{self.text}"
            assert self._read(0.2) or self._process.poll() is None, (
                f"{seen} did not come:\n{self.text}"
            )
        return self

    def end(self) -> int:
        """Read to the end of the command and return its exit code."""
        while self._read(PATIENCE):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._main, 65536)
        except OSError:  # the terminal closes with the last process that has it
            return False
        self.sent += chunk
        for question, answer in self._answers.items():
            if question in chunk:
                os.write(self._main, answer)
        self._stream.feed(chunk)
        return bool(chunk)


@contextmanager
def on_screen(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    size: tuple[int, int] = (100, 40),
    answers: Mapping[bytes, bytes] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Iterator[Screen]:
    """Run a command on a terminal of columns and rows; end it with the block.

    Args:
        command: The command.
        env: Its environment; TERM is set.
        size: Columns and rows.
        answers: What this terminal says to sequences that ask it something; else nothing.
        cwd: Where it runs.
    """
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    # Processes of pytest-xdist say how wide theirs is, which would count more than the terminal.
    without_size = {name: env[name] for name in env if name not in ("COLUMNS", "LINES")}
    # The first terminal that a session opens is its own, so that Ctrl+C is a signal.
    owned = ["sh", "-c", 'exec 0<>"$0" && exec "$@"', os.ttyname(terminal), *command]
    with subprocess.Popen(
        owned,
        env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **without_size},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        try:
            yield Screen(main, process, size, answers or {})
        finally:
            os.close(main)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
