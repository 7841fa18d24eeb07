"""Damage to any file of a library is named in one line; what can only be read is searched."""

from __future__ import annotations

import io
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from searchengine.cli.main import main
from tests.support.colour_library import photograph
from tests.support.command import LEXPIX, environment, lexpix

PAGE = 4096
ASKED = (("search", "red", "--all"), ("status",), ("tag", "--all"), ("texts", "search", "soup"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that nothing is wrong with; each test breaks a copy."""
    folder = tmp_path_factory.mktemp("sound")
    for place, (top, bottom) in enumerate([("red", "blue"), ("green", "black"), ("pink", "red")]):
        photograph(folder / "photos" / f"{place}.jpg", top, bottom)
    recipe = '{"title": "Lentil soup", "ingredients": ["1 onion"], "instructions": ["Boil."]}'
    (folder / "soup.jsonl").write_text(recipe)
    library = folder / "library"
    run("index", folder / "photos", library=library)
    run("texts", "add", folder / "soup.jsonl", library=library)
    assert run("status", library=library).exit_code == 0
    return library


@pytest.fixture
def library(sound: Path, tmp_path: Path) -> Path:
    return copy(sound, tmp_path / "library")


def copy(sound: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(sound, to)
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):  # all is in the catalog by now
        (to / name).unlink(missing_ok=True)
    return to


def run(*arguments: str | Path, library: Path) -> Result:
    env: dict[str, str | None] = {"LEXPIX_MODEL": None, **environment(library)}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=env)


def flip_far_apart(content: bytearray, rng: random.Random) -> None:
    for place in range(rng.randrange(9000), len(content), 9000):
        content[place] ^= 0xFF


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 30, 300])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(1, len(content)) :]


def zero_page(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(0, len(content), PAGE)
    content[start : start + PAGE] = bytes(PAGE)


def scramble_page(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(0, len(content), PAGE)
    content[start : start + PAGE] = rng.randbytes(PAGE)


def scramble_header(content: bytearray, rng: random.Random) -> None:
    content[16:100] = rng.randbytes(84)


def replace(content: bytearray, rng: random.Random) -> None:
    content[:] = rng.randbytes(5000)


def empty(content: bytearray, rng: random.Random) -> None:
    content.clear()


DAMAGES = (
    flip_far_apart,
    flip_bits,
    cut,
    zero_page,
    scramble_page,
    scramble_header,
    replace,
    empty,
)
SURE = (scramble_header, replace, empty)
"""Damage that no command can overlook."""


def damaged(file: Path, damage: Callable[[bytearray, random.Random], None], seed: int) -> None:
    content = bytearray(file.read_bytes())
    damage(content, random.Random(seed))
    file.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_catalog_is_named_whatever_is_asked(
    sound: Path, tmp_path: Path, damage: Callable[[bytearray, random.Random], None], seed: int
) -> None:
    for command in (*ASKED, ("index", str(sound.parent / "photos"))):
        library = copy(sound, tmp_path / "library")
        damaged(library / "catalog.sqlite", damage, seed)
        ran = run(*command, library=library)
        # Whatever is not foreseen would be here, and a traceback on the screen.
        assert isinstance(ran.exception, SystemExit | None), (command, ran.exception)
        assert ran.exit_code == 1 or damage not in SURE
        if ran.exit_code == 1:
            told = ran.stderr.splitlines()[-1]  # before it, there may be how far it came
            assert ran.stderr.count("lexpix: ") == 1
            assert told.startswith(f"lexpix: {library / 'catalog.sqlite'}")
            assert "lexpix doctor" in told


@pytest.mark.parametrize("command", [("search", "red"), ("status",), ("serve", "--port", "0")])
def test_every_9000th_byte_flipped_is_one_line_of_a_real_process(
    library: Path, command: tuple[str, ...]
) -> None:
    catalog = library / "catalog.sqlite"
    content = bytearray(catalog.read_bytes())
    for place in range(0, len(content), 9000):
        content[place] ^= 0xFF
    catalog.write_bytes(content)
    ran = lexpix(*command, library=library, code=1)
    assert ran.stderr.startswith(f"lexpix: {catalog}: cannot be used as a library")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("damage", [flip_bits, cut, replace, empty])
def test_a_damaged_index_costs_no_answer(
    sound: Path, tmp_path: Path, damage: Callable[[bytearray, random.Random], None]
) -> None:
    asked = ("search", "red", "--all", "--paths")
    whole = run(*asked, library=sound).stdout
    assert whole
    for name in os.listdir(sound / "index"):
        if (sound / "index" / name).is_file():
            library = copy(sound, tmp_path / "library")
            damaged(library / "index" / name, damage, 1)
            ran = run(*asked, library=library)
            assert (ran.exit_code, sorted(ran.stdout.split())) == (0, sorted(whole.split()))


def test_a_value_that_only_its_reader_can_refuse_is_damage_too(library: Path) -> None:
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        connection.execute("UPDATE roots SET scanned_at = '2O24-01-01'")
        connection.commit()
    ran = run("status", library=library)
    assert ran.exit_code == 1
    assert "1 of roots.scanned_at" in ran.stderr
    assert "lexpix doctor" in ran.stderr


def test_a_mistake_of_the_program_is_not_called_damage(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchengine.search.engine.Engine.status", lambda _self: 1 / 0)
    assert isinstance(run("status", library=library).exception, ZeroDivisionError)


# What can only be read


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte, or a skipped test where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "lexpix-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(file: io.RawIOBase) -> None:
    while True:
        file.write(bytes(PAGE))


def searched(library: Path) -> str:
    return lexpix("search", "red", "--all", "--paths", library=library).stdout


def test_a_library_on_a_disk_mounted_read_only_is_searched(sound: Path, small_disk: Path) -> None:
    library = copy(sound, small_disk / "library")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert sorted(searched(library).split()) == sorted(searched(sound).split())
    refused = lexpix("index", sound.parent / "photos", library=library, code=1).stderr
    assert "can only be read here" in refused


def test_a_library_without_a_free_byte_is_searched(sound: Path, small_disk: Path) -> None:
    library = copy(sound, small_disk / "library")
    ballast = (small_disk / "ballast").open("wb", buffering=0)
    with ballast, pytest.raises(OSError, match="No space left"):
        fill(ballast)
    assert sorted(searched(library).split()) == sorted(searched(sound).split())


def test_a_library_of_another_user_is_searched(sound: Path, library: Path) -> None:
    folders = [library, *(path for path in library.rglob("*") if path.is_dir())]
    for file in library.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    for folder in folders:
        folder.chmod(0o555)
    asked = [LEXPIX, "search", "red", "--all", "--paths"]
    if os.geteuid() == 0:  # who may write everywhere, unless the right to is given up
        drop = shutil.which("setpriv")
        if drop is None:
            pytest.skip("root is above permissions")
        asked = [drop, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *asked]
    ran = subprocess.run(
        asked, env=environment(library), capture_output=True, text=True, check=False
    )
    for folder in folders:
        folder.chmod(0o755)
    assert ran.returncode == 0, ran.stderr
    assert sorted(ran.stdout.split()) == sorted(searched(sound).split())
