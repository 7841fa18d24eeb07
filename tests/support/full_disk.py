"""Work on a small library whose disk is full from each of its writes on, and what must hold then.

    LD_PRELOAD=SHIM DISK_LOG_ROOT=FOLDER python -m tests.support.full_disk FOLDER STRIDE

SHIM is `disk_log.c`, compiled. For each STRIDE-th write, of SQLite, FAISS and Python alike, the
work is done in a child that is forked; from that write on all fail with ENOSPC. What cannot do
without must say so in words. Then there is room again, and the checks of `kill_scenarios` hold.
Prints what was said, by scenario, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from searchengine.errors import LexpixError
from tests.support.kill_scenarios import SCENARIOS, Trials, check, in_child

TOLD, HEALED, ENDED = 80, 81, 0
"""How a child ends: it said that the disk is full, did without the file, or did not notice."""


def _work(scenario: Callable[[Path], int], place: Path, writes: int, said: Path) -> int:
    """Do a scenario with room for some writes; return how it ended."""
    disk = ctypes.CDLL(None)
    logging.basicConfig(filename=said)  # beside the folder, where there is room
    disk.disk_full_after(writes)
    try:
        scenario(place)
    except LexpixError as error:
        disk.disk_full_after(-1)
        said.write_text(str(error), encoding="utf-8")
        return TOLD
    return HEALED if disk.disk_was_full() else ENDED


def main(folder: Path, stride: int) -> dict[str, dict[str, int]]:
    """Return how often it was said in which words, or done without, by scenario."""
    trials = Trials(folder)
    place, said = trials.place, folder.with_name(f"{folder.name}-said")
    told: dict[str, dict[str, int]] = {}
    for scenario in SCENARIOS:
        name = scenario.__name__
        before, after = trials.undisturbed(scenario)
        told[name] = {}
        for writes in range(0, 5000, stride):
            trials.fresh()
            said.unlink(missing_ok=True)
            code = in_child(lambda: os._exit(_work(scenario, place, writes, said)))  # noqa: B023
            where = f"{name}, no room after {writes} writes"
            assert code in (TOLD, HEALED, ENDED), f"{where}: see above"
            words = said.read_text(encoding="utf-8") if said.exists() else ""
            if code == TOLD:
                assert "full" in words or "No space left" in words, f"{where}: {words!r}"
            checked = in_child(lambda: check(place, scenario, before, after))  # noqa: B023
            assert checked == 0, f"{where}: see above"
            if code == ENDED:
                break
            summary = words.replace(str(place), "").strip()
            told[name][summary] = told[name].get(summary, 0) + 1
    return told


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), int(sys.argv[2])), sys.stdout)
