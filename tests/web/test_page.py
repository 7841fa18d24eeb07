"""The page in a real browser over a real server: search, picture maths, filters, tags, export.

Needs Chromium, by the name `chromium` on the path or in CHROMIUM; CI installs it.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright import sync_api

from tests.support.browser import CHROMIUM
from tests.support.page import (
    WAIT,
    ask,
    cell,
    expect,
    expect_first,
    id_of,
    ids_of,
    open_at,
    search,
)
from tests.support.served import DRAWN, EVIL, PHOTOS

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)
pytest.importorskip("fastapi")


@pytest.fixture
def library(photo_library: Path) -> Path:
    return photo_library


def test_typing_searches_and_back_returns(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    cat = id_of(url, "chelsea.png")
    search(page, "cat")
    answer = ask(url, query="cat")
    expected = ids_of(answer)
    assert cat in expected[:2]
    expect_first(page, expected)
    bands = list(dict.fromkeys(hit["band"].title() for hit in answer["hits"]))
    expect(page.locator(".heading")).to_have_text(bands)
    assert page.url == f"{url}/?q=cat"
    search(page, "motorcycle")
    expect_first(page, [id_of(url, "motorcycle_left.png")])
    page.go_back()
    expect(page.locator("#q")).to_have_value("cat")
    expect_first(page, expected)


def test_what_is_not_there_is_said(page: sync_api.Page, url: str) -> None:
    assert ask(url, query="kangaroo parliament")["nothing_like_that"]
    page.goto(url + "/?q=kangaroo+parliament")
    expect(page.locator("#empty")).to_contain_text("Nothing here looks like that")
    page.get_by_role("button", name="Show the nearest all the same").click()
    expect_first(page, ids_of(ask(url, query="kangaroo parliament", unlikely=True))[:3])
    assert "unlikely=1" in page.url


def test_unknown_words_are_marked_and_corrected(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    search(page, "cat + rokcet")
    [unknown] = ask(url, query="cat + rokcet")["unknown_words"]
    expect(page.locator("#mirror mark")).to_have_text("rokcet")
    page.locator("#notes button").click()
    expect(page.locator("#q")).to_have_value(f"cat + {unknown['suggestion']}")
    expect(page.locator("#mirror mark")).to_have_count(0)
    expect(page.locator("#chips .chip")).to_have_count(2)


def test_suggestions_are_taken_by_keyboard(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    box = page.locator("#q")
    box.press_sequentially("cat + moto")
    expect(page.locator("#suggestions")).to_be_visible()
    option = page.locator(".option", has_text=re.compile("^motorcycle$")).first
    for _ in range(10):
        box.press("ArrowDown")
        if option.get_attribute("aria-selected") == "true":
            break
    assert box.get_attribute("aria-activedescendant") == option.get_attribute("id")
    box.press("Enter")
    expect(box).to_have_value("cat + motorcycle ")
    expect(page.locator("#suggestions")).to_be_hidden()
    expect_first(page, ids_of(ask(url, query="cat + motorcycle"))[:2])


def drag(page: sync_api.Page, source: sync_api.Locator, target: str) -> None:
    """Drag by hand: the place to drop on is there only while something is held."""
    source.hover()
    page.mouse.down()
    box = source.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2 + 15, box["y"] + box["height"] / 2 + 15)
    expect(page.locator(target)).to_be_visible()
    zone = page.locator(target).bounding_box()
    assert zone is not None
    for step in (1, 0):
        page.mouse.move(zone["x"] + zone["width"] / 2 + step, zone["y"] + zone["height"] / 2)
    page.mouse.up()
    expect(page.locator("#drop")).to_be_hidden()


def test_picture_minus_word_plus_word_by_dragging(page: sync_api.Page, url: str) -> None:
    coffee = id_of(url, "coffee.png")
    open_at(page, url, "/?q=temple+%2B+coffee&unlikely=1")
    expect(cell(page, coffee)).to_be_visible()
    drag(page, cell(page, coffee), "#drop-minus")
    query = f"temple + coffee - #{coffee}"
    expect(page.locator("#q")).to_have_value(query)
    expect_first(page, ids_of(ask(url, query=query, unlikely=True))[:3])
    drag(page, page.locator(".chip .word").nth(1), "#drop-minus")
    query = f"temple - coffee - #{coffee}"
    expect(page.locator("#q")).to_have_value(query)
    expect(page.locator(".chip.minus")).to_have_count(2)
    page.get_by_role("button", name="coffee counts against; change to for").click()
    page.get_by_role("button", name="Remove coffee.png").click()
    expect(page.locator("#q")).to_have_value("temple + coffee")


def test_slider_weighs_a_term(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat+%2B+rocket&unlikely=1")
    expect(page.locator(".chip")).to_have_count(2)
    slider = page.get_by_role("slider", name="Weight of rocket")
    slider.focus()
    for _ in range(15):
        slider.press("ArrowRight")
    expect(page.locator("#q")).to_have_value("cat + 2.5*rocket")
    expect(page.locator(".chip output").nth(1)).to_have_text("2.5×")
    expected = ids_of(ask(url, query="cat + 2.5*rocket", unlikely=True))[:5]
    assert expected != ids_of(ask(url, query="cat + rocket", unlikely=True))[:5]
    expect_first(page, expected)
    page.go_back()  # all the steps are one entry
    expect(page.locator("#q")).to_have_value("cat + rocket")


def test_words_of_a_term_come_apart(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat+rocket&unlikely=1")
    page.get_by_role("button", name="Split cat rocket into words").click()
    expect(page.locator("#q")).to_have_value("cat + rocket")
    expect(page.locator(".chip")).to_have_count(2)


def test_more_and_less_like_a_hit(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=rocket&unlikely=1")
    rocket, cat = id_of(url, "rocket.jpg"), id_of(url, "chelsea.png")
    cell(page, rocket).hover()
    cell(page, rocket).get_by_role("button", name="More like rocket.jpg").click()
    expect(page.locator("#q")).to_have_value(f"rocket + 0.5*#{rocket}")
    expect_first(page, ids_of(ask(url, query=f"rocket + 0.5*#{rocket}", unlikely=True))[:2])
    search(page, "cat")
    cell(page, cat).hover()
    cell(page, cat).get_by_role("button", name="Less like chelsea.png").click()
    expect(page.locator("#q")).to_have_value(f"cat - 0.5*#{cat}")
    expect(page.locator(".chip img")).to_have_count(1)


def test_a_file_is_a_query(page: sync_api.Page, url: str, library: Path, tmp_path: Path) -> None:
    coffee = id_of(url, "coffee.png")
    small = tmp_path / "cup.jpg"
    with Image.open(library.parent / "photos" / "coffee.png") as photo:
        photo.convert("RGB").resize((300, 200)).save(small)
    open_at(page, url, "/")
    page.locator("#file").set_input_files(small)
    expect(page.locator(".chip .picture")).to_have_text("cup.jpg")
    expect_first(page, [coffee])
    assert "@upload:" in page.locator("#q").input_value()
    cell(page, coffee).locator(".open").click()
    expect(page.locator(".part")).to_have_text(["cup.jpg100%"])
    page.keyboard.press("Escape")
    # The same by dropping it on the window.
    search(page, "cat")
    data = list(small.read_bytes())
    page.evaluate(
        "(bytes) => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], 'dropped.jpg', { type: 'image/jpeg' }));"
        " for (const type of ['dragenter', 'dragover', 'drop'])"
        "  document.getElementById('main').dispatchEvent(new DragEvent(type,"
        "   { dataTransfer: data, bubbles: true, cancelable: true })); }",
        data,
    )
    expect(page.locator(".chip")).to_have_count(2)
    expect(page.locator(".chip .picture")).to_have_text("dropped.jpg")
    page.locator("#file").set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture at all"}
    )
    expect(page.locator(".toast")).to_be_visible()
    expect(page.locator(".chip")).to_have_count(2)


def test_a_file_that_the_library_has_is_said_to_be_there_first(
    page: sync_api.Page, url: str, library: Path, tmp_path: Path
) -> None:
    coffee = id_of(url, "coffee.png")
    here = shutil.copy(library.parent / "photos" / "coffee.png", tmp_path / "renamed.png")
    open_at(page, url, "/")
    expect(page.locator("#copies")).to_be_hidden()
    page.locator("#file").set_input_files(here)
    told = page.locator("#copies a")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("You have this")
    expect(told).to_contain_text(str(library.parent / "photos" / "coffee.png"))
    expect(page.locator(".cell").first).to_be_visible()  # and what is nearest, whatever it is
    expect(page.locator("#grid .label").last).to_have_text("Weakly alike")
    assert cell(page, coffee).count() == 0
    told.click()
    expect(page.locator("#detail h2")).to_have_text("coffee.png")
    page.keyboard.press("Escape")
    search(page, "cat")
    expect(page.locator("#copies")).to_be_hidden()


def test_detail_shows_a_picture_and_closes_to_its_place(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat")
    first, second = ids_of(ask(url, query="cat"))[:2]
    cell(page, first).locator(".open").click()
    dialog = page.locator("#detail")
    expect(dialog).to_be_visible()
    known = httpx.get(f"{url}/api/v1/images/{first}").json()
    expect(dialog.locator("h2")).to_have_text(known["name"])
    expect(dialog.locator(".path")).to_have_text(known["path"])
    expect(dialog.locator(".facts")).to_contain_text(f"{known['width']} × {known['height']}")
    expect(dialog.locator(".similar img").first).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{url}/?q=cat&open={second}")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(f"{url}/?q=cat")
    expect(cell(page, second).locator(".open")).to_be_focused()
    page.go_forward()
    expect(dialog).to_be_visible()


def test_explanation_is_painted_over_the_picture(page: sync_api.Page, url: str) -> None:
    cat = id_of(url, "chelsea.png")
    held: list[sync_api.Route] = []

    def hold(route: sync_api.Route) -> None:
        held.append(route)

    page.route("**/caption", hold)
    page.goto(f"{url}/?q=cat+-+rocket&open={cat}")
    parts = page.locator(".part")
    explained = httpx.get(f"{url}/api/v1/images/{cat}/explain", params={"q": "cat - rocket"}).json()
    labels = [part["label"] for part in explained["parts"]]
    expect(parts).to_have_count(len(labels) + 1)  # and all of them together
    painted = (
        "() => { const c = document.querySelector('.overlay'); if (!c.width) return [];"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " let warm = 0, cold = 0; for (let i = 0; i < d.length; i += 4)"
        " { if (d[i] > d[i + 2] + 20) warm++; if (d[i + 2] > d[i] + 20) cold++; }"
        " return [warm, cold]; }"
    )
    # The caption comes last, and moves nothing that a pointer may rest on.
    place = parts.first.bounding_box()
    held[0].continue_()
    expect(page.locator("#detail .seen").first).to_be_visible()
    assert parts.first.bounding_box() == place
    pictures = []
    for index, label in enumerate(labels, 1):
        parts.nth(index).click()
        expect(parts.nth(index)).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".overlay")).to_have_attribute("data-shows", label)
        pictures.append(page.evaluate(painted))
        grid = explained["parts"][index - 1]["grid"]
        assert (pictures[-1][0] > 0) == any(v > 0.2 * _most(explained) for row in grid for v in row)
    assert pictures[0] != pictures[1]
    expect(page.locator(".legend")).to_be_visible()
    parts.nth(len(labels)).click()
    assert page.evaluate(painted) == [0, 0]


def test_a_filter_taken_back_before_its_answer_is_not_ticked(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    held: list[sync_api.Route] = []

    def hold(route: sync_api.Route) -> None:
        held.append(route)

    box = page.locator("[data-facet=shape][data-value=portrait]")
    expect(box).to_be_visible()
    page.route("**/api/v1/search", hold)
    box.check()
    page.go_back()
    expect(page).to_have_url(f"{url}/")
    for route in held:
        with contextlib.suppress(sync_api.Error):  # the first was given up
            route.continue_()
    page.unroute("**/api/v1/search")
    expect(box).not_to_be_checked()
    box.check()
    expect(page).to_have_url(f"{url}/?f.shape=portrait")


def _most(explained: dict[str, Any]) -> float:
    return float(max(abs(v) for part in explained["parts"] for row in part["grid"] for v in row))


def test_facets_filter_and_combine_with_the_query(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    facets = ask(url, **{"with": ["facets"]})["facets"]
    portrait = next(one for one in facets["shape"] if one["value"] == "portrait")
    box = page.locator("[data-facet=shape][data-value=portrait]")
    box.check()
    expect(page).to_have_url(f"{url}/?f.shape=portrait")
    expect(page.locator("#status")).to_contain_text(f"{portrait['count']} pictures")
    page.locator("[data-facet=year][data-value='2020']").check()
    filters = {"shape": ["portrait"], "year": [2020]}
    both = ids_of(ask(url, filters=filters))
    assert 0 < len(both) < portrait["count"]
    expect(page.locator("#status")).to_contain_text(f"{len(both)} pictures")
    expect_first(page, both[:5])
    search(page, "colour")
    expect(page.locator(".chip")).to_have_count(1)
    answer = ask(url, query="colour", filters=filters)
    if answer["nothing_like_that"]:
        page.get_by_role("button", name="Show the nearest all the same").click()
        answer = ask(url, query="colour", filters=filters, unlikely=True)
    expect_first(page, ids_of(answer))
    page.get_by_role("button", name="Remove the filter Year: 2020").click()
    expect(page).to_have_url(re.compile("f.shape=portrait"))
    expect(page.locator("#chosen .chosen")).to_have_count(1)


def test_sorting_by_date_groups_by_month(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    page.locator("#sort").select_option("oldest")
    oldest = ask(url, sort="oldest")["hits"]
    expect_first(page, [hit["id"] for hit in oldest[:4]])
    first = dt.datetime.fromisoformat(oldest[0]["taken_at"])
    heading = page.locator(".heading").first.get_by_role("gridcell").first
    expect(heading).to_have_text(f"{first:%B %Y}")


def test_tags_are_accepted_added_and_removed(page: sync_api.Page, url: str) -> None:
    flower = id_of(url, "flower.jpg")
    page.goto(f"{url}/?open={flower}")
    tags = page.locator(".taglist")
    tags.get_by_role("button", name="more guesses").click()
    guess = tags.locator(".guess .name").first
    expect(guess).to_be_visible()
    name = re.sub(r" \d+%$", "", guess.inner_text())
    page.get_by_role("button", name=f"Accept the tag {name}", exact=True).click()
    expect(tags.locator(".user .name", has_text=re.compile(f"^{re.escape(name)}$"))).to_be_visible()
    page.get_by_label("New tag").fill("<b>mine</b>")
    page.get_by_label("New tag").press("Enter")
    expect(tags.locator(".user .name", has_text="<b>mine</b>")).to_be_visible()
    stored = httpx.get(f"{url}/api/v1/images/{flower}").json()["tags"]
    assert {"<b>mine</b>", name} <= {tag["name"] for tag in stored if tag["source"] == "user"}
    page.get_by_role("button", name="Remove the tag <b>mine</b>").click()
    expect(tags.locator(".name", has_text="<b>mine</b>")).to_have_count(0)
    tags.locator(".user .name").first.click()
    expect(page.locator(".chip.filter .word")).to_have_text(f"tag: {name}")
    expect_first(page, [flower])


def test_selection_is_exported(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    shown = ids_of(ask(url))
    page.locator('.cell[data-index="1"] .pick').check(force=True)
    page.locator('.cell[data-index="4"] .pick').click(modifiers=["Shift"], force=True)
    bar = page.locator("#selection")
    expect(bar).to_contain_text("4 selected")
    files = {}
    for form in ("JSON", "CSV", "Zip"):
        with page.expect_download(timeout=WAIT) as download:
            bar.get_by_role("button", name=form).click()
        files[form] = Path(download.value.path()).read_bytes()
    listed = json.loads(files["JSON"])["pictures"]
    assert [one["id"] for one in listed] == shown[1:5]
    rows = list(csv.DictReader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert [int(row["id"]) for row in rows] == shown[1:5]
    with zipfile.ZipFile(io.BytesIO(files["Zip"])) as archive:
        names = set(archive.namelist()) - {"pictures.csv", "pictures.json"}
        zipped = sorted(archive.read(name) for name in names)
    assert zipped == sorted(Path(one["path"]).read_bytes() for one in listed)
    bar.get_by_role("button", name="Tag").click()
    page.get_by_label("Tag", exact=True).fill("chosen")
    page.get_by_label("Tag", exact=True).press("Enter")
    expect(page.locator(".toast")).to_contain_text("4 pictures tagged chosen")
    assert sorted(ids_of(ask(url, query="tag:chosen"))) == sorted(shown[1:5])


def test_keyboard_alone_is_enough(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    page.keyboard.press("/")
    page.keyboard.type("colour")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expected = ids_of(ask(url, query="colour", limit=60))
    assert len(expected) > 2
    expect_first(page, expected[:3])  # rows far below are not in the document
    page.keyboard.press("ArrowDown")
    expect(cell(page, expected[0]).locator(".open")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cell(page, expected[1]).locator(".open")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    for _ in range(40):  # the keyboard cannot leave the dialog
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body"
            " || document.getElementById('detail').contains(document.activeElement)"
        )
    page.keyboard.press("Escape")
    expect(cell(page, expected[1]).locator(".open")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_contain_text("1 selected")
    page.keyboard.press("Control+a")
    expect(page.locator("#selection")).to_contain_text(f"{len(expected)} selected")
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    page.keyboard.press("-")
    expect(page.locator("#q")).to_have_value(f"colour - 0.5*#{expected[1]}")


def test_scrolling_shows_everything_once_and_comes_back(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    total = len(ids_of(ask(url)))
    assert total > DRAWN > 60
    seen: set[str] = set()
    for _ in range(60):
        shown = page.locator(".cell").evaluate_all("all => all.map((one) => one.dataset.id)")
        assert len(shown) == len(set(shown))
        seen |= set(shown)
        if len(seen) == total:
            break
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(150)
    assert len(seen) == total
    place = page.evaluate("scrollY")
    assert place > 400
    page.wait_for_timeout(400)  # the place is noted once scrolling has stopped
    search(page, "cat")
    expect(page.locator(".chip")).to_have_count(1)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#more")).to_be_hidden()
    page.wait_for_timeout(300)
    assert abs(page.evaluate("scrollY") - place) < 5


def test_map_shows_pictures_and_adds_words(page: sync_api.Page, url: str) -> None:
    page.goto(url + "/map")
    words = page.locator(".landmark")
    expect(words.first).to_be_visible(timeout=4 * WAIT)  # the first map takes its time
    expect(page.locator(".near header")).to_contain_text(f"{len(PHOTOS) + 3 + DRAWN} pictures")
    word = words.first.get_attribute("data-word")
    drag(page, words.first, "#drop-plus")
    expect(page.locator("#q")).to_have_value(str(word))
    canvas = page.locator("#view-map canvas")
    canvas.focus()
    canvas.press("+")
    canvas.press("Enter")
    expect(page.locator("#detail h2")).to_be_visible()
    assert re.search(r"/map\?q=.*open=\d+", page.url)


def test_recipes_by_words_and_by_dish(page: sync_api.Page, url: str, library: Path) -> None:
    page.goto(url + "/recipes")
    expect(page.locator(".card")).to_have_count(2)
    page.locator("[name=with]").fill("milk")
    expect(page.locator(".card strong")).to_have_text(["Flat white"])
    page.locator("[name=with]").fill("")
    page.locator("[name=q]").fill("soup with lentils")
    expect(page.locator(".card strong").first).to_have_text("Lentil soup")
    page.locator(".card").first.click()
    expect(page.locator(".recipe h2")).to_have_text("Lentil soup")
    expect(page.locator(".ingredients li")).to_have_text(["200 g lentils", "1 onion"])
    expect(page.locator(".dishes img").first).to_be_visible()
    coffee = library.parent / "photos" / "coffee.png"
    page.locator("#view-recipes input[type=file]").set_input_files(coffee)
    expect(page.locator(".dish .name")).to_have_text("coffee.png")
    nearest = httpx.get(
        f"{url}/api/v1/recipes", params={"image_id": id_of(url, "coffee.png"), "limit": 40}
    ).json()["hits"]
    expect(page.locator(".card strong")).to_have_text([hit["title"] for hit in nearest])
    page.locator("[name=without]").fill("coffee")
    expect(page.locator(".card strong")).to_have_text(["Lentil soup"])


def test_evil_names_stay_text(page: sync_api.Page, url: str) -> None:
    evil = id_of(url, EVIL)
    page.goto(f"{url}/?q=cat&open={evil}")
    expect(page.locator("#detail h2")).to_have_text(EVIL)
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".chip .picture")).to_have_text(EVIL)
    assert page.locator("img[src=x]").count() == 0


def test_an_index_run_is_started_and_shown(page: sync_api.Page, url: str, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    Image.radial_gradient("L").save(new / "ring.png")
    open_at(page, url, "/")
    page.get_by_role("button", name="Index a folder").click()
    page.get_by_label("Folder", exact=True).fill(str(tmp_path / "absent"))
    page.get_by_role("button", name="Index", exact=True).click()
    expect(page.locator("#sheet .problem")).to_contain_text("absent")
    page.get_by_label("Folder", exact=True).fill(str(new))
    page.get_by_role("button", name="Index", exact=True).click()
    expect(page.locator("#jobs")).to_contain_text(str(new))
    expect(page.locator(".toast")).to_contain_text("1 new", timeout=4 * WAIT)
    expect(page.locator("#jobs")).to_be_hidden()
    assert id_of(url, "ring.png")
