"""Decoders that die or hang in processes of their own cost their file, and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pillow_heif
import psutil
import pytest
from PIL import Image

import indexer
from indexer.executors import Serial
from searchengine import bounds
from searchengine.bounds import budget
from searchengine.errors import ImageError, NotNow
from searchengine.images import open_image, read_photo
from searchengine.reader import Reader
from searchengine.search.engine import Engine
from searchengine.types import Failure
from searchengine.workers import pool
from tests.support.colour_library import open_engine, paint
from tests.support.fresh_interpreter import loaded_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs open files that are sent")

pillow_heif.register_heif_opener()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine
    bounds.use(bounds.MEMORY, bounds.FILE_SIZE, bounds.FILE_SECONDS)


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), colour).save(path)
    return path


def all_workers() -> list[psutil.Process]:
    """Return the workers of this process that have not ended."""

    def is_worker(one: psutil.Process) -> bool:
        try:
            command = " ".join(one.cmdline())
            return one.status() != psutil.STATUS_ZOMBIE and "workers.process" in command
        except psutil.NoSuchProcess:  # another thread has just killed it, and buried it
            return False

    return [one for one in psutil.Process().children() if is_worker(one)]


def in_mid_work(work: Callable[[], object], meddle: Callable[[int], object]) -> None:
    """Do some work, and something to the worker that has opened a file and asks for memory."""
    pool._pool.end()
    doing = threading.Thread(target=work)
    with budget.taken(budget.size):
        doing.start()
        while not budget._waiting:
            assert doing.is_alive(), "it has not asked for memory"
            time.sleep(0.001)
        [worker] = all_workers()
        meddle(worker.pid)
    doing.join()


def sent(what: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, what)


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("a.heic", signal.SIGSEGV, "its decoder was ended by SIGSEGV (Segmentation fault)"),
        ("a.avif", signal.SIGABRT, "its decoder was ended by SIGABRT (Aborted)"),
        ("a.jp2", signal.SIGBUS, "its decoder was ended by SIGBUS (Bus error)"),
        ("a.heic", signal.SIGXCPU, "reading it takes more than 10 s; allow more with the setting"),
    ],
)
def test_a_decoder_that_dies_costs_its_file_and_no_other(
    engine: Engine, tmp_path: Path, name: str, how: signal.Signals, reason: str
) -> None:
    photos = tmp_path / "photos"
    picture(photos / name)
    for other, colour in (("b.heic", "blue"), ("c.avif", "green"), ("d.jp2", "yellow")):
        picture(photos / other, colour)
    paint(photos / "e.png", "black", "white")
    failures: list[Failure] = []
    executor = Serial()
    in_mid_work(
        lambda: indexer.index(engine, photos, on_failure=failures.append, executor=executor),
        sent(how),
    )
    assert [Path(one.path).name for one in failures] == [name]
    assert reason in failures[0].reason
    assert len(engine.catalog.present()) == 4
    again = indexer.index(engine, photos, executor=executor)
    assert (again.unchanged, again.failed) == (5, 0)  # it is known to be bad
    assert indexer.retry(engine, executor=executor).updated == 1  # it is not, in truth


def test_a_file_whose_decoder_was_ended_from_outside_is_tried_again(
    engine: Engine, tmp_path: Path
) -> None:
    picture(tmp_path / "photos" / "a.heic")
    failures: list[Failure] = []
    executor = Serial()
    in_mid_work(
        lambda: indexer.index(
            engine, tmp_path / "photos", on_failure=failures.append, executor=executor
        ),
        sent(signal.SIGKILL),
    )
    assert "SIGKILL" in failures[0].reason
    assert "lacks memory" in failures[0].reason
    assert indexer.index(engine, tmp_path / "photos", executor=executor).updated == 1


def test_a_decoder_that_hangs_is_given_up(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 4)
    bounds.use(bounds.MEMORY, bounds.FILE_SIZE, file_seconds=1)
    picture(tmp_path / "photos" / "a.heic")
    picture(tmp_path / "photos" / "b.heic", "blue")
    failures: list[Failure] = []
    stopped: list[int] = []

    def stop(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    executor = Serial()
    in_mid_work(
        lambda: indexer.index(
            engine, tmp_path / "photos", on_failure=failures.append, executor=executor
        ),
        stop,
    )
    assert [Path(one.path).name for one in failures] == ["a.heic"]
    assert "gave no sign for 4 s" in failures[0].reason
    assert len(engine.catalog.present()) == 1
    assert not psutil.pid_exists(stopped[0])


def test_an_idle_worker_that_was_ended_costs_nothing(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.heic")
    open_image(path)
    for worker in all_workers():
        worker.kill()
        worker.wait(10)
    assert open_image(path).size == (64, 48)


def test_a_worker_ends_by_itself_when_it_has_nothing_to_do_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool._pool.end()
    monkeypatch.setattr(
        pool,
        "_START",
        pool._START.replace(
            "import main;", "import main; import searchengine.workers.process as w;"
        ).replace("main()", "w.IDLE = 1.0; main()"),
    )
    path = picture(tmp_path / "a.heic")
    for _ in range(2):
        assert open_image(path).size == (64, 48)
        time.sleep(1.5)
    pool._pool.end()


def test_many_threads_read_while_workers_are_killed(tmp_path: Path) -> None:
    colours = {"a.heic": "red", "b.avif": "blue", "c.jp2": "green"}
    paths = [picture(tmp_path / name, colour) for name, colour in colours.items()]

    def read(number: int) -> bool:
        path = paths[number % 3]
        source = path if number % 2 else BytesIO(path.read_bytes())
        if number % 12 == 5:
            for one in all_workers()[:1]:
                one.kill()
        try:
            image = open_image(source)
        except NotNow as error:
            said = "SIGKILL", "did not start, code -9"
            assert any(one in str(error) for one in said)  # noqa: PT017 - or the picture
            return False
        expected = Image.new("RGB", (1, 1), colours[path.name]).getpixel((0, 0))
        found = image.getpixel((30, 20))
        assert isinstance(expected, tuple) and isinstance(found, tuple)  # noqa: PT018
        assert max(abs(a - b) for a, b in zip(expected, found, strict=True)) < 12
        assert len(all_workers()) <= pool.MOST
        return True

    with ThreadPoolExecutor(8) as threads:
        read_well = sum(threads.map(read, range(60)))
    assert read_well >= 60 - 2 * 5
    assert all(read(number) for number in (0, 1, 2))


def test_a_copy_of_a_process_has_workers_of_its_own(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.heic")
    open_image(path)
    child = os.fork()
    if not child:
        os._exit(0 if open_image(path).size == (64, 48) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert open_image(path).size == (64, 48)


def test_what_a_worker_reads_is_what_this_process_would_read(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "Model", "2024:01:02 03:04:05"
    Image.effect_noise((400, 300), 60).convert("RGB").save(path, exif=exif)
    with path.open("rb") as file:
        here = Reader(size=80).read(file, str(path))
    there = read_photo(path, size=80)
    assert here.pixels is not None
    assert there.pixels is not None
    assert there.pixels.tobytes() == here.pixels.tobytes()
    assert (there.exif, there.width, there.format) == (here.exif, here.width, here.format)
    assert there.exif.taken_at is not None


def test_errors_are_those_of_this_process(tmp_path: Path) -> None:
    path = tmp_path / "torn.heic"
    path.write_bytes(picture(tmp_path / "a.heic").read_bytes()[:200])
    with pytest.raises(ImageError, match=r"torn\.heic: not a readable image"):
        open_image(path)
    bounds.use(memory=1, file_size=2000, file_seconds=10)
    try:
        large = tmp_path / "large.heic"
        Image.new("RGB", (2000, 1500)).save(large)
        with pytest.raises(ImageError, match="the setting memory"):
            open_image(large)
    finally:
        bounds.use(bounds.MEMORY, bounds.FILE_SIZE, bounds.FILE_SECONDS)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp"])
def test_usual_formats_start_no_worker(tmp_path: Path, name: str) -> None:
    pool._pool.end()
    open_image(picture(tmp_path / name))
    assert all_workers() == []


def test_a_search_by_words_does_not_load_what_starts_workers() -> None:
    loaded = loaded_by("import searchengine, searchengine.cli.search, searchengine.search.engine")
    assert "searchengine.workers.pool" not in loaded
