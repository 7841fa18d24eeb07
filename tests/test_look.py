"""Perceptual hashes and sharpness: alike what is the same picture, whatever became of its file."""

from __future__ import annotations

import io
from typing import Any

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from skimage import data

from searchengine.images import read_photo
from searchengine.look import Look, Looking, bits_apart, look_of

PHOTOS = {
    name: Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea")
}


def looked_at(picture: Image.Image, size: int = 256, **options: Any) -> Look:
    """Measure a picture on its way through a file and a decoder."""
    file = io.BytesIO()
    picture.save(file, **{"format": "JPEG", **options})
    file.seek(0)
    looking = Looking(None, size)
    photo = read_photo(file, size=size, prepare=looking)
    assert photo.pixels is not None
    assert min(photo.pixels.size) <= size
    assert looking.look is not None
    return looking.look


@pytest.mark.parametrize("name", PHOTOS)
def test_the_same_picture_has_nearly_the_same_hash_in_any_size_and_format(name: str) -> None:
    photo, own = PHOTOS[name], look_of(PHOTOS[name])
    half = photo.resize((photo.width // 2, photo.height // 2))
    large = photo.resize((photo.width * 5, photo.height * 5))
    others = [
        looked_at(photo, quality=40),
        looked_at(half, quality=80),
        looked_at(large),
        looked_at(photo, format="WEBP"),
        looked_at(photo, size=64),
    ]
    assert max(bits_apart(own.phash, one.phash) for one in others) <= 6
    strangers = [look_of(other) for other in PHOTOS.values() if other is not photo]
    assert min(bits_apart(own.phash, one.phash) for one in strangers) >= 20


@pytest.mark.parametrize("name", PHOTOS)
def test_the_hash_is_nearly_that_of_imagehash_over_the_whole_picture(name: str) -> None:
    theirs = np.packbits(imagehash.phash(PHOTOS[name]).hash).tobytes()
    ours = look_of(PHOTOS[name]).phash
    assert bits_apart(int.from_bytes(theirs, "big", signed=True), ours) <= 4


def test_a_picture_that_is_turned_by_exif_looks_like_the_upright_one() -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise by a quarter
    on_its_side = PHOTOS["coffee"].transpose(Image.Transpose.ROTATE_90)
    turned = looked_at(on_its_side, exif=exif)
    assert bits_apart(turned.phash, look_of(PHOTOS["coffee"]).phash) <= 4


def test_a_blurred_picture_is_less_sharp_in_whatever_format() -> None:
    photo = PHOTOS["astronaut"].resize((2048, 2048))
    blurred = photo.filter(ImageFilter.GaussianBlur(12))
    for kind in ("JPEG", "WEBP"):
        sharp, soft = (looked_at(one, format=kind, quality=92) for one in (photo, blurred))
        assert soft.sharpness < 0.6 * sharp.sharpness
    # A JPEG is decoded at a quarter and a WebP whole: the figure is of the same size all the same.
    jpeg, webp = looked_at(photo, quality=92), looked_at(photo, format="WEBP", quality=92)
    assert jpeg.sharpness == pytest.approx(webp.sharpness, rel=0.15)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (3, 3), (900, 3)])
def test_pictures_of_next_to_nothing_can_be_measured(size: tuple[int, int]) -> None:
    assert look_of(Image.new("RGB", size, "red")).sharpness == 0


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_bits_apart_counts_what_differs(one: int, other: int) -> None:
    unsigned = [format(number % 2**64, "064b") for number in (one, other)]
    assert bits_apart(one, other) == sum(a != b for a, b in zip(*unsigned, strict=True))
