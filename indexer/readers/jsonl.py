"""Read JSON lines, saying where a line is malformed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from searchengine.errors import TrainingDataError

T = TypeVar("T")


def read_text(path: Path) -> str:
    """Return a file's text; raise TrainingDataError naming it if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(f"{path}: cannot be read ({error})") from error


def parsed_lines(path: Path, text: str, parse: Callable[[Any], T], form: str) -> Iterator[T]:
    """Yield what `parse` makes of each line that is not empty.

    Args:
        path: Where the text is from, for messages.
        text: JSON lines. Only a line feed ends one: captions may hold what Unicode calls line ends.
        parse: Turns a JSON value into an entry; it raises ValueError, KeyError, TypeError or
            AttributeError if it is not of the form.
        form: What an entry looks like, for messages.

    Raises:
        TrainingDataError: A line is malformed; the message names file and line.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = parse(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingDataError(f"{path}:{number}: not {form} ({error!r})") from error
        yield entry
