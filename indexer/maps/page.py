"""A scene as one HTML file for a browser: it holds all that it needs and asks no network.

File names are data of others. They stand in a JSON block in which no `<` is left, reach the page as
text only, and a policy lets no other script than ours run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer.maps.scene import THUMB, Scene, Thumb
from searchengine.terminal import printable

SHEET = 2048
"""Pixels per side of the pictures that hold the small ones; every browser takes as many."""
_ACROSS = SHEET // THUMB
_HERE = Path(__file__).parent


def draw_page(scene: Scene) -> bytes:
    """Return a scene as an HTML file."""
    style = (_HERE / "map.css").read_text(encoding="utf-8")
    script = (_HERE / "map.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    title = html.escape(printable(scene.title))
    page = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - lexpix</title>
<style>{style}</style>
</head>
<body>
<canvas tabindex="0" role="application" aria-label="Map of {title}. Arrow keys move it, plus and \
minus zoom, 0 shows all, p shows or hides small pictures."></canvas>
<h1>{title}</h1>
<div class="panel">
<button id="in" aria-label="Zoom in">+</button>
<button id="out" aria-label="Zoom out">&minus;</button>
<button id="all">All</button>
<button id="pictures" aria-pressed="true">Pictures</button>
</div>
<div id="name" role="status" hidden></div>
<noscript>This map needs JavaScript; all of it is inside this file.</noscript>
<script type="application/json" id="data">{_json(_data(scene))}</script>
<script>{script}</script>
</body>
</html>
"""
    return page.encode("utf-8")


def _data(scene: Scene) -> dict[str, Any]:
    """Return what map.js reads.

    Coordinates are 16-bit numbers, x and y in turn; a folder is named once for all its pictures.
    """
    split = [os.path.split(name) for name in scene.names[: scene.pictures]]
    folders = {folder: place for place, folder in enumerate(dict.fromkeys(f for f, _ in split))}
    sheets, thumbs = _sheets(scene.thumbs)
    return {
        "pictures": scene.pictures,
        "places": _base64(np.rint(scene.places * 65535).astype("<u2").tobytes()),
        "folders": [printable(os.path.join(folder, "")) for folder in folders],
        "folder": [folders[folder] for folder, _ in split],
        "names": [
            *(printable(name) for _, name in split),
            *(printable(name) for name in scene.names[scene.pictures :]),
        ],
        "sheets": sheets,
        "thumbs": thumbs,
    }


def _sheets(thumbs: Sequence[Thumb]) -> tuple[list[str], list[tuple[int, ...]]]:
    """Return large pictures as data URLs, and where each small one is in them.

    Returns:
        The URLs; and of each small picture its point, the number of the large one, x, y, width,
        height.
    """
    from PIL import Image

    urls: list[str] = []
    spots: list[tuple[int, ...]] = []
    per_sheet = _ACROSS * _ACROSS
    for number in range(0, len(thumbs), per_sheet):
        some = thumbs[number : number + per_sheet]
        rows = -(-len(some) // _ACROSS)
        sheet = Image.new("RGB", (min(len(some), _ACROSS) * THUMB, rows * THUMB))
        for place, thumb in enumerate(some):
            x, y = place % _ACROSS * THUMB, place // _ACROSS * THUMB
            sheet.paste(thumb.image, (x, y))
            spots.append((thumb.point, len(urls), x, y, *thumb.image.size))
        with io.BytesIO() as file:
            sheet.save(file, "JPEG", quality=75, optimize=True)
            urls.append("data:image/jpeg;base64," + _base64(file.getvalue()))
    return urls, spots


def _json(value: object) -> str:
    """Return JSON in ASCII that cannot end the element it stands in."""
    text = json.dumps(value, separators=(",", ":"))
    for char in "<>&":  # none of JSON's own; inside strings an escape means the same
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + _base64(hashlib.sha256(text.encode("utf-8")).digest())


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
