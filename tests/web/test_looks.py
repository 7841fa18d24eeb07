"""The page for everybody: accessible in both colour schemes, on a phone, light, and at home."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from playwright import sync_api

from tests.support.accessibility import complaints
from tests.support.browser import CHROMIUM
from tests.support.served import serving, tab_of
from tests.support.weight import MOST, weigh
from tests.support.weight import VIEWS as WEIGHED

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs chromium", allow_module_level=True)
pytest.importorskip("axe_playwright_python")
pytest.importorskip("fastapi")

expect = sync_api.expect

WAIT = 30_000
STATIC = Path(__file__).parents[2] / "searchengine" / "web" / "page" / "static"
VIEWS = {
    "all": ("/", ".cell"),
    "by date": ("/?sort=newest", "#timeline [role=slider]"),
    "answer": ("/?q=cat+-+rokcet+-+tag:x&unlikely=1", ".chip"),
    "nothing": ("/?q=kangaroo+parliament", "#empty"),
    "detail": ("/?q=cat&open=1", ".taglist"),
    "map": ("/map", ".landmark"),
    "world": ("/world", ".near h2"),
    "recipes": ("/recipes?text=1", ".recipe h2"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(
    browser: sync_api.Browser, url: str, view: str, scheme: str
) -> None:
    address, ready = VIEWS[view]
    with tab_of(browser, url, color_scheme=scheme, bypass_csp=True) as tab:
        tab.goto(url + address)
        expect(tab.locator(ready).first).to_be_visible()
        tab.wait_for_timeout(500)
        assert complaints(tab) == []
        tab.set_viewport_size({"width": 390, "height": 844})
        tab.wait_for_timeout(300)
        assert complaints(tab) == []


def test_axe_finds_nothing_serious_in_what_opens(browser: sync_api.Browser, url: str) -> None:
    size = {"width": 390, "height": 844}
    with tab_of(browser, url, viewport=size, bypass_csp=True) as tab:
        tab.goto(url)
        expect(tab.locator(".cell").first).to_be_visible()
        tab.locator("#open-facets").click()
        tab.wait_for_timeout(500)
        assert complaints(tab) == []
        tab.keyboard.press("Escape")
        tab.locator("#help-button").click()
        assert complaints(tab) == []
        tab.keyboard.press("Escape")
        tab.locator("#q").press_sequentially("mot")
        expect(tab.locator(".option").first).to_be_visible()
        assert complaints(tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_what_is_asked(
    browser: sync_api.Browser, url: str, scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    with tab_of(browser, url, viewport=size, color_scheme=scheme, bypass_csp=True) as tab:
        tab.goto(f"{url}/?q=cat")
        expect(tab.locator(".cell").first).to_be_visible()
        for name, ready in (("Index a folder", ".folders li"), ("Save this search", "#sheet form")):
            tab.locator("#open-facets").click()
            tab.get_by_role("button", name=name).click()
            expect(tab.locator(ready).first).to_be_visible()
            tab.wait_for_timeout(300)
            assert complaints(tab) == []
            tab.keyboard.press("Escape")
            expect(tab.locator("#sheet")).to_be_hidden()
            tab.keyboard.press("Escape")
        tab.locator(".cell .open").first.click()
        expect(tab.locator(".match")).to_be_visible()
        tab.get_by_role("button", name="Full screen").click()
        tab.wait_for_timeout(300)
        assert complaints(tab) == []


def test_axe_finds_nothing_serious_in_an_empty_library(
    browser: sync_api.Browser, tmp_path: Path
) -> None:
    with serving(tmp_path / "library") as empty:
        for scheme in ("light", "dark"):
            with tab_of(browser, empty, color_scheme=scheme, bypass_csp=True) as tab:
                tab.goto(empty)
                expect(tab.locator(".places li").first).to_be_visible()
                tab.wait_for_timeout(300)
                assert complaints(tab) == []


def test_theme_switch_outlives_a_reload(browser: sync_api.Browser, url: str) -> None:
    with tab_of(browser, url, color_scheme="light") as tab:
        tab.goto(url)
        paper = "getComputedStyle(document.body).backgroundColor"
        light = tab.evaluate(paper)
        for name in ("light", "dark"):
            tab.locator("#theme").click()
            expect(tab.locator("#theme")).to_have_attribute("aria-label", f"Colours: {name}")
        dark = tab.evaluate(paper)
        assert dark != light
        tab.reload()
        assert tab.evaluate(paper) == dark
        expect(tab.locator("#theme")).to_have_attribute("aria-label", "Colours: dark")


@pytest.mark.parametrize(
    "address", ["/", "/?q=cat+-+rocket", "/map", "/world", "/recipes?text=1", "/?open=1"]
)
def test_nothing_is_wider_than_a_phone(browser: sync_api.Browser, url: str, address: str) -> None:
    with tab_of(browser, url, viewport={"width": 390, "height": 844}) as tab:
        tab.goto(url + address)
        tab.wait_for_timeout(1500)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_phone_filters_and_selects(browser: sync_api.Browser, url: str) -> None:
    size = {"width": 390, "height": 844}
    with tab_of(browser, url, viewport=size, has_touch=True, is_mobile=True) as tab:
        tab.goto(url)
        expect(tab.locator(".cell").first).to_be_visible()
        assert not tab.locator("#facets").is_visible()
        tab.locator("#open-facets").tap()
        expect(tab.locator("#facets")).to_be_visible()
        tab.locator("[data-facet=shape][data-value=portrait]").tap()
        tab.get_by_role("button", name="Close the filters").tap()
        expect(tab.locator("#facets")).to_be_hidden()
        expect(tab.locator(".chosen")).to_have_text("Portrait")
        tab.locator("#select").tap()
        tab.locator('.cell[data-index="2"] .open').tap()
        expect(tab.locator("#selection")).to_contain_text("1 selected")
        tab.locator("#select").tap()
        tab.locator('.cell[data-index="2"] .open').tap()
        expect(tab.locator("#detail")).to_be_visible()
        tab.get_by_role("button", name="Close", exact=True).tap()
        expect(tab.locator("#detail")).to_be_hidden()
        # However many pictures there are, filters and order stand in one line.
        tab.locator("#status").evaluate("node => { node.textContent = '123,456 pictures'; }")
        tops = [tab.locator(name).bounding_box() for name in ("#open-facets", "#sort", "#select")]
        middles = {round(box["y"] + box["height"] / 2) for box in tops if box is not None}
        assert max(middles) - min(middles) <= 2


@pytest.mark.parametrize("view", WEIGHED)
@pytest.mark.parametrize("language", ["en", "ja"])  # whose texts are longest
def test_every_view_is_light(browser: sync_api.Browser, url: str, view: str, language: str) -> None:
    weights = weigh(browser, url + WEIGHED[view], locale=language)
    assert any(address.endswith("/main.js") for address in weights)
    assert sum(weights.values()) < MOST, json.dumps(weights, indent=1)


def test_scripts_of_a_view_come_early(browser: sync_api.Browser, url: str) -> None:
    """None of those that a view imports before it runs is found by running another one."""
    from searchengine.web.page import pages

    for view, address in WEIGHED.items():
        with tab_of(browser, url) as tab:
            tab.goto(url + address)
            tab.wait_for_timeout(300)
            named = tab.locator("link[rel=modulepreload]").evaluate_all(
                "all => all.map((one) => one.href)"
            )
        [module] = pages.MODULES[address.partition("?")[0]]
        source = (STATIC / "main.js").read_text(encoding="utf-8")
        assert f'import("./{module}")' in source
        assert {name.rpartition("/")[2] for name in named} >= imported_by(module), view


def imported_by(name: str) -> set[str]:
    """Return what a script imports in a statement, and what that imports."""
    source = (STATIC / name).read_text(encoding="utf-8")
    direct = set(re.findall(r'^import .*"\./(.*)";$', source, re.MULTILINE))
    return {name}.union(*(imported_by(other) for other in direct)) if direct else {name}


def test_no_markup_is_made_of_text() -> None:
    sources = {file.name: file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")}
    assert "el(" in sources["dom.js"]
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(")
    assert [name for name, text in sources.items() if forbidden.search(text)] == []


LAYOUT = """
async ([widths, shapes, groups, pieces, base]) => {
  const { Layout, GAP } = await import(base + "/layout.js");
  return widths.map((width) => {
    const items = shapes.map(([w, h], i) => ({ width: w, height: h, group: groups[i] }));
    const layout = new Layout(width, 200, (item) => item.group);
    for (let to = pieces; to < items.length + pieces; to += pieces) {
      layout.extend(items.slice(0, to), to >= items.length);
    }
    const whole = new Layout(width, 200, (item) => item.group);
    whole.extend(items, true);
    return { rows: layout.rows, whole: whole.rows, gap: GAP, height: layout.height };
  });
}
"""


def test_rows_hold_every_picture_once_and_fill_the_width(
    browser: sync_api.Browser, url: str
) -> None:
    shapes = [(100 + 37 * n % 900, 100 + 53 * n % 700) for n in range(400)]
    groups = ["", *("a" for _ in range(180)), *("b" for _ in range(219))]  # b: as a piece ends
    widths = [300, 741, 1500]
    with tab_of(browser, url) as tab:
        tab.goto(url)
        base = tab.locator("script[type=module]").get_attribute("src").rsplit("/", 1)[0]
        laid = tab.evaluate(LAYOUT, [widths, shapes, groups, 61, base])
    for width, one in zip(widths, laid, strict=True):
        assert one["rows"] == one["whole"]  # page by page or all at once
        pictures = [row for row in one["rows"] if not row["label"]]
        placed = [n for row in pictures for n in range(row["from"], row["to"])]
        assert placed == list(range(400))
        assert [row["label"] for row in one["rows"] if row["label"]] == ["a", "b"]
        for row, below in zip(one["rows"], one["rows"][1:], strict=False):
            assert below["top"] >= row["top"] + row["height"] - 1e-6
        ends = {n for n, _ in enumerate(pictures) if pictures[n]["to"] in {1, 181, 400}}
        for n, row in enumerate(pictures):
            across = sum(row["widths"]) + one["gap"] * (len(row["widths"]) - 1)
            assert across <= width + 1e-6
            if n not in ends:
                assert across == pytest.approx(width)
