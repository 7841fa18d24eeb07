"""Duplicates over the API and on the page: groups side by side, what to keep, the list."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright import sync_api
from skimage import data

from searchengine.web import schemas
from tests.support.accessibility import complaints
from tests.support.browser import CHROMIUM
from tests.support.page import expect
from tests.support.served import run, serving, tab_of

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures in three and two forms, and three copies of a third one."""
    folder = tmp_path_factory.mktemp("duplicates") / "photos"
    folder.mkdir()
    for name, sizes in (("coffee", (1.0, 0.6, 0.4)), ("rocket", (1.0, 0.5))):
        photo = Image.fromarray(getattr(data, name)())
        for number, share in enumerate(sizes):
            shape = (round(photo.width * share), round(photo.height * share))
            photo.resize(shape).save(folder / f"{name} {number}.jpg", quality=92 - number)
    Image.fromarray(data.chelsea()).save(folder / "cat.png")
    for name in ("<i>cat.png", "tom.png"):
        shutil.copy(folder / "cat.png", folder / name)
    run(folder.parent / "library", "index", str(folder))
    run(folder.parent / "library", "tag", str(folder / "tom.png"), "--add", "tom")
    return folder


@pytest.fixture(scope="module")
def address(photos: Path) -> Iterator[str]:
    with serving(photos.parent / "library") as address:
        yield address


@pytest.fixture
def url(address: str) -> str:
    return address


def groups(url: str, **params: Any) -> dict[str, Any]:
    answer = httpx.get(f"{url}/api/v1/duplicates", params=params)
    assert answer.status_code == 200, answer.text
    assert schemas.DuplicatesAnswer.model_validate(answer.json())
    return dict(answer.json())


def names(group: dict[str, Any]) -> list[str]:
    return [os.path.basename(one["path"]) for one in (group["keep"], *group["others"])]


def test_groups_are_listed_with_most_to_spare_first_and_in_pages(url: str, photos: Path) -> None:
    near = groups(url)
    assert [names(one) for one in near["groups"]] == [
        ["coffee 0.jpg", "coffee 1.jpg", "coffee 2.jpg"],
        ["rocket 0.jpg", "rocket 1.jpg"],
    ]
    others = [one for group in near["groups"] for one in group["others"]]
    assert (near["total"], near["spare"]) == (2, 3)
    assert near["bytes"] == sum(os.path.getsize(one["path"]) for one in others)
    assert httpx.get(url + others[0]["thumb"]).headers["content-type"] == "image/jpeg"
    first = groups(url, limit=1)
    assert first["groups"] == near["groups"][:1]
    last = groups(url, limit=1, cursor=first["next_cursor"])
    assert (last["groups"], last["next_cursor"]) == (near["groups"][1:], None)

    [copies] = groups(url, kind="exact")["groups"]
    assert names(copies)[0] == "tom.png"
    assert copies["reasons"] == ["tags"]
    assert copies["keep"]["tags"] == ["tom"]
    assert groups(url, kind="burst")["groups"] == []
    of_near = httpx.get(
        f"{url}/api/v1/duplicates", params={"kind": "exact", "cursor": first["next_cursor"]}
    )
    assert of_near.status_code == 400


