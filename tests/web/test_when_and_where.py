"""Dates and places: the operations against the pictures themselves, and the page by hand."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from tests.support.accessibility import complaints
from tests.support.page import WAIT, ask, expect, ids_of, open_at
from tests.support.served import run, serving, tab_of

BERN, ZURICH, TOKYO = (46.95, 7.45), (47.37, 8.54), (35.68, 139.69)
SPOTS = (BERN, ZURICH, TOKYO, None)
NAMES = {BERN: "Bern, Switzerland", ZURICH: "Zurich, Switzerland", TOKYO: "Tokyo, Japan"}
MANY = 150
"""More than two pages of pictures."""


def taken(number: int) -> dt.datetime | None:
    """Return when a picture was taken: the first ones in 2024, the last ones never."""
    if number >= MANY - 8:
        return None
    return dt.datetime(2024 - number // 20, 12 - number % 12, 3, 15)


def spot(number: int) -> tuple[float, float] | None:
    return SPOTS[number % 4]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over drawn pictures with dates and places."""
    folder = tmp_path_factory.mktemp("album")
    rng = np.random.default_rng(5)
    for number in range(MANY):
        exif = Image.Exif()
        if (day := taken(number)) is not None:
            exif.get_ifd(0x8769)[0x9003] = day.strftime("%Y:%m:%d %H:%M:%S")
        if (where := spot(number)) is not None:
            north, east = (np.array(where) + rng.normal(0, 0.001, 2)).tolist()
            position = {1: "N", 2: (north, 0.0, 0.0), 3: "E", 4: (east, 0.0, 0.0)}
            exif.get_ifd(0x8825).update(position)
        blots = Image.fromarray(rng.integers(0, 255, (3, 4, 3), dtype=np.uint8))
        blots.resize((80, 60)).save(folder / f"{number:03}.jpg", exif=exif)
    (folder / "notes.xyz").write_text("no picture")
    library = tmp_path_factory.mktemp("when-and-where") / "library"
    run(library, "index", str(folder))
    name_places(library)
    with serving(library) as address:
        yield address


def name_places(library: Path) -> None:
    """Name the places as the optional gazetteer does, whether or not it is installed."""
    catalog = Catalog(open_database(library, create=False))
    pictures = catalog.get(catalog.ids_under("/").tolist()).values()
    places = {one.id: spot(int(Path(one.path).stem)) for one in pictures}
    catalog.places.name({id_: NAMES[where] for id_, where in places.items() if where})
    catalog.close()


def post(url: str, operation: str, **question: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/api/v1/{operation}", json=question, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"query": "after:2021"},
    {"query": "colourful blots"},
    {"query": "colourful blots", "unlikely": True, "filters": {"place": ["Switzerland"]}},
    {"query": "#3", "filters": {"year": [2023, None]}},
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_months_and_places_are_those_of_the_pictures_found(
    url: str, question: dict[str, Any]
) -> None:
    found = {hit["id"]: hit for hit in ask(url, **question)["hits"]}
    months = Counter(h["taken_at"] and h["taken_at"][:7] for h in found.values())
    line = post(url, "timeline", **question)
    assert line["undated"] == months.pop(None, 0)
    assert [(one["month"], one["count"]) for one in line["months"]] == sorted(
        months.items(), reverse=True
    )
    places = post(url, "places", **question)
    where = {id_: spot(int(Path(hit["path"]).stem)) for id_, hit in found.items()}
    here = {id_: one for id_, one in where.items() if one is not None}
    assert places["elsewhere"] == len(where) - len(here)
    told = {id_: (lat, lon, places["names"][n]) for id_, lat, lon, n in places["points"]}
    assert told.keys() == here.keys()
    for id_, (lat, lon, name) in told.items():
        assert (lat, lon) == pytest.approx(here[id_], abs=0.01)
        assert name == NAMES[here[id_]]


def test_the_time_line_leads_to_months_that_were_not_fetched(
    browser: sync_api.Browser, url: str
) -> None:
    with tab_of(browser, url, viewport={"width": 1000, "height": 700}) as page:
        open_at(page, url, "/")
        scrub = page.get_by_role("slider", name="Time line")
        expect(scrub).to_have_attribute("aria-valuetext", "December 2024, 2 pictures")
        scrub.focus()
        scrub.press("ArrowDown")
        expect(scrub).to_have_attribute("aria-valuetext", "November 2024, 2 pictures")
        scrub.press("End")
        expect(scrub).to_have_attribute("aria-valuetext", "Without a date, 8 pictures")
        last = page.locator(f'.cell[data-index="{MANY - 1}"]')
        expect(last).to_be_in_viewport()
        box = scrub.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] - 4)
        page.mouse.down()
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2, steps=5)
        expect(page.locator(".when")).to_be_visible()
        page.mouse.up()
        month, _ = str(page.locator(".when").inner_text()).split(", ")
        expect(page.locator(".heading", has_text=month).first).to_be_in_viewport()
        page.evaluate("scrollTo(0, 0)")
        expect(scrub).to_have_attribute("aria-valuetext", "December 2024, 2 pictures")
        page.locator("#sort").select_option("oldest")
        expect(scrub).to_have_attribute("aria-valuetext", "March 2017, 1 picture")


