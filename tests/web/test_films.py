"""Films of several scenes over the API and on the page: the frame that answers is what is shown."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from PIL import Image

from tests.support.camera_files import write_film
from tests.support.command import lexpix
from tests.support.served import serving

if TYPE_CHECKING:
    from playwright import sync_api

SCENES = {"a cat": "chelsea", "a cup of coffee": "coffee", "a rocket": "rocket"}
"""Questions, and the pictures that answer them, each for two seconds."""


def picture(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB").resize((320, 240))


def pixels(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, dtype=float).ravel()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, library = tmp_path_factory.mktemp("films"), tmp_path_factory.mktemp("library")
    write_film(folder / "a.mp4", [(picture(name), 2.0) for name in SCENES.values()])
    picture("astronaut").save(folder / "still.png")
    lexpix("index", folder, library=library)
    return library


@pytest.fixture(scope="module")
def url(library: Path) -> Iterator[str]:
    with serving(library) as url:
        yield url


def test_the_thumbnail_of_a_hit_is_its_frame(url: str, library: Path) -> None:
    tags = set()
    with httpx.Client(base_url=url, timeout=120) as client:
        for number, text in enumerate(SCENES):
            hit = client.get("/api/v1/search", params={"q": text}).json()["hits"][0]
            assert hit["path"].endswith("a.mp4")
            assert 2 * number <= hit["at"] < 2 * number + 2
            thumb = client.get(hit["thumb"])
            assert "immutable" in thumb.headers["cache-control"]
            shown = pixels(Image.open(io.BytesIO(thumb.content)))
            alike = [np.corrcoef(shown, pixels(picture(name)))[0, 1] for name in SCENES.values()]
            assert int(np.argmax(alike)) == number
            assert client.get(hit["thumb"]).content == thumb.content  # from the disk
            tags.add(thumb.headers["etag"])
            why = client.get(f"/api/v1/images/{hit['id']}/explain", params={"q": text}).json()
            assert why["at"] == hit["at"]
            assert why["score"] == pytest.approx(hit["score"], abs=2e-3)
        unknown = client.get(f"/api/v1/images/{hit['id']}/thumb", params={"at": 0.123})
    assert len(tags) == 3
    assert len(list((library / "thumbs").rglob("*-320*.jpg"))) == 3
    assert unknown.status_code == 404
    assert "no frame" in unknown.json()["detail"]


def test_the_page_shows_the_frame_and_its_time(page: sync_api.Page, url: str) -> None:
    from tests.support.page import expect, open_at

    open_at(page, url, "/?q=a+cup+of+coffee")
    first = page.locator(".cell").first
    expect(first.locator(".time")).to_have_text("0:02")
    expect(first.locator("img")).to_have_attribute("src", re.compile("&at=2"))
    first.locator("a").click()
    frame = page.locator("dialog .frame")
    expect(frame.locator(".time")).to_have_text("0:02")
    expect(frame.locator("img")).to_have_attribute("src", re.compile("size=640.*&at=2"))
