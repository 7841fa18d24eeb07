"""The page's own texts: every key in every language, and no text of the page outside of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from searchengine.web.page.locale import LOCALES, NAMES
from searchengine.web.page.pages import INNER, STATIC, VIEWS
from tests.support.browser import CHROMIUM, launched
from tests.support.served import make_library, serving

TEMPLATES = sorted((STATIC.parent / "templates").glob("*.html"))
CALL = re.compile(r'(?<![\w.$])(?:t|filled)\(\s*"((?:[^"\\]|\\.)*)"')
PLURAL = re.compile(r'(?<![\w.$])plural\([^"]*?"([^"]*)", "([^"]*)"')
MARKED = re.compile("⟦[^⟦⟧]*⟧")


def keys() -> set[str]:
    """Return the English texts that template and scripts ask for."""
    found = {*VIEWS.values(), *INNER.values()}
    for file in (*TEMPLATES, *STATIC.glob("*.js")):
        text = file.read_text(encoding="utf-8")
        found.update(CALL.findall(text))
        found.update(key for pair in PLURAL.findall(text) for key in pair)
    return found


@pytest.mark.parametrize("language", NAMES)
def test_every_text_stands_in_every_language(language: str) -> None:
    texts = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    assert texts.keys() == keys()
    assert list(texts) == sorted(texts)
    for key, text in texts.items():
        assert text.strip()
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", key)), key
    assert (language == "en") == (texts == {key: key for key in texts})


def test_every_language_has_a_file_and_a_name() -> None:
    assert {file.stem for file in LOCALES.glob("*.json")} == set(NAMES)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    library = make_library(tmp_path_factory.mktemp("language"))
    with serving(library) as address:
        yield address


@pytest.mark.parametrize(
    ("header", "cookie", "language"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.8", None, "ko"),
        ("pt-BR, de;q=0.5", None, "de"),
        ("xx", None, "en"),
        ("ko", "fr", "fr"),
        ("ko", "nonsense", "ko"),
        (None, None, "en"),
    ],
)
def test_the_language_is_that_of_the_reader(
    page: str, header: str | None, cookie: str | None, language: str
) -> None:
    headers = {"Accept-Language": header or ""}
    if cookie is not None:
        headers["Cookie"] = f"lexpix_language={cookie}"
    answer = httpx.get(page, headers=headers)
    assert f'<html lang="{language}">' in answer.text
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["Vary"].split(", "))
    told = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    assert told["Search pictures"] in answer.text


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


DATA = (
    "script, noscript, #language, #q, #mirror, .caption, .taglist .name, .part, .landmark, .card, "
    ".recipe, .texts a, .chip .word, dd .path, code, kbd, #facets .name, h2, .strip, "
    ".dish, .help dt"
)
"""Where the page shows what is in the library, or what anybody has typed."""
SAME = re.compile(
    r"lexpix|JSON|CSV|Zip|JPEG|PNG|[\W\d_]*(?:[kM]B|ms)?|.*\.(?:jpe?g|png|jsonl)|/.*"
    r"|\w+ \d{4}"
)
"""What is the same in all languages, names of files, and dates, which the browser writes."""


def shown(page: Any) -> list[str]:
    """Return the texts that the page shows or reads out, but for those of the library."""
    found: list[str] = page.evaluate(
        """(data) => {
          const found = [];
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walk.nextNode())
            if (!walk.currentNode.parentElement.closest(data)) found.push(walk.currentNode.data);
          for (const name of ["aria-label", "title", "placeholder"])
            for (const node of document.querySelectorAll(`[${name}]`))
              if (!node.closest(data)) found.push(node.getAttribute(name));
          return found;
        }""",
        DATA,
    )
    return found


@needs_browser
def test_no_text_of_the_page_stands_outside_the_files(page: str) -> None:
    """Each text of a language is put into brackets; nothing may be left outside of them."""
    told = json.loads((LOCALES / "de.json").read_text(encoding="utf-8"))
    marked = {key: f"⟦{value}⟧" for key, value in told.items()}

    def mark(route: Any) -> None:
        body = route.fetch().text()
        for value in sorted(set(told.values()), key=len, reverse=True):
            for before, after in (('"', '"'), (">", "<"), (">", " <select")):
                body = body.replace(f"{before}{value}{after}", f"{before}⟦{value}⟧{after}")
        body = re.sub(
            r'(<script type="application/json" id="texts">).*?(</script>)',
            lambda found: found[1] + json.dumps(marked) + found[2],
            body,
            flags=re.DOTALL,
        )
        route.fulfill(body=body, content_type="text/html; charset=utf-8")

    with launched() as browser:
        context = browser.new_context(locale="de-DE")
        tab = context.new_page()
        tab.route(re.compile(rf"^{re.escape(page.rstrip('/'))}/(?:map|recipes)?(?:\?.*)?$"), mark)
        seen: list[str] = []
        tab.goto(f"{page}/?q=강아지&unlikely=1")
        tab.wait_for_selector("#grid .cell")
        assert tab.locator(".chip .word").first.get_attribute("title") == "강아지 → dog"
        seen += shown(tab)
        tab.locator("#help-button").click()
        tab.wait_for_selector("#sheet[open]")
        seen += shown(tab)
        tab.keyboard.press("Escape")
        tab.locator("#grid a.open").first.click()
        tab.wait_for_selector("#detail .taglist li")
        tab.wait_for_selector("#detail .part")
        seen += shown(tab)
        for view, ready in (("map", ".board"), ("recipes", ".card")):
            tab.goto(f"{page}/{view}")
            tab.wait_for_selector(ready)
            seen += shown(tab)
        context.close()
    assert any("⟦" in text for text in seen)
    outside = {part.strip() for text in seen for part in MARKED.sub("\n", text).split("\n")}
    assert sorted(text for text in outside if not SAME.fullmatch(text)) == []


@needs_browser
def test_the_switch_is_kept(page: str) -> None:
    with launched() as browser:
        tab = browser.new_context(locale="de-DE").new_page()
        tab.goto(page)
        assert tab.title() == "Bilder - lexpix"
        with tab.expect_navigation():
            tab.locator("#language").select_option("ja")
        assert tab.title() == "写真 - lexpix"
        tab.goto(f"{page}/map")
        assert tab.evaluate("document.documentElement.lang") == "ja"
