"""Reading of other languages and emoji, by the table that is part of lexpix and by drawn ones."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.errors import ModelError
from searchengine.language.aliases import ENGLISH, FILE, LONGEST, Aliases, Meaning, packed
from searchengine.language.preference import prefer
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.translator import Translator, aliases, knowing
from searchengine.models.joint import JointEncoder
from searchengine.models.translating import with_languages
from searchengine.search.engine import load_model
from searchengine.types import Explainable
from searchengine.web.page.preferring import languages_of

EVERYDAY = Path(__file__).parents[1] / "data" / "everyday.tsv"
PROMISED = "ko ja zh de fr es it pt nl sv pl ru uk tr ar hi vi id".split()  # noqa: SIM905


@cache
def model() -> JointEncoder:
    encoder = load_model()
    assert isinstance(encoder, JointEncoder)
    return encoder


@contextlib.contextmanager
def preferring(languages: Sequence[str]) -> Iterator[None]:
    prefer(languages)
    try:
        yield
    finally:
        prefer([])


def translator(language: str | None = None) -> Translator:
    return Translator(knowing(model().words.find), language)


def english(text: str, language: str | None = None) -> str:
    return " ".join(piece.english for piece in translator(language).read(text) if piece.english)


# The table


keys = st.text(min_size=1, max_size=12).filter(lambda text: len(text.encode()) <= LONGEST)
meanings = st.builds(
    Meaning,
    st.sampled_from(["en", "de", "ko"]),
    st.sampled_from(["", "dog", "ice cream"]),
    st.integers(0, 3),
)
tables = st.dictionaries(keys, st.lists(meanings, min_size=1, max_size=3), min_size=1, max_size=60)


@settings(deadline=None)
@given(tables, keys)
def test_the_table_finds_what_a_dictionary_finds(
    entries: Mapping[str, list[Meaning]], other: str
) -> None:
    table = Aliases(packed(entries, ["en", "de", "ko"]))
    for alias in (*entries, other):
        assert table.find(alias) == tuple(entries.get(alias, ()))
    assert dict(table) == {alias: tuple(found) for alias, found in entries.items()}
    assert [alias.encode() for alias, _ in table] == sorted(alias.encode() for alias in entries)
    for letters in (other, other[:1]):
        begun = {alias for alias in entries if alias.startswith(letters)}
        assert {alias for alias, _ in table.beginning(letters)} == begun
        assert table.begins(letters) == bool(begun)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    whole = FILE.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"PK\x03\x04" + whole):
        (tmp_path / "aliases.bin").write_bytes(damaged)
        with pytest.raises(ModelError, match=r"aliases\.bin"):
            Aliases.open(tmp_path / "aliases.bin")
    with pytest.raises(ModelError, match="nowhere"):
        Aliases.open(tmp_path / "nowhere")


def test_the_table_holds_the_promised_languages_in_the_promised_size() -> None:
    assert set(PROMISED) < set(aliases().languages)
    assert FILE.stat().st_size <= 4 * 1024 * 1024


def test_nearly_all_english_texts_of_the_table_are_known_to_the_model() -> None:
    texts = {one.english for _, found in aliases() for one in found if one.english}
    knows = knowing(model().words.find)
    assert sum(map(knows, texts)) / len(texts) > 0.9


# Reading


@pytest.mark.parametrize("language", ["ko", "de", "es"])
def test_everyday_words_are_known(language: str) -> None:
    asked = [
        line.split("\t")[1:]
        for line in EVERYDAY.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"{language}\t")
    ]
    assert len(asked) == 60
    for chosen in (None, language):
        wrong = {w: english(w, chosen) for w, ok in asked if english(w, chosen) not in ok.split()}
        assert len(wrong) <= 0.2 * len(asked), wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("강아지", "dog"),
        ("개와 고양이", "dog cat"),
        ("해변에서 달리는 개", "beach running dog"),
        ("강아지사진", "dog picture"),
        ("沙滩上的狗", "beach dog"),
        ("海辺を走っている犬", "beach running dog"),
        ("ein Hund mit einem Ball im Garten", "dog ball garden"),
        ("perros en la playa", "dog beach"),
        ("les chiens sur la plage", "dog beach"),
        ("coucher de soleil", "sunset"),
        ("l'arbre", "tree"),
        ("собаки на пляже", "dog beach"),
        ("कुत्ता", "dog"),
        ("بحر", "sea"),
        ("bãi biển", "beach"),
        ("sư tử trên xe đạp", "lion bicycle"),
        ("sac à dos", "backpack"),
        ("jalapeño pepper", "jalapeño pepper"),
        ("köpekler", "dog"),
        ("löwe", "lion"),
        ("ＨＵＮＤ", "dog"),
        ("🐶", "dog"),
        ("🐕🏽 🏖️ 🏖", "dog beach beach"),
        ("👩🏿‍🚀", "astronaut"),
        ("a dog on a beach", "a dog on a beach"),
        ("golden retriever, t-shirt", "golden retriever t-shirt"),
    ],
)
def test_a_text_is_read_as(text: str, expected: str) -> None:
    assert english(text).lower() == expected


def test_english_wins_unless_a_language_is_asked_for() -> None:
    assert english("gift hand bad kind strand") == "gift hand bad kind strand"
    assert english("Kind Strand", "de") == "child beach"
    assert english("gato Strand", "de") == "cat beach"
    with preferring(["de-AT", "en"]):
        assert english("gift hand bad kind strand") == "gift hand bad kind strand"


def test_a_preferred_language_breaks_ties() -> None:
    table = Aliases(
        packed({"zzburro": [Meaning("es", "donkey", 3), Meaning("it", "butter", 3)]}, ["es", "it"])
    )
    read = Translator(knowing(model().words.find), table=table)
    for languages, expected in (
        (["it"], "butter"),
        (["es", "it"], "donkey"),
        (["it", "es"], "butter"),
    ):
        with preferring(languages):
            assert read.translate("zzburro") == expected


def test_a_bare_form_is_looked_for_only_where_the_full_one_is_no_alias() -> None:
    known = {"말": [Meaning("ko", "horse", 3)], "말이": [Meaning("ko", "roll", 3)]}
    read = Translator(knowing(model().words.find), table=Aliases(packed(known, ["ko"])))
    assert read.translate("말이") == "roll"
    assert read.translate("말은") == "horse"
    assert read.translate("말은말") is None


def test_no_tag_is_taken_for_another_language() -> None:
    entries = [entry.name for entry in TagVocabulary.load().entries if entry.rank < 10_000]
    assert [name for name in entries if translator().translate(name)] == []


def test_suggestions_are_of_the_same_script_and_near() -> None:
    reading = with_languages(model(), None)
    assert {w.word: w.suggestion for w in reading.unknown_words("강하지 개")} == {
        "강하지": "강아지"
    }
    assert [w.suggestion for w in reading.unknown_words("猫猟")] == [None]
    [found] = reading.unknown_words("собка")
    assert found.suggestion == "собака"


def test_completions_are_in_the_letters_that_were_typed() -> None:
    found = dict(translator().completions("강아", 8))
    assert found["강아지"] == "dog"
    assert all(alias.startswith("강아") for alias in found)
    assert translator().completions("hun", 8) == []
    with preferring(["de"]):
        assert ("hund", "dog") in translator().completions("hun", 8)


# The encoder


def test_a_translated_text_has_the_vector_of_the_english_one() -> None:
    reading = with_languages(model(), None)
    texts = ["강아지", "🏖", "a dog", "Hund und Katze"]
    in_english = ["dog", "beach", "a dog", "dog cat"]
    assert np.allclose(reading.encode_texts(texts), model().encode_texts(in_english), atol=1e-6)


def test_parts_are_called_as_the_user_wrote_and_add_up() -> None:
    reading = with_languages(model(), None)
    assert isinstance(reading, Explainable)
    labels, rows = reading.encode_words("하얀 강아지 on grass")
    assert labels == ["하얀", "강아지", "on", "grass"]
    total = rows.sum(axis=0)
    unit = reading.encode_texts(["하얀 강아지 on grass"])[0]
    assert math.isclose(float(unit @ total), float(np.linalg.norm(total)), rel_tol=1e-5)


def test_what_was_translated_is_told() -> None:
    reading = with_languages(model(), None)
    told = [(one.word, one.english, one.language) for one in reading.translated("Ein Hund 🐱 dog")]
    assert told == [("Hund", "dog", "de"), ("🐱", "cat", "und")]


# What browsers say


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", ["ko", "en"]),
        ("en;q=0.2, de", ["de", "en"]),
        ("de;q=0, fr", ["fr"]),
        ("*", []),
        ("", []),
        ("nonsense;;,q=9,\x00", []),
    ],
)
def test_accept_language_is_read(header: str, expected: list[str]) -> None:
    assert languages_of(header) == expected


def test_english_is_no_language_to_translate_from() -> None:
    assert all(
        one.english == "" for _, found in aliases() for one in found if one.language == ENGLISH
    )
