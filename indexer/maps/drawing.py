"""A scene as a PNG or SVG file: dots, small pictures where there is room, labels apart."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from indexer.maps.placement import Area, Boxes, around, beside, place
from indexer.maps.scene import Scene
from searchengine.terminal import printable

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image

PAPER, INK, WORD, PICTURE = "#ffffff", "#1c2024", "#b3450c", "#3b6fb6"
_FONT = 15
_MARGIN = 40
_GAP = 6.0  # between a dot and its label
_RADIUS = 3.0
_SVG = "http://www.w3.org/2000/svg"
# Colours of an SVG follow the reader's: a rule in the file, since attributes know no media.
_STYLE = (
    f"text{{fill:{INK}}} .paper{{fill:{PAPER}}} .word{{fill:{WORD}}} .picture{{fill:{PICTURE}}}"
    "@media (prefers-color-scheme: dark){text{fill:#e8eaed} .paper{fill:#16181b}"
    " .word{fill:#ffa46b} .picture{fill:#7fb0f2}}"
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where everything of a scene goes, in pixels.

    Attributes:
        size: Width and height.
        dots: Shape (n, 2), of all points.
        labels: Points with the boxes of their labels.
        thumbs: Numbers in `Scene.thumbs` with the boxes of the pictures.
    """

    size: tuple[int, int]
    dots: npt.NDArray[np.float64]
    labels: tuple[tuple[int, tuple[float, ...]], ...]
    thumbs: tuple[tuple[int, tuple[float, ...]], ...]


def arrange(scene: Scene, size: tuple[int, int]) -> Drawing:
    """Place the labels of words, then small pictures where they cover neither label nor picture."""
    width, height = size
    side = max(1, min(width, height) - 2 * _MARGIN)
    stretch = np.array([max(1, width - 2 * _MARGIN), max(1, height - 2 * _MARGIN)])
    used = np.ptp(scene.places, axis=0) if len(scene.places) else np.ones(2)
    # One scale for both axes, the largest at which the map fits.
    scale = min(
        (have / need for have, need in zip(stretch, used, strict=True) if need), default=side
    )
    middle = (scene.places.min(axis=0) + scene.places.max(axis=0)) / 2
    dots = (scene.places - middle) * scale + np.array([width, height]) / 2
    area = Area(width, height)
    font = _font()
    words = list(scene.words)
    sizes = np.array([_extent(scene.names[point], font) for point in words]).reshape(-1, 2)
    choices = beside(dots[words], sizes, _GAP)
    labels = _taken(words, choices, place(choices, area))
    sizes = np.array([thumb.image.size for thumb in scene.thumbs], dtype=float).reshape(-1, 2)
    choices = around(dots[[thumb.point for thumb in scene.thumbs]], sizes)
    choices = np.rint(choices)  # a picture stands on whole pixels
    thumbs = _taken(range(len(choices)), choices, place(choices, area))
    return Drawing(size, dots, labels, thumbs)


def draw_png(scene: Scene, size: tuple[int, int]) -> bytes:
    """Return a scene as a PNG file of a size in pixels."""
    from PIL import Image as Images
    from PIL import ImageDraw

    plan = arrange(scene, size)
    sheet = Images.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    radius = _RADIUS if len(scene.names) <= 2000 else _RADIUS / 2
    for point, (x, y) in enumerate(plan.dots.tolist()):
        if point < scene.pictures:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PICTURE)
    for number, (left, top, _, _) in plan.thumbs:
        sheet.paste(scene.thumbs[number].image, (int(left), int(top)))
    for point in scene.words:
        x, y = plan.dots[point].tolist()
        pen.ellipse((x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=WORD)
    font = _font()
    for point, (left, top, _, bottom) in plan.labels:
        at = (left, (top + bottom) / 2)
        text = printable(scene.names[point])
        pen.text(at, text, fill=INK, font=font, anchor="lm", stroke_width=2, stroke_fill=PAPER)
    with io.BytesIO() as file:
        sheet.save(file, "PNG", optimize=True)
        return file.getvalue()


def draw_svg(scene: Scene, size: tuple[int, int]) -> bytes:
    """Return a scene as an SVG file; a reader sees the name of a point when pointing at it."""
    plan = arrange(scene, size)
    width, height = size
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": _SVG,
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "font-family": "sans-serif",
            "font-size": str(_FONT),
        },
    )
    ElementTree.SubElement(root, "title").text = printable(scene.title)
    ElementTree.SubElement(root, "style").text = _STYLE
    sheet = {"width": str(width), "height": str(height), "class": "paper"}
    ElementTree.SubElement(root, "rect", sheet)
    radius = _RADIUS if len(scene.names) <= 2000 else _RADIUS / 2
    dots = plan.dots.tolist()
    for point in range(scene.pictures):
        _dot(root, dots[point], radius, "picture", scene.names[point])
    for number, (left, top, right, bottom) in plan.thumbs:
        thumb = scene.thumbs[number]
        where = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        attributes = {name: f"{value:g}" for name, value in where.items()}
        element = ElementTree.SubElement(root, "image", attributes | {"href": _url(thumb.image)})
        ElementTree.SubElement(element, "title").text = printable(scene.names[thumb.point])
    for point in scene.words:
        _dot(root, dots[point], _RADIUS, "word", scene.names[point])
    for point, (left, top, right, bottom) in plan.labels:
        # The reader's font is another one; the length keeps its text inside the box.
        attributes = {
            "x": f"{left:.1f}",
            "y": f"{(top + bottom) / 2:.1f}",
            "textLength": f"{right - left:.1f}",
            "lengthAdjust": "spacingAndGlyphs",
            "dominant-baseline": "central",
        }
        ElementTree.SubElement(root, "text", attributes).text = printable(scene.names[point])
    file = io.BytesIO()
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    return file.getvalue()


def _dot(
    root: ElementTree.Element, at: Sequence[float], radius: float, kind: str, name: str
) -> None:
    place_ = {"cx": f"{at[0]:.1f}", "cy": f"{at[1]:.1f}", "r": f"{radius:g}", "class": kind}
    dot = ElementTree.SubElement(root, "circle", place_)
    ElementTree.SubElement(dot, "title").text = printable(name)


def _url(image: Image) -> str:
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _font() -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(_FONT)
    assert isinstance(font, ImageFont.FreeTypeFont)  # it is, as a size was given
    return font


def _extent(text: str, font: ImageFont.FreeTypeFont) -> tuple[float, float]:
    ascent, descent = font.getmetrics()
    return font.getlength(printable(text)) + 2, ascent + descent


def _taken(
    items: Sequence[int], choices: Boxes, taken: npt.NDArray[np.int64]
) -> tuple[tuple[int, tuple[float, ...]], ...]:
    return tuple(
        (item, tuple(boxes[choice].tolist()))
        for item, boxes, choice in zip(items, choices, taken.tolist(), strict=True)
        if choice >= 0
    )
