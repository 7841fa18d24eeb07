"""What reading one file may take: memory by its header, bytes, seconds; and what becomes of it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import indexer
from searchengine import bounds, pixels
from searchengine.bounds import MEGABYTE, BoundedFile, Budget, TooLarge, TooSlow, is_want_of_memory
from searchengine.errors import ImageError
from searchengine.images import open_image, read_photo
from searchengine.pixels import as_rgb, reduced_rgb
from searchengine.search.engine import Engine
from searchengine.types import Failure
from tests.support.at_once import REPOSITORY
from tests.support.colour_library import open_engine, paint
from tests.support.huge_pictures import header_and_zeros, many_scans, write_png


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        yield engine
    bounds.use(bounds.MEMORY, bounds.FILE_SIZE, bounds.FILE_SECONDS)


# Memory

PEAK = """
import re, sys
from pathlib import Path
from searchengine.images import open_image

def peak():  # getrusage would tell that of the process which started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = peak()
print(open_image(sys.argv[1], size=256).size)
print((peak() - before) // 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("depth", "colour", "most"),
    [(16, 6, 230), (16, 0, 170)],  # 640 and 600 before pictures were made smaller in strips
    ids=["RGBA of 16 bits", "grey of 16 bits"],
)
def test_a_huge_picture_takes_little_more_than_its_own_pixels(
    tmp_path: Path, depth: int, colour: int, most: int
) -> None:
    huge = write_png(tmp_path / "huge.png", 6000, 6000, depth, colour)
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, str(huge)], capture_output=True, text=True, check=True
    )
    size, peak = ran.stdout.splitlines()
    assert size == "(256, 256)"
    assert 36 < int(peak) < most


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "I;16", "I", "F", "CMYK"])
def test_a_picture_made_smaller_in_strips_is_the_same_as_one_made_smaller_whole(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_LARGE", 10_000)
    monkeypatch.setattr(pixels, "_STRIP", 3_000)
    noise = np.random.default_rng(5).integers(0, 255, (203, 160, 4), dtype=np.uint8)
    large = Image.fromarray(noise)
    if mode in ("I;16", "I", "F"):
        large = Image.fromarray(np.asarray(large.convert("L")).astype("<u2") * 200)
    large = large.convert(mode)
    strips, whole = reduced_rgb(large, 20), as_rgb(large).reduce(4)
    assert strips.size == whole.size == (40, 51)
    assert strips.tobytes() == whole.tobytes()


@pytest.mark.parametrize("ending", ["png", "jp2"])
def test_a_huge_picture_looks_to_a_model_as_it_would_in_full(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradient = Image.linear_gradient("L").resize((900, 800)).convert("RGB")
    gradient.paste("red", (0, 0, 400, 200))
    gradient.save(tmp_path / f"large.{ending}")
    full = np.asarray(open_image(tmp_path / f"large.{ending}", size=60), dtype=float)
    monkeypatch.setattr(pixels, "_LARGE", 10_000)
    photo = read_photo(tmp_path / f"large.{ending}", size=60)
    assert (photo.width, photo.height) == (900, 800)
    assert photo.pixels is not None
    reduced = np.asarray(photo.pixels.resize(full.shape[1::-1]), dtype=float)
    assert np.abs(reduced - full).mean() < 1.5


def test_a_budget_is_never_overdrawn_and_nobody_starves() -> None:
    budget = Budget(10)
    lock, held, most, alone, served = threading.Lock(), [0], [0], [], []

    def work(needed: int) -> None:
        with budget.taken(needed):
            with lock:
                held[0] += needed
                most[0] = max(most[0], held[0] if needed <= 10 else 0)
                if needed > 10:
                    alone.append(held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= needed
                served.append(needed)

    sizes = [3, 4, 15, 1, 10, 20, 2, 7] * 6
    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(served) == sorted(sizes)
    assert most[0] <= 10
    assert sorted(alone) == [15] * 6 + [20] * 6
    with pytest.raises(TooLarge, match="memory = "), budget.taken(21):
        raise AssertionError("it was given more than it has")


def test_what_needs_more_memory_than_allowed_is_refused_before_it_is_decoded(
    engine: Engine, tmp_path: Path
) -> None:
    write_png(tmp_path / "photos" / "huge.png", 9000, 9000)
    paint(tmp_path / "photos" / "red.png", "red", "red")
    bounds.use(memory=100, file_size=10, file_seconds=10)
    failures: list[Failure] = []
    report = indexer.index(engine, tmp_path / "photos", on_failure=failures.append)
    assert (report.added, report.failed) == (1, 1)
    assert "389 MB of memory, the limit is 200" in failures[0].reason
    assert "memory = 195" in failures[0].reason
    bounds.use(memory=195, file_size=10, file_seconds=10)
    assert indexer.retry(engine).updated == 1


STARVED = """
import resource, sys
from pathlib import Path
import indexer
from indexer.executors import Serial
from tests.support.colour_library import open_engine

def limit(more):
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.RLIM_INFINITY))

folder = Path(sys.argv[1])
with open_engine(folder / "library") as engine:
    engine.catalog  # all is imported by now
    indexer.index(engine, folder / "small")
    limit(60_000_000)
    print(indexer.index(engine, folder / "photos", executor=Serial()))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print([failure.reason for failure in engine.catalog.failures(None)])
    print(indexer.index(engine, folder / "photos"))
    print([failure.reason for failure in engine.catalog.failures(None)])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")
def test_a_file_that_failed_for_want_of_memory_is_tried_again(tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "large.png", 3900, 3900, 16, 6)
    paint(tmp_path / "small" / "red.png", "red", "red")
    paint(tmp_path / "photos" / "blue.png", "blue", "blue")
    ran = subprocess.run(
        [sys.executable, "-c", STARVED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert ran.returncode == 0, ran.stderr
    first, reasons, second, left = ran.stdout.splitlines()
    assert "added=1" in first
    assert "failed=1" in first
    assert "not enough memory" in reasons
    assert "updated=1" in second
    assert "failed=0" in second
    assert left == "[]"


def test_decoders_say_in_their_own_words_that_there_was_no_memory() -> None:
    assert is_want_of_memory(MemoryError())
    assert is_want_of_memory(OSError("out of memory error when reading image file"))
    assert is_want_of_memory(RuntimeError("Failed to allocate memory for requested buffer"))
    assert not is_want_of_memory(OSError("image file is truncated"))
    assert not is_want_of_memory(ValueError("Memory allocation error: Security limit exceeded"))


# Bytes and seconds


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header_and_zeros(8_000_000), "more pieces than a picture has"),
        (many_scans(1500, 20_000), "takes more than 1 s"),
    ],
    ids=["zeros", "scans"],
)
def test_a_file_that_is_slow_to_read_is_given_up_with_a_reason(
    engine: Engine,
    tmp_path: Path,
    content: bytes,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MOST_READS", 200_000)
    paint(tmp_path / "photos" / "red.png", "red", "red")
    (tmp_path / "photos" / "slow.jpg").write_bytes(content)
    bounds.use(memory=600, file_size=100, file_seconds=1)
    failures: list[Failure] = []
    start = time.process_time()
    report = indexer.index(engine, tmp_path / "photos", on_failure=failures.append)
    assert (report.added, report.failed) == (1, 1)
    assert reason in failures[0].reason
    assert time.process_time() - start < 20
    assert indexer.index(engine, tmp_path / "photos").unchanged == 2  # it is known to be bad


def test_a_file_with_more_bytes_than_a_picture_has_is_not_read(
    engine: Engine, tmp_path: Path
) -> None:
    paint(tmp_path / "photos" / "red.png", "red", "red")
    with paint(tmp_path / "photos" / "sparse.png", "red", "green").open("r+b") as file:
        file.truncate(3_000_000_000_000)  # hashing it would take an hour
    failures: list[Failure] = []
    report = indexer.index(engine, tmp_path / "photos", on_failure=failures.append)
    assert (report.added, report.failed) == (1, 1)
    assert "3000000 MB, the limit is 2000" in failures[0].reason
    with pytest.raises(ImageError, match="the setting file_size"):
        open_image(tmp_path / "photos" / "sparse.png")


def test_a_file_that_grows_while_it_is_hashed_ends_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"0123456789" * 100_000)

    class Growing(io.FileIO):
        def readinto(self, buffer: object) -> int:
            with path.open("ab") as more:
                more.write(b"x" * 1_000_000)
            return super().readinto(buffer)  # type: ignore[arg-type]

    with path.open("rb") as still:
        expected = bounds.sha256_of(still)
    with Growing(path) as file:
        assert bounds.sha256_of(file) == expected
    assert path.stat().st_size > 2_000_000


def test_a_bounded_file_reads_as_a_file_does_until_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree")
    with path.open("rb") as file:
        bounded = BoundedFile(file, seconds=60)
        assert bounded.readline() == b"one\n"
        bounded.seek(1)
        assert (bounded.read(2), bounded.tell(), bounded.fileno()) == (b"ne", 3, file.fileno())
        assert bounded.read() == b"\ntwo\nthree"
        late = BoundedFile(file, seconds=-1)
        for read in (late.read, late.readline, late.check, lambda: late.readinto(bytearray(3))):
            with pytest.raises(TooSlow):
                read()


def test_settings_reach_what_reads_files(engine: Engine) -> None:
    settings = replace(engine.settings, memory=77, file_size=5, file_seconds=3)
    Engine(settings, engine.catalog, engine.encoder, engine.index)
    assert bounds.budget.size == 77 * MEGABYTE
    assert (bounds.limits.file_size, bounds.limits.file_seconds) == (5, 3)


BROKEN_TIFFS = """
import io, random
from PIL import Image
from searchengine.errors import ImageError
from searchengine.images import read_photo

file = io.BytesIO()
Image.effect_noise((60, 60), 60).convert("RGB").save(file, "TIFF", compression="tiff_lzw")
bad = 0
for seed in range(30):
    rng, content = random.Random(seed), bytearray(file.getvalue())
    for _ in range(5):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    try:
        read_photo(io.BytesIO(bytes(content)), size=32)
    except ImageError:
        bad += 1
print(bad)
"""


def test_a_broken_tiff_is_told_by_lexpix_alone() -> None:
    command = [sys.executable, "-W", "ignore", "-c", BROKEN_TIFFS]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert int(ran.stdout) > 3
    assert ran.stderr == ""