def test_days_become_filters_of_the_query_and_back(browser: sync_api.Browser, url: str) -> None:
    with tab_of(browser, url) as page:
        open_at(page, url, "/")
        page.locator("#facet-date").click()
        page.get_by_label("From").fill("2022-03-01")
        page.get_by_label("Until").fill("2022-09-03")
        page.locator("#status").click()
        expect(page.locator("#q")).to_have_value("after:2022-03-01 + before:2022-09-04")
        wanted = ids_of(ask(url, query="after:2022-03-01 before:2022-09-04"))
        assert len(wanted) > 5
        expect(page.locator("#status")).to_contain_text(f"{len(wanted)} pictures")
        page.reload()
        expect(page.get_by_label("Until")).to_have_value("2022-09-03")
        page.get_by_role("button", name="Remove before: 2022-09-04").click()
        expect(page.get_by_label("Until")).to_have_value("")
        expect(page.get_by_label("From")).to_have_value("2022-03-01")
        page.get_by_label("From").fill("")
        page.locator("#status").click()
        expect(page.locator("#q")).to_have_value("")


def test_places_are_a_tree_and_dots_of_a_map(browser: sync_api.Browser, url: str) -> None:
    with tab_of(browser, url, bypass_csp=True) as page:
        open_at(page, url, "/")
        lines = page.locator("#facets li:has([data-facet=place])")
        expect(lines).to_have_text(["Japan37", "Switzerland76", "No place37"])
        page.locator('[data-facet=place][data-value="Switzerland"]').check()
        expect(page.locator("#status")).to_contain_text("76 pictures")
        page.get_by_role("link", name="On the map").click()
        dots = page.locator(".dot")
        expect(dots).to_have_count(1, timeout=WAIT)
        page.get_by_role("button", name="Switzerland: 76 pictures").focus()
        page.keyboard.press("Enter")
        page.locator("[data-act=closer]").click()
        expect(dots).to_have_count(2)
        assert sorted(dot.get_attribute("aria-label") for dot in dots.all()) == [
            "Bern, Switzerland: 38 pictures",
            "Zurich, Switzerland: 38 pictures",
        ]
        assert complaints(page) == []
        page.get_by_role("button", name="Bern").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#view-world .near")).to_contain_text("Bern, Switzerland")
        page.get_by_role("button", name="Search here").click()
        expect(page.locator("#q")).to_have_value(re.compile("^near:46.9"))
        expect(page.locator("#status")).to_contain_text("38 pictures")


def test_what_is_passed_over_is_said(browser: sync_api.Browser, url: str) -> None:
    told = httpx.get(f"{url}/api/v1/status").json()
    assert (told["skipped"], told["remedies"]) == ({".xyz": 1}, {})
    # Whatever is installed here, somebody lacks the reader of films.
    lacking = told | {"skipped": {".mov": 1180, ".xyz": 1}, "remedies": {".mov": "pip install x"}}
    with tab_of(browser, url, bypass_csp=True) as page:
        page.route("**/api/v1/status", lambda route: route.fulfill(json=lacking))
        open_at(page, url, "/")
        page.get_by_role("button", name="1,181 files were passed over").click()
        sheet = page.locator("#sheet")
        expect(sheet).to_contain_text("1,180 .mov")
        expect(sheet).to_contain_text("pip install x")
        expect(sheet.locator("li").last).to_contain_text("1 .xyz")
        page.wait_for_timeout(300)
        assert complaints(page) == []
