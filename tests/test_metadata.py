"""What EXIF, IPTC and XMP say of a picture, in the file and beside it."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pillow_heif
import pillow_jxl  # noqa: F401 - lets Pillow write JPEG XL
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from searchengine.images import read_photo
from searchengine.metadata import merged, read_xmp
from searchengine.types import Exif
from tests.support.camera_files import with_iptc, xmp

pillow_heif.register_heif_opener()

TAKEN = dt.datetime(2024, 6, 1, 10, 20, 30)


def jpeg(**options: Any) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (32, 24), "red").save(content, "JPEG", **options)
    return content.getvalue()


def exif_block() -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Make] = "FUJIFILM"
    block[ExifTags.Base.Model] = "X-T3"
    block[ExifTags.Base.ImageDescription] = "A dog."
    block[0x4746] = 4
    photo = block.get_ifd(ExifTags.IFD.Exif)
    photo[ExifTags.Base.DateTimeOriginal] = "2024:06:01 10:20:30"
    photo[ExifTags.Base.OffsetTimeOriginal] = "-03:30"
    photo[ExifTags.Base.LensModel] = "XF35mmF1.4 R"
    photo[ExifTags.Base.FocalLength] = IFDRational(35, 1)
    photo[ExifTags.Base.ISOSpeedRatings] = 1600
    place = block.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLongitudeRef] = "S", "E"
    place[ExifTags.GPS.GPSLatitude] = (33, 55, 12)
    place[ExifTags.GPS.GPSLongitude] = (18, 25, 30)
    return block.tobytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.heic", "a.png", "a.webp", "a.avif", "a.jxl", "a.tif"])
def test_exif_is_read_of_every_format_that_has_it(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (32, 24), "red").save(tmp_path / name, exif=exif_block())
    found = read_photo(tmp_path / name).exif
    assert (found.lat, found.lon) == pytest.approx((-(33 + 55 / 60 + 12 / 3600), 18 + 25.5 / 60))
    assert replace(found, lat=None, lon=None) == Exif(
        taken_at=TAKEN,
        taken_offset=-210,
        camera="FUJIFILM X-T3",
        lens="XF35mmF1.4 R",
        focal=35.0,
        iso=1600,
        rating=4,
        description="A dog.",
    )


PACKET = xmp(
    keywords="dog,beach,dog",
    xmp_Rating="3",
    exif_DateTimeOriginal="2024-06-01T10:20:30.50+02:00",
    exif_GPSLatitude="47,22.2N",
    exif_GPSLongitude="8,32,24W",
    exif_FocalLength="350/10",
    exif_ISOSpeedRatings="400",
    aux_Lens="XF35",
    tiff_Make="FUJIFILM",
    tiff_Model="X-T3",
)
SAID = Exif(
    taken_at=TAKEN,
    taken_offset=120,
    camera="FUJIFILM X-T3",
    lens="XF35",
    focal=35.0,
    iso=400,
    rating=3,
    keywords=("dog", "beach"),
)


@pytest.mark.parametrize("name", ["a.jpg", "a.heic", "a.webp", "a.avif", "a.tif", "a.png"])
def test_xmp_in_the_file_is_read(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"xmp": PACKET}
    if name == "a.tif":
        options = {"tiffinfo": {700: PACKET}}
    elif name == "a.png":
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", PACKET.decode())
        options = {"pnginfo": chunks}
    Image.new("RGB", (32, 24), "red").save(tmp_path / name, **options)
    found = read_photo(tmp_path / name).exif
    assert (found.lat, found.lon) == pytest.approx((47.37, -8.54))
    assert replace(found, lat=None, lon=None) == SAID


def test_a_sidecar_wins_over_the_file_and_fills_its_gaps(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=exif_block()))
    sidecar = xmp(xmp_Rating="5", keywords="cat", exif_DateTimeOriginal="2020-01-02T03:04:05")
    found = read_photo(tmp_path / "a.jpg", sidecar=sidecar).exif
    assert (found.rating, found.keywords, found.camera) == (5, ("cat",), "FUJIFILM X-T3")
    # A time without a zone has none, whatever zone the camera wrote beside its own time.
    assert (found.taken_at, found.taken_offset) == (dt.datetime(2020, 1, 2, 3, 4, 5), None)


@pytest.mark.parametrize("utf8", [True, False])
def test_iptc_is_read_in_both_encodings(tmp_path: Path, utf8: bool) -> None:
    content = with_iptc(
        jpeg(),
        utf8=utf8,
        keywords="Zürich,dog",
        caption="Am Zürichsee",
        date="20240601",
        time="102030+0200",
    )
    (tmp_path / "a.jpg").write_bytes(content)
    found = read_photo(tmp_path / "a.jpg").exif
    assert (found.keywords, found.description) == (("Zürich", "dog"), "Am Zürichsee")
    assert found.taken_at == TAKEN


def test_properties_of_xmp_may_be_elements_too() -> None:
    packet = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
      <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
               xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <rdf:Description><xmp:Rating>-1</xmp:Rating><dc:description><rdf:Alt>
          <rdf:li xml:lang="x-default">A dog.</rdf:li></rdf:Alt></dc:description></rdf:Description>
      </rdf:RDF><?xpacket end='w'?>\0\0\0"""
    found = read_xmp(packet)
    assert (found.rating, found.description) == (-1, "A dog.")


def test_a_description_that_lexpix_wrote_is_no_word_of_the_users() -> None:
    own = xmp(dc_description="a dog on a beach")
    marked = own.replace(
        b"dc:description=",
        b'xmlns:lexpix="https://lexpix.invalid/ns/1.0/" lexpix:description="x" dc:description=',
    )
    assert read_xmp(own).description == "a dog on a beach"
    assert read_xmp(marked).description is None


ENTITY = (
    '<!DOCTYPE a [<!ENTITY secret "Canon"><!ENTITY file SYSTEM "file:///etc/hostname">]>'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><rdf:Description>'
    "<tiff:Model>&secret;</tiff:Model></rdf:Description></rdf:RDF>"
)


@pytest.mark.parametrize(
    "packet",
    [
        None,
        b"",
        b"<not xml",
        b"\xff\xfe\0",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        ENTITY.encode(),
        ENTITY.encode("utf-16"),
        xmp(xmp_Rating="many", exif_GPSLatitude="99,0N", exif_DateTimeOriginal="2024-13-01"),
        xmp(exif_GPSLatitude="47,0N", exif_FocalLength="1/0", exif_ISOSpeedRatings="-5"),
    ],
)
def test_nonsense_reads_as_nothing(packet: bytes | None) -> None:
    assert read_xmp(packet) == Exif()


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_sidecar_never_raises(content: bytes) -> None:
    assert read_xmp(content) == Exif()


def test_merging_keeps_place_and_time_whole() -> None:
    first = Exif(taken_at=TAKEN, lat=1.0, lon=2.0, rating=0)
    second = Exif(taken_at=dt.datetime(2000, 1, 1), taken_offset=60, lat=3.0, lon=4.0, rating=5)
    assert merged(first, second) == first
    assert merged(Exif(), second) == second
