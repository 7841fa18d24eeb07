"""Entry point -> object, with an error that says what to install.

Third parties join through the same groups. An extra of lexpix has the name of the entry point that
needs it, so a missing import turns into the command that installs it.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache, partial
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
    return sorted(_installed(tuple(sys.path))[group].names)


def load(group: str, name: str) -> Any:
    """Import a plugin and return the object that its entry point names.

    Raises:
        MissingPlugin: Nobody provides the name, several do, or it cannot be imported.
    """
    kind = GROUPS[group]
    plugin = _find(group, name)
    try:
        return plugin.load()
    except Exception as error:  # a plugin's import runs any code
        raise MissingPlugin(f"{kind} {name!r} {_remedy(plugin, error)}") from error


def load_at(group: str, value: str) -> Any:
    """Import the plugin that a setting names; what follows a colon is its `address`.

    So "milvus:http://host:19530" is the plugin milvus, to be made with that address.

    Raises:
        MissingPlugin: As of `load`, or the plugin takes no address.
    """
    name, colon, address = value.partition(":")
    plugin = load(group, name)
    if not colon:
        return plugin
    if not address or "address" not in inspect.signature(plugin).parameters:
        told = "takes no address" if address else "has no address behind its colon"
        raise MissingPlugin(f"{GROUPS[group]} {value!r} {told}; write {name!r}")
    return partial(plugin, address=address)


def require(group: str, name: str, made: object, protocol: type) -> None:
    """Refuse what a plugin has made if a member of its Protocol is missing.

    Raises:
        MissingPlugin: The members that are missing, and what they are, by the Protocol.
    """
    lacking = {
        member: (inspect.getdoc(declared) or "").partition("\n")[0]
        for member, declared in vars(protocol).items()
        if not member.startswith("_") and not _has(made, member)
    }
    if lacking:
        members = "\n".join(f"  {member}: {what}" for member, what in lacking.items())
        raise MissingPlugin(
            f"{GROUPS[group]} {name!r}{_origin(_find(group, name))} is incomplete; give "
            f"{type(made).__name__} what searchengine.types.{protocol.__name__} asks for:\n"
            f"{members}"
        )


def _find(group: str, name: str) -> EntryPoint:
    plugins = tuple(_installed(tuple(sys.path))[group].select(name=name))
    if not plugins:
        known = ", ".join(names(group)) or "none"
        raise MissingPlugin(f"no {GROUPS[group]} is called {name!r}; installed are: {known}")
    if len(plugins) > 1:
        raise MissingPlugin(
            f"{len(plugins)} plugins are the {GROUPS[group]} {name!r}: "
            + "; ".join(f"{plugin.value}{_origin(plugin)}" for plugin in plugins)
            + "; keep one of them, by pip uninstall PACKAGE"
        )
    return plugins[0]


def _has(made: object, member: str) -> bool:
    """Tell whether an object has a member, without computing it: that may import a framework."""
    try:
        inspect.getattr_static(made, member)
    except AttributeError:
        return False
    return True


def _origin(plugin: EntryPoint) -> str:
    package = plugin.dist
    return "" if package is None else f" of {package.name} {package.version}"


@cache
def _installed(path: tuple[str, ...]) -> dict[str, EntryPoints]:  # noqa: ARG001 - the cache's key
    """Return the entry points of each group; to look through what is installed takes 10 ms."""
    from importlib.metadata import entry_points

    found = entry_points()
    return {group: found.select(group=group) for group in GROUPS}


def _remedy(plugin: EntryPoint, error: Exception) -> str:
    """Return the command that installs what a plugin misses, or why it does not load."""
    package = plugin.dist
    if package is None:
        return f"cannot be loaded: {error}"
    extras = package.metadata.get_all("Provides-Extra") or []
    if isinstance(error, ModuleNotFoundError) and plugin.name in extras:
        return f"needs: pip install '{package.name}[{plugin.name}]'"
    return f"{_origin(plugin).strip()} cannot be loaded: {error}"
