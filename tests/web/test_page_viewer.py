"""Looking at one picture: zoom, pan, swipe, full screen, and why it was found, in words."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright import sync_api

from tests.support.page import ask, cell, expect, ids_of, open_at
from tests.support.served import tab_of

PHONE = {"width": 390, "height": 844}
PLACE = (
    "() => { const b = document.querySelector('.frame').getBoundingClientRect();"
    " return [b.left, b.top, b.width]; }"
)


def opened(page: sync_api.Page, url: str, query: str = "cat") -> int:
    """Open the best picture of a query and return its number."""
    [id_, *_] = ids_of(ask(url, query=query))
    page.goto(f"{url}/?q={query}&open={id_}")
    expect(page.locator(".frame .picture")).to_be_visible()
    return id_


def test_wheel_and_double_click_zoom_and_a_drag_moves(page: sync_api.Page, url: str) -> None:
    opened(page, url)
    left, top, width = page.evaluate(PLACE)
    x, y = left + width / 4, top + 60
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    expect(page.locator(".stage")).to_have_class(re.compile("zoomed"))
    larger = page.evaluate(PLACE)
    by = larger[2] / width
    assert by > 1.5
    # What was under the pointer still is.
    assert (x - larger[0]) / by == pytest.approx(x - left, abs=2)
    assert (y - larger[1]) / by == pytest.approx(y - top, abs=2)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=4)
    page.mouse.up()
    moved = page.evaluate(PLACE)
    assert moved[0] - larger[0] == pytest.approx(30, abs=2)
    expect(page.locator("#drop")).to_be_hidden()
    page.keyboard.press("Escape")  # first what is enlarged, then the dialog
    assert page.evaluate(PLACE) == pytest.approx([left, top, width])
    page.mouse.dblclick(x, y)
    assert page.evaluate(PLACE)[2] == pytest.approx(2.5 * width, rel=0.01)
    page.mouse.dblclick(x, y)
    assert page.evaluate(PLACE)[2] == pytest.approx(width)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()


def test_keys_zoom_and_arrows_move_what_is_zoomed(page: sync_api.Page, url: str) -> None:
    id_ = opened(page, url)
    page.keyboard.press("+")
    page.keyboard.press("+")
    before = page.evaluate(PLACE)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(PLACE)[0] < before[0]
    expect(page).to_have_url(re.compile(f"open={id_}$"))
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    expect(page).not_to_have_url(re.compile(f"open={id_}$"))
    assert page.locator(".stage").get_attribute("data-zoom") == "1.00"


def test_keys_are_heard_wherever_the_keyboard_is(page: sync_api.Page, url: str) -> None:
    ids = ids_of(ask(url, query="cat", unlikely=True))
    page.goto(f"{url}/?q=cat&unlikely=1&open={ids[0]}")
    expect(page.locator(".frame .picture")).to_be_visible()

    def expect_after(key: str, id_: int) -> None:
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(f"open={id_}$"))
        expect(page.locator("#detail .facts")).to_be_visible()

    for id_ in ids[1:4]:
        expect_after("ArrowRight", id_)
    page.locator(".stage").click(position={"x": 80, "y": 300})  # beside all that takes the keyboard
    expect_after("ArrowLeft", ids[2])
    page.get_by_role("button", name="Next picture").click()
    expect_after("ArrowRight", ids[4])
    along = page.locator("#detail .similar a")
    into = [
        int(str(link.get_attribute("href")).rpartition("=")[2])
        for link in (along.nth(1), along.nth(2))
    ]
    along.nth(1).click()
    expect(page).to_have_url(re.compile(f"open={into[0]}$"))
    expect(page.locator("#detail h2")).to_be_focused()
    expect_after("ArrowRight", into[1])


def test_a_phone_swipes_pinches_and_fills_the_screen(browser: sync_api.Browser, url: str) -> None:
    with tab_of(browser, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        shown = ids_of(ask(url))
        open_at(page, url, "/")
        page.locator('.cell[data-index="1"] .open').tap()
        expect(page.locator(".frame .picture")).to_be_visible()
        touch = page.context.new_cdp_session(page)

        def touches(kind: str, *points: tuple[float, float]) -> None:
            at = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        def swipe(start: float, end: float) -> None:
            touches("touchStart", (start, 200))
            for step in range(1, 6):
                touches("touchMove", (start + (end - start) * step / 5, 202))
            page.wait_for_timeout(200)  # no fling, which the next tap would only stop
            touches("touchEnd")

        swipe(300, 80)
        expect(page).to_have_url(re.compile(f"open={shown[2]}$"))
        expect(page.locator(".frame .picture")).to_be_visible()
        swipe(80, 300)
        expect(page).to_have_url(re.compile(f"open={shown[1]}$"))
        expect(page.locator(".frame .picture")).to_be_visible()
        width = page.evaluate(PLACE)[2]
        touches("touchStart", (170, 200), (220, 200))
        for apart in (40, 60, 80, 100):
            touches("touchMove", (195 - apart, 200), (195 + apart, 200))
        touches("touchEnd")
        assert page.evaluate(PLACE)[2] > 2 * width
        swipe(300, 80)  # moves what is enlarged
        expect(page).to_have_url(re.compile(f"open={shown[1]}$"))
        page.get_by_role("button", name="Full screen").tap()
        stage = page.locator(".stage")
        expect(stage).to_have_class(re.compile("whole"))
        page.wait_for_function("document.querySelector('.stage').clientHeight === innerHeight")
        page.get_by_role("button", name="Next picture").tap()
        expect(page).to_have_url(re.compile(f"open={shown[2]}$"))
        expect(stage).to_have_class(re.compile("whole"))
        page.get_by_role("button", name="Full screen").tap()
        expect(page.locator("#detail h2")).to_be_visible()


def test_a_match_is_told_in_words(page: sync_api.Page, url: str) -> None:
    id_ = opened(page, url)
    [hit] = [hit for hit in ask(url, query="cat")["hits"] if hit["id"] == id_]
    words = page.locator("#detail .match")
    if hit["match"] >= 0.9:
        expect(words).to_have_text(f"{hit['band'].title()}: more than 9 in 10 like it are right")
    else:
        expect(words).to_have_text(
            f"{hit['band'].title()}: {round(10 * hit['match'])} in 10 like it are right"
        )
    # A lone word stands there once, with all of the share.
    expect(page.locator(".part")).to_have_text(["cat100%"])


def test_small_words_are_folded_and_a_word_that_gives_nothing_says_so(
    page: sync_api.Page, url: str
) -> None:
    [id_, *_] = ids_of(ask(url, query="cat"))
    query = "the cat on a %s"
    # Words that the model knows; the first that is not in the picture at all is asked for.
    for word in ("spreadsheet", "invoice", "algebra", "parliament", "molecule", "senate"):
        told = httpx.get(f"{url}/api/v1/images/{id_}/explain", params={"q": query % word}).json()
        given = sum(abs(part["share"]) for part in told["parts"])
        shares = {part["label"]: part["share"] / given for part in told["parts"]}
        if abs(shares.get(word, 1)) < 0.05:
            break
    else:
        pytest.skip("the model finds something of each word")
    page.goto(f"{url}/?q={(query % word).replace(' ', '+')}&open={id_}&unlikely=1")
    shown = page.locator(".part:visible")
    expect(shown.first).to_be_visible()
    small = [label for label in shares if label in {"the", "on", "a"}]
    assert not set(small) & {text.rstrip("0123456789%-") for text in shown.all_inner_texts()}
    page.locator(".part", has_text=word).click()
    expect(page.locator(".nothing")).to_contain_text(f"{word} gave nothing")
    expect(page.locator(".legend")).to_be_hidden()
    page.locator(".part", has_text="cat").click()
    expect(page.locator(".nothing")).to_have_text("")
    expect(page.locator(".legend")).to_be_visible()
    if small:
        page.locator(".parts .rest").click()
        expect(page.locator(".part", has_text=re.compile(f"^{small[0]}"))).to_be_visible()


def test_a_word_that_is_subtracted_has_its_sign(page: sync_api.Page, url: str) -> None:
    [id_, *_] = ids_of(ask(url, query="cat - rocket", unlikely=True))
    page.goto(f"{url}/?q=cat+-+rocket&unlikely=1&open={id_}")
    expect(page.locator(".part")).to_have_text(["all", re.compile("^cat"), re.compile("^− rocket")])


def test_no_buttons_lie_over_narrow_pictures(browser: sync_api.Browser, url: str) -> None:
    with tab_of(browser, url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        open_at(page, url, "/?q=cat&unlikely=1")
        narrow, wide = page.locator(".cell.narrow"), page.locator(".cell:not(.narrow)")
        expect(narrow.first).to_be_visible()
        expect(narrow.locator(".likes").first).to_be_hidden()
        expect(wide.locator(".likes").first).to_be_visible()
        expect(page.locator("#select")).to_have_text("Select")


def test_select_has_a_name_and_lets_clicks_select(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    page.get_by_role("button", name="Select", exact=True).click()
    [id_, *_] = ids_of(ask(url))
    cell(page, id_).locator(".open").click()
    expect(page.locator("#selection")).to_contain_text("1 selected")


def test_all_that_a_camera_says_is_shown(page: sync_api.Page, url: str) -> None:
    [id_, *_] = ids_of(ask(url, query="cat"))
    said = {"camera": "Canon Canon EOS 5D", "lens": "EF 50mm", "focal": 50.0, "iso": 400}
    said |= {"aperture": 1.8, "shutter": 0.004, "keywords": ["a", "<b>b</b>"], "rating": 4}
    said |= {"damage": "the file ends too early"}
    said |= {"description": "My cat", "place": "Seoul", "lat": 37.5, "lon": 127.0}

    def tell(route: sync_api.Route) -> None:
        route.fulfill(json=route.fetch().json() | said)

    page.route(f"**/api/v1/images/{id_}", tell)  # no file of the library says so much
    page.goto(f"{url}/?open={id_}")
    facts = page.locator("#detail .facts")
    expect(facts).to_contain_text("1/250 s · f/1.8 · ISO 400 · 50 mm")
    shown = dict(
        line.split("\n", maxsplit=1) for line in facts.locator("dl > div").all_inner_texts()
    )
    assert shown["Camera"] == "Canon EOS 5D"
    assert shown["Lens"] == "EF 50mm"
    assert shown["Keywords"] == "a, <b>b</b>"
    assert shown["Place"] == "Seoul · 37.50000, 127.00000"
    assert shown["Rating"] == "★★★★"
    assert shown["Damage"] == "the file ends too early"
    assert shown["Text"] == "My cat"
