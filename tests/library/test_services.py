"""Services: what the system's own tools read of what is written."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.library.services import Service, agent, manager, quoted, unit
from searchengine.errors import ConfigError
from tests.support.command import lexpix

ODD = ('/a b/50 % of "all" $HOME', "it's \\n; {x} ~ ünïcode", "")


def test_systemd_reads_odd_paths_as_they_were(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    program = tmp_path / "my 100% $programs" / "lexpix"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "lexpix-watch.service"
    path.write_text(unit(Service("watch", (str(program), *ODD))), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert str(path.name) not in done.stderr, done.stderr
    assert "not executable" not in done.stderr


@pytest.mark.parametrize("argument", ODD)
def test_an_argument_is_quoted_so_that_it_is_read_back(argument: str) -> None:
    written = quoted(argument)
    assert written[0] == written[-1] == '"'
    inner = written[1:-1].replace("%%", "%").replace("$$", "$")
    # What systemd unescapes of a quoted argument, read independently by unescaping pairs.
    read = ""
    pairs = iter(inner)
    for one in pairs:
        read += next(pairs) if one == "\\" else one
    assert read == argument
    assert '"' not in written[1:-1].replace('\\"', "")


def test_launchd_gets_the_command_and_no_other_system_is_served() -> None:
    read = plistlib.loads(agent(Service("serve", ODD)))
    assert read["ProgramArguments"] == list(ODD)
    with pytest.raises(ConfigError, match="Task Scheduler"):
        manager("win32")
    with pytest.raises(ConfigError, match="control"):
        quoted("a\nExecStart=/bin/evil")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="writes a unit of systemd")
def test_a_service_is_installed_and_removed(tmp_path: Path) -> None:
    library = tmp_path / "my library"
    ran = lexpix("service", "install", "--serve", library=library)
    path = Path(ran.stdout.strip())
    assert path == library / "no-config" / "systemd" / "user" / "lexpix-serve.service"
    assert f'"serve" "--watch" "--library" "{library}"' in path.read_text(encoding="utf-8")
    assert "systemctl --user enable --now lexpix-serve.service" in ran.stderr
    lexpix("service", "remove", "--serve", library=library)
    assert not path.exists()
    lexpix("service", "remove", "--serve", library=library, code=2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="writes a unit of systemd")
def test_a_service_that_cannot_be_started_is_there_to_be_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # no session's systemd can be reached
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    ran = lexpix("service", "install", "--now", library=tmp_path, code=1)
    assert Path(ran.stdout.strip()).is_file()
    assert "start it with: systemctl --user enable --now lexpix-watch.service" in ran.stderr
