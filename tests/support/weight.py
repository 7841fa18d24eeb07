"""What a browser fetches before it shows the first picture, in bytes as the server wrote them."""

from __future__ import annotations

import re
from typing import Any

PICTURE = re.compile(r"/api/v1/(images|uploads)/[^/]+/(thumb|file)")
MOST = 200_000
"""Bytes that a view may take."""
VIEWS = {
    "pictures": "/",
    "answer": "/?q=dog&unlikely=1",
    "map": "/map",
    "world": "/world",
    "recipes": "/recipes",
    "duplicates": "/duplicates",
    "picture": "/?open=1",
}
QUIET = 1500
"""Milliseconds after which a view that shows no picture is done."""


def weigh(browser: Any, address: str, **options: Any) -> dict[str, int]:
    """Return the bytes of each answer that arrived before the first picture, uncompressed.

    Where no picture comes, all of them count. The cache of the browser is empty.

    Args:
        browser: That opens the page.
        address: Of a view.
        options: Of the context, such as its language.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
    tab = context.new_page()
    arrived: list[Any] = []

    def note(request: Any) -> None:
        arrived.append(request)

    tab.on("requestfinished", note)
    tab.goto(address, wait_until="load")
    # A page may be quiet for a moment, before it knows what to ask for next.
    tab.wait_for_timeout(QUIET)
    tab.wait_for_load_state("networkidle")
    weights: dict[str, int] = {}
    for request in arrived:
        if PICTURE.search(request.url):
            break
        weights[request.url] = len(request.response().body())
    context.close()
    return weights
