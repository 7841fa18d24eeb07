"""Which files and folders a scan passes over because somebody said so.

A folder with a file `.nomedia` (as on phones) is passed over whole; `.lexpixignore` in any folder
has patterns for what lies below it, in the syntax of gitignore; patterns may also be given with the
command. As with git, the last rule that fits decides, and those of a deeper folder come later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from copy import copy

from pathspec import GitIgnoreSpec

from searchengine.errors import RootError
from searchengine.sources.opening import open_stored

NOMEDIA = ".nomedia"
FILE = ".lexpixignore"


class Rules:
    """What is passed over at and below a folder.

    Args:
        root: The folder that is scanned, absolute.
        patterns: Given with the command; they decide before any file does.
    """

    def __init__(self, root: str, patterns: Sequence[str] = ()) -> None:
        given = _spec(patterns, "--exclude")
        # In the order in which they decide: what was given, then the deepest file first.
        self._specs: tuple[tuple[str, GitIgnoreSpec], ...] = ((root, given),) if len(given) else ()
        self._given = len(self._specs)

    def entered(self, folder: str) -> Rules:
        """Return the rules in a folder that has a file of patterns.

        Raises:
            OSError: The file cannot be read.
            RootError: It has a line that is no pattern.
        """
        path = os.path.join(folder, FILE)
        with open_stored(path) as file:
            own = _spec(file.read().decode("utf-8", "surrogateescape").splitlines(), path)
        rules = copy(self)
        rules._specs = (
            *self._specs[: self._given],
            (folder, own),
            *self._specs[self._given :],
        )
        return rules

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether a file or folder is passed over."""
        for folder, spec in self._specs:
            inside = os.path.relpath(path, folder).replace(os.sep, "/")
            decided = _decided(spec, f"{inside}/" if is_folder else inside)
            if decided is not None:
                return decided
        return False


def _decided(spec: GitIgnoreSpec, path: str) -> bool | None:
    """Return what the last pattern that fits a path says; a folder's path ends with a slash.

    A pattern that fits a folder above the path says nothing here, as in git: that folder was
    decided about before it was entered. `GitIgnoreSpec.check_file` lets it count.
    """
    for pattern in reversed(list(spec.patterns)):
        if pattern.regex is not None and pattern.regex.fullmatch(path):
            return pattern.include
    return None


def _spec(patterns: Iterable[str], source: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(_whole(line) for line in patterns)
    except ValueError as error:
        raise RootError(f"{source}: not a pattern of gitignore ({error})") from error


def _whole(line: str) -> str:
    """Return a pattern of the same meaning whose expression covers the whole of a path.

    To pathspec, `x/**` fits the folder x itself too, and what fits all names is looked for in any
    part of a path.
    """
    if line.endswith("/**"):
        return f"{line}/*"
    bare = line.removeprefix("!")
    if bare in _EVERY:
        return line.removesuffix(bare) + ("?*/" if bare.endswith("/") else "?*")
    return line


_EVERY = frozenset({"*", "**", "**/*", "*/", "**/", "**/*/"})
"""Patterns of every name, and of every folder's."""
