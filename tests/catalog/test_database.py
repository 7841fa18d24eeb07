"""Creating, verifying and upgrading a database, with real files, revisions and processes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select, text

from searchengine.catalog import database, opening, upgrading
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.catalog.tables import ImageRow, MetaRow, Schema
from searchengine.catalog.tags import StoredTag
from searchengine.catalog.texts import TextRecord
from searchengine.documents import Document
from searchengine.errors import LibraryError, NothingIndexed
from searchengine.types import FileStat
from tests.support.at_once import run_at_once
from tests.support.earlier_libraries import migrate

REPOSITORY = Path(__file__).parents[2]


def revision_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        [version] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(version)


def fill(library: Path, *, create: bool = True) -> str:
    """Write one picture with a vector; return the library's uid."""
    catalog = Catalog(database.open_database(library, create=create))
    record = PictureRecord(
        FileStat("/photos/a.jpg", 1, 2, 3), "/photos", "aa", vector=np.eye(4, dtype=np.float32)[0]
    )
    catalog.write([record], fingerprint="f", model_name="m", dim=4, scan=catalog.begin_scan("/", 1))
    catalog.close()
    return catalog.uid


HEAD = opening.HEAD
NEXT = f"{int(HEAD) + 1:04}"


@pytest.fixture
def newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Turn this program into the next version, whose first revision rebuilds a table.

    Rebuilding is what SQLite needs for most changes, and what would lose the rows that refer to it.
    """
    scripts = tmp_path / "migrations of the next version"
    shutil.copytree(REPOSITORY / "migrations", scripts)
    (scripts / "versions" / f"{NEXT}_next.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '{NEXT}', '{opening.HEAD}'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('images', recreate='always') as table:\n"
        "        table.add_column(sa.Column('stars', sa.Integer()))\n"
    )

    def upgrade_program() -> None:
        monkeypatch.setattr(upgrading, "HEAD", NEXT)
        monkeypatch.setattr(upgrading, "_migrations", lambda: scripts)

    return upgrade_program


# Creating and verifying


def schema_of(engine: Engine) -> dict[str, Any]:
    """Return all that SQLite knows of tables and indexes, but the order of columns."""

    def rows(pragma: str, name: str) -> list[Any]:
        return list(connection.execute(text(f'PRAGMA {pragma}("{name}")')))

    known: dict[str, Any] = {}
    with engine.connect() as connection:
        query = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
        for kind, name, table, sql in connection.execute(text(query)):
            if kind == "table":
                known[name] = (
                    {row[1]: row[2:] for row in rows("table_xinfo", name)},
                    sorted(str(row[2:]) for row in rows("foreign_key_list", name)),
                    "WITHOUT ROWID" in sql,
                )
            else:
                columns = [row[2:] for row in rows("index_xinfo", name)]
                known[name] = (kind, table, columns, "UNIQUE" in sql, sql.partition(" WHERE ")[2])
    return known


def test_migrations_make_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    engine = database.connect(migrate(tmp_path / "migrated"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Schema.metadata) == []
    engine.dispose()


def test_a_new_catalog_is_as_if_it_had_been_migrated(tmp_path: Path) -> None:
    old = database.connect(migrate(tmp_path / "old"))
    new = database.open_database(tmp_path / "new", create=True)

    def constraints(engine: Engine) -> dict[str, list[str]]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql > ''"))
            return {
                name: sorted(
                    line.strip(" ,\t")
                    for line in sql.splitlines()
                    if "CHECK" in line or "AUTOINCREMENT" in line or "CASCADE" in line
                )
                for name, sql in rows
            }

    def contents(engine: Engine) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        with engine.connect() as connection:
            for name in inspect(connection).get_table_names():
                for row in connection.execute(text(f"SELECT * FROM {name}")):
                    is_uid = row[0] == "uid"
                    found.setdefault(name, []).append((row[0], 32) if is_uid else tuple(row))
        return found

    assert "ix_images_seq_id" in schema_of(old)
    assert schema_of(new) == schema_of(old)
    assert constraints(new) == constraints(old)
    assert contents(new) == contents(old)
    for engine in (old, new):
        engine.dispose()


def test_head_constant_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [opening.HEAD]


def test_a_library_keeps_its_uid_and_no_other_has_it(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "one"), fill(tmp_path / "two")
    again = Catalog(database.open_database(tmp_path / "one", create=True))
    assert again.uid == first != second
    again.close()


def test_opening_an_existing_library_imports_neither_alembic_nor_the_catalog(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    program = (
        "import sys, pathlib; from searchengine.catalog.database import open_database\n"
        "open_database(pathlib.Path(sys.argv[1]), create=False).dispose()\n"
        "heavy = {'alembic', 'mako', 'numpy', 'sqlalchemy.orm', 'searchengine.catalog.store'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert ran.stdout.strip() == "[]"


def test_every_connection_has_the_pragmas(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path, create=True)
    expected = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            driver = connection.connection.driver_connection
            assert driver is not None
            assert driver.isolation_level is None
            for name, value in expected.items():
                assert connection.scalar(text(f"PRAGMA {name}")) == value
    engine.dispose()


def test_a_writing_transaction_holds_the_lock_from_its_beginning(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path, create=True)
    with (
        closing(sqlite3.connect(tmp_path / database.FILE_NAME, timeout=0)) as other,
        engine.execution_options(writes=True).begin(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")
    engine.dispose()


def test_a_reading_transaction_sees_one_snapshot_and_blocks_no_writer(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path, create=True)
    query = select(MetaRow.value).where(MetaRow.key == "colour")
    with engine.begin() as reading:
        assert reading.scalar(query) is None
        catalog = Catalog(engine)
        catalog.set_meta("colour", "red")
        assert reading.scalar(query) is None
    assert catalog.meta("colour") == "red"
    engine.dispose()


def test_a_folder_with_an_odd_name_can_be_a_library(tmp_path: Path) -> None:
    library = tmp_path / "100% not \udcff UTF-8?mode=ro#x"
    uid = fill(library)
    catalog = Catalog(database.open_database(library, create=False))
    assert catalog.uid == uid
    catalog.close()


# Refusing


def test_an_absent_library_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NothingIndexed, match=r"absent: .*run: lexpix index FOLDER"):
        database.open_database(tmp_path / "absent", create=False)
    assert not (tmp_path / "absent").exists()


def test_an_empty_file_left_by_a_crash_is_a_library_without_pictures(tmp_path: Path) -> None:
    (tmp_path / database.FILE_NAME).touch()
    with pytest.raises(NothingIndexed):
        database.open_database(tmp_path, create=False)
    assert fill(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match=r"file: cannot be made into a library .*--library"):
        database.open_database(tmp_path / "file", create=True)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / database.FILE_NAME
    path.write_bytes(b"holiday notes " * 1000)
    with pytest.raises(LibraryError, match=r"catalog\.sqlite: cannot be used as a library .*not a"):
        database.open_database(tmp_path, create=True)
    assert path.read_bytes() == b"holiday notes " * 1000


def test_a_damaged_library_is_a_library_error_when_it_is_read(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / database.FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(LibraryError, match="malformed"):
        database.open_database(tmp_path, create=False)


@pytest.mark.parametrize("tables", [["notes"], ["alembic_version (version_num)", "images"]])
def test_the_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, tables: list[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / database.FILE_NAME)) as foreign:
        for table in tables:
            foreign.execute(f"CREATE TABLE {table}" + ("" if "(" in table else " (body)"))
    with pytest.raises(LibraryError, match="not one of lexpix"):
        database.open_database(tmp_path, create=True)
    with closing(sqlite3.connect(tmp_path / database.FILE_NAME)) as foreign:
        assert foreign.execute("SELECT count(*) FROM sqlite_master").fetchone() == (len(tables),)


def test_a_library_of_a_newer_version_is_refused_in_words(
    tmp_path: Path, newer_version: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    newer_version()
    fill(library)
    monkeypatch.undo()
    with pytest.raises(LibraryError, match=rf"newer lexpix \(schema {NEXT}.*{HEAD}\).*pip install"):
        database.open_database(library, create=True)
    assert revision_of(library / database.FILE_NAME) == NEXT


# Upgrading


def test_an_older_schema_is_copied_and_upgraded_without_losing_a_row(
    tmp_path: Path, newer_version: Callable[[], None]
) -> None:
    library = tmp_path / "library"
    uid = fill(library)
    newer_version()
    catalog = Catalog(database.open_database(library, create=False))

    assert revision_of(library / "catalog.sqlite") == NEXT
    assert catalog.uid == uid
    assert catalog.by_paths(["/photos/a.jpg"])["/photos/a.jpg"].sha256 == "aa"
    np.testing.assert_array_equal(catalog.vectors([1], "f")[1], [1, 0, 0, 0])
    catalog.close()
    assert revision_of(library / "catalog.sqlite.bak") == HEAD
    with closing(sqlite3.connect(library / "catalog.sqlite.bak")) as copy:
        assert copy.execute("SELECT count(*) FROM embeddings").fetchone() == (1,)


def test_a_library_of_the_first_version_keeps_everything_and_gets_tags(tmp_path: Path) -> None:
    library = tmp_path / "library"
    migrate(library, "0001")
    assert revision_of(library / "catalog.sqlite") == "0001"
    with closing(sqlite3.connect(library / "catalog.sqlite")) as old:
        old.execute(
            "INSERT INTO images"
            " (id, path, root, sha256, size, mtime_ns, ctime_ns, state, scan, seq)"
            " VALUES (7, ?, ?, 'aa', 1, 2, 3, 'ok', 1, 1)",
            (b"/photos/a.jpg", b"/photos"),
        )
        old.execute("INSERT INTO encoders VALUES (1, 'f', 'm', 4)")
        packed = np.eye(4, dtype="<f2")[0].tobytes()
        old.execute("INSERT INTO embeddings VALUES (7, 1, ?)", (packed,))
        old.execute("INSERT INTO tags VALUES (7, 'sunset', 'user')")
        old.commit()
        uid = old.execute("SELECT value FROM meta WHERE key = 'uid'").fetchone()[0]

    catalog = Catalog(database.open_database(library, create=False))
    tags = catalog.tags
    assert catalog.uid == uid
    assert catalog.get([7])[7].path == "/photos/a.jpg"
    np.testing.assert_array_equal(catalog.vectors([7], "f")[7], [1, 0, 0, 0])
    assert tags.get([7], "f") == [StoredTag(7, "sunset", "user", None)]
    tags.write_guesses({7: [("dog", 0.5)]}, "f", "v")
    assert [tag.confidence for tag in tags.get([7], "f")] == [0.5, None]
    catalog.close()


def test_a_library_of_the_second_version_keeps_everything_and_takes_texts(tmp_path: Path) -> None:
    library = tmp_path / "library"
    migrate(library, "0002")
    assert revision_of(library / "catalog.sqlite") == "0002"
    with closing(sqlite3.connect(library / "catalog.sqlite")) as old:
        old.execute(
            "INSERT INTO images"
            " (id, path, root, sha256, size, mtime_ns, ctime_ns, state, scan, seq)"
            " VALUES (7, ?, ?, 'aa', 1, 2, 3, 'ok', 1, 5)",
            (b"/photos/a.jpg", b"/photos"),
        )
        old.execute("INSERT INTO encoders VALUES (1, 'f', 'm', 4)")
        packed = np.eye(4, dtype="<f2")[0].tobytes()
        old.execute("INSERT INTO embeddings VALUES (7, 1, ?)", (packed,))
        old.execute("INSERT INTO tags VALUES (7, 'dog', 'guess', 0.5, 'f')")
        old.execute("INSERT INTO taught VALUES ('cabin', 'f', ?)", (packed,))
        old.execute("UPDATE meta SET value = '5' WHERE key = 'seq'")
        old.commit()

    catalog = Catalog(database.open_database(library, create=False))
    tags, texts = catalog.tags, catalog.texts
    np.testing.assert_array_equal(catalog.vectors([7], "f")[7], [1, 0, 0, 0])
    assert tags.get([7], "f") == [StoredTag(7, "dog", "guess", 0.5)]
    np.testing.assert_array_equal(tags.taught_vectors("f")["cabin"], [1, 0, 0, 0])
    document = Document("recipe", "soup", key="1")
    vector = np.eye(4, dtype=np.float32)[1]
    [one] = texts.write("/r.jsonl", [TextRecord(document, ("leek",), vector)], "f")
    assert texts.get([one])[one].document == document
    assert (texts.uid, texts.seq(), catalog.seq()) == (catalog.uid, 1, 5)
    assert revision_of(library / "catalog.sqlite.bak") == "0002"
    catalog.close()


def test_the_copy_holds_what_was_still_in_the_write_ahead_log(
    tmp_path: Path, newer_version: Callable[[], None]
) -> None:
    library = tmp_path / "library"
    busy = Catalog(database.open_database(library, create=True))
    busy.set_meta("colour", "red")  # stays in the log as long as a connection is open
    newer_version()
    database.open_database(library, create=False).dispose()
    with closing(sqlite3.connect(library / "catalog.sqlite.bak")) as copy:
        assert copy.execute("SELECT value FROM meta WHERE key='colour'").fetchone() == ("red",)
    busy.close()


def test_an_upgrade_that_fails_leaves_the_library_as_it_was(
    tmp_path: Path, newer_version: Callable[[], None]
) -> None:
    library = tmp_path / "library"
    fill(library)
    newer_version()
    script = tmp_path / "migrations of the next version" / "versions" / f"{NEXT}_next.py"
    script.write_text(script.read_text() + "    raise RuntimeError('power cut')\n")
    with pytest.raises(RuntimeError, match="power cut"):
        database.open_database(library, create=False)
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(images)")}
    assert columns == set(ImageRow.__table__.columns.keys())
    assert revision_of(library / "catalog.sqlite") == HEAD


def test_foreign_keys_hold_again_after_an_upgrade(
    tmp_path: Path, newer_version: Callable[[], None]
) -> None:
    fill(tmp_path / "library")
    newer_version()
    engine = database.open_database(tmp_path / "library", create=False)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    engine.dispose()


def test_processes_that_create_one_library_at_once_share_it(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from searchengine.catalog.store import Catalog\n"
        "from searchengine.catalog.database import open_database\n"
        "import alembic.command; print('ready', flush=True); sys.stdin.readline()\n"
        "print(Catalog(open_database(pathlib.Path(sys.argv[1]), create=True)).uid)"
    )
    uids = run_at_once(program, [[tmp_path / "library"]] * 3)
    assert len(set(uids)) == 1
    assert len(uids[0]) == 32
