"""Write descriptions to XMP, beside pictures or into JPEG files (XMP specification, parts 1 and 3).

A description that lexpix wrote is marked by a property of its own. One without that mark, or one
that was changed since, is somebody's, and is never replaced; neither is one inside the picture.
"""

from __future__ import annotations

import io
import os
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from PIL import Image

from searchengine.formats import sidecars_of
from searchengine.metadata import has_document_type, unpadded
from searchengine.sources.addresses import is_remote

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
XML = "http://www.w3.org/XML/1998/namespace"
META = "adobe:ns:meta/"
OWN = "https://lexpix.invalid/ns/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
LI = f"{{{RDF}}}li"
_NAMES = {"x": META, "rdf": RDF, "dc": DC, "lexpix": OWN, "digiKam": DIGIKAM, "lr": LIGHTROOM}
_MARK = f"{{{OWN}}}description"
_DESCRIPTION = f"{{{DC}}}description"

_APP1, _SOS = 0xE1, 0xDA
_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\x00"
_LONGEST = 65_533  # bytes of a segment of a JPEG
EMPTY = f'<x:xmpmeta xmlns:x="{META}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
_IMAGE_DESCRIPTION = 0x010E

Outcome = Literal["written", "unchanged", "kept"]


class XmpError(ValueError):
    """Say why a packet or a picture cannot be written to."""


def sidecar_of(picture: str) -> str:
    """Return the sidecar of a picture: the one that is there, else NAME.jpg.xmp.

    Raises:
        XmpError: The picture is at an address.
    """
    if is_remote(picture):
        raise XmpError("is at an address, where nothing is written")
    return next(filter(os.path.exists, sidecars_of(picture)), f"{picture}.xmp")


def write_sidecar(picture: str, text: str) -> Outcome:
    """Write a description beside a picture, whose own bytes stay as they are.

    Returns:
        "kept" if somebody has described the picture, in a sidecar or in its file.

    Raises:
        XmpError: The sidecar that is there is no XMP.
        OSError: It cannot be read or written.
    """
    path = sidecar_of(picture)
    before = Path(path).read_bytes() if os.path.exists(path) else EMPTY
    after = described(before, text)
    if after is None or _is_described(picture):
        return "kept"
    if after == before:
        return "unchanged"
    replace_file(path, after)
    return "written"


def embed(picture: str, text: str) -> Outcome:
    """Write a description into a JPEG file; its pixels and other segments stay as they are.

    Returns:
        "kept" if somebody has described the picture, in its file or in a sidecar.

    Raises:
        XmpError: It is no JPEG, its XMP cannot be read, or there is no room.
        OSError: It cannot be read or written.
    """
    beside = sidecar_of(picture)
    content = Path(picture).read_bytes()
    if content[:2] != b"\xff\xd8":
        raise XmpError("not a JPEG file; leave out --embed")
    segments = list(_segments(content))
    if any(
        content[start:end].find(_EXTENDED, 4, 4 + len(_EXTENDED)) == 4 for start, end in segments
    ):
        raise XmpError("its XMP goes over several segments; leave out --embed")
    packets = [(s, e) for s, e in segments if content[s + 4 : s + 4 + len(_XMP)] == _XMP]
    before = content[packets[0][0] + 4 + len(_XMP) : packets[0][1]] if packets else EMPTY
    after = described(before, text)
    is_described_beside = (
        os.path.exists(beside) and described(Path(beside).read_bytes(), text) is None
    )
    if after is None or is_described_beside or _exif_description(picture):
        return "kept"
    if after == before:
        return "unchanged"
    body = _XMP + after
    if len(body) + 2 > _LONGEST:
        raise XmpError("its XMP has no room for a description; leave out --embed")
    segment = struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    if packets:
        start, end = packets[0]
    else:  # after JFIF and EXIF, which readers expect first
        first = [e for s, e in segments if content[s + 1] in (0xE0, _APP1)]
        start = end = max(first, default=2)
    replace_file(picture, content[:start] + segment + content[end:])
    return "written"


