"""Cut the power while a library is written: what was not synchronised is lost, or half of it.

    python -m tests.support.power_cuts FOLDER STRIDE SHIM

`disk_log.c`, compiled as SHIM and preloaded into the real work, logs what is written and what is
synchronised. From this log the disk is made as it may be after a power cut at each STRIDE-th step:
of what was written to a file since it was last synchronised, nothing is there, or any part, sectors
of a write by themselves; and of names that were made, changed or removed, those up to some moment
after the last one that was synchronised. The library is then opened and the work done again, with
the checks of `kill_scenarios`; what was confirmed to a person before the cut must be there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.at_once import REPOSITORY
from tests.support.kill_scenarios import (
    add_texts,
    check,
    in_child,
    index,
    library_of,
    make,
    migrate,
    opened,
    rebuild,
    reembed,
    state,
)

_HEAD = struct.Struct("=cQQQQ")
_SECTOR = 512
_CONFIRMED = "confirmed"  # a file beside the library, to which the work writes what it has said


def say(folder: Path) -> int:
    """Tag pictures and save searches, and note each when it is confirmed."""
    descriptor = os.open(folder / _CONFIRMED, os.O_WRONLY | os.O_CREAT)
    with opened(folder) as engine:
        for number, id_ in enumerate(engine.catalog.present().tolist()):
            engine.catalog.tags.set_tag([id_], f"said {number}", "user")
            os.write(descriptor, f"said {number}\n".encode())
            engine.catalog.searches.save(f"search {number}", "{}")
            os.write(descriptor, f"search {number}\n".encode())
    os.close(descriptor)
    return 0


SCENARIOS = (say, index, reembed, rebuild, add_texts, migrate)


class Step(NamedTuple):
    """What was done to the disk."""

    what: str
    inode: int
    offset: int
    path: str
    data: bytes


@dataclass
class _File:
    """What of a file is on the disk, and what was written since."""

    content: bytes = b""
    pending: list[Step] = field(default_factory=list)

    def synchronise(self) -> None:
        self.content = _applied(self.content, self.pending)
        self.pending = []

    def after_a_cut(self, rng: random.Random) -> bytes:
        """Return what may be there: nothing of what is pending, a beginning, or any part."""
        way = rng.randrange(3)
        if way == 0:
            return self.content
        if way == 1:
            steps = self.pending[: rng.randint(0, len(self.pending))]
            return _applied(self.content, steps[:-1] + [_torn(one, rng) for one in steps[-1:]])
        return _applied(
            self.content, [_torn(one, rng) for one in self.pending if rng.random() < 0.5]
        )


def _applied(content: bytes, steps: Sequence[Step]) -> bytes:
    changed = bytearray(content)
    for step in steps:
        if step.what == "T":
            del changed[step.offset :]
            changed.extend(bytes(step.offset - len(changed)))
        else:
            changed.extend(bytes(max(0, step.offset - len(changed))))
            changed[step.offset : step.offset + len(step.data)] = step.data
    return bytes(changed)


def _torn(step: Step, rng: random.Random) -> Step:
    """Return the first sectors of a write."""
    if step.what != "W" or len(step.data) <= _SECTOR:
        return step
    sectors = rng.randint(1, -(-len(step.data) // _SECTOR))
    return step._replace(data=step.data[: _SECTOR * sectors])


class Disk:
    """A folder as it is on a disk, step by step.

    Args:
        folder: As it is before the first step, all of it synchronised.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                inode = path.stat().st_ino
                self._files[inode], self._names[str(path)] = _File(path.read_bytes()), inode
        self._durable = dict(self._names)
        self._changes: list[Callable[[dict[str, int]], object]] = []

    def take(self, step: Step) -> None:
        """Do a step."""
        if step.what in "WT":
            self._files.setdefault(step.inode, _File()).pending.append(step)
        elif step.what == "S":
            if step.inode in self._files:
                self._files[step.inode].synchronise()
                # As journalling file systems do it, a file is never there without its name.
                if step.path not in self._durable and self._names.get(step.path) == step.inode:
                    self._change_names()
            else:  # a folder
                self._change_names()
        elif step.what == "C":
            self._files[step.inode] = _File()
            self._note(lambda names: names.update({step.path: step.inode}))
        elif step.what == "R":
            self._note(lambda names: _rename(names, step.path, os.fsdecode(step.data)))
        elif step.what == "U":
            self._note(lambda names: names.pop(step.path, None))

    def after_a_cut(self, rng: random.Random) -> dict[str, bytes]:
        """Return what may be there, by path."""
        names = dict(self._durable)
        for change in self._changes[: rng.randint(0, len(self._changes))]:
            change(names)
        return {path: self._files[inode].after_a_cut(rng) for path, inode in names.items()}

    def _note(self, change: Callable[[dict[str, int]], object]) -> None:
        change(self._names)
        self._changes.append(change)

    def _change_names(self) -> None:
        self._durable, self._changes = dict(self._names), []


