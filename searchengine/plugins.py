"""Entry point -> object, with an error that says what to install.

Third parties join through the same groups. An extra of lexpix has the name of the entry point that
needs it, so a missing import turns into the command that installs it.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from searchengine.errors import MissingPlugin

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUPS = {
    "lexpix.commands": "command",
    "lexpix.encoders": "encoder",
    "lexpix.executors": "executor",
    "lexpix.indexes": "index",
    "lexpix.readers": "reader",
    "lexpix.web": "part of the API",
}
"""Groups of entry points, and what one plugin of each is called."""


def names(group: str) -> list[str]:
    """Return the names of a group's installed plugins, sorted."""
    return sorted(_installed(group, tuple(sys.path)).names)


def load(group: str, name: str) -> Any:
    """Import a plugin and return the object that its entry point names.

    Raises:
        MissingPlugin: Nobody provides the name, or it cannot be imported.
    """
    kind = GROUPS[group]
    found = _installed(group, tuple(sys.path)).select(name=name)
    if not found:
        known = ", ".join(names(group)) or "none"
        raise MissingPlugin(f"no {kind} is called {name!r}; installed are: {known}")
    (plugin, *_) = found
    try:
        return plugin.load()
    except Exception as error:  # a plugin's import runs any code
        raise MissingPlugin(f"{kind} {name!r} {_remedy(plugin, error)}") from error


@cache
def _installed(group: str, path: tuple[str, ...]) -> EntryPoints:  # noqa: ARG001 - the cache's key
    """Return a group's entry points; looking through all that is installed takes milliseconds."""
    from importlib.metadata import entry_points

    return entry_points(group=group)


def _remedy(plugin: EntryPoint, error: Exception) -> str:
    """Return the command that installs what a plugin misses, or why it does not load."""
    package = plugin.dist
    if package is None:
        return f"cannot be loaded: {error}"
    extras = package.metadata.get_all("Provides-Extra") or []
    if isinstance(error, ModuleNotFoundError) and plugin.name in extras:
        return f"needs: pip install '{package.name}[{plugin.name}]'"
    return f"of {package.name} {package.version} cannot be loaded: {error}"
