"""The page's own texts: a JSON file per language in `locales`, from English to that language.

The reader's choice, kept in a cookie, comes first, then what the browser asks for, then English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from starlette.requests import Request

from searchengine.web.page.preferring import COOKIE, languages_of

LOCALES = Path(__file__).parent / "locales"
ENGLISH = "en"
NAMES = {
    ENGLISH: "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
    "ko": "한국어",
    "zh": "中文",
}
"""The languages of the page, as those who speak them call them."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return the texts of a language by their English ones."""
    found: dict[str, str] = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    return found


def language_of(request: Request) -> str:
    """Return the language in which the page answers a request."""
    asked = [
        request.cookies.get(COOKIE, ""),
        *languages_of(request.headers.get("accept-language", "")),
    ]
    return next((language for language in asked if language in NAMES), ENGLISH)
