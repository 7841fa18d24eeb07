"""The panel of filters: folders as a tree, months as words, cameras, and tags to look through."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from tests.support.page import ask, expect, ids_of, open_at
from tests.support.served import run, serving, tab_of

FOLDERS = ("2019/alps", "2019/alps/hut", "2019/sea", "2020 %s", "2020")
"""In the order of a tree: what is in a folder before its siblings, a folder before longer names."""
CAMERAS = (("Canon", "Canon EOS 5D"), ("NIKON CORPORATION", "NIKON D90"), ("Tester", "Model 1"))
TAGS = [f"{kind} {number}" for kind in ("green", "blue") for number in range(1, 9)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures in each folder, by turns of each camera, each of a month of its own."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(8)
    for number, name in enumerate(folder for folder in FOLDERS for _ in range(2)):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = CAMERAS[number % 3]
        taken = dt.datetime(2019 + number % 2, 1 + number, 5, 12)
        exif.get_ifd(0x8769)[0x9003] = exif[0x0132] = taken.strftime("%Y:%m:%d %H:%M:%S")
        blots = Image.fromarray(rng.integers(0, 255, (3, 4, 3), dtype=np.uint8))
        blots.resize((80, 60)).save(folder / f"{number}.jpg", exif=exif)
    return root


@pytest.fixture(scope="module")
def url(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    library = tmp_path_factory.mktemp("facets") / "library"
    run(library, "index", str(pictures))
    with serving(library) as address:
        first, *others = [hit["id"] for hit in ask(address)["hits"]]
        put(address, first, TAGS)
        for id_ in others[:3]:
            put(address, id_, TAGS[8:9])
        yield address


def put(url: str, id_: int, tags: list[str]) -> None:
    httpx.put(f"{url}/api/v1/images/{id_}/tags", json={"add": tags}).raise_for_status()


@pytest.fixture
def page(browser: sync_api.Browser, url: str) -> Iterator[sync_api.Page]:
    with tab_of(browser, url) as tab:
        open_at(tab, url, "/")
        yield tab


def names(page: sync_api.Page, facet: str) -> sync_api.Locator:
    return page.locator(f"#facets li:has([data-facet={facet}]) .name")


def test_folders_are_a_tree_of_short_names(page: sync_api.Page, url: str, pictures: Path) -> None:
    lines = page.locator("#facets li:has([data-facet=folder])")
    shown = lines.evaluate_all(
        "all => all.map((one) => [one.className, one.querySelector('.name').textContent])"
    )
    assert shown == [
        ["depth-0", pictures.name],
        *(["depth-1", "2019"], ["depth-2", "alps"], ["depth-3", "hut"], ["depth-2", "sea"]),
        *(["depth-1", "2020"], ["depth-1", "2020 %s"]),
    ]
    inner = str(pictures / "2019" / "alps")
    page.locator(f'[data-facet=folder][data-value="{inner}"]').check()
    expect(page.locator("#status")).to_contain_text("4 pictures")  # what is in its folders too


def test_filters_come_to_whoever_goes_to_the_pictures_before_an_answer_is_there(
    page: sync_api.Page, url: str
) -> None:
    held: list[sync_api.Route] = []
    page.locator("nav [data-view='/map']").click()

    def hold(route: sync_api.Route) -> None:
        held.append(route)

    page.route("**/api/v1/search", hold)
    page.locator("#q").fill("year:2020")
    page.locator("#q").press("Enter")
    page.wait_for_function("() => location.search.includes('2020')")
    expect(page.locator("body")).to_have_attribute("data-view", "map")
    page.unroute("**/api/v1/search")
    page.locator("nav [data-view='/']").click()
    expect(page.locator("#facets li:has([data-facet=year])").first).to_be_visible()
    expect(page.locator("#facets [data-facet=year]").first).to_have_attribute("data-value", "2020")
    for route in held:
        with contextlib.suppress(sync_api.Error):  # the page has given it up
            route.continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#facets li:has([data-facet=year])").first).to_be_visible()
    expect(page.locator("#status")).to_contain_text(f"{len(ids_of(ask(url, query='year:2020')))} p")


def test_a_tag_that_is_chosen_by_a_synonym_is_listed(url: str) -> None:
    answer = ask(url, filters={"tag": ["automobile"]}, facet_values=1, **{"with": ["facets"]})
    assert "car" in [one["value"] for one in answer["facets"]["tag"]]


def test_months_are_words(page: sync_api.Page, url: str) -> None:
    page.locator("#facet-month").click()
    page.locator("[data-more=month]").click()
    facet = ask(url, **{"with": ["facets"]})["facets"]["month"]
    expected = [dt.datetime.strptime(one["value"], "%Y-%m").strftime("%B %Y") for one in facet]
    assert len(set(expected)) == 10
    expect(names(page, "month")).to_have_text(expected)
    page.get_by_role("checkbox", name="March 2019").check()
    expect(page.locator("#status")).to_contain_text("1 picture")
    expect(page.locator(".chosen")).to_have_text("March 2019")


def test_a_camera_does_not_say_its_maker_twice(page: sync_api.Page, url: str) -> None:
    page.locator("#facet-camera").click()
    shown = sorted(names(page, "camera").all_inner_texts())
    assert shown == ["Canon EOS 5D", "NIKON D90", "Tester Model 1"]
    page.get_by_role("checkbox", name="NIKON D90").check()
    [counted] = [
        one["count"]
        for one in ask(url, **{"with": ["facets"]})["facets"]["camera"]
        if one["label"].endswith("D90")
    ]
    expect(page.locator("#status")).to_contain_text(f"{counted} pictures")


def test_the_box_finds_tags_that_are_not_counted_out(page: sync_api.Page, url: str) -> None:
    many = [f"many {number:03}" for number in range(200)]
    [id_, *_] = ids_of(ask(url))
    for part in (many[:100], many[100:], ["rare"]):
        put(url, id_, part)
    try:
        open_at(page, url, "/")
        counted = ask(url, **{"with": ["facets"]})["facets"]
        [hidden, *_] = {*TAGS, *many, "rare"} - {one["value"] for one in counted["tag"]}
        more = page.locator("[data-more=tag]")
        expect(more).to_have_text(f"{len(counted['tag'])} of {counted['in_all']['tag']}")
        more.click()
        expect(names(page, "tag")).to_have_count(len(counted["tag"]))
        page.get_by_label("Find a tag").fill(hidden)
        expect(names(page, "tag")).to_have_text([hidden])
        page.get_by_label("Find a tag").fill("nowhere")
        expect(page.locator("#facets")).to_contain_text("No tag has this in its name.")
    finally:
        for part in (many[:100], many[100:], ["rare"]):
            body = {"remove": part}
            httpx.put(f"{url}/api/v1/images/{id_}/tags", json=body).raise_for_status()


def test_tags_are_narrowed_down_by_a_box(page: sync_api.Page) -> None:
    box = page.get_by_label("Find a tag")
    few = names(page, "tag").all_inner_texts()
    assert len(few) < len(TAGS)
    assert few[0] == "blue 1", "yours come first, the most frequent of them at the top"
    box.press_sequentially("GREEN")
    expect(box).to_be_focused()
    expect(names(page, "tag")).to_have_text([name for name in TAGS if name.startswith("green")])
    box.press_sequentially("x")
    expect(page.locator("#facets")).to_contain_text("No tag has this in its name.")
    box.fill("blue 1")
    expect(names(page, "tag")).to_have_text(["blue 1"])
    page.locator("[data-facet=tag]").check()
    expect(page.locator("#status")).to_contain_text("4 pictures")
    expect(box).to_have_value("blue 1")
    box.fill("")
    expect(names(page, "tag").first).to_have_text("blue 1")
