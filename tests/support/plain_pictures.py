"""Files of pictures that show next to nothing, for tests of what is done with files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

COLOURS = ("red", "green", "blue", "white", "black", "yellow")


def draw(path: Path, colour: str, kind: str = "JPEG") -> Path:
    """Write a picture of a colour with a white corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (60, 40), colour)
    picture.paste("white", (0, 0, 30, 20))
    picture.save(path, kind)
    return path


def draw_many(folder: Path, count: int, size: int = 32) -> Path:
    """Write pictures of which no two have the same bytes."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        image = Image.new("RGB", (size, size), COLOURS[number % len(COLOURS)])
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        image.save(folder / f"{number:05}.png")
    return folder
