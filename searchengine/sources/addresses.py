"""Addresses such as s3://bucket/photos, where others have paths: told apart, and spelled one way.

The path of a file there is its address. That of a folder has no slash at its end, so that a folder
and all below it are one range of paths, as they are on a disk.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from searchengine.errors import RootError
from searchengine.formats import ending_of

if TYPE_CHECKING:
    from searchengine.types import PathLike

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CHAINED = ("tar://", "zip://")

ENDINGS = frozenset({".tar", ".zip", ".parquet"})
"""Of names, in lower case, of what is looked into."""


def is_remote(path: str) -> bool:
    """Tell whether a path is an address, and no path of this machine."""
    return _ADDRESS.match(path) is not None


def address_of(text: str) -> str:
    """Return the one spelling of an address that somebody typed.

    Raises:
        RootError: It holds a password, or what is no part of the address of a file.
    """
    scheme, _, rest = text.partition("://")
    scheme = {"local": "file"}.get(scheme.lower(), scheme.lower())
    if "::" in rest:
        raise RootError(f"{text}: a chain; give the address alone, such as s3://bucket/photos")
    if scheme in ("http", "https"):
        if "?" in rest or "#" in rest:
            raise RootError(f"{text}: a query or a part of a page; give the address of a folder")
        has_secret = "@" in rest.partition("/")[0]
    else:
        has_secret = ":" in rest.partition("/")[0].rpartition("@")[0]
    if has_secret:
        raise RootError(
            f"{scheme}://...: has a user or a password, which the library would keep and show; "
            "give them as the package of the protocol says, in the environment or in fsspec's "
            "configuration (~/.config/fsspec)"
        )
    if scheme == "file":
        return "file://" + os.path.abspath(os.path.expanduser(rest))
    parts = [part for part in rest.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise RootError(f"{text}: leads upwards (..); give the address itself")
    return f"{scheme}://{'/'.join(parts)}"


def joined(folder: str, name: str) -> str:
    """Return the address of what is in a folder."""
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def absolute(path: PathLike) -> str:
    """Return a path from the root of the disk, where "~" is a home, or an address.

    An archive on a disk gets its address, file:///..., as fsspec reads it; and so does one that is
    named as the chain zip://INSIDE::ADDRESS.

    Raises:
        RootError: It is an address that cannot be indexed.
    """
    text = os.fspath(path)
    inside = ""
    if text.startswith(_CHAINED) and "::" in text:
        chained, _, text = text.partition("::")
        inside = chained.partition("://")[2].strip("/*")
    if is_remote(text):
        return address_of(f"{text}/{inside}" if inside else text)
    whole = os.path.abspath(os.path.expanduser(text))
    if inside or (is_archive(whole) and not os.path.isdir(whole)):
        return address_of(f"file://{whole}/{inside}" if inside else f"file://{whole}")
    return whole


def is_archive(name: str) -> bool:
    """Tell whether a name is that of an archive that is looked into."""
    return ending_of(name) in ENDINGS
