"""Work on a small library that is killed at each of its steps, and what must hold afterwards.

A step is a statement that writes, a commit, an fsync, or a file of the library that is opened for
writing, renamed or removed. The process ends there without any cleaning up, as by SIGKILL; what it
wrote stays: `power_cuts` shows what a loss of power takes.

    python -m tests.support.kill_scenarios FOLDER STRIDE

kills at each STRIDE-th step and prints how often, by scenario, as JSON; it ends with an error at
the first promise that is broken. Each try runs in a child that is forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from indexer.library.running import FOLDER as LOCKS
from searchengine.catalog import backups
from searchengine.catalog.database import FILE_NAME, open_database
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.search.engine import Engine
from tests.support.colour_encoder import ColourEncoder
from tests.support.colour_library import paint
from tests.support.earlier_libraries import make_earlier, rows_in

KILLED, BROKEN = 86, 87
OTHER = "d1" * 32
OLD = "old"
"""Name of the folder of a library of the first version."""
COLOURS = ("red", "green", "blue", "yellow", "pink", "orange")
RECIPES = [
    {"title": f"{colour} soup", "ingredients": [colour], "instructions": [f"Boil {colour}."]}
    for colour in COLOURS
]


@contextlib.contextmanager
def opened(folder: Path, fingerprint: str = "c0" * 32) -> Iterator[Engine]:
    """Open the library of a try; FAISS is imported in children only."""
    from searchengine.indexes.faiss import FaissIndex
    from searchengine.indexes.sync import open_index

    library = folder / "library"
    catalog = Catalog(open_database(library, create=True))
    encoder = ColourEncoder(fingerprint)
    index = open_index(catalog, encoder.fingerprint, encoder.dim, library / "index", FaissIndex)
    with Engine(Settings(library=library), catalog, encoder, index) as engine:
        yield engine


def index(folder: Path) -> int:
    """Index pictures that are new, edited, moved and gone; return how many were embedded."""
    import indexer
    from indexer.executors import Serial

    with opened(folder) as engine:
        indexer.index(engine, folder / "photos", executor=Serial())
        return sum(encoder_of(engine).batches)


def reembed(folder: Path) -> int:
    """Give every picture a vector of another model, and choose it."""
    from indexer.executors import Serial
    from indexer.library.reembed import reembed as run

    encoder = ColourEncoder(OTHER)
    with contextlib.closing(Catalog(open_database(folder / "library", create=False))) as catalog:
        run(catalog, encoder, executor=Serial())
        catalog.embeddings.choose("other")
    with opened(folder, OTHER):
        return sum(encoder.batches)


def rebuild(folder: Path) -> int:
    """Make the index anew."""
    for path in (folder / "library" / "index").glob("*.json"):
        path.unlink()
    with opened(folder):
        return 0


def tag(folder: Path) -> int:
    """Tag pictures, teach a word and save a search."""
    with opened(folder) as engine:
        for id_ in engine.catalog.present().tolist():
            engine.catalog.tags.set_tag([id_], "mine", "user")
        engine.catalog.searches.save("red ones", "{}")
        return 0


def add_texts(folder: Path) -> int:
    """Add recipes."""
    from indexer.library.texts import add_texts as add

    with opened(folder) as engine:
        add(str(folder / "recipes.jsonl"), engine.texts)
        return 0


def backup(folder: Path) -> int:
    """Copy the catalog."""
    backups.save(folder / "library", folder / "library" / "copy.sqlite")
    return 0


def migrate(folder: Path) -> int:
    """Bring the library of the first version to the schema of today."""
    open_database(folder / OLD, create=False).dispose()
    return 0


SCENARIOS = (index, reembed, rebuild, tag, add_texts, backup, migrate)


def encoder_of(engine: Engine) -> ColourEncoder:
    encoder = engine.encoder
    assert isinstance(encoder, ColourEncoder)
    return encoder


def make(folder: Path) -> None:
    """Index six pictures; then edit, move, remove and add some."""
    photos = folder / "photos"
    for colour in COLOURS:
        paint(photos / f"{colour}.png", colour, colour)
    index(folder)
    with opened(folder) as engine:
        engine.catalog.tags.set_tag(engine.catalog.present()[:3].tolist(), "kept", "user")
    paint(photos / "red.png", "red", "white")
    (photos / "green.png").rename(photos / "moved.png")
    (photos / "blue.png").unlink()
    for colour in ("black", "brown", "purple"):
        paint(photos / f"new-{colour}.png", colour, colour)
    lines = (json.dumps(one) for one in RECIPES)
    (folder / "recipes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    make_earlier(folder / OLD, "0001")
    for path in folder.glob("*/catalog.sqlite-*"):
        path.unlink()


def library_of(folder: Path, scenario: Callable[[Path], int]) -> Path:
    """Return the library that a scenario is about."""
    return folder / (OLD if scenario is migrate else "library")


def state(folder: Path, scenario: Callable[[Path], int] = index) -> dict[str, Any]:
    """Return what the catalog says, without what differs from run to run."""
    if scenario is migrate:
        return rows_in(folder / OLD)
    questions = {
        "images": "SELECT path, sha256, state, error FROM images",
        "vectors": "SELECT i.path, n.fingerprint, e.vector FROM embeddings e"
        " JOIN images i ON i.id = e.image_id JOIN encoders n ON n.id = e.encoder_id",
        "tags": "SELECT i.path, t.name, t.source FROM tags t JOIN images i ON i.id = t.image_id",
        "texts": "SELECT t.key, e.vector IS NULL FROM texts t"
        " LEFT JOIN text_embeddings e ON e.text_id = t.id",
        "searches": "SELECT name, question FROM searches",
        "model": "SELECT value FROM meta WHERE key = 'model'",
    }
    with contextlib.closing(sqlite3.connect(folder / "library" / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        told = {name: connection.execute(text).fetchall() for name, text in questions.items()}
    return {name: sorted(map(repr, _without(folder, rows))) for name, rows in told.items()}


def _without(folder: Path, rows: list[Any]) -> list[Any]:
    """Take the folder of a try out of paths."""

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.replace(os.fsencode(folder), b"")
        return value.replace(str(folder), "") if isinstance(value, str) else value

    return [tuple(map(plain, row)) for row in rows]


def check(folder: Path, scenario: Callable[[Path], int], before: Any, after: Any) -> None:
    """Check a library whose work was killed, then the same work once more."""
    if scenario is migrate:
        _check_migrated(folder, before, after)
        return
    import numpy as np

    now = state(folder)
    kept = [sum("'kept'" in row for row in one["tags"]) for one in (before, now, after)]
    assert kept[1] in (kept[0], kept[2]), "a tag is lost"
    for one in ("searches", "texts"):
        assert set(now[one]) >= set(before[one]), one
    # A row is as it was, or as it is to be; none is lost, none is there twice.
    paths = [one.partition(",")[0] for one in now["images"]]
    assert len(paths) == len(set(paths)), "a picture twice"
    assert set(now["images"]) <= {*before["images"], *after["images"]}, "a row of neither state"
    vectors = set(now["vectors"])
    assert vectors <= {*before["vectors"], *after["vectors"]}, "a vector of neither state"
    missing = len(set(after["vectors"]) - vectors)
    embedded = scenario(folder)
    assert embedded <= missing, f"{embedded} embedded where {missing} vectors were missing"
    assert state(folder) == after, "another end than without the kill"
    with opened(folder, OTHER if scenario is reembed else "c0" * 32) as engine:
        stored = engine.catalog.vectors(
            engine.catalog.present().tolist(), engine.encoder.fingerprint
        )
        assert len(engine.index) == len(stored), "the index is not the catalog"
        for id_, vector in stored.items():
            ids, scores = engine.index.search(vector[None].astype(np.float32), 1)
            assert abs(scores[0, 0] - 1) < 1e-3, "a vector is not in the index"
            assert np.allclose(stored[int(ids[0, 0])], vector, atol=1e-3), id_
    allowed = {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", "copy.sqlite", "index", LOCKS}
    left = {path.name for path in (folder / "library").iterdir()} - {*allowed, backups.FOLDER}
    left |= {path.name for path in (folder / "library").rglob("*.tmp*")}
    assert not left, f"files are left: {left}"
    for stamp in (folder / "library" / "index").rglob("*.json"):
        fields = json.loads(stamp.read_text())
        named = {one["file"] for one in (fields["rows"], fields["changes"]) if one}
        stem = stamp.name.removesuffix("json")
        there = {path.name for path in stamp.parent.iterdir() if path.name.startswith(stem)}
        assert there == {stamp.name, *named}, f"files of the index are left: {there}"


def _check_migrated(folder: Path, before: Any, after: Any) -> None:
    assert state(folder, migrate) in (before, after), "half a migration"
    migrate(folder)
    assert state(folder, migrate) == after, "another end than without the kill"
    names = {path.name for path in (folder / OLD).iterdir()}
    left = names - {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", f"{FILE_NAME}.bak"}
    assert not left, f"files are left: {left}"


def end_at(step: int, library: Path) -> None:
    """Have this process end at a step from now on."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine as Database

    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os._exit(KILLED)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("os.rename", "os.remove", "os.mkdir") or (
            name == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        ):
            place = arguments[0]
            if isinstance(place, (str, bytes)) and os.fsdecode(place).startswith(str(library)):
                count()

    def statement(_c: object, _u: object, text: str, *_: object) -> None:
        if text.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            count()

    sync = os.fsync

    def fsync(descriptor: Any) -> None:
        count()
        sync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    event.listen(Database, "before_cursor_execute", statement)
    event.listen(Database, "commit", count)  # before it
    event.listen(Database, "begin", count)
    sys.addaudithook(audit)


