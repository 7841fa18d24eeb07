"""The languages that a browser asks for, as a hint to how words are read."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Request

from searchengine.language.preference import prefer

COOKIE = "lexpix_language"
"""The language that the reader has chosen for the page; set by `static/main.js`."""
MOST = 8
"""Languages that are looked at."""

_RANGE = re.compile(
    r"\s*+([A-Za-z]{2,3})(?:-[A-Za-z0-9-]*+)?\s*+(?:;\s*+q=([01](?:\.[0-9]{0,3})?))?\s*+"
)
"""What it has read it never reads again (++): a header may have 60,000 spaces."""


def languages_of(header: str) -> list[str]:
    """Return the languages of Accept-Language, the best first; what is malformed is left out."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")[:MOST]):
        one = _RANGE.fullmatch(part)
        if one is not None and (worth := float(one[2] or 1)) > 0:
            found.append((-worth, place, one[1].lower()))
    return list(dict.fromkeys(language for _, _, language in sorted(found)))


async def prefer_languages(
    request: Request, accept_language: Annotated[str, Header()] = ""
) -> None:
    """Let the languages of a request break ties while it is answered, the page's own first.

    Not in a thread, so that the context of the request is changed and not a copy.
    """
    chosen = languages_of(request.cookies.get(COOKIE, ""))
    prefer([*chosen, *languages_of(accept_language)])
