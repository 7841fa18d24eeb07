"""Write the user's tags to the XMP file beside a picture, where other programs look for them.

What lexpix wrote is listed in properties of its own; all else in the file is somebody's and stays.
So are the tags at that time, also those that somebody's keywords said already: which of them is no
longer among the keywords was taken out by another program.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from indexer.library.xmp import (
    DC,
    DIGIKAM,
    EMPTY,
    LI,
    LIGHTROOM,
    OWN,
    RDF,
    Outcome,
    items_of,
    packed,
    parse,
    replace_file,
    sidecar_of,
)
from searchengine.formats import ending_of, readable_endings
from searchengine.images import read_photo
from searchengine.language.tag_vocabulary import tag_name
from searchengine.sources.addresses import is_remote

SUBJECT, TREE, HIERARCHY = (
    f"{{{DC}}}subject",
    f"{{{DIGIKAM}}}TagsList",
    f"{{{LIGHTROOM}}}hierarchicalSubject",
)
_KINDS = {SUBJECT: "Bag", TREE: "Seq", HIERARCHY: "Bag"}
MARKS = {name: f"{{{OWN}}}{name.split('}')[1]}" for name in _KINDS}
CARRIED, KNOWN = f"{{{OWN}}}carried", f"{{{OWN}}}tags"


def write_tags(picture: str, tags: Sequence[str], *, again: Collection[str] = ()) -> Outcome:
    """Make the tags that lexpix wrote beside a picture these; its own bytes stay as they are.

    Args:
        picture: The path of its file.
        tags: The user's. Those that another program took out of the sidecar stay out.
        again: Those among them that are written all the same.

    Raises:
        XmpError: The sidecar that is there is no XMP.
        ImageError: The picture cannot be read, so nobody can say which keywords it has.
        OSError: The sidecar cannot be read or written.
    """
    if is_remote(picture) and not tags:
        return "unchanged"
    path = sidecar_of(picture)
    before = Path(path).read_bytes() if os.path.exists(path) else EMPTY
    if not tags and OWN.encode() not in before:
        return "unchanged"
    own = read_photo(picture, decode=False).exif.keywords
    after = tagged(before, tags, own, again=again)
    if after == before:
        return "unchanged"
    if _is_shared(path, picture):  # the tags of one are not those of the other
        path = f"{picture}.xmp"
    replace_file(path, after)
    return "written"


def taken_out(picture: str, tags: Sequence[str]) -> list[str]:
    """Return which tags lexpix wrote beside a picture and another program has taken out since.

    Raises:
        XmpError: The sidecar that is there is no XMP.
        OSError: It cannot be read.
    """
    if is_remote(picture):
        return []
    path = sidecar_of(picture)
    if not os.path.exists(path):
        return []
    gone = gone_from(parse(Path(path).read_bytes())[1])
    return [one for one in tags if tag_name(one) in gone]


def gone_from(rdf: ElementTree.Element) -> frozenset[str]:
    """Return the tags of the last write that no keyword says any more, flat or in a tree."""
    there = set(items_of(rdf, SUBJECT))
    for name, separator in ((TREE, "/"), (HIERARCHY, "|")):
        for path in _without(items_of(rdf, name), items_of(rdf, MARKS[name])):
            there.update(path.split(separator))
    return frozenset(map(tag_name, items_of(rdf, KNOWN))).difference(map(tag_name, there))


def _is_shared(sidecar: str, picture: str) -> bool:
    """Tell whether a sidecar a.xmp is that of a.jpg and of a.png."""
    folder, name = os.path.split(picture)
    stem = os.path.splitext(name)[0]
    if os.path.splitext(os.path.basename(sidecar))[0] != stem:
        return False
    beside = (one for one in os.listdir(folder or ".") if os.path.splitext(one)[0] == stem)
    return any(one != name and ending_of(one) in readable_endings() for one in beside)


def tagged(
    packet: bytes, tags: Sequence[str], own: Sequence[str], *, again: Collection[str] = ()
) -> bytes:
    """Return a packet of XMP with tags instead of those that lexpix wrote before.

    Keywords in the packet hide those of the picture, so the first tag brings these along. Which of
    them somebody has since taken out of the packet stay out.

    Args:
        packet: All that is somebody's in it stays. It is returned as it is if it says the same.
        tags: The user's.
        own: Keywords of the picture file itself.
        again: Tags that are written although somebody took them out of the packet.

    Raises:
        XmpError: It is no XMP.
    """
    root, rdf = parse(packet)
    gone = gone_from(rdf).difference(map(tag_name, again))
    kept_out = [one for one in tags if tag_name(one) in gone]
    tags = _without(tags, kept_out)
    there = {name: items_of(rdf, name) for name in _KINDS}
    marked = {name: items_of(rdf, mark) for name, mark in MARKS.items()}
    others = {name: _without(there[name], marked[name]) for name in _KINDS}
    offered = items_of(rdf, CARRIED)
    carried = [
        one
        for one in own
        if (one in there[SUBJECT] if one in offered else tags and not others[SUBJECT])
    ]
    carried = _new(carried, others[SUBJECT]) if tags or others[SUBJECT] else []
    offer = [one for one in own if one in {*offered, *carried}] if tags or carried else []

    wanted = {name: list[str]() for name in _KINDS}
    if tags or carried:
        subject = wanted[SUBJECT] = [*carried, *_new(tags, [*others[SUBJECT], *carried])]
        # A program believes the first of these lists that it knows: each must be whole.
        for name, separator in ((TREE, "/"), (HIERARCHY, "|")):
            other, theirs = (HIERARCHY, "|") if name == TREE else (TREE, "/")
            paths = [] if others[name] else others[other]
            paths = [one.replace(theirs, separator) for one in paths]
            trees = [*others[name], *paths]
            parts = [part for one in trees for part in one.split(separator)]
            plain = [one.replace("/", separator) for one in [*others[SUBJECT], *subject]]
            wanted[name] = [*paths, *_new(plain, [*trees, *parts])]
    known_before, known_now = items_of(rdf, KNOWN), [*tags, *kept_out]
    if (
        all(set(wanted[name]) == set(marked[name]) <= set(there[name]) for name in _KINDS)
        and set(offer) == set(offered)
        and set(known_now) == set(known_before)
    ):
        return packet
    for name, kind in _KINDS.items():
        _change(rdf, name, kind, set(marked[name]), wanted[name])
        _change(rdf, MARKS[name], "Bag", set(marked[name]), wanted[name])
    _change(rdf, CARRIED, "Bag", set(offered), offer)
    _change(rdf, KNOWN, "Bag", set(known_before), known_now)
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


def _change(
    rdf: ElementTree.Element, name: str, kind: str, drop: set[str], add: Sequence[str]
) -> None:
    """Take items out of a list and add others; the items between stay as they are."""
    container, single = None, []
    for block in rdf.findall(f"{{{RDF}}}Description"):
        single.append(block.attrib.pop(name, ""))
        for element in block.findall(name):
            items = [(holder, item) for holder in element for item in holder.findall(LI)]
            if not items:
                single.append(element.text or "")
            for holder, item in items:
                if (item.text or "").strip() in drop:
                    holder.remove(item)
            if element.find(f"*/{LI}") is None:
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
        ElementTree.SubElement(container, LI).text = one