def in_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if not child:
        code = BROKEN
        try:
            work()
            code = 0
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Trials:
    """A library that is made once, and copied to one place for each try, as rows name their folder.

    Args:
        folder: Where both are.
    """

    def __init__(self, folder: Path) -> None:
        self._base, self.place = folder / "base", folder / "try"
        self._base.mkdir(parents=True)
        assert in_child(lambda: make(self._base)) == 0, "the library cannot be made"

    def fresh(self) -> None:
        """Put the library as it was made to its place."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._base, self.place)
        # The rows of the catalog name the folder that they were made in.
        catalog = self.place / "library" / FILE_NAME
        with contextlib.closing(sqlite3.connect(catalog)) as connection:
            for table in ("images", "roots"):
                names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                for column in {"path", "root"} & set(names):
                    rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
                    for rowid, value in rows:
                        old, new = os.fsencode(self._base), os.fsencode(self.place)
                        moved = os.fsencode(value).replace(old, new)
                        fit = moved if isinstance(value, bytes) else os.fsdecode(moved)
                        connection.execute(
                            f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (fit, rowid)
                        )
            connection.commit()

    def undisturbed(self, scenario: Callable[[Path], int]) -> tuple[Any, Any]:
        """Return what the catalog says before a scenario and after it."""
        self.fresh()
        before = state(self.place, scenario)
        assert in_child(lambda: scenario(self.place)) == 0, scenario.__name__
        return before, state(self.place, scenario)


def main(folder: Path, stride: int) -> dict[str, int]:
    """Kill every scenario at each stride-th step; return the numbers of kills."""
    trials = Trials(folder)
    place = trials.place
    kills = {}
    for scenario in SCENARIOS:
        before, after = trials.undisturbed(scenario)
        kills[scenario.__name__] = 0
        for step in range(1, 2000, stride):
            trials.fresh()

            def killed() -> None:
                end_at(step, library_of(place, scenario))  # noqa: B023
                scenario(place)  # noqa: B023

            code = in_child(killed)
            if code == 0:
                break
            assert code == KILLED, f"{scenario.__name__}, step {step}: {code}"
            checked = in_child(lambda: check(place, scenario, before, after))  # noqa: B023
            assert checked == 0, f"{scenario.__name__}, step {step}: see above"
            kills[scenario.__name__] += 1
    return kills


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1]), int(sys.argv[2])), sys.stdout)
