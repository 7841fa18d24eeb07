"""What strangers write is read once.

Readers that go back over what they have read would take hours for this much; nothing is timed, as
these tests would not end.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from indexer.readers.jsonld import plain
from searchengine.language import query as grammar
from searchengine.language.hints import LONGEST, MOST, hints_for
from searchengine.metadata import read_xmp
from searchengine.recipes.foods import matches
from searchengine.types import Exif, Term
from searchengine.web.media.originals import range_of
from searchengine.web.page.preferring import languages_of

MANY = 1_000_000
GAP = " " * MANY
XMP = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/"><rdf:Description exif:GPSLatitude="%s" '
    'exif:DateTimeOriginal="%s"/></rdf:RDF>'
)


@pytest.mark.parametrize(
    ("read", "text", "meaning"),
    [
        (languages_of, f"en{GAP}!", []),
        (languages_of, f"en;{GAP}q=1{GAP}!, de", ["de"]),
        (languages_of, f"en-{'-' * MANY}!, de", ["de"]),
        (languages_of, f"{GAP}en{GAP};q=0.5{GAP}, de", ["de", "en"]),
        (lambda text: range_of(text, 10), f"bytes={GAP}!", None),
        (lambda text: range_of(text, 10), f"bytes={'1' * MANY}!", None),
        (lambda text: range_of(text, 10), f"{GAP}bytes={GAP}2{GAP}-{GAP}4{GAP}", (2, 5)),
        (plain, f"a <{GAP}", ["a <"]),
        (lambda text: matches([text], "milk"), "free " + "a" * MANY, False),
        (lambda text: hints_for(text, [Term(1, "words", text)]), '\\"' * MANY, ()),
        (lambda text: hints_for(text, [Term(1, "words", text)]), 'a"' * MANY, ()),
        (lambda text: read_xmp(text.encode()), XMP % ("1" * MANY, f"2024{GAP}"), Exif()),
        (lambda text: read_xmp(text.encode()), XMP % (f"47,{'1' * MANY}", "-" * MANY), Exif()),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, str) else "",
)
def test_a_million_characters_are_read_once(
    read: Callable[[str], object], text: str, meaning: object
) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    "word", ["– ", "–a ", "tag: ", "date:1 ", "not a ", "date:" + "a" * 4000 + " "]
)
def test_hints_are_few_and_short(word: str) -> None:
    hints = grammar.parse("red " + word * (9_000 // len(word))).hints
    assert 1 <= len(hints) <= MOST
    assert max(map(len, hints)) <= LONGEST + len("...")
