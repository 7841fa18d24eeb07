"""The table of aliases as it is made: which words of two languages are taken for the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer.vocabulary.make_aliases import English, read_emoji, translations, weights
from searchengine.errors import TrainingDataError
from searchengine.language.translator import aliases


def emoji_in(folder: Path, said: dict[str, tuple[str, list[str]]]) -> Path:
    folder.mkdir()
    entries = {key: {"tts": [name], "default": words} for key, (name, words) in said.items()}
    (folder / "annotations.json").write_text(json.dumps({"annotations": {"annotations": entries}}))
    return folder


def test_words_at_the_same_emoji_and_at_few_others_are_the_same(tmp_path: Path) -> None:
    english = emoji_in(
        tmp_path / "en",
        {
            "🐶": ("dog face", ["dog", "face", "pet", "animal"]),
            "🐕": ("dog", ["animal", "pet"]),
            "🐱": ("cat face", ["cat", "face", "pet", "animal"]),
            "🦊": ("fox", ["animal", "face"]),
        },
    )
    german = emoji_in(
        tmp_path / "de",
        {
            "🐶": ("Hundegesicht", ["Hund", "Gesicht", "Tier"]),
            "🐕": ("Hund", ["Tier"]),
            "🐱": ("Katzengesicht", ["Katze", "Gesicht", "Tier"]),
            "🦊": ("Fuchs", ["Gesicht", "Tier"]),
        },
    )
    ranks = {"dog": 900, "cat": 1500, "fox": 2000, "animal": 800, "face": 300, "pet": 2500}
    known = English.of(read_emoji([english]), ranks, set(ranks), set(ranks))
    found = {word: known.nearest(row) for word, row in weights(read_emoji([german])).items()}
    expected = {"hund": "dog", "katze": "cat", "fuchs": "fox", "tier": "animal", "gesicht": "face"}
    assert {word: near[0] for word in expected if (near := found[word])} == expected
    assert known.of_emoji("🐶") == "dog"


def test_what_is_not_cldr_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"nowhere.annotations\.json.*npm"):
        read_emoji([tmp_path / "nowhere"])


def test_every_translation_by_hand_stands_in_the_table() -> None:
    found = {
        (one.language, alias): one.english for alias, meanings in aliases() for one in meanings
    }
    by_hand: dict[tuple[str, str], list[str]] = {}
    for language, alias, english in translations():
        by_hand.setdefault((language, alias), []).append(english)
    for key, meanings in by_hand.items():
        # The first of two counts; what is spelt as in English needs no entry.
        assert found.get(key, key[1]) in (meanings[0], key[1]), key
