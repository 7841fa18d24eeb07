"""Write docs/formats.md by a real file of each format: `python docs/generate_formats.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("formats.md")

INTRODUCTION = """\
# Formats

Written by `python docs/generate_formats.py`, which writes a file of each format, reads it as
`lexpix index` does, and notes what came out; a test keeps it true.

"""

END = """
A file is read by its content, whatever its name says; the ending only decides whether it is
opened. Of a TIFF with pages, and of an animation, the first page counts that is no smaller copy
of another one. RAW shows the preview that the camera put in; only where that is missing or too
small, the sensor's picture is developed.

- **Films.** A film is one picture, for which one frame stands: of eight spread over it, that with
  most to see in the longest scene. Tags, captions, duplicates, the map and searches by a text see
  this one. Words and pictures find a film by any of its scenes, once, at the time of the best
  (`at 0:42`): up to six further frames, of scenes that look unlike it and each other, the longest
  first. They are looked for in 24 key frames spread over the film (in eight from nine megapixels
  on), so a scene that is shorter than the gap between those may be missed. `lexpix index` gives
  the films that it finds without frames theirs.
- **Panoramas** are pictures like others, of which the model sees the whole, squeezed into a
  square. `shape:panorama` finds them.
- **One picture, not two.** A RAW file beside a JPEG or HEIC of the same name, and the film of a
  live photo beside its picture (`IMG_1.HEIC`, `IMG_1.MOV`), are one with it and not listed.
- **Damaged files.** A JPEG that ends too early is indexed by what there is of it, if that is at
  least a quarter. `lexpix failures` lists it as damaged, beside what could not be read at all.
- **Passed over.** `lexpix index`, `lexpix status`, their JSON and the API's `/status` say how
  many files of which endings were passed over, and what would have them read.
- **What is said of a picture** is read of EXIF, IPTC and XMP in the file, and of an XMP file
  beside it (`a.jpg.xmp` or `a.xmp`), which wins: the time with its zone, camera, lens, focal
  length, ISO, place, rating, keywords and description. When the XMP file changes, only that is
  read again. What neither says is read of Google Takeout's JSON ([tags.md](tags.md)).
  `pip install 'lexpix[places]'` names the nearest town. All of it can be [searched by](filters.md).
"""

CAMERA, TAKEN = "Phone 15", "2024:06:01 10:20:30"
RED, GREEN, BLUE, WHITE = (230, 20, 30), (20, 180, 40), (20, 40, 220), (255, 255, 255)
# As they stand when a camera that was held on its side is turned upright.
UPRIGHT = [BLUE, RED, WHITE, GREEN]
AS_STORED = [RED, GREEN, BLUE, WHITE]

SAVED_AS = {"heic": "HEIF", "jpeg2000": "JPEG2000", "pnm": "PPM", "jxl": "JXL"}
"""What Pillow calls formats that it does not call as we do."""


def render() -> str:
    """Return the page."""
    sys.path.insert(0, str(ROOT))
    from searchengine.formats import FORMATS

    lines = [
        "| format | names end in | needs | date and camera | turned as held |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for one in FORMATS:
            path = Path(folder) / f"a{one.endings[0]}"
            _write(path, one.name)
            said, turned = _read(path)
            needs = f"`lexpix[{one.extra}]`" if one.extra else ""
            endings = " ".join(f"`{ending}`" for ending in one.endings)
            lines.append(f"| {one.title} | {endings} | {needs} | {said} | {turned} |")
    return INTRODUCTION + "\n".join(lines) + "\n" + END


def _write(path: Path, name: str) -> None:
    picture = Image.new("RGB", (128, 96), WHITE)
    for colour, box in ((RED, (0, 0)), (GREEN, (64, 0)), (BLUE, (0, 48))):
        picture.paste(colour, (*box, box[0] + 64, box[1] + 48))
    if name == "raw":
        from tests.support.camera_files import write_dng

        write_dng(path, picture, orientation=6)
        return
    if name == "video":
        from tests.support.camera_files import write_film

        write_film(path, [(picture, 1.0)], creation_time="2024-06-01T10:20:30Z")
        return
    if name == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    elif name == "jxl":
        import pillow_jxl  # noqa: F401 - registers itself
    exif = Image.Exif()
    exif[ExifTags.Base.Model], exif[ExifTags.Base.DateTime] = CAMERA, TAKEN
    exif[ExifTags.Base.Orientation] = 6
    picture.save(path, SAVED_AS.get(name, name.upper()), exif=exif.tobytes())


def _read(path: Path) -> tuple[str, str]:
    """Return whether date and camera came out, and whether the picture stands upright."""
    from searchengine.images import read_photo

    photo = read_photo(path)
    assert photo.pixels is not None
    pixels = np.asarray(photo.pixels).astype(int)
    height, width = pixels.shape[:2]
    colours = [pixels[y * height // 4, x * width // 4] for y in (1, 3) for x in (1, 3)]
    is_turned = np.abs(np.subtract(colours, UPRIGHT)).max() < 60
    if not is_turned and np.abs(np.subtract(colours, AS_STORED)).max() >= 60:
        raise ValueError(f"{path.name}: its colours are not those that were saved")
    dated, named = photo.exif.taken_at is not None, photo.exif.camera is not None
    said = "yes" if dated and named else "date" if dated else ""
    return said, "yes" if is_turned else ""


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
