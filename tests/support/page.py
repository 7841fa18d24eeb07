"""What tests of the page do all the time: ask, open, look."""

from __future__ import annotations

from typing import Any

import httpx
from playwright import sync_api

expect = sync_api.expect

WAIT = 30_000
"""Milliseconds that a busy machine may take."""


def ask(url: str, **question: Any) -> dict[str, Any]:
    """Ask the server without the page."""
    answer = httpx.post(f"{url}/api/v1/search", json={"limit": 500} | question, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids_of(answer: dict[str, Any]) -> list[int]:
    return [hit["id"] for hit in answer["hits"]]


def id_of(url: str, name: str) -> int:
    """Return the library's number of a file."""
    return int(next(h["id"] for h in ask(url)["hits"] if h["path"].endswith("/" + name)))


def cell(page: sync_api.Page, id_: int) -> sync_api.Locator:
    return page.locator(f'.cell[data-id="{id_}"]')


def expect_first(page: sync_api.Page, wanted: list[int]) -> None:
    """Wait until the grid begins with these pictures, in this order."""
    for index, id_ in enumerate(wanted):
        expect(page.locator(f'.cell[data-index="{index}"]')).to_have_attribute("data-id", str(id_))


def search(page: sync_api.Page, query: str) -> None:
    page.locator("#q").fill(query)
    page.locator("#q").press("Enter")


def open_at(page: sync_api.Page, url: str, address: str) -> None:
    page.goto(url + address)
    expect(page.locator(".cell").first).to_be_visible()