def described(packet: bytes, text: str) -> bytes | None:
    """Return a packet of XMP with a description, None if somebody else's is in it.

    All that is in the packet stays. A packet that says the same already is returned as it is.

    Raises:
        XmpError: It is no XMP.
    """
    root, rdf = parse(packet)
    blocks = rdf.findall(f"{{{RDF}}}Description")
    mark = next((block.attrib[_MARK] for block in blocks if _MARK in block.attrib), None)
    there = _descriptions(blocks)
    if any(one != mark for one in there):
        return None
    if there == [text]:
        return packet
    for block in blocks:
        block.attrib.pop(_MARK, None)
        for element in block.findall(_DESCRIPTION):
            block.remove(element)
    block = (
        blocks[0]
        if blocks
        else ElementTree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    )
    block.set(_MARK, text)
    options = ElementTree.SubElement(ElementTree.SubElement(block, _DESCRIPTION), f"{{{RDF}}}Alt")
    ElementTree.SubElement(options, f"{{{RDF}}}li", {f"{{{XML}}}lang": "x-default"}).text = text
    return packed(root)


def packed(root: ElementTree.Element) -> bytes:
    """Return XMP as the packet that a sidecar or a picture holds."""
    body = ElementTree.tostring(root, encoding="unicode")
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{body}\n<?xpacket end="w"?>\n'
    ).encode()


def parse(packet: bytes) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the root of a packet, and the rdf:RDF in it.

    Raises:
        XmpError: It is no XMP.
    """
    if has_document_type(packet):  # XMP has none; a bomb would
        raise XmpError("not an XMP packet: it has a document type")
    try:
        content = unpadded(packet)
        for _, (prefix, uri) in ElementTree.iterparse(io.BytesIO(content), events=["start-ns"]):
            # "ns0" and the like are reserved for names without a prefix.
            if prefix and not re.fullmatch(r"ns\d+", prefix):
                ElementTree.register_namespace(prefix, uri)
        for prefix, uri in _NAMES.items():
            ElementTree.register_namespace(prefix, uri)
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise XmpError(f"not an XMP packet ({error})") from error
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    if rdf is None:
        raise XmpError("not an XMP packet: no rdf:RDF in it")
    return root, rdf


def items_of(rdf: ElementTree.Element, name: str) -> list[str]:
    """Return the values of a property, as a list, an element or an attribute."""
    found = []
    for block in rdf.findall(f"{{{RDF}}}Description"):
        found.append(block.get(name, ""))
        for element in block.findall(name):
            items = element.findall(f"*/{LI}")
            found += [item.text or "" for item in items or [element]]
    return [one.strip() for one in found if one.strip()]


def _descriptions(blocks: list[ElementTree.Element]) -> list[str]:
    """Return every description, in any language, that is not empty."""
    descriptions = []
    for block in blocks:
        descriptions.append(block.attrib.get(_DESCRIPTION, ""))
        for element in block.findall(_DESCRIPTION):
            texts = [item.text or "" for item in element.iter(f"{{{RDF}}}li")]
            descriptions += texts or [element.text or ""]
    return [text for text in descriptions if text.strip()]


def _is_described(picture: str) -> bool:
    """Return whether a picture's own file has a description that is not lexpix's."""
    if _exif_description(picture):
        return True
    with Image.open(picture) as image:
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not packet:
        return False
    try:
        return described(packet.encode() if isinstance(packet, str) else packet, "") is None
    except XmpError:
        return False


def _exif_description(picture: str) -> bool:
    with Image.open(picture) as image:
        description = image.getexif().get(_IMAGE_DESCRIPTION)
    return bool(str(description or "").strip(" \x00"))


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each segment of a JPEG before its pixels.

    Raises:
        XmpError: The file is torn.
    """
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        if marker == _SOS:
            return
        if length < 2:
            break
        yield place, place + 2 + length
        place += 2 + length
    raise XmpError("its JPEG segments are damaged; nothing was written")


def replace_file(path: str, content: bytes) -> None:
    """Write a file so that there is the old one or the new one, whatever happens.

    Of a link the file that it leads to is written, and the link stays.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path) or "."
    handle, fresh = tempfile.mkstemp(prefix=".lexpix-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
        os.chmod(fresh, mode)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
