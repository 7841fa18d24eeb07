"""What a picture file, and an XMP file beside it, say of the picture: EXIF, IPTC and XMP.

Cameras and editors write every kind of broken block; what is nonsense reads as None.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any
from xml.etree import ElementTree

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from searchengine.types import Exif

MOST_XMP = 4_000_000
"""Bytes of the longest XMP that is read."""

MOST_TEXT = 2000
"""Letters of the longest description that is kept."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_EXIF_EX = "{http://cipa.jp/exif/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_AUX = "{http://ns.adobe.com/exif/1.0/aux/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_OWN = "{https://lexpix.invalid/ns/1.0/}"  # marks a description that lexpix wrote

_RATING = 0x4746  # not in the standard; Windows and Lightroom write it
_XMP_IN_TIFF = 700
_KEYWORDS, _CAPTION, _CHARSET, _DATE, _TIME = (2, 25), (2, 120), (1, 90), (2, 55), (2, 60)

_DATE_TIME = re.compile(
    r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d*)?)?)?\s*(Z|[+-]\d\d:?\d\d)?"
)
_XMP_DEGREES = re.compile(r"(\d+),(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?([NSEW])", re.IGNORECASE)


def read_metadata(image: Image.Image, sidecar: bytes | None = None) -> Exif:
    """Return what is usable of a picture's EXIF, IPTC and XMP.

    Args:
        image: The open picture; nothing of it is decoded.
        sidecar: The XMP file beside it, which wins over the picture: somebody wrote it later.
    """
    own = merged(read_exif(image), read_iptc(image))
    own = merged(own, read_xmp(packet_of(image)))
    return own if sidecar is None else merged(read_xmp(sidecar), own)


def read_exif(image: Image.Image) -> Exif:
    """Return what is usable of a picture's EXIF block."""
    try:
        return of_exif(image.getexif())
    except Exception:  # any error of a parser
        return Exif()


def of_exif(main: Image.Exif) -> Exif:
    """Return what is usable of an EXIF block."""
    try:
        photo = main.get_ifd(ExifTags.IFD.Exif)
        place = main.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # any error of a parser
        return Exif()
    tags = ExifTags.Base
    taken, offset = time_of(photo.get(tags.DateTimeOriginal))
    if taken is None:
        taken, offset = time_of(main.get(tags.DateTime))
    else:
        offset = _offset(photo.get(tags.OffsetTimeOriginal), offset)
    lat = _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90.0)
    lon = _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180.0)
    return Exif(
        taken_at=taken,
        taken_offset=offset,
        camera=camera_of(text_of(main.get(tags.Make)), text_of(main.get(tags.Model))),
        lens=text_of(photo.get(tags.LensModel)),
        focal=_positive(photo.get(tags.FocalLength)),
        iso=_iso(photo.get(tags.ISOSpeedRatings)),
        lat=lat if lon is not None else None,
        lon=lon if lat is not None else None,
        rating=_rating(main.get(_RATING)),
        description=text_of(main.get(tags.ImageDescription)),
    )


def read_exposure(image: Image.Image) -> tuple[float | None, float | None]:
    """Return the f-number of a picture, and how many seconds its shutter was open."""
    try:
        photo = image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Exception:  # any error of a parser
        return None, None
    tags = ExifTags.Base
    return _positive(photo.get(tags.FNumber)), _positive(photo.get(tags.ExposureTime))


def has_document_type(packet: bytes) -> bool:
    """Tell whether XML has what XMP never has: entities, and what they stand for knows no bounds.

    In whatever encoding: that of UTF-16 and UTF-32 puts zeros between the letters.
    """
    plain = packet.replace(b"\0", b"")
    return b"<!DOCTYPE" in plain or b"<!ENTITY" in plain


def unpadded(packet: bytes) -> bytes:
    """Return a packet of XMP without the room that stands around it in files."""
    if packet.startswith((b"\xff\xfe", b"\xfe\xff")):  # each of its letters has a zero byte
        return packet
    return packet.strip(b"\0 \r\n\t")


def read_xmp(packet: bytes | None) -> Exif:
    """Return what is usable of a packet or a file of XMP."""
    if not packet or len(packet) > MOST_XMP or has_document_type(packet):
        return Exif()
    try:
        root = ElementTree.fromstring(unpadded(packet))
    except (ElementTree.ParseError, ValueError, LookupError):
        return Exif()
    found: dict[str, list[str]] = {}
    for node in root.iter(f"{_RDF}Description"):
        for name, value in (*node.attrib.items(), *_elements(node)):
            found.setdefault(name, []).append(value)

    def first(*names: str) -> str | None:
        return next((text_of(found[name][0]) for name in names if found.get(name)), None)

    taken, offset = time_of(first(f"{_EXIF}DateTimeOriginal", f"{_PHOTOSHOP}DateCreated"))
    lat, lon = (_xmp_degrees(first(f"{_EXIF}GPS{name}")) for name in ("Latitude", "Longitude"))
    keywords = (text_of(one) for one in found.get(f"{_DC}subject", ()))
    return Exif(
        taken_at=taken,
        taken_offset=offset,
        camera=camera_of(first(f"{_TIFF}Make"), first(f"{_TIFF}Model")),
        lens=first(f"{_EXIF_EX}LensModel", f"{_AUX}Lens"),
        focal=_positive(first(f"{_EXIF}FocalLength")),
        iso=_iso(first(f"{_EXIF}ISOSpeedRatings", f"{_EXIF_EX}PhotographicSensitivity")),
        lat=lat if lon is not None else None,
        lon=lon if lat is not None else None,
        rating=_rating(first(f"{_XMP}Rating")),
        description=None if f"{_OWN}description" in found else first(f"{_DC}description"),
        keywords=tuple(dict.fromkeys(one for one in keywords if one)),
    )