def test_another_picture_can_be_chosen_and_the_list_follows(
    browser: sync_api.Browser, url: str, photos: Path
) -> None:
    with tab_of(browser, url, permissions=["clipboard-read", "clipboard-write"]) as tab:
        tab.goto(url)
        tab.get_by_role("link", name="Duplicates").click()
        expect(tab.locator(".group")).to_have_count(2)
        expect(tab.locator("#view-duplicates [role=status]")).to_contain_text(
            "2 groups · 3 to spare"
        )
        coffee = tab.locator(".group").first
        expect(coffee.locator(".kept .name")).to_have_text("coffee 0.jpg")
        expect(coffee.locator(".kept")).to_contain_text("Keep · more pixels, more bytes")
        second = coffee.locator("li", has_text="coffee 1.jpg")
        second.get_by_role("button", name="Keep this instead").click()
        expect(coffee.locator(".kept .name")).to_have_text("coffee 1.jpg")
        expect(coffee.locator(".kept")).to_contain_text("your choice")
        tab.get_by_role("button", name="Copy the list").click()
        expect(tab.locator("#toasts")).to_contain_text("The list copied")
        copied = tab.evaluate("navigator.clipboard.readText()").splitlines()
        spare = ("coffee 0.jpg", "coffee 2.jpg", "rocket 1.jpg")
        assert copied == [str(photos / name) for name in spare]

        tab.get_by_role("link", name="The same bytes").click()
        expect(tab).to_have_url(f"{url}/duplicates?kind=exact")
        expect(tab.locator(".group")).to_have_count(1)
        expect(tab.locator(".group .name").first).to_have_text("tom.png")
        tab.locator(".group img").first.click()
        expect(tab.locator("#detail")).to_be_visible()
        tab.go_back()
        expect(tab.locator("#detail")).to_be_hidden()
        tab.go_back()
        expect(tab.locator(".group")).to_have_count(2)
        tab.get_by_role("link", name="Bursts").click()
        expect(tab.get_by_text("No duplicates of this kind.")).to_be_visible()
        expect(tab.get_by_role("button", name="Copy the list")).to_be_disabled()


def test_a_search_collapses_what_is_the_same_if_it_is_asked_to(url: str) -> None:
    def asked(**question: Any) -> dict[str, Any]:
        answer = httpx.post(f"{url}/api/v1/search", json={"with": ["facets"]} | question)
        assert schemas.SearchAnswer.model_validate(answer.json())
        return dict(answer.json())

    plain, short = asked(sort="oldest"), asked(sort="oldest", collapse=True)
    assert len(plain["hits"]) == 8
    assert all(hit["duplicates"] == [] for hit in plain["hits"])
    assert sorted(len(hit["duplicates"]) for hit in short["hits"]) == [1, 2, 2]
    shown = [one for hit in short["hits"] for one in (hit, *hit["duplicates"])]
    assert {one["id"] for one in shown} == {one["id"] for one in plain["hits"]}
    assert (short["total"], short["facets"]) == (plain["total"], plain["facets"])
    by_address = httpx.get(f"{url}/api/v1/search", params={"sort": "oldest", "collapse": "true"})
    assert by_address.json()["hits"] == short["hits"]


def test_a_picture_of_the_grid_stands_for_those_that_are_the_same(
    browser: sync_api.Browser, url: str
) -> None:
    with tab_of(browser, url) as tab:
        tab.goto(f"{url}/?sort=oldest")
        expect(tab.locator(".cell")).to_have_count(3)
        expect(tab.locator("#status")).to_contain_text("8 pictures")
        tab.get_by_role("button", name="+2 the same").first.click()
        expect(tab.locator(".cell")).to_have_count(5)
        expect(tab.locator(".cell.behind")).to_have_count(2)
        expect(tab.locator("#status")).to_contain_text("8 pictures")
        expect(tab.locator(".same[aria-expanded=true]")).to_be_focused()
        tab.keyboard.press("Enter")
        expect(tab.locator(".cell")).to_have_count(3)
        tab.locator(".cell .pick").first.check()
        said = tab.locator("#selection [role=status]")
        expect(said).to_contain_text(re.compile("^1 selected, without [12] that are the same$"))
        tab.keyboard.press("Escape")
        tab.get_by_role("button", name="+2 the same").first.click()
        tab.keyboard.press("Control+a")
        expect(said).to_have_text("5 selected, without 3 that are the same")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: sync_api.Browser, url: str, scheme: str) -> None:
    size = {"width": 390, "height": 844}
    options: dict[str, Any] = {"viewport": size, "color_scheme": scheme, "bypass_csp": True}
    with tab_of(browser, url, **options) as tab:
        tab.goto(f"{url}/duplicates")
        expect(tab.locator(".group").first).to_be_visible()
        assert complaints(tab) == []
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"]