def _rename(names: dict[str, int], old: str, new: str) -> None:
    if old in names:
        names[new] = names.pop(old)


def read_log(path: Path) -> list[Step]:
    """Return the steps that a process has logged."""
    content, place, steps = path.read_bytes(), 0, []
    while place < len(content):
        what, inode, offset, named, length = _HEAD.unpack_from(content, place)
        place += _HEAD.size
        name = os.fsdecode(content[place : place + named])
        data = content[place + named : place + named + length]
        place += named + length
        steps.append(Step(what.decode(), inode, offset, name, data))
    return steps


def _check(place: Path, scenario: Callable[[Path], int], before: object, after: object) -> None:
    lines = (place / _CONFIRMED).read_text().split("\n")[:-1]
    now = state(place, scenario)
    if scenario is say:
        there = [*now["tags"], *now["searches"]]
        lost = [line for line in lines if not any(f"'{line}'" in one for one in there)]
        assert not lost, f"was confirmed and is lost: {lost}"
    check(place, scenario, before, after)


def main(folder: Path, stride: int, shim: Path) -> dict[str, int]:
    """Cut the power at each stride-th step of each scenario; return the numbers of cuts."""
    base, place, log = folder / "base", folder / "try", folder / "log"
    place.mkdir(parents=True)
    assert in_child(lambda: make(place)) == 0, "the library cannot be made"
    shutil.copytree(place, base)
    cuts = {}
    for scenario in SCENARIOS:
        name = scenario.__name__
        shutil.rmtree(place)
        shutil.copytree(base, place)
        library = library_of(place, scenario)
        before = state(place, scenario)
        for path in library.glob("catalog.sqlite-*"):
            path.unlink()  # of that look
        disk = Disk(library)
        log.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": str(shim),
            "DISK_LOG": str(log),
            "DISK_LOG_ROOT": str(place),
        }
        work = f"from tests.support.power_cuts import *; {name}(Path({str(place)!r}))"
        command = [sys.executable, "-c", work]
        subprocess.run(command, check=True, env=environment, cwd=REPOSITORY)
        after = state(place, scenario)
        steps, rng, confirmed = read_log(log), random.Random(name), b""
        cuts[name] = 0
        for number, step in enumerate(steps):
            if step.path.endswith(_CONFIRMED):
                confirmed += step.data
                continue
            disk.take(step)
            if number % stride:
                continue
            shutil.rmtree(library)
            for file, content in disk.after_a_cut(rng).items():
                if not file.endswith("-shm"):  # in memory; it is made anew
                    Path(file).parent.mkdir(parents=True, exist_ok=True)
                    Path(file).write_bytes(content)
            (place / _CONFIRMED).write_bytes(confirmed)
            checked = in_child(lambda: _check(place, scenario, before, after))  # noqa: B023
            assert checked == 0, f"{name}, cut at step {number} of {len(steps)}: see above"
            cuts[name] += 1
    return cuts


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])), sys.stdout)
