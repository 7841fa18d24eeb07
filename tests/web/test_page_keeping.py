"""What somebody keeps: favourites, saved searches, tags of a selection, lists; and what failed."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright import sync_api

from tests.support.page import WAIT, ask, cell, expect, ids_of, open_at, search
from tests.support.served import run, serving


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is no picture yet."""
    file = tmp_path_factory.mktemp("broken") / "half.jpg"
    file.write_bytes(b"not a picture")
    return file


@pytest.fixture(scope="module")
def url(
    photo_library: Path, broken: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    library = Path(shutil.copytree(photo_library, tmp_path_factory.mktemp("kept") / "library"))
    run(library, "index", str(broken.parent), code=4)
    with serving(library) as address:
        yield address


def tags_of(url: str, id_: int) -> set[str]:
    tags = httpx.get(f"{url}/api/v1/images/{id_}").json()["tags"]
    return {tag["name"] for tag in tags if tag["source"] == "user"}


def test_one_key_makes_a_favourite_and_takes_it_back(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat")
    first = ids_of(ask(url, query="cat"))[0]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("f")
    expect(cell(page, first)).to_have_class(re.compile("favourite"))
    assert "favourite" in tags_of(url, first)
    page.reload()
    expect(cell(page, first)).to_have_class(re.compile("favourite"))
    cell(page, first).locator(".open").click()
    heart = page.locator("#detail .heart")
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".taglist .user .name", has_text="favourite")).to_be_visible()
    page.keyboard.press("f")
    expect(heart).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".taglist .user .name", has_text="favourite")).to_have_count(0)
    assert "favourite" not in tags_of(url, first)


def test_a_search_is_saved_opened_and_removed(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    expect(page.locator("#albums")).to_be_hidden()
    page.locator("[data-facet=shape][data-value=landscape]").check()
    search(page, "cat")
    expect(page.locator(".chip")).to_have_count(1)
    page.get_by_role("button", name="Save this search").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_value("cat")
    name.fill("My <cats>")
    name.press("Enter")
    expect(page.locator("#sheet")).to_be_hidden()
    album = page.locator("#albums li")
    shown = ids_of(ask(url, query="cat", filters={"shape": ["landscape"]}))
    expect(album.locator(".name")).to_have_text("My <cats>")
    expect(album.locator(".count")).to_have_text(str(len(shown)))
    page.goto(url + "/")
    album.locator("a").click()
    expect(page).to_have_url(f"{url}/?q=cat&f.shape=landscape")
    expect(album.locator("a")).to_have_attribute("aria-current", "true")
    expect(page.locator(".chosen")).to_have_text("Landscape")
    page.get_by_role("button", name="Remove the saved search My <cats>").click()
    expect(album).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(album).to_have_count(1)
    [kept] = httpx.get(f"{url}/api/v1/albums").json()["albums"]
    assert (kept["name"], kept["query"]) == ("My <cats>", "cat")


def test_a_broken_search_cannot_be_saved(page: sync_api.Page, url: str) -> None:
    button = page.get_by_role("button", name="Save this search")
    open_at(page, url, "/?q=cat")
    expect(button).to_be_visible()
    page.goto(f'{url}/?q=cat+-+"')
    expect(page.locator("#empty .problem")).to_be_visible()
    expect(button).to_be_hidden()


def test_lists_have_tags_and_matches(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat")
    hits = ask(url, query="cat")["hits"]
    page.keyboard.press("Control+a")
    bar = page.locator("#selection")
    bar.get_by_role("button", name="Tag").click()
    page.get_by_label("Tag", exact=True).fill("cats")
    page.get_by_label("Tag", exact=True).press("Enter")
    expect(page.locator(".toast").last).to_contain_text("tagged cats")
    files = {}
    for form in ("JSON", "CSV"):
        with page.expect_download(timeout=WAIT) as download:
            bar.get_by_role("button", name=form).click()
        files[form] = Path(download.value.path()).read_bytes()
    listed = json.loads(files["JSON"])["pictures"]
    assert [one["id"] for one in listed] == [hit["id"] for hit in hits]
    assert [one["match"] for one in listed] == [hit["match"] for hit in hits]
    assert all("cats" in one["tags"] for one in listed)
    rows = list(csv.DictReader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert [row["match"] for row in rows] == [str(hit["match"]) for hit in hits]
    assert all("cats" in row["tags"].split("; ") for row in rows)


def test_what_could_not_be_read_is_listed_and_read_again(
    page: sync_api.Page, url: str, broken: Path
) -> None:
    open_at(page, url, "/")
    page.get_by_role("button", name="1 file could not be read").click()
    sheet = page.locator("#sheet")
    expect(sheet.locator(".failures .path")).to_have_text(str(broken))
    [told] = httpx.get(f"{url}/api/v1/failures").json()["failures"]
    expect(sheet.locator(".failures .quiet-text")).to_have_text(told["reason"])
    Image.radial_gradient("L").save(broken)
    sheet.get_by_role("button", name="Read them again").click()
    expect(page.locator(".toast").last).to_contain_text("1 changed", timeout=4 * WAIT)
    expect(page.locator("#failures")).to_be_hidden()
    assert httpx.get(f"{url}/api/v1/failures").json()["total"] == 0
