"""Services of a user's session: units of systemd, agents of launchd."""

from __future__ import annotations

import contextlib
import os
import plistlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from searchengine.errors import ConfigError

_WHAT = {
    "watch": "lexpix: keep the library up to its folders",
    "serve": "lexpix: the page of the library, which follows its folders",
}


@dataclass(frozen=True, slots=True)
class Service:
    """What is started: `name` is watch or serve, `arguments` the whole command."""

    name: str
    arguments: tuple[str, ...]


class Manager(Protocol):
    """What starts services."""

    def write(self, service: Service) -> Path:
        """Write what describes a service; return the file."""
        ...

    def start_line(self, name: str) -> str:
        """Return the command that starts it."""
        ...

    def start(self, name: str) -> None:
        """Start it; raise ConfigError if that fails."""
        ...

    def remove(self, name: str) -> Path | None:
        """Stop it and remove its file; return that, None if there was none."""
        ...


def manager(platform: str) -> Manager:
    """Return what starts services on a system, named as in `sys.platform`.

    Raises:
        ConfigError: None is known there.
    """
    if platform.startswith("linux"):
        return Systemd()
    if platform == "darwin":
        return Launchd()
    raise ConfigError(
        "service: only systemd (Linux) and launchd (macOS) are known; on Windows, let the Task "
        "Scheduler start `lexpix watch` when you log on"
    )


class Systemd:
    """Units of the user's systemd."""

    def write(self, service: Service) -> Path:
        """Write a unit."""
        path = self._path(service.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit(service), encoding="utf-8", errors="surrogateescape")
        return path

    def start_line(self, name: str) -> str:
        """Return the command that starts it, now and at each login."""
        return shlex.join(self._start(name))

    def start(self, name: str) -> None:
        """Start it, now and at each login."""
        _run(["systemctl", "--user", "daemon-reload"])
        _run(self._start(name))

    def remove(self, name: str) -> Path | None:
        """Stop it and remove its unit."""
        path = self._path(name)
        if not path.exists():
            return None
        with contextlib.suppress(ConfigError):  # without systemd nothing runs
            _run(["systemctl", "--user", "disable", "--now", path.name])
        path.unlink()
        return path

    @staticmethod
    def _start(name: str) -> list[str]:
        return ["systemctl", "--user", "enable", "--now", f"lexpix-{name}.service"]

    @staticmethod
    def _path(name: str) -> Path:
        configured = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(configured) / "systemd" / "user" / f"lexpix-{name}.service"


class Launchd:
    """Agents of the user's launchd."""

    def write(self, service: Service) -> Path:
        """Write a plist."""
        path = self._path(service.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(agent(service))
        return path

    def start_line(self, name: str) -> str:
        """Return the command that loads it."""
        return shlex.join(self._start(name))

    def start(self, name: str) -> None:
        """Load it."""
        _run(self._start(name))

    def remove(self, name: str) -> Path | None:
        """Unload it and remove its plist."""
        path = self._path(name)
        if not path.exists():
            return None
        with contextlib.suppress(ConfigError):  # it may not be loaded
            _run(["launchctl", "unload", "-w", str(path)])
        path.unlink()
        return path

    def _start(self, name: str) -> list[str]:
        return ["launchctl", "load", "-w", str(self._path(name))]

    @staticmethod
    def _path(name: str) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"lexpix.{name}.plist"


def unit(service: Service) -> str:
    """Return a service as a unit of systemd.

    Raises:
        ConfigError: An argument has a line break, which no unit can hold.
    """
    return f"""[Unit]
Description={_WHAT[service.name]}

[Service]
ExecStart={_command_line(service.arguments)}
Restart=on-failure
RestartSec=30
Nice=10

[Install]
WantedBy=default.target
"""


def _command_line(arguments: Sequence[str]) -> str:
    program, *rest = map(quoted, arguments)
    return " ".join([program.replace("$$", "$"), *rest])  # no variable is looked for in the first


def quoted(argument: str) -> str:
    """Return an argument as `ExecStart` reads it back: quoted, without specifiers or variables."""
    if not argument.isprintable() and any(ord(one) < 32 for one in argument):
        raise ConfigError(f"{argument!r}: a path with control characters cannot be in a service")
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def agent(service: Service) -> bytes:
    """Return a service as an agent of launchd."""
    return plistlib.dumps(
        {
            "Label": f"lexpix.{service.name}",
            "ProgramArguments": list(service.arguments),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Background",
        }
    )


def _run(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        raise ConfigError(f"{command[0]}: not found, so nothing was started")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{shlex.join(command)}: {done.stderr.strip() or done.returncode}")
