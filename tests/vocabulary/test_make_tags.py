"""The vocabulary of tags, made from a small WordNet."""

from __future__ import annotations

from pathlib import Path

import searchengine
from indexer.vocabulary.classes import Class
from indexer.vocabulary.make_tags import PROPOSED, make
from indexer.vocabulary.wordnet import WordNet
from searchengine.language.words import WordVectors
from tests.support.small_wordnet import write_wordnet

WORDS = WordVectors.load(Path(searchengine.__file__).parent / "assets" / "default")
LISTS = {
    kind: {"names": names}
    for kind, names in {
        "thing": "",
        "people": "farmer",
        "scene": "castle/fortress",
        "colour": "red",
        "activity": "",
        "synonyms": "",
        "not_a_kind": "entity",
    }.items()
} | {"not_a_thing": {"any": "entity"} | dict.fromkeys(PROPOSED, "")}
NOUNS = {
    "00000001": (["entity"], []),
    "00000002": (["dog", "hound"], ["00000001"]),
    "00000003": (["Great Dane"], ["00000002"]),
    "00000004": (["crane", "wading bird"], ["00000001"]),
    "00000005": (["crane"], ["00000001"]),  # a machine, the rarer sense
    "00000006": (["castle"], ["00000001"]),
}


Made = dict[str, tuple[str, set[str], str]]


def made(folder: Path, *classes: Class) -> Made:
    wordnet = WordNet(write_wordnet(folder / "wordnet", NOUNS, lexname=5))
    tags = make(wordnet, WORDS, LISTS, classes)
    return {tag.name: (tag.kind, set(tag.synonyms), tag.broader) for tag in tags}


def test_a_class_is_a_tag_however_rare_and_has_the_words_that_usually_mean_it(
    tmp_path: Path,
) -> None:
    before = made(tmp_path)
    assert "great dane" not in before
    assert before["dog"] == ("noun", {"hound", "dogs", "hounds"}, "")
    after = made(
        tmp_path,
        Class("n00000003", "Great Dane", ("Great Dane",), "a large dog"),
        Class("n00000004", "crane", ("crane", "wading bird"), "a bird"),
        Class("n00000005", "crane", ("crane",), "a machine"),
        Class("n00000006", "castle", ("castle",), "a stronghold"),
        Class("n09999999", "mailbag", ("mailbag", "postbag"), "of another WordNet"),
    )
    assert after["great dane"] == ("class", {"great danes"}, "dog")
    assert after["crane"] == ("class", {"wading bird", "cranes", "wading birds"}, "")
    assert after["castle"] == ("scene", {"fortress", "castles", "fortresses"}, "")
    assert after["mailbag"] == ("class", {"mailbags"}, "")
    assert {name: tag for name, tag in after.items() if tag[0] != "class"} == {
        name: tag for name, tag in before.items() if name != "crane"
    }
