"""The page of a map in a real browser: it obeys mouse, touch and keys, and nothing overlaps.

Needs Chromium, by the name `chromium` on the path or in CHROMIUM; CI installs it.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from indexer.maps.page import draw_page
from indexer.maps.scene import Scene, Thumb
from tests.support.browser import CHROMIUM, launched

EVIL = "<img src=x onerror=alert(1)>.png"
WIDTH, HEIGHT = 800, 600
VIEW = "(({x, y, scale}) => [x, y, scale])(lexpixMap.view)"

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)


def make_scene() -> Scene:
    rng = np.random.default_rng(6)
    names = [f"/photos/{number:04}.jpg" for number in range(900)]
    names[7] = f"/photos/{EVIL}"
    words = ["<b>first</b>", *(f"word {number}" for number in range(300))]
    places = np.concatenate([rng.random((900, 2)), rng.normal(0.5, 0.1, (301, 2))])
    places[7], places[900] = (0.0, 0.0), (1.0, 1.0)
    thumbs = tuple(Thumb(p, Image.new("RGB", (64, 40), (200, 30, 90))) for p in range(0, 900, 3))
    return Scene("a map", places.clip(0, 1), (*names, *words), 900, thumbs)


def wait_until(page: sync_api.Page, condition: str) -> None:
    """Ask again and again; wait_for_function would need eval, which the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: sync_api.Browser, tmp_path: Path) -> Iterator[sync_api.Page]:
    """A map that is open and drawn; at the end, nothing may have complained or been fetched."""
    file = tmp_path / "map.html"
    file.write_bytes(draw_page(make_scene()))
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, has_touch=True)
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))

    def dismiss(dialog: sync_api.Dialog) -> None:
        problems.append(dialog.message)
        dialog.dismiss()

    def note(request: sync_api.Request) -> None:
        if not request.url.startswith("data:"):
            problems.append(request.url)

    tab.on("dialog", dismiss)
    tab.on("request", note)
    tab.on("requestfailed", lambda request: problems.append(request.url))
    tab.goto(file.as_uri())
    wait_until(tab, "lexpixMap.ready() && lexpixMap.boxes().some((b) => b.kind === 'thumb')")
    problems.remove(file.as_uri())  # the page itself
    yield tab
    tab.close()
    assert problems == []


def boxes_of(page: sync_api.Page) -> list[dict[str, Any]]:
    page.evaluate("lexpixMap.draw()")
    found: list[dict[str, Any]] = page.evaluate("lexpixMap.boxes()")
    return found


def assert_apart(boxes: list[dict[str, Any]]) -> None:
    corners = [(b["left"], b["top"], b["right"], b["bottom"]) for b in boxes]
    for one, other in itertools.combinations(corners, 2):
        apart_x = min(one[2], other[2]) <= max(one[0], other[0])
        assert apart_x or min(one[3], other[3]) <= max(one[1], other[1])


def test_nothing_overlaps_at_any_zoom_and_each_zoom_shows_more(page: sync_api.Page) -> None:
    assert {box["kind"] for box in boxes_of(page)} == {"label", "thumb"}
    seen: set[int] = set()
    for zoom in (1, 1.7, 4, 15):
        page.evaluate(f"lexpixMap.move(0.5, 0.5, lexpixMap.home() * {zoom})")
        boxes = boxes_of(page)
        assert_apart(boxes)
        points = {box["point"] for box in boxes}
        assert points - seen
        seen |= points


def test_what_is_drawn_stays_while_the_map_is_moved(page: sync_api.Page) -> None:
    page.evaluate("lexpixMap.move(0.5, 0.5, lexpixMap.home() * 4)")
    before = {box["point"]: box for box in boxes_of(page)}
    page.evaluate("lexpixMap.pan(30, -20)")
    boxes = boxes_of(page)
    assert_apart(boxes)
    after = {box["point"]: box for box in boxes}
    middle = [p for p, b in before.items() if 0 < b["left"] < WIDTH and 0 < b["top"] < HEIGHT]
    assert len(middle) > 10
    for point in middle:
        assert after[point]["left"] == pytest.approx(before[point]["left"] + 30)
        assert after[point]["top"] == pytest.approx(before[point]["top"] - 20)


def test_pointing_names_the_point_as_text(page: sync_api.Page) -> None:
    name = page.locator("#name")
    for point, expected in ((7, f"/photos/{EVIL}"), (900, "<b>first</b>")):
        x, y = page.evaluate(
            "(i) => { const b = lexpixMap.boxes().find((b) => b.point === i);"
            " return b ? [(b.left + b.right) / 2, (b.top + b.bottom) / 2]"
            " : lexpixMap.screen(i); }",
            point,
        )
        page.mouse.move(x, y)
        assert name.text_content() == expected
        assert name.locator("*").count() == 0
    page.mouse.move(300, 20)
    assert not name.is_visible()


def test_mouse_keys_and_buttons_move_the_map(page: sync_api.Page) -> None:
    x, y, home = page.evaluate(VIEW)
    page.mouse.move(400, 300)
    page.mouse.down()
    page.mouse.move(440, 270)
    page.mouse.up()
    assert page.evaluate(VIEW) == pytest.approx([x - 40 / home, y + 30 / home, home])
    page.keyboard.press("Home")  # the click has given the map the keyboard
    assert page.evaluate(VIEW) == pytest.approx([x, y, home])
    page.keyboard.press("ArrowRight")
    assert page.evaluate(VIEW) == pytest.approx([x + 80 / home, y, home])
    page.keyboard.press("+")
    assert page.evaluate(VIEW)[2] == pytest.approx(1.3 * home)
    page.locator("#out").click()
    assert page.evaluate(VIEW)[2] == pytest.approx(1.3 / 1.5 * home)
    page.locator("#all").click()
    assert page.evaluate(VIEW) == pytest.approx([x, y, home])
    page.locator("#pictures").click()
    assert all(box["kind"] == "label" for box in boxes_of(page))


def test_wheel_zooms_around_the_pointer(page: sync_api.Page) -> None:
    x, y, home = page.evaluate(VIEW)
    at = (x + (100 - WIDTH / 2) / home, y + (500 - HEIGHT / 2) / home)
    page.mouse.move(100, 500)
    page.mouse.wheel(0, -400)
    wait_until(page, f"lexpixMap.view.scale > {home}")
    x, y, scale = page.evaluate(VIEW)
    assert scale == pytest.approx(home * np.exp(0.8))
    assert (x + (100 - WIDTH / 2) / scale, y + (500 - HEIGHT / 2) / scale) == pytest.approx(at)


def test_two_fingers_zoom(page: sync_api.Page) -> None:
    x, y, home = page.evaluate(VIEW)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (350, 300), (450, 300))
    touch("touchMove", (300, 300), (500, 300))
    touch("touchEnd")
    wait_until(page, f"lexpixMap.view.scale > {home} * 1.9")
    found = page.evaluate(VIEW)
    assert found == pytest.approx([x, y, 2 * home], rel=0.01)


def test_page_follows_the_readers_colours(page: sync_api.Page) -> None:
    def corner() -> tuple[int, ...]:
        image = Image.open(io.BytesIO(page.screenshot()))
        pixel = image.convert("RGB").getpixel((WIDTH - 2, HEIGHT - 2))
        assert isinstance(pixel, tuple)
        return pixel

    assert corner() == (255, 255, 255)
    page.emulate_media(color_scheme="dark")
    assert corner() == (0x16, 0x18, 0x1B)
