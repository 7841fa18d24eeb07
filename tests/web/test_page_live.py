"""The page while its server restarts and its library changes, and what opens and closes in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright import sync_api

from tests.support.page import WAIT, ask, expect, expect_first, ids_of, open_at, search
from tests.support.plain_pictures import draw_many
from tests.support.served import free_port, run, serving, tab_of

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def own_library(photo_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that others write to."""
    return Path(shutil.copytree(photo_library, tmp_path_factory.mktemp("own") / "library"))


def test_a_restarted_server_is_found_again(browser: sync_api.Browser, own_library: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tab_of(browser, url) as page:
        with serving(own_library, port), page.expect_response("**/revision"):
            open_at(page, url, "/?q=cat")
        search(page, "rocket")
        expect(page.locator("#away")).to_contain_text("The server is away")
        expect(page.locator("#empty")).to_contain_text("The server does not answer")
        expect(page.locator(".cell")).to_have_count(0)
        with serving(own_library, port):
            expect_first(page, ids_of(ask(url, query="rocket"))[:1])
            expect(page.locator("#away")).to_be_hidden()
            expect(page.locator("#empty")).to_be_hidden()


def test_pictures_that_others_index_appear(
    browser: sync_api.Browser, own_library: Path, tmp_path: Path
) -> None:
    with serving(own_library) as url, tab_of(browser, url) as page:
        open_at(page, url, "/?sort=oldest")
        [kept, *_] = page.locator(".cell").all()
        kept.locator(".open").focus()
        (tmp_path / "new").mkdir()
        exif = Image.Exif()
        exif[0x0132] = exif.get_ifd(0x8769)[0x9003] = "1999:01:02 03:04:05"
        Image.radial_gradient("L").save(tmp_path / "new" / "ring.jpg", exif=exif)
        name = page.locator(":focus").get_attribute("title")
        run(own_library, "index", str(tmp_path / "new"))
        expect(page.locator('.cell[data-index="0"] .open')).to_have_attribute(
            "title", str(tmp_path / "new" / "ring.jpg")
        )
        expect(page.locator(":focus")).to_have_attribute("title", str(name))


def test_a_server_that_watches_says_what_it_does(browser: sync_api.Browser, tmp_path: Path) -> None:
    draw_many(tmp_path / "photos", 3)
    run(tmp_path / "library", "index", str(tmp_path / "photos"))
    with serving(tmp_path / "library", watch=True) as url, tab_of(browser, url) as page:
        open_at(page, url, "/")
        line = page.locator("#watching")
        expect(line).to_have_text("Watching 1 folder: nothing new")
        expect(line).to_have_attribute("title", str(tmp_path / "photos"))
        Image.linear_gradient("L").save(tmp_path / "photos" / "new.png")
        expect(line).to_have_text("Watching 1 folder: 1 new", timeout=2 * WAIT)
        expect(page.locator(".cell")).to_have_count(4)


def test_a_server_that_does_not_watch_says_nothing_of_it(page: sync_api.Page, url: str) -> None:
    with page.expect_response("**/api/v1/jobs"):
        open_at(page, url, "/")
    expect(page.locator("#watching")).to_be_hidden()


def test_the_drawer_of_filters_takes_the_keyboard_and_gives_it_back(
    browser: sync_api.Browser, photo_server: str
) -> None:
    with tab_of(browser, photo_server, viewport=PHONE) as page:
        open_at(page, photo_server, "/")
        opener, drawer = page.locator("#open-facets"), page.locator("#facets")
        for close in ("Escape", "Enter"):
            opener.press("Enter")
            expect(drawer).to_have_attribute("aria-modal", "true")
            expect(page.get_by_role("button", name="Close the filters")).to_be_focused()
            page.keyboard.press("Shift+Tab")
            for _ in range(60):
                assert page.evaluate(
                    "document.getElementById('facets').contains(document.activeElement)"
                )
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.id") == "fold-facets":
                    break
            expect(page.get_by_role("button", name="Close the filters")).to_be_focused()
            page.keyboard.press(close)
            expect(drawer).to_be_hidden()
            expect(opener).to_be_focused()
            assert drawer.get_attribute("aria-modal") is None


def test_a_sheet_gives_the_keyboard_back(browser: sync_api.Browser, photo_server: str) -> None:
    with tab_of(browser, photo_server) as page:
        open_at(page, photo_server, "/")
        page.locator("#help-button").press("Enter")
        expect(page.locator("#sheet")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#sheet")).to_be_hidden()
        expect(page.locator("#help-button")).to_be_focused()


def test_a_dropped_file_keeps_its_name(
    browser: sync_api.Browser, own_library: Path, tmp_path: Path
) -> None:
    Image.linear_gradient("L").save(tmp_path / "my garden.png")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tab_of(browser, url) as page:
        with serving(own_library, port):
            open_at(page, url, "/")
            page.locator("#file").set_input_files(tmp_path / "my garden.png")
            expect(page.locator(".chip .picture")).to_have_text("my garden.png")
            expect(page).to_have_title("my garden.png - lexpix")
            page.reload()
            expect(page.locator(".chip .picture")).to_have_text("my garden.png")
            expect(page).to_have_title("my garden.png - lexpix")
        with serving(own_library, port):  # a new one, which has forgotten the file
            expect(page.locator("#empty .problem")).to_contain_text("my garden.png")
            expect(page.locator("#empty .problem")).not_to_contain_text(re.compile("[\\w-]{16}"))
