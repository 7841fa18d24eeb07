"""In which order things stand: suggestions, and small groups of pictures by date."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from playwright import sync_api

from tests.support.page import WAIT, expect, open_at
from tests.support.served import tab_of


def test_words_are_suggested_before_tags(browser: sync_api.Browser, photo_server: str) -> None:
    with tab_of(browser, photo_server) as page:
        open_at(page, photo_server, "/")

        def answer(route: sync_api.Route) -> None:
            found = [
                {"kind": kind, "text": f"{kind} {n}", "insert": f"{kind}{n}", "count": 3}
                for kind in ("tag", "word", "folder")
                for n in range(8)
            ]
            route.fulfill(json={"suggestions": found})

        page.route("**/api/v1/suggest*", answer)
        page.locator("#q").press_sequentially("mot")
        expect(page.locator(".option").first).to_be_visible()
        texts = [text.split()[0] for text in page.locator(".option .text").all_inner_texts()]
        assert texts == ["word"] * 6 + ["tag"] * 3 + ["folder"]


LAYOUT = """
async ([width, sizes, pieces, base]) => {
  const { Layout } = await import(base + "/layout.js");
  const items = sizes.flatMap(([many, shape], group) =>
    Array.from({ length: many }, () => ({ width: shape, height: 1, group: `g${group}` })));
  const layout = new Layout(width, 200, (item) => item.group, true);
  for (let to = pieces; to < items.length + pieces; to += pieces) {
    layout.extend(items.slice(0, to), to >= items.length);
  }
  const whole = new Layout(width, 200, (item) => item.group, true);
  whole.extend(items, true);
  return { rows: layout.rows, whole: whole.rows };
}
"""


@pytest.mark.parametrize("width", [380, 1200])
@pytest.mark.parametrize("pieces", [7, 1000])
def test_small_groups_share_a_row(
    browser: sync_api.Browser, photo_server: str, width: int, pieces: int
) -> None:
    sizes = [(1, 1.5), (2, 0.7), (1, 1), (30, 1.3), (1, 0.5), (1, 0.5), (9, 1), (1, 2), (40, 1.5)]
    sizes += [(3, 1), (2, 1.3), (1, 1.5), (2, 1), (1, 0.6), (1, 0.6)]
    with tab_of(browser, photo_server) as page:
        page.goto(photo_server)
        base = page.locator("script[type=module]").get_attribute("src").rsplit("/", 1)[0]
        laid: dict[str, Any] = page.evaluate(LAYOUT, [width, sizes, pieces, base])
    assert laid["rows"] == laid["whole"]
    rows = laid["rows"]
    pictures = [row for row in rows if not row["label"]]
    placed = [n for row in pictures for n in range(row["from"], row["to"])]
    assert placed == list(range(sum(many for many, _ in sizes)))
    heads = [head["text"] for row in rows for head in row.get("heads", [])]
    assert heads == [f"g{n}" for n in range(len(sizes))]
    for row in pictures:
        ends = [left + wide for left, wide in zip(row["lefts"], row["widths"], strict=True)]
        assert ends[-1] <= width + 1e-6
        assert all(end < left for end, left in zip(ends, row["lefts"][1:], strict=False))
    for row, below in itertools.pairwise(rows):
        assert below["top"] >= row["top"] + row["height"] - 1e-6
        if row["label"]:  # each name stands above the first picture of its group
            lefts = [head["left"] for head in row["heads"]]
            assert set(lefts) <= set(below["lefts"])
            assert all(b - a >= 118 for a, b in itertools.pairwise(lefts))
    # A group begins a row only where it has no place behind those above.
    wide = {
        f"g{n}": max(118, many * shape * 200 + 6 * (many - 1))
        for n, (many, shape) in enumerate(sizes)
    }
    shared = [[wide[head["text"]] for head in row["heads"]] for row in rows if row["label"]]
    for above, below in itertools.pairwise(shared):
        if max(above[0], below[0]) <= width:
            assert sum(above) + 22 * len(above) + below[0] > width
    if width == 1200:
        assert [head["text"] for head in rows[0]["heads"]] == ["g0", "g1", "g2"]


def test_the_map_has_landmarks_at_every_zoom(browser: sync_api.Browser, photo_server: str) -> None:
    with tab_of(browser, photo_server) as page:
        page.goto(photo_server + "/map")
        words = page.locator(".landmark")
        expect(words.first).to_be_visible(timeout=4 * WAIT)
        canvas = page.locator("#view-map canvas")
        canvas.focus()
        for _ in range(6):
            for _ in range(4):
                canvas.press("+")
            page.wait_for_timeout(100)
            board = canvas.bounding_box()
            boxes = [word.bounding_box() for word in words.all()]
            assert len(boxes) >= 2
            assert board is not None
            for box in boxes:
                assert box is not None
                assert box["x"] >= board["x"]
                assert box["x"] + box["width"] <= board["x"] + board["width"]
        way = page.locator(".landmark.far").first
        expect(way).to_have_text(re.compile("^[→↘↓↙←↖↑↗] "))
        word = str(way.get_attribute("data-word"))
        way.click()
        expect(page.locator("#q")).to_have_value(word)
