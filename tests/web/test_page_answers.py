"""What the page shows is the answer to what it was asked last: no older one, no older filters."""

from __future__ import annotations

import json
import re

import pytest
from playwright import sync_api

from tests.support.page import ask, expect, expect_first, ids_of, open_at, search


@pytest.mark.parametrize("query", ['"', "dog - ", 'tag:"', "5*", "rokcet", "#999999", "#1 - #1"])
def test_a_failed_query_keeps_nothing_of_the_answer_before(
    page: sync_api.Page, url: str, query: str
) -> None:
    open_at(page, url, "/?q=cat+-+flower&unlikely=1")
    expect(page.locator(".chip")).to_have_count(2)
    search(page, query)
    expect(page.locator("#empty .big")).to_be_visible()
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#select")).to_be_hidden()
    for kept in (".chip", ".cell", "#facets .count", "#notes p", "#save-search"):
        expect(page.locator(kept)).to_have_count(0)
    expect(page.locator("#status")).to_have_text("")
    search(page, "cat")
    expect(page.locator("#empty")).to_be_hidden()
    expect_first(page, ids_of(ask(url, query="cat"))[:1])


def test_a_query_that_is_on_its_way_is_said_to_be_wrong_only_in_the_end(
    page: sync_api.Page, url: str
) -> None:
    open_at(page, url, "/?q=cat")
    asked: list[str] = []

    def note(request: sync_api.Request) -> None:
        if request.url.endswith("/api/v1/search"):
            asked.append(json.loads(request.post_data or "{}")["query"])

    page.on("request", note)
    page.locator("#q").press("End")
    page.locator("#q").press_sequentially(" - rocket", delay=20)
    expect(page.locator(".chip")).to_have_count(2)
    assert "cat -" not in [query.strip() for query in asked]
    page.locator("#q").press_sequentially(" -")
    expect(page.locator("#empty")).to_contain_text("This cannot be read as a query")


def test_the_spelling_that_is_suggested_is_one_click_away(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    search(page, "rokcet")
    page.locator("#empty").get_by_role("button", name="rocket").click()
    expect(page.locator("#q")).to_have_value("rocket")
    expect_first(page, ids_of(ask(url, query="rocket"))[:1])


def test_a_picture_is_added_to_the_text_of_a_failed_query(page: sync_api.Page, url: str) -> None:
    [id_, *_] = ids_of(ask(url, query="cat"))
    page.goto(f"{url}/?q=dog+-&open={id_}")
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#q")).to_have_value(f"dog + 0.5*#{id_}")


def test_an_answer_that_comes_late_is_not_shown(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/")
    held: list[sync_api.Route] = []

    def hold(route: sync_api.Route) -> None:
        if json.loads(route.request.post_data or "{}").get("query") == "rocket":
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/v1/search", hold)
    search(page, "rocket")
    page.wait_for_timeout(200)
    search(page, "cat")
    expected = ids_of(ask(url, query="cat"))
    expect_first(page, expected[:1])
    for route in held:
        try:
            route.continue_()
        except sync_api.Error:
            continue  # the page has given it up
    page.wait_for_timeout(500)
    assert held
    expect_first(page, expected[:1])
    expect(page.locator(".chip .word")).to_have_text(re.compile("cat"))


def test_a_server_that_does_not_answer_leaves_no_old_answer(page: sync_api.Page, url: str) -> None:
    open_at(page, url, "/?q=cat")
    page.route("**/api/v1/search", lambda route: route.abort())
    search(page, "rocket")
    expect(page.locator("#empty")).to_contain_text("The server does not answer")
    expect(page.locator(".cell")).to_have_count(0)
    page.unroute("**/api/v1/search")
    page.locator("#empty").get_by_role("button", name="Try again").click()
    expect_first(page, ids_of(ask(url, query="rocket"))[:1])


def test_a_similar_picture_is_one_step_further(page: sync_api.Page, url: str) -> None:
    first = ids_of(ask(url, query="cat"))[0]
    open_at(page, url, "/?q=cat")
    page.locator(f'.cell[data-id="{first}"] .open').click()
    page.locator("#detail .similar a").last.click()
    expect(page).not_to_have_url(f"{url}/?q=cat&open={first}")
    page.go_back()
    expect(page).to_have_url(f"{url}/?q=cat&open={first}")
    expect(page.locator("#detail")).to_be_visible()
    page.locator("#detail .similar a").last.click()
    expect(page).not_to_have_url(f"{url}/?q=cat&open={first}")
    page.keyboard.press("Escape")  # closes at once, not step by step
    expect(page.locator("#detail")).to_be_hidden()
    expect(page).to_have_url(f"{url}/?q=cat")
    expect(page.locator(f'.cell[data-id="{first}"] .open')).to_be_focused()


def test_arrows_work_on_a_fresh_page_and_skipping_leads_to_pictures(
    page: sync_api.Page, url: str
) -> None:
    open_at(page, url, "/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".cell .open").first).to_be_focused()
    page.reload()
    expect(page.locator(".cell").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".cell .open").first).to_be_focused()


def test_what_recipes_need_is_in_the_address(page: sync_api.Page, url: str) -> None:
    page.goto(url + "/recipes")
    page.locator("[name=with]").fill("milk")
    expect(page).to_have_url(f"{url}/recipes?with=milk")
    page.reload()
    expect(page.locator("[name=with]")).to_have_value("milk")
    expect(page.locator(".card strong")).to_have_text(["Flat white"])
    # What pictures are asked for by says nothing of recipes.
    page.goto(url + "/recipes?q=milk")
    expect(page.locator(".card strong").first).to_be_visible()
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator("#chips")).to_be_hidden()
    page.locator("nav [data-view='/']").click()
    expect(page.locator("#chips")).to_be_visible()


def test_an_original_that_is_gone_is_said_to_be(page: sync_api.Page, url: str) -> None:
    [id_, *_] = ids_of(ask(url, query="cat"))
    page.route(re.compile(r"/images/\d+/(file|thumb)"), lambda route: route.abort())
    page.goto(f"{url}/?open={id_}")
    expect(page.locator("#detail .gone[role=status]")).to_be_visible()
    expect(page.locator(".stage")).to_contain_text("There is no picture to show")
    expect(page.locator("#detail .actions [aria-disabled]")).to_have_text("Original")


def test_filters_in_the_text_are_chips_and_a_hint_says_what_was_not_one(
    page: sync_api.Page, url: str
) -> None:
    open_at(page, url, "/")
    search(page, "year:2019|2020 - month:1")
    wanted = ids_of(ask(url, query="year:2019|2020 - month:1"))
    assert 0 < len(wanted) < len(ids_of(ask(url, query="year:2019|2020")))
    expect(page.locator(".chip.filter .word")).to_have_text(["year: 2019|2020", "month: 1"])
    expect_first(page, wanted[:3])
    page.locator(".chip.filter .sign").last.click()
    expect(page.locator("#q")).to_have_value("year:2019|2020 + month:1")
    query = "cat format:png"
    [hint, *_] = ask(url, query=query)["hints"]
    search(page, query)
    expect(page.locator("#notes")).to_contain_text(hint)
