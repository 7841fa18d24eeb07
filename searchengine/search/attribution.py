"""Split a score exactly into the parts of the query and the cells of the picture.

Both branches of the joint model are linear before they are normalised, so a cosine is a sum::

    score = sum over parts p, sum over cells l of  p . r_l / (L |image|)

where the parts add up to the query's unit vector (word w of term t is v(w) weight_t / (|t| |q|),
and a picture of the query is one part), and the mean of the cells r_l = W f_l + b is the picture.
Nothing is approximated, and nothing is attributed that did not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError
from searchengine.language.spelling import script
from searchengine.types import Caption, Explanation, Part, Vectors

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image

PANEL = 320
"""Pixels of the longer side of a picture in a heat map."""
_MARGIN = 12
_WARM, _COLD = (214, 39, 40), (31, 119, 180)  # speaks for, speaks against
_COLUMNS = 3
_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansKR-Regular.otf", "NanumGothic.ttf", "UnDotum.ttf"),
    *("AppleSDGothicNeo.ttc", "malgun.ttf", "YuGothM.ttc", "msyh.ttc", "wqy-microhei.ttc"),
    *("Arial Unicode.ttf", "DejaVuSans.ttf", "NotoSansDevanagari-Regular.ttf", "arial.ttf"),
)
"""Files of fonts of Linux, macOS and Windows that have other letters than Latin ones."""


def split(
    labels: Sequence[str],
    parts: npt.NDArray[np.float32],
    regions: npt.NDArray[np.float32],
    grid: tuple[int, int],
) -> Explanation:
    """Split the cosine of a query and a picture.

    Args:
        labels: What each part is called.
        parts: Shape (parts, dim); they add up to the query's unit vector.
        regions: Shape (cells, dim), row by row; their mean is the picture before it is normalised.
        grid: Rows and columns of the cells.

    Returns:
        Parts in the order given. All shares add up to the score, and so do all cells.
    """
    vectors = regions.astype(np.float64)
    length = np.linalg.norm(vectors.mean(axis=0))
    cells = parts.astype(np.float64) @ vectors.T / (len(vectors) * length)  # (parts, cells)
    explained = tuple(
        Part(label, float(line.sum()), line.reshape(grid).astype(np.float32))
        for label, line in zip(labels, cells, strict=True)
    )
    return Explanation(float(cells.sum()), explained)


def merge(labels: Sequence[str], parts: Vectors) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Add up the parts that have one label, in the order of their first use."""
    rows = {label: row for row, label in enumerate(dict.fromkeys(labels))}
    merged = np.zeros((len(rows), parts.shape[1]), dtype=np.float32)
    np.add.at(merged, [rows[label] for label in labels], parts)
    return list(rows), merged


def draw(picture: Image, explanation: Explanation) -> Image:
    """Draw a panel for each part: where it spoke for the picture, where against it.

    All panels share one scale, which the legend at the bottom names, so that a faint panel is a
    part that hardly counted.
    """
    english = {one.word: one.english for one in explanation.translated}
    can_be_drawn = _font([part.label for part in explanation.parts]) is not None
    names = [p.label if can_be_drawn else english.get(p.label, p.label) for p in explanation.parts]
    peak = max((float(np.abs(part.grid).max()) for part in explanation.parts), default=0.0) or 1.0
    panels = [
        (f"{name}  {part.share:+.3f}", part.grid / peak)
        for name, part in zip(names, explanation.parts, strict=True)
    ]
    legend = f"{-peak:+.3f} against     for {peak:+.3f}     score {explanation.score:.3f}"
    return _sheet(picture, panels, legend, -1.0)


def draw_attention(picture: Image, caption: Caption) -> Image:
    """Draw a panel for each word of a caption: where the model looked when it wrote it.

    Each panel has its own scale, from nothing to the cell that counted most; the label says how
    probable the word was.

    Raises:
        ModelError: The model has no attention.
    """
    if caption.attention is None:
        raise ModelError(
            "this captioner has no attention to draw; use one that was trained with: "
            "--attention soft"
        )
    panels = [
        (f"{word}  {math.exp(logprob):.0%}", grid / (float(grid.max()) or 1.0))
        for word, logprob, grid in zip(
            caption.words, caption.logprobs, caption.attention, strict=True
        )
    ]
    return _sheet(picture, panels, "looked at least     most     % how probable the word was", 0.0)


def _sheet(
    picture: Image,
    panels: Sequence[tuple[str, npt.NDArray[np.float32]]],
    legend: str,
    least: float,
) -> Image:
    """Draw labelled grids in -1..1 over a picture, and a legend from `least` to 1."""
    from PIL import Image as Images
    from PIL import ImageDraw, ImageFont

    scale = PANEL / max(picture.size)
    small = picture.convert("RGB").resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    )
    font = _font([label for label, _ in panels]) or ImageFont.load_default(15)
    line = 24
    columns = max(1, min(_COLUMNS, len(panels)))
    rows = -(-len(panels) // columns)
    wide = max(small.width, 150) + _MARGIN
    high = small.height + line + _MARGIN
    measure = ImageDraw.Draw(small)
    width = max(columns * wide, round(measure.textlength(legend, font=font)) + _MARGIN) + _MARGIN
    sheet = Images.new("RGB", (width, rows * high + 2 * line + 2 * _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (label, grid) in enumerate(panels):
        left = _MARGIN + number % columns * wide
        top = _MARGIN + number // columns * high
        text = label
        while len(text) > 1 and pen.textlength(text, font=font) > wide - _MARGIN:
            text = text[:-2] + "…"
        pen.text((left, top), text, fill="black", font=font)
        sheet.paste(_heated(small, grid), (left, top + line))
    _draw_legend(sheet, legend, least, font)
    return sheet


def _font(labels: Sequence[str]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    """Return a font that has the letters of labels, None if this machine has none.

    Pillow brings one for Latin letters along, and finds those of the system by their names.
    """
    from PIL import ImageFont

    if all(script(label) in ("LATIN", "") for label in labels):
        return ImageFont.load_default(15)
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, 15)
        except OSError:
            continue
        missing = font.getmask("\uffff")
        # A font draws all letters that it lacks alike.
        if all(
            bytes(font.getmask(c)) != bytes(missing) for c in set("".join(labels)) if c.isalpha()
        ):
            return font
    return None


def _heated(picture: Image, heat: npt.NDArray[np.float32]) -> Image:
    """Lay heat in -1..1 over a picture in grey."""
    from PIL import Image as Images

    smooth = Images.fromarray(heat.astype(np.float32)).resize(
        picture.size, Images.Resampling.BICUBIC
    )
    values = np.asarray(smooth).clip(-1, 1)[..., None]
    grey = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float32)
    colour = np.where(values >= 0, np.array(_WARM), np.array(_COLD))
    strength = 0.75 * np.abs(values)
    mixed = grey * (1 - strength) + colour * strength
    return Images.fromarray(mixed.round().astype(np.uint8))


def _draw_legend(sheet: Image, legend: str, least: float, font: ImageFont.BaseImageFont) -> None:
    from PIL import Image as Images
    from PIL import ImageDraw

    pen = ImageDraw.Draw(sheet)
    width, height = 120, 12
    scale = np.tile(np.linspace(least, 1, width, dtype=np.float32), (height, 1))
    white = Images.new("RGB", (width, height), "white")
    left, top = _MARGIN, sheet.height - _MARGIN - height
    pen.text((left, top - 20), legend, fill="black", font=font)
    sheet.paste(_heated(white, scale), (left, top))
