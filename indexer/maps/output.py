"""Write a map to a file, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Literal, TypeAlias

from indexer.maps.scene import Scene
from searchengine.errors import ConfigError

Form: TypeAlias = Literal["png", "svg", "html"]
FORMS: tuple[Form, ...] = ("png", "svg", "html")


def form_of(path: str, form: Form | None = None) -> Form:
    """Return the form of a map: the one that was asked for, else that of the file's suffix.

    Raises:
        ConfigError: The suffix is of no known form.
    """
    if form is not None:
        return form
    suffix = os.path.splitext(path)[1].lower().removeprefix(".")
    for known in FORMS:
        if suffix == known or (known, suffix) == ("html", "htm"):
            return known
    raise ConfigError(f"{path}: a map is a .png, .svg or .html file; name one, or pass --format")


def require_writable(path: str) -> None:
    """Check that a file can be made, before minutes are spent on what goes into it.

    Raises:
        ConfigError: There is no such folder, it takes no files, or the path is a folder.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise ConfigError(f"{path}: is a folder; name a file in it")
    if not os.path.isdir(folder):
        raise ConfigError(f"{path}: cannot be written (there is no folder {folder}); make it first")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def render(scene: Scene, form: Form, size: tuple[int, int]) -> bytes:
    """Return a scene as a file; the size in pixels is that of PNG and SVG."""
    if form == "html":
        from indexer.maps.page import draw_page

        return draw_page(scene)
    from indexer.maps.drawing import draw_png, draw_svg

    return draw_png(scene, size) if form == "png" else draw_svg(scene, size)


def write(path: str, content: bytes) -> None:
    """Write a file; whoever reads it sees the old one or the new one, never a part.

    Raises:
        ConfigError: It cannot be written; what was there is as it was.
    """
    unfinished = None
    try:
        descriptor, unfinished = tempfile.mkstemp(
            prefix=".lexpix-", suffix=".part", dir=os.path.dirname(os.path.abspath(path))
        )
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())  # mkstemp makes files for their owner alone
        os.replace(unfinished, path)
    except OSError as error:
        if unfinished is not None:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
