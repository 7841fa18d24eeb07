"""Files as cameras and phones write them, drawn here: RAW, XMP, IPTC and films."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import tifffile
from PIL import Image

_CFA, _LINEAR_D65 = 32803, 21
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10


def write_dng(
    path: Path, picture: Image.Image, *, preview: bool = True, orientation: int = 1
) -> Path:
    """Write a picture as the RAW file of a camera: one colour a pixel, and a JPEG preview.

    Args:
        path: The file.
        picture: RGB; its sides are even.
        preview: Whether the camera puts a preview in.
        orientation: How the camera was held, as EXIF has it.
    """
    rgb = np.asarray(picture.convert("RGB")).astype(np.uint16) * 257
    mosaic = np.empty(rgb.shape[:2], np.uint16)
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = rgb[row::2, column::2, colour]
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    dng: list[tuple[int, int, int, Any, bool]] = [
        (274, _SHORT, 1, orientation, True),
        (271, _ASCII, 0, "Lexpix", True),
        (272, _ASCII, 0, "Drawn One", True),
        (306, _ASCII, 20, "2024:06:01 10:20:30", True),
        (50706, _BYTE, 4, (1, 4, 0, 0), True),
        (50707, _BYTE, 4, (1, 1, 0, 0), True),
        (50708, _ASCII, 0, "Lexpix Drawn One", True),
        (50721, _SRATIONAL, 9, identity, True),
        (50728, _RATIONAL, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, _SHORT, 1, _LINEAR_D65, True),
    ]
    sensor: list[tuple[int, int, int, Any, bool]] = [
        (33421, _SHORT, 2, (2, 2), True),
        (33422, _BYTE, 4, (0, 1, 1, 2), True),
        (50714, _SHORT, 1, 0, True),
        (50717, _SHORT, 1, 65535, True),
    ]
    with tifffile.TiffWriter(path) as file:
        if preview:
            small = BytesIO()
            picture.save(small, "JPEG", quality=95)
            room = np.zeros(picture.height * picture.width * 3, np.uint8)
            room[: small.tell()] = np.frombuffer(small.getvalue(), np.uint8)
            file.write(
                room.reshape(picture.height, picture.width, 3),
                photometric="rgb",
                rowsperstrip=picture.height,
                subfiletype=1,
                subifds=1,
                extratags=dng,
                metadata=None,
            )
        file.write(
            mosaic,
            photometric=_CFA,
            extratags=sensor if preview else dng + sensor,
            subfiletype=0,
            metadata=None,
        )
    if preview:  # tifffile writes JPEG by another package only, so it is told afterwards
        with tifffile.TiffFile(path, mode="r+") as file:
            tags = file.pages.first.tags
            tags["Compression"].overwrite(7)
            tags["PhotometricInterpretation"].overwrite(6)
    return path


def xmp(**properties: str) -> bytes:
    """Return a sidecar with properties of `rdf:Description`, such as `xmp_Rating="4"`.

    What `keywords` holds, separated by commas, becomes the list `dc:subject`.
    """
    keywords = properties.pop("keywords", "")
    items = "".join(f"<rdf:li>{one}</rdf:li>" for one in keywords.split(",") if one)
    subject = f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>" if items else ""
    written = " ".join(f'{name.replace("_", ":")}="{text}"' for name, text in properties.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"'
        f" {written}>{subject}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def with_iptc(jpeg: bytes, *, utf8: bool = True, **records: str) -> bytes:
    """Return a JPEG with IPTC: `date` and `time` as IPTC has them, `caption`, `keywords`."""
    numbers = {"keywords": 25, "date": 55, "time": 60, "caption": 120}
    body = b"\x1c\x01\x5a\x00\x03\x1b%G" if utf8 else b""
    for name, text in records.items():
        for one in text.split(",") if name == "keywords" else [text]:
            value = one.encode("utf-8" if utf8 else "cp1252")
            body += struct.pack(">BBBH", 0x1C, 2, numbers[name], len(value)) + value
    resource = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(body)) + body
    content = b"Photoshop 3.0\x00" + resource + b"\x00" * (len(body) % 2)
    return jpeg[:2] + struct.pack(">BBH", 0xFF, 0xED, len(content) + 2) + content + jpeg[2:]


def write_film(
    path: Path,
    scenes: Sequence[tuple[Image.Image, float]],
    *,
    codec: str = "mpeg4",
    **said: str,
) -> Path:
    """Write a film of still scenes, ten frames a second with a key frame every half second.

    Args:
        path: The file; its ending names the container.
        scenes: Pictures of one size, and how many seconds each is shown.
        codec: As FFmpeg names it.
        said: What the container says, such as `creation_time`.
    """
    with av.open(str(path), "w") as container:
        container.metadata.update(said)
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = scenes[0][0].size
        stream.pix_fmt, stream.gop_size, stream.bit_rate = "yuv420p", 5, 4_000_000
        for picture, seconds in scenes:
            for _ in range(round(10 * seconds)):
                frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
