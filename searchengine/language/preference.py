"""Languages that are preferred where a word means several things, in this context alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

_preferred: ContextVar[tuple[str, ...]] = ContextVar("preferred languages", default=())


def prefer(languages: Sequence[str]) -> None:
    """Prefer languages from here on in this context: a request, which is a task of its own."""
    _preferred.set(tuple(one.partition("-")[0].lower() for one in languages))


def preferred() -> tuple[str, ...]:
    """Return the languages that are preferred here."""
    return _preferred.get()