def merged(first: Exif, second: Exif) -> Exif:
    """Return the first with what only the second knows; times, places and keywords as a whole."""
    if second == _NOTHING:
        return first
    gaps = {name: value for name, value in asdict(second).items() if value not in (None, ())}
    if first.taken_at is not None:
        gaps.pop("taken_at", None)
        gaps.pop("taken_offset", None)
    if first.lat is not None:
        gaps.pop("lat", None)
        gaps.pop("lon", None)
    known = asdict(first)
    return replace(first, **{k: v for k, v in gaps.items() if known[k] in (None, ())})


_NOTHING = Exif()


def packet_of(image: Image.Image) -> bytes | None:
    """Return the packet of XMP in an open picture, None if it has none."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and image.format == "TIFF":
        packet = getattr(image, "tag_v2", {}).get(_XMP_IN_TIFF)
    if isinstance(packet, str):
        return packet.encode()
    return bytes(packet) if isinstance(packet, (bytes, tuple)) else None


def _elements(node: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Yield the properties of a node that are elements, the items of lists one by one."""
    for child in node:
        items = child.findall(f"*/{_RDF}li")
        for item in items or [child]:
            if item.text:
                yield child.tag, item.text


def read_iptc(image: Image.Image) -> Exif:
    """Return what is usable of a picture's IPTC."""
    if not isinstance(image, ImageFile.ImageFile):
        return Exif()
    try:
        found = IptcImagePlugin.getiptcinfo(image) or {}
    except Exception:  # any error of a parser
        return Exif()
    # UTF-8 says so by an escape sequence, but not everybody who writes it does.
    encodings = ("utf-8",) if _all(found.get(_CHARSET)) == [b"\x1b%G"] else ("utf-8", "cp1252")
    texts = {
        key: [_decoded(value, encodings) for value in _all(found.get(key))]
        for key in (_KEYWORDS, _CAPTION, _DATE, _TIME)
    }
    day = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", "".join(texts[_DATE])[:8])
    clock = re.match(r"(\d\d)(\d\d)(\d\d)", "".join(texts[_TIME]))
    taken = f"{':'.join(day.groups())} {':'.join(clock.groups())}" if day and clock else None
    keywords = (text_of(one) for one in texts[_KEYWORDS])
    return Exif(
        taken_at=time_of(taken)[0],
        description=text_of(" ".join(texts[_CAPTION])),
        keywords=tuple(dict.fromkeys(one for one in keywords if one)),
    )


def _all(value: object) -> list[bytes]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, bytes)]


def _decoded(value: bytes, encodings: Iterable[str]) -> str:
    for encoding in encodings:
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("utf-8", "replace")


def text_of(value: object) -> str | None:
    """Return a text of a picture's file without line ends and doubled spaces; None if empty."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    return " ".join(value.replace("\0", " ").split())[:MOST_TEXT] or None


def camera_of(make: str | None, model: str | None) -> str | None:
    """Return maker and model as one name, the maker once."""
    if make and model and not model.casefold().startswith(make.casefold()):
        return f"{make} {model}"
    return model or make


def time_of(value: object) -> tuple[dt.datetime | None, int | None]:
    """Return the time on the camera's clock, and minutes that it is ahead of UTC, if it says so."""
    found = _DATE_TIME.match(text_of(value) or "")
    if found is None:
        return None, None
    numbers = [int(part or 0) for part in found.groups()[:6]]
    try:
        return dt.datetime(*numbers), _offset(found[7])  # type: ignore[arg-type]
    except ValueError:
        return None, None


def _offset(value: object, otherwise: int | None = None) -> int | None:
    text = text_of(value)
    if text == "Z":
        return 0
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text or "")
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return otherwise
    minutes = 60 * int(found[2]) + int(found[3])
    return -minutes if found[1] == "-" else minutes


def _number(value: object) -> float | None:
    """Return a number, of a list the first, also if it is written as "50/1"."""
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    try:
        if isinstance(value, str) and "/" in value:
            above, below = value.split("/")
            value = float(above) / float(below)
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number < 1e5 else None


def _iso(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number < 1e8 else None


def _rating(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and -1 <= number <= 5 else None


def _degrees(
    place: Mapping[int, Any], tag: int, reference: int, negative: str, limit: float
) -> float | None:
    """Return signed decimal degrees from degrees, minutes, seconds and a hemisphere letter."""
    try:
        whole, minutes, seconds = (float(part) for part in place[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    degrees = whole + minutes / 60 + seconds / 3600
    if not 0 <= degrees <= limit:  # also false for NaN
        return None
    letter = (text_of(place.get(reference)) or "").upper()
    return -degrees if letter.startswith(negative) else degrees


def _xmp_degrees(text: str | None) -> float | None:
    """Return signed decimal degrees from the form of XMP: "47,22.2N" or "47,22,12N"."""
    found = _XMP_DEGREES.fullmatch(text or "")
    if found is None:
        return None
    degrees = int(found[1]) + float(found[2]) / 60 + float(found[3] or 0) / 3600
    letter = found[4].upper()
    if degrees > (90 if letter in "NS" else 180):
        return None
    return -degrees if letter in "SW" else degrees
