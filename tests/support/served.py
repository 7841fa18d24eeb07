"""A library of real photographs, and the real server over it, for tests of the page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.support.browser_coverage import counted

EVIL = "<img src=x onerror=alert(1)>.jpg"
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
FLOWERS = ("china.jpg", "flower.jpg")
DRAWN = 76
"""So many drawn pictures that an answer of all takes more than one page."""
RECIPES = """\
{"title": "Flat white", "ingredients": ["1 cup coffee", "milk"], "instructions": ["Pour."]}
{"title": "Lentil soup", "ingredients": ["200 g lentils", "1 onion"], "instructions": ["Boil."]}
"""


def make_library(folder: Path) -> Path:
    """Index photographs, and drawn pictures of several years, and return the library's folder."""
    import skimage.data
    import sklearn.datasets

    photos = folder / "photos"
    photos.mkdir(parents=True)
    shipped = Path(skimage.data.__file__).parent
    for name in PHOTOS:
        if (shipped / name).exists():
            shutil.copy(shipped / name, photos)
    for name in FLOWERS:
        shutil.copy(Path(sklearn.datasets.__file__).parent / "images" / name, photos)
    with Image.open(shipped / "chelsea.png") as cat:
        cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / EVIL)
    draw_pictures(folder / "drawn")
    (folder / "recipes.jsonl").write_text(RECIPES, encoding="utf-8")
    library = folder / "library"
    run(library, "index", str(photos), str(folder / "drawn"))
    run(library, "texts", "add", str(folder / "recipes.jsonl"))
    return library


def draw_pictures(folder: Path) -> None:
    """Save soft blots of colour with dates and cameras in their EXIF, wide and tall ones."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    for number in range(DRAWN):
        size = (96, 64) if number % 3 else (64, 96)
        blots = Image.fromarray(rng.integers(0, 255, (3, 3, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Tester", f"Model {number % 2}"
        taken = f"{2019 + number % 4}:{1 + number % 12:02}:{1 + number % 28:02} 10:00:00"
        exif.get_ifd(0x8769)[0x9003] = taken
        exif[0x0132] = taken
        blots.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number:03}.jpg", exif=exif)


def environment(library: Path) -> dict[str, str]:
    """Return the environment of a command over a library."""
    return os.environ | {
        "LEXPIX_INFERENCE": "onnxruntime",
        "LEXPIX_LIBRARY": str(library),
        "PYTHONUNBUFFERED": "1",
    }


def run(library: Path, *arguments: str, code: int = 0) -> str:
    """Run a command of lexpix to its end, which has this exit code, and return what it printed."""
    command = [sys.executable, "-m", "searchengine.cli.main", *arguments]
    done = subprocess.run(
        command, env=environment(library), capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(library: Path, port: int = 0, *, watch: bool = False) -> Iterator[str]:
    """Serve a library from a process of its own, at a free port unless named; yield its address."""
    port = port or free_port()
    command = [sys.executable, "-m", "searchengine.cli.main", "serve", "--port", str(port)]
    command += ["--watch"] if watch else []
    process = subprocess.Popen(
        command, env=environment(library), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                assert process.stdout is not None
                raise AssertionError(f"the server ended: {process.stdout.read().decode()}")
            try:
                # Not urllib, which remembers the proxy of whatever test used it first.
                httpx.get(url + "/", timeout=5, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            raise AssertionError("the server did not answer within a minute")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def tab_of(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """Open a tab; at the end, nothing may have complained, or been asked of another server."""
    context = browser.new_context(**options)
    tab = context.new_page()
    problems: list[str] = []
    # Answers of 4xx are part of tests, and tests read canvases, which browsers advise against.
    expected = ("Failed to load resource", "net::ERR_ABORTED", "Canvas2D: Multiple readback")

    def hear(message: Any) -> None:
        if not message.text.startswith(expected):
            problems.append(message.text)

    def dismiss(dialog: Any) -> None:
        problems.append(dialog.message)
        dialog.dismiss()

    def note(request: Any) -> None:
        if not request.url.startswith((url + "/", "data:", f"blob:{url}/")):
            problems.append(request.url)

    tab.on("console", hear)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("dialog", dismiss)
    tab.on("request", note)
    with counted(tab):
        yield tab
    context.close()
    assert problems == [], problems
