"""The errors that lexpix raises on purpose.

Libraries raise them; the command line maps them to exit codes and the web layer to HTTP codes, each
in one place. A message says what, where, why, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchengine.types import UnknownWord


class LexpixError(Exception):
    """Report something that went wrong in words a user can act on."""


class QueryError(LexpixError):
    """Reject a query."""


class QuerySyntaxError(QueryError):
    """Reject a query that does not parse.

    Args:
        message: What is wrong, and where.
        position: The same place as a number of characters from the start, if there is one.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class UnknownWords(QueryError):
    """Reject a text of which the model knows no word.

    Args:
        words: The unknown words, in the order of the text.
        suggestions: For each word the nearest known spelling, or None.
    """

    def __init__(self, words: Sequence[str], suggestions: Sequence[str | None] = ()) -> None:
        self.words = tuple(words)
        self.suggestions = tuple(suggestions) or (None,) * len(self.words)
        pairs = zip(self.words, self.suggestions, strict=True)
        super().__init__(
            f"no word of the query is known to the model: {_spelled(pairs)}; use other words"
            if self.words
            else "the text has no word to search by"
        )

    @classmethod
    def of(cls, words: Sequence[UnknownWord]) -> UnknownWords:
        """Return the error for words with their suggestions."""
        return cls([one.word for one in words], [one.suggestion for one in words])


def named(words: Iterable[UnknownWord]) -> str:
    """Return unknown words and their suggestions as a message has them."""
    return _spelled((one.word, one.suggestion) for one in words)


def _spelled(words: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(
        f"{word!r} (did you mean {near!r}?)" if near else repr(word) for word, near in words
    )


class UnknownPicture(QueryError):
    """Reject a picture that is neither a file nor in the library."""


class UnknownText(QueryError):
    """Reject a text that is neither a readable file nor in the library."""


class CancelledQuery(QueryError):
    """Reject terms that add up to (nearly) the zero vector."""


class NothingIndexed(LexpixError):
    """Say that there is nothing to search in yet."""


class ConfigError(LexpixError):
    """Reject a setting, naming where it was set."""


class ImageError(LexpixError):
    """Reject a file that is no readable picture; the message starts with its path."""


class NotNow(ImageError):
    """Say that memory or disk failed while a picture was read, which says nothing of the file."""


class ChangedFile(LexpixError):
    """Refuse a file that is not the picture that was indexed; the message starts with its path."""


class RootError(LexpixError):
    """Refuse a folder that is absent, empty or on another volume than before."""


class LibraryError(LexpixError):
    """Say why a library cannot be opened, read or upgraded."""


class BusyLibrary(LexpixError):
    """Say that another process is at work on a library, and nobody wants to wait for it."""


class IndexFileError(LexpixError):
    """Say that an index file is unreadable; whoever opened it rebuilds it from the catalog."""


class IndexUnavailable(LexpixError):
    """Say that the server of an index does not answer; the catalog has all that it knows."""


class ExecutorUnavailable(LexpixError):
    """Say that the machines of an executor cannot be used; what was written before stays."""


class ModelError(LexpixError):
    """Refuse a model folder that is incomplete, changed or of another format."""


class TrainingDataError(LexpixError):
    """Reject training input, naming file and line."""


class MissingPlugin(LexpixError):
    """Name what installs or completes a plugin, the names that exist, or the rivals for one."""
