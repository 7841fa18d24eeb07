"""A look ahead says what the run then does, and writes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import indexer
from indexer.library.foresight import Foresight
from searchengine.config import Settings
from searchengine.errors import RootError
from searchengine.search.engine import Engine
from searchengine.types import Failure, IndexReport
from tests.support.colour_encoder import COLOURS, ColourEncoder
from tests.support.colour_library import open_engine, paint


def bitmap(colour: str) -> bytes:
    """Return a picture that is as large as those of all other colours."""
    buffer = BytesIO()
    Image.new("RGB", (8, 8), COLOURS[colour]).save(buffer, "BMP")
    return buffer.getvalue()


CONTENTS = {
    "red": bitmap("red"),
    "blue": bitmap("blue"),
    "green": bitmap("green") + b"and some more",
    "yellow": bitmap("yellow") + b"and a lot more",
    "none": b"no picture at all",
    "nor this": bitmap("red").replace(b"BM", b"XX"),
}
NAMES = ("a.bmp", "b.bmp", "sub/a.bmp", "sub/c.bmp", "sub/deep/d.bmp", "note.txt")

names = st.sampled_from(NAMES)
operations = st.one_of(
    st.tuples(st.just("write"), names, st.sampled_from(sorted(CONTENTS))),
    st.tuples(st.just("move"), names, names),
    st.tuples(st.just("copy"), names, names),
    st.tuples(st.just("swap"), names, names),
    st.tuples(st.just("delete"), names, st.none()),
    st.tuples(st.just("touch"), names, st.integers(1, 3)),
    st.tuples(st.just("rename root"), st.none(), st.none()),
    st.tuples(st.just("hide"), st.sampled_from(["sub", "sub/deep"]), st.none()),
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty") / "library"
    open_engine(folder).close()
    return folder


def perform(root: Path, operation: tuple[str, str | None, str | int | None]) -> Path:
    """Do something to the files of a folder; return the folder, which may have another name."""
    kind, name, other = operation
    if kind == "rename root":
        return root.rename(root.with_name(root.name + "x"))
    assert name is not None
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "write":
        path.write_bytes(CONTENTS[str(other)])
    elif kind == "hide":
        path.mkdir(exist_ok=True)
        (path / ".nomedia").touch()
    elif path.exists():
        target = root / str(other)
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "delete":
            path.unlink()
        elif kind == "touch":
            os.utime(path, ns=(0, int(str(other))))
        elif kind == "move":
            path.rename(target)
        elif kind == "copy" and path != target:
            shutil.copy(path, target)
        elif kind == "swap" and target.exists():
            content = path.read_bytes()
            path.write_bytes(target.read_bytes())
            target.write_bytes(content)
    return root


def dump(library: Path) -> list[str]:
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        return list(connection.iterdump())


def outcome(index: object, root: Path) -> IndexReport | str:
    """Return the report, or why the folder was refused."""
    assert callable(index)
    try:
        report = index(root, allow_empty=not any(root.iterdir()))
    except RootError as error:
        return str(error)
    assert isinstance(report, IndexReport)
    return report


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(operations, max_size=6), min_size=1, max_size=4))
def test_the_run_does_what_was_foreseen(
    empty: Path, rounds: list[list[tuple[str, str | None, str | int | None]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(shutil.copytree(empty, Path(folder, "library")))
        root = Path(folder, "photos")
        root.mkdir()
        with open_engine(library) as engine:
            for changes in rounds:
                for change in changes:
                    root = perform(root, change)
                before = dump(library)
                with closing(Foresight(engine.settings, engine.encoder)) as foresight:
                    foreseen = outcome(foresight.index, root)
                assert dump(library) == before
                done = outcome(lambda *a, **o: indexer.index(engine, *a, **o), root)
                assert done == foreseen


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine


def test_no_file_of_the_library_is_written_and_nothing_is_embedded(
    engine: Engine, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for colour in ("red", "green", "blue"):
        paint(photos / f"{colour}.png", colour, colour)
    indexer.index(engine, photos)
    paint(photos / "pink.png", "pink", "pink")
    (photos / "red.png").rename(photos / "rose.png")
    (photos / "blue.png").unlink()
    (photos / "bad.png").write_bytes(b"no picture")

    def files() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in (tmp_path / "library").rglob("*")
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before, rows = files(), dump(tmp_path / "library")
    encoder = ColourEncoder()
    failures: list[Failure] = []
    with closing(Foresight(engine.settings, encoder)) as foresight:
        report = foresight.index(photos, on_failure=failures.append)
    assert report == IndexReport(added=1, moved=1, missing=1, unchanged=1, failed=1)
    assert [one.path for one in failures] == [str(photos / "bad.png")]
    assert encoder.batches == []
    assert (files(), dump(tmp_path / "library")) == (before, rows)
    assert indexer.index(engine, photos) == report


def test_a_second_folder_is_foreseen_after_the_first(engine: Engine, tmp_path: Path) -> None:
    for folder, colour in (("one", "red"), ("two", "blue")):
        paint(tmp_path / folder / f"{colour}.png", colour, colour)
        indexer.index(engine, tmp_path / folder)
    (tmp_path / "two/blue.png").rename(tmp_path / "one/blue.png")
    (tmp_path / "one/red.png").rename(tmp_path / "two/red.png")
    with closing(Foresight(engine.settings, engine.encoder)) as foresight:
        foreseen = [foresight.index(tmp_path / name) for name in ("one", "two")]
    assert foreseen == [IndexReport(moved=1, missing=1), IndexReport(moved=1)]
    assert [indexer.index(engine, tmp_path / name) for name in ("one", "two")] == foreseen


def test_a_library_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    wanted = Settings(library=tmp_path / "library")
    with closing(Foresight(wanted, ColourEncoder())) as foresight:
        assert foresight.index(tmp_path / "photos") == IndexReport(added=1)
    assert not (tmp_path / "library").exists()


def test_an_older_library_is_read_without_being_upgraded(engine: Engine, tmp_path: Path) -> None:
    paint(tmp_path / "photos/red.png", "red", "red")
    indexer.index(engine, tmp_path / "photos")
    engine.close()
    with closing(sqlite3.connect(tmp_path / "library/catalog.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0006'")
        connection.execute("ALTER TABLE images DROP COLUMN at")
        connection.commit()
    before = dump(tmp_path / "library")
    with closing(Foresight(engine.settings, ColourEncoder())) as foresight:
        assert foresight.index(tmp_path / "photos") == IndexReport(unchanged=1)
    assert dump(tmp_path / "library") == before
