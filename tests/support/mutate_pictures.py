"""Read files that were changed at random, and tell the worst time and memory.

    python -m tests.support.mutate_pictures FORMAT TRIES SEED

Each is a small picture with metadata of which bits were flipped, parts cut, doubled, zeroed or
swapped, or numbers of its header made large. What is read must be a picture, or be refused in
words; anything else ends the process with an error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from searchengine.bounds import BoundedFile
from searchengine.errors import ImageError
from searchengine.images import exposure_in, format_in, read_photo

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "HEIF", "AVIF", "JPEG2000")
_XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-"
    b"syntax-ns#'><rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='3'/>"
    b"</rdf:RDF></x:xmpmeta>"
)
_LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\xff\xff", b"\x00\x01\x00\x00")


def samples(name: str) -> list[bytes]:
    """Return pictures of a format in the ways that it knows."""
    if name == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    photo = Image.effect_noise((96, 64), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0110], exif[0x0112], exif[0x0132] = "Model", 6, "2024:01:02 03:04:05"
    plain: dict[str, list[dict[str, Any]]] = {
        "JPEG": [{}, {"progressive": True}],
        "PNG": [{}],
        "WEBP": [{}, {"lossless": True}],
    }
    ways = plain.get(name, [{}])
    if name == "TIFF":
        ways = [{"compression": one} for one in ("raw", "tiff_lzw", "tiff_deflate", "jpeg")]
    made = []
    for options in ways:
        for picture in (photo, photo.convert("L")):
            file = io.BytesIO()
            more: dict[str, Any] = {} if name in ("GIF", "JPEG2000") else {"exif": exif}
            if name in ("JPEG", "WEBP", "PNG"):
                more["xmp"] = _XMP
            picture.save(file, name, **options, **more)
            made.append(file.getvalue())
    if name in ("GIF", "WEBP", "PNG"):
        file = io.BytesIO()
        photo.save(file, name, save_all=True, append_images=[photo.rotate(90)] * 2)
        made.append(file.getvalue())
    return made


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a file with one to a few changes."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        if len(changed) < 16:
            break
        # Headers decide more than pixels.
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 400)
        place, length = rng.randrange(end), rng.choice((1, 4, 16, 200))
        part = slice(place, place + length)
        action = rng.randrange(7)
        if action <= 1:
            changed[place] ^= 1 << rng.randrange(8)
        elif action == 2:
            changed[place : place + 4] = rng.choice(_LARGE)
        elif action == 3:
            del changed[part]
        elif action == 4:
            changed[place:place] = changed[part] * rng.choice((1, 2, 300))
        elif action == 5:
            changed[part] = rng.choice((bytes, rng.randbytes))(len(changed[part]))
        else:
            del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def workers_now() -> list[str]:
    """Return the numbers of the processes that this one has started, which has one thread."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def peak_mb() -> int:
    """Return the most that this process and its workers have taken, the largest of them."""
    most = 0
    for process in ("self", *workers_now()):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
            most = max(most, int(found[1]) // 1000 if found else 0)
    return most


def seconds_of_workers() -> float:
    """Return the processor time of those that have not ended."""
    total = 0.0
    for process in workers_now():
        with contextlib.suppress(psutil.Error):
            total += sum(psutil.Process(int(process)).cpu_times()[:2])
    return total


def main(name: str, tries: int, seed: int) -> dict[str, float]:
    """Read that many files of a format; return what was seen."""
    originals = samples(name)
    for content in originals:
        assert read_photo(io.BytesIO(content), size=32).pixels is not None
    rng, before = random.Random(f"{name} {seed}"), peak_mb()
    read, worst, most, died = 0, 0.0, before, 0
    for _ in range(tries):
        content = mutated(rng.choice(originals), rng)
        start, there = time.process_time(), seconds_of_workers()
        for decode in (True, False):
            try:
                photo = read_photo(io.BytesIO(content), size=32, decode=decode)
                read += decode
                assert (photo.pixels is not None) is decode
                assert photo.width > 0
            except ImageError as error:
                assert str(error).startswith("picture: "), error  # noqa: PT017 - not of a test
                died += "its decoder was ended" in str(error)
        format_in(io.BytesIO(content))
        exposure_in(io.BytesIO(content))
        BoundedFile(io.BytesIO(content)).check()
        spent = time.process_time() - start + max(0.0, seconds_of_workers() - there)
        worst, most = max(worst, spent), max(most, peak_mb())
    return {
        "tried": tries,
        "read": read,
        "decoders_that_died": died,
        "worst_seconds": round(worst, 2),
        "more_mb": most - before,
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
