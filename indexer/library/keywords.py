"""What other programs say of a picture in XMP and IPTC that can become tags of the user's.

digiKam, Lightroom and others write keywords twice: flat, and as paths in trees of keywords. Of a
path each part becomes a tag of its own, so that a dog in `Animals/Dog` is found as an animal, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree

from indexer.library.xmp import XmpError, items_of, parse
from indexer.library.xmp_tags import CARRIED, HIERARCHY, MARKS, SUBJECT, TREE, gone_from
from searchengine import images
from searchengine.language.tag_vocabulary import tag_name
from searchengine.metadata import MOST_XMP

_MICROSOFT = ("http://ns.microsoft.com/photo/1.0/", "http://ns.microsoft.com/photo/1.0")
_TREES = {
    TREE: "/",
    HIERARCHY: "|",
    **{f"{{{space}}}LastKeywordXMP": "/" for space in _MICROSOFT},
    "{http://ns.iview-multimedia.com/mediapro/1.0/}CatalogSets": "|",
}
"""Properties that hold paths in trees of keywords, and what stands between the parts."""

_INTERNAL = frozenset({"_digikam_internal_tags_", "darktable"})
"""First parts of the paths that programs write for themselves."""

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_REGIONS = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_PERSON = "{http://ns.microsoft.com/photo/1.2/t/Region#}PersonDisplayName"


@dataclass(frozen=True, slots=True)
class Keywords:
    """What is said of a picture in one place.

    Attributes:
        names: As tags are written, each once.
        gone: Tags that lexpix wrote there and another program took out since.
        hidden: Keywords of the picture's own file that this holds to be none.
    """

    names: tuple[str, ...] = ()
    gone: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


def keywords_of(packet: bytes, *, faces: bool = False) -> Keywords:
    """Return the keywords of a packet or a file of XMP.

    Args:
        packet: The XMP.
        faces: Names of people whose faces are marked in the picture as well.

    Raises:
        XmpError: It is no XMP, or longer than any that is read.
    """
    if len(packet) > MOST_XMP:
        raise XmpError(f"XMP of more than {MOST_XMP / 1e6:.0f} MB, which is not read")
    _, rdf = parse(packet)
    # What lexpix wrote into trees stands among the flat ones as it is, perhaps with a slash in it.
    own = {name: set(items_of(rdf, mark)) for name, mark in MARKS.items()}
    paths = [
        [part.strip() for part in path.split(separator)]
        for name, separator in _TREES.items()
        for path in items_of(rdf, name)
        if path not in own.get(name, ())
    ]
    told = [path for path in paths if tag_name(path[0]) not in _INTERNAL]
    flat = _names(
        part
        for one in items_of(rdf, SUBJECT)
        for part in ([one] if one in own[SUBJECT] else one.split("|"))
    )
    parts = _names(part for path in told for part in path)
    internal = _names(part for path in paths if path not in told for part in path)
    people = _names(_faces(rdf)) if faces else []
    names = _once([*parts, *_without(flat, internal), *people])
    gone = gone_from(rdf)
    return Keywords(names, gone, gone.union(_names(items_of(rdf, CARRIED))).difference(names))


def keywords_in(file: BinaryIO, *, faces: bool = False) -> Keywords:
    """Return the keywords in an open picture, of its XMP and its IPTC; nothing is decoded.

    Args:
        file: The picture, at its beginning. Of what is no readable picture nothing is said.
        faces: As of `keywords_of`.

    Raises:
        XmpError: Its XMP is none.
    """
    packet, iptc = images.keywords_in(file)
    found = Keywords() if packet is None else keywords_of(packet, faces=faces)
    return Keywords(_once([*found.names, *_names(iptc)]))


def _faces(rdf: ElementTree.Element) -> Iterator[str]:
    """Yield the names of people whose faces are marked, as the MWG and Microsoft write them."""
    for node in rdf.iter():
        said = {child.tag: child.text or "" for child in node} | node.attrib
        if said.get(f"{_REGIONS}Type") == "Face":
            yield said.get(f"{_REGIONS}Name", "")
        yield said.get(_PERSON, "")


def _names(texts: Iterable[str]) -> list[str]:
    """Return keywords as tags are written, each once, without what no XML could hold."""
    plain = (_CONTROL.sub(" ", one) for one in texts)
    return list(_once(filter(None, map(tag_name, plain))))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _without(names: Iterable[str], less: Collection[str]) -> list[str]:
    return [one for one in names if one not in less]
