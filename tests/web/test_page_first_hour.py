"""The first hour: an empty library, a folder to choose, pictures that come, and what to ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright import sync_api

from tests.support.page import WAIT, ask, expect, ids_of, open_at
from tests.support.plain_pictures import draw_many
from tests.support.served import serving, tab_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with pictures in a folder of Pictures."""
    for name in ("Documents", "Pictures"):
        (tmp_path / "home" / name).mkdir(parents=True)
    draw_many(tmp_path / "home" / "Pictures" / "trip", 90)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_from_an_empty_library_to_pictures(
    browser: sync_api.Browser, home: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "library") as url, tab_of(browser, url) as page:
        page.goto(url)
        first = page.locator("#empty .first")
        expect(first).to_contain_text("Choose a folder")
        assert [q.inner_text() for q in first.locator("q").all()] == [
            "beach at sunset",
            "dog - grass + snow",
            "red car",
        ]
        places = page.get_by_role("list", name="Likely folders")
        expect(places.locator("li").first).to_be_visible()
        # What else there is may be mounted disks.
        assert places.locator("li").all_inner_texts()[:3] == ["~", "Pictures", "Documents"]
        places.get_by_role("button", name="Pictures").click()
        box = page.get_by_label("Folder", exact=True)
        expect(box).to_have_value(str(home / "Pictures"))
        expect(first).to_contain_text("0 pictures · 1 folder")
        page.get_by_role("button", name="trip").click()
        expect(box).to_have_value(str(home / "Pictures" / "trip"))
        expect(first).to_contain_text("90 pictures")
        page.get_by_role("button", name="Up", exact=True).click()
        expect(box).to_have_value(str(home / "Pictures"))
        page.get_by_role("button", name="Index", exact=True).click()
        expect(page.locator(".toast")).to_contain_text("90 new", timeout=4 * WAIT)
        # They come by themselves, and the page is what it always is.
        expect(page.locator(".cell").first).to_be_visible()
        expect(page.locator("#empty")).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("90 pictures")


def test_pictures_appear_while_others_are_being_read(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    folder = draw_many(tmp_path / "many", 1500)
    with serving(tmp_path / "library") as url, tab_of(browser, url) as page:
        page.goto(url)
        box = page.get_by_label("Folder", exact=True)
        box.fill(str(folder))
        box.press("Enter")
        expect(page.locator("#jobs progress")).to_be_visible()
        expect(page.locator(".cell").first).to_be_visible(timeout=4 * WAIT)
        assert page.locator("#jobs").is_visible(), "the run goes on"
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#jobs")).to_be_hidden()


def test_every_form_of_a_query_can_be_tried(browser: sync_api.Browser, photo_server: str) -> None:
    with tab_of(browser, photo_server) as page:
        open_at(page, photo_server, "/?q=cat")
        [cat, *_] = ids_of(ask(photo_server, query="cat"))
        page.locator("#help-button").click()
        buttons = page.locator("#sheet .help:not(.keys) dt button")
        expect(buttons.first).to_be_visible()
        forms = buttons.all_inner_texts()
        assert f"#{cat} - dog + cat" in forms
        page.keyboard.press("Escape")
        for place in range(len(forms)):
            page.locator("#help-button").click()
            button = buttons.nth(place)
            form = button.inner_text()
            button.click()
            expect(page.locator("#sheet")).to_be_hidden()
            expect(page.locator("#q")).to_have_value(form)
            expect(page.locator("body")).not_to_have_class(re.compile("asking"))
            expect(page.locator("#empty .problem")).to_have_count(0)
