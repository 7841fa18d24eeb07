"""Write the user's tags to the XMP file beside a picture, where other programs look for them.

What lexpix wrote is listed in properties of its own; all else in the file is somebody's and stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from indexer.library.xmp import (
    DC,
    DIGIKAM,
    EMPTY,
    LIGHTROOM,
    OWN,
    RDF,
    Outcome,
    packed,
    parse,
    replace_file,
    sidecar_of,
)
from searchengine.formats import ending_of, readable_endings
from searchengine.images import read_photo

_SUBJECT, _TREE, _LIGHTROOM = (
    f"{{{DC}}}subject",
    f"{{{DIGIKAM}}}TagsList",
    f"{{{LIGHTROOM}}}hierarchicalSubject",
)
_KINDS = {_SUBJECT: "Bag", _TREE: "Seq", _LIGHTROOM: "Bag"}
_MARKS = {name: f"{{{OWN}}}{name.split('}')[1]}" for name in _KINDS}
_CARRIED = f"{{{OWN}}}carried"
_LI = f"{{{RDF}}}li"


def write_tags(picture: str, tags: Sequence[str]) -> Outcome:
    """Make the tags that lexpix wrote beside a picture these; its own bytes stay as they are.

    Raises:
        XmpError: The sidecar that is there is no XMP.
        ImageError: The picture cannot be read, so nobody can say which keywords it has.
        OSError: The sidecar cannot be read or written.
    """
    path = sidecar_of(picture)
    before = Path(path).read_bytes() if os.path.exists(path) else EMPTY
    if not tags and OWN.encode() not in before:
        return "unchanged"
    after = tagged(before, tags, read_photo(picture, decode=False).exif.keywords)
    if after == before:
        return "unchanged"
    if _is_shared(path, picture):  # the tags of one are not those of the other
        path = f"{picture}.xmp"
    replace_file(path, after)
    return "written"


def _is_shared(sidecar: str, picture: str) -> bool:
    """Tell whether a sidecar a.xmp is that of a.jpg and of a.png."""
    folder, name = os.path.split(picture)
    stem = os.path.splitext(name)[0]
    if os.path.splitext(os.path.basename(sidecar))[0] != stem:
        return False
    beside = (one for one in os.listdir(folder or ".") if os.path.splitext(one)[0] == stem)
    return any(one != name and ending_of(one) in readable_endings() for one in beside)


def tagged(packet: bytes, tags: Sequence[str], own: Sequence[str]) -> bytes:
    """Return a packet of XMP with tags instead of those that lexpix wrote before.

    Keywords in the packet hide those of the picture, so the first tag brings these along. Which of
    them somebody has since taken out of the packet stay out.

    Args:
        packet: All that is somebody's in it stays. It is returned as it is if it says the same.
        tags: The user's.
        own: Keywords of the picture file itself.

    Raises:
        XmpError: It is no XMP.
    """
    root, rdf = parse(packet)
    there = {name: _items(rdf, name) for name in _KINDS}
    marked = {name: _items(rdf, mark) for name, mark in _MARKS.items()}
    others = {name: _without(there[name], marked[name]) for name in _KINDS}
    offered = _items(rdf, _CARRIED)
    carried = [
        one
        for one in own
        if (one in there[_SUBJECT] if one in offered else tags and not others[_SUBJECT])
    ]
    carried = _new(carried, others[_SUBJECT]) if tags or others[_SUBJECT] else []
    offer = [one for one in own if one in {*offered, *carried}] if tags or carried else []

    wanted = {name: list[str]() for name in _KINDS}
    if tags or carried:
        subject = wanted[_SUBJECT] = [*carried, *_new(tags, [*others[_SUBJECT], *carried])]
        # A program believes the first of these lists that it knows: each must be whole.
        for name, separator in ((_TREE, "/"), (_LIGHTROOM, "|")):
            other, theirs = (_LIGHTROOM, "|") if name == _TREE else (_TREE, "/")
            paths = [] if others[name] else others[other]
            paths = [one.replace(theirs, separator) for one in paths]
            known = [*others[name], *paths]
            parts = [part for one in known for part in one.split(separator)]
            plain = [one.replace("/", separator) for one in [*others[_SUBJECT], *subject]]
            wanted[name] = [*paths, *_new(plain, [*known, *parts])]
    if all(set(wanted[name]) == set(marked[name]) <= set(there[name]) for name in _KINDS) and (
        set(offer) == set(offered)
    ):
        return packet
    for name, kind in _KINDS.items():
        _change(rdf, name, kind, set(marked[name]), wanted[name])
        _change(rdf, _MARKS[name], "Bag", set(marked[name]), wanted[name])
    _change(rdf, _CARRIED, "Bag", set(offered), offer)
    after = packed(root)
    parse(after)  # a tag may hold what no XML can
    return after


def _new(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return names, each once, that are not known in any capitals."""
    seen = {one.casefold() for one in known}
    return [one for one in dict.fromkeys(names) if one.casefold() not in seen]


def _without(names: Iterable[str], less: Iterable[str]) -> list[str]:
    gone = set(less)
    return [one for one in names if one not in gone]


def _items(rdf: ElementTree.Element, name: str) -> list[str]:
    """Return the values of a property, as a list, an element or an attribute."""
    found = []
    for block in rdf.findall(f"{{{RDF}}}Description"):
        found.append(block.get(name, ""))
        for element in block.findall(name):
            items = element.findall(f"*/{_LI}")
            found += [item.text or "" for item in items or [element]]
    return [one.strip() for one in found if one.strip()]


def _change(
    rdf: ElementTree.Element, name: str, kind: str, drop: set[str], add: Sequence[str]
) -> None:
    """Take items out of a list and add others; the items between stay as they are."""
    container, single = None, []
    for block in rdf.findall(f"{{{RDF}}}Description"):
        single.append(block.attrib.pop(name, ""))
        for element in block.findall(name):
            items = [(holder, item) for holder in element for item in holder.findall(_LI)]
            if not items:
                single.append(element.text or "")
            for holder, item in items:
                if (item.text or "").strip() in drop:
                    holder.remove(item)
            if element.find(f"*/{_LI}") is None:
                block.remove(element)
            elif container is None:
                container = items[0][0]
    names = [*(one.strip() for one in single if one.strip() and one.strip() not in drop), *add]
    if not names:
        return
    if container is None:
        block_name = f"{{{RDF}}}Description"
        first = rdf.find(block_name)
        if first is None:
            first = ElementTree.SubElement(rdf, block_name, {f"{{{RDF}}}about": ""})
        container = ElementTree.SubElement(ElementTree.SubElement(first, name), f"{{{RDF}}}{kind}")
    for one in names:
        ElementTree.SubElement(container, _LI).text = one
