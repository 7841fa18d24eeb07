"""Films of several scenes over the API and on the page: the frame that answers is what is shown."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from searchengine.config import Settings
from searchengine.web.app import create_app
from tests.support.camera_files import write_film
from tests.support.colour_encoder import COLOURS
from tests.support.colour_library import open_engine, photograph, scan
from tests.support.web_server import served

if TYPE_CHECKING:
    from playwright import sync_api

SCENES = {"red": 3.0, "blue": 2.0, "yellow": 2.0}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    scenes = []
    for colour, seconds in SCENES.items():
        picture = Image.new("RGB", (160, 120), COLOURS[colour])
        picture.paste("white", (40, 30, 80, 60))
        scenes.append((picture, seconds))
    write_film(folder / "a.mp4", scenes)
    photograph(folder / "still.jpg", "black", "green")
    library = tmp_path_factory.mktemp("library")
    with open_engine(library) as engine:
        scan(engine, folder)
    return library


@pytest.fixture(scope="module")
def url(library: Path) -> Iterator[str]:
    with served(create_app(Settings(library=library), open_engine(library))) as server:
        yield server.url


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/api/v1/", timeout=60) as client:
        yield client


def test_the_thumbnail_of_a_hit_is_its_frame(api: httpx.Client, library: Path) -> None:
    tags = set()
    begins = 0.0
    for colour, seconds in SCENES.items():
        hit = api.get("search", params={"q": colour}).json()["hits"][0]
        assert hit["path"].endswith("a.mp4")
        assert begins <= hit["at"] < begins + seconds
        thumb = api.get(api.base_url.join(hit["thumb"]))
        assert "immutable" in thumb.headers["cache-control"]
        pixels = np.asarray(Image.open(io.BytesIO(thumb.content)))
        np.testing.assert_allclose(pixels[100, 130], COLOURS[colour], atol=25)
        tags.add(thumb.headers["etag"])
        assert api.get(api.base_url.join(hit["thumb"])).content == thumb.content  # from the disk
        begins += seconds
    assert len(tags) == 3
    assert len(list((library / "thumbs").rglob("*-320*.jpg"))) == 3
    unknown = api.get(f"images/{hit['id']}/thumb", params={"at": 0.123})
    assert unknown.status_code == 404
    assert "no frame" in unknown.json()["detail"]


def test_the_page_shows_the_frame_and_its_time(page: sync_api.Page, url: str) -> None:
    from tests.support.page import expect, open_at

    open_at(page, url, "/?q=blue")
    first = page.locator(".cell").first
    expect(first.locator(".time")).to_have_text("0:03")
    expect(first.locator("img")).to_have_attribute("src", re.compile("&at=3"))
    first.locator("a").click()
    frame = page.locator("dialog .frame")
    expect(frame.locator(".time")).to_have_text("0:03")
    expect(frame.locator("img")).to_have_attribute("src", re.compile("size=640.*&at=3"))
