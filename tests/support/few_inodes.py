"""Index into a library on a disk that has room, and no place for another file.

    unshare --mount --map-root-user python -m tests.support.few_inodes FOLDER

prints, for each number of files that the disk takes, what was said, as JSON; the library is then
given places for more, and must be whole after the next run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import indexer
from indexer.executors import Serial
from searchengine.errors import LexpixError
from tests.support.colour_library import open_engine, paint


def mount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", folder], check=True)


def main(folder: Path) -> dict[int, str]:
    """Return what was said with so many places for files, "" if nothing was."""
    photos, library = folder / "photos", folder / "disk" / "library"
    for colour in ("red", "green", "blue"):
        paint(photos / f"{colour}.png", colour, colour)
    (folder / "disk").mkdir()
    told = {}
    for places in (2, 3, 4, 6, 8, 13):
        mount(folder / "disk", f"size=50m,nr_inodes={places}")
        told[places] = ""
        try:
            with open_engine(library) as engine:
                indexer.index(engine, photos, executor=Serial())
        except LexpixError as error:
            told[places] = str(error)
        mount(folder / "disk", "remount,nr_inodes=1000")
        with open_engine(library) as engine:
            indexer.index(engine, photos, executor=Serial())
            assert len(engine.catalog.present()) == len(engine.index) == 3
            assert engine.catalog.failures(None) == []
        subprocess.run(["umount", "--lazy", folder / "disk"], check=True)
    return told


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout)
