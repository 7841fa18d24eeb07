"""A gallery of pictures as one page: thumbnails, tags and captions in it, no script, no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from PIL import Image

from searchengine.terminal import printable

SIDE = 320
"""Pixels of the longer side of a thumbnail."""

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 1rem }
h1 { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)) }
figure { margin: 0; break-inside: avoid }
img, .none { width: 100%; height: 12rem; object-fit: contain; background: #8882 }
.none { display: grid; place-items: center }
figcaption { overflow-wrap: anywhere; margin-top: .3rem }
figcaption p { margin: 0 }
.path { font-size: .8rem; opacity: .75 }
.tag { display: inline-block; background: #8883; border-radius: 1em; padding: 0 .6em }
"""


def gallery(title: str, entries: Iterable[tuple[dict[str, Any], bytes | None]]) -> Iterator[bytes]:
    """Yield a page piece by piece.

    Args:
        title: What was asked for.
        entries: What `exports.entries_for` says of each picture, and its thumbnail, a JPEG, None if
            it cannot be read.
    """
    name = escape(printable(title))
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        f"<style>{_STYLE}</style></head>\n<body><h1>{name}</h1>\n<main>\n"
    ).encode()
    for entry, thumb in entries:
        yield _figure(entry, thumb).encode()
    yield b"</main></body></html>\n"


def thumbnail(image: Image.Image) -> bytes:
    """Return a picture as a small JPEG."""
    image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    file = io.BytesIO()
    # Pillow would carry along what somebody wrote into the original as its comment.
    image.save(file, "JPEG", quality=80, optimize=True, comment=b"")
    return file.getvalue()


def _figure(entry: dict[str, Any], thumb: bytes | None) -> str:
    path = printable(entry["path"])
    name = escape(path.replace("\\", "/").rpartition("/")[2], quote=True)
    text = entry["caption"] or ""
    if thumb is None:
        picture = '<div class="none">cannot be read</div>'
    else:
        data = base64.b64encode(thumb).decode()
        alt = escape(text or name, quote=True)
        picture = f'<img loading="lazy" alt="{alt}" src="data:image/jpeg;base64,{data}">'
    told = [f"<p><b>{name}</b></p>"]
    if text:
        told.append(f"<p>{escape(printable(text))}</p>")
    if entry["tags"]:
        tags = "".join(
            f'<span class="tag">{escape(printable(tag))}</span>' for tag in entry["tags"]
        )
        told.append(f"<p>{tags}</p>")
    facts = [
        None if entry["match"] is None else f"match {entry['match']:.0%}",
        entry["taken_at"] and entry["taken_at"].replace("T", " "),
        entry["camera"] and printable(entry["camera"]),
    ]
    line = " · ".join(escape(fact) for fact in facts if fact)
    if line:
        told.append(f"<p>{line}</p>")
    told.append(f'<p class="path">{escape(path)}</p>')
    return f"<figure>{picture}<figcaption>{''.join(told)}</figcaption></figure>\n"
