"""The word table: tokens, look-up, spelling and files, against naive twins."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from searchengine.errors import ModelError
from searchengine.language.words import FILES, WordVectors, quantize, tokenize
from searchengine.types import UnknownWord

words = st.text(min_size=1).map(tokenize).filter(bool).map(lambda found: found[0])
vocabularies = st.lists(words, unique=True, min_size=1, max_size=20)


def table_of(*vocabulary: str, dim: int = 3) -> WordVectors:
    """Make a table with random vectors, the most frequent word first."""
    vectors = np.random.default_rng(7).normal(size=(len(vocabulary), dim)).astype(np.float32)
    return WordVectors.build(vocabulary, vectors)


def found_words(table: WordVectors, text: str) -> tuple[list[str], list[str]]:
    listed = list(table)
    rows, unknown = table.find(text)
    return [listed[row] for row in rows], unknown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man, a Plan!", ["a", "man", "a", "plan"]),
        ("t-shirt", ["t-shirt"]),
        ("t\u2010shirt t\u2011shirt", ["t-shirt", "t-shirt"]),
        ("-dog- --cat", ["dog", "cat"]),
        ("the dog's ball", ["the", "dog", "ball"]),
        ("the dogs' ball", ["the", "dogs", "ball"]),
        ("the dog’s ball", ["the", "dog", "ball"]),
        ("don’t o'clock", ["don't", "o'clock"]),
        ("'s", ["s"]),
        ("snake_case 3rd", ["snake", "case", "3rd"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("ﬁre Ｄog", ["fire", "dog"]),
        ("İstanbul", ["istanbul"]),
        ("собака 犬", ["собака", "犬"]),
        ("…!? \udc80 _", []),
        ("", []),
    ],
)
def test_tokens_of(text: str, expected: list[str]) -> None:
    assert tokenize(text) == expected


@given(words)
def test_a_token_is_one_token_again_unless_it_still_ends_like_a_possessive(word: str) -> None:
    again = tokenize(word)
    assert again == [word] or word.endswith("'s")


@settings(deadline=None)
@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(0, 5), st.integers(1, 6)),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    )
)
def test_quantisation_errs_by_half_a_step_at_most(vectors: np.ndarray) -> None:
    codes, scales = quantize(vectors)
    assert codes.dtype == np.int8
    assert scales.dtype == np.float32
    error = np.abs(codes.astype(float) * scales[:, None] - vectors)
    step = np.abs(vectors).max(axis=1, initial=0.0).astype(float) / 127
    smallest = float(np.finfo(np.float32).smallest_subnormal) * 127
    assert (error <= step[:, None] * 0.5001 + smallest).all()


@settings(deadline=None)
@given(vocabularies, st.text(), st.data())
def test_row_is_where_a_dictionary_has_it(
    vocabulary: list[str], other: str, data: st.DataObject
) -> None:
    table = table_of(*vocabulary)
    in_byte_order = sorted(vocabulary, key=str.encode)
    assert list(table) == in_byte_order
    assert len(table) == len(vocabulary)
    probe = data.draw(st.sampled_from([*vocabulary, *tokenize(other)]))
    expected = in_byte_order.index(probe) if probe in vocabulary else None
    assert table.row(probe) == expected
    assert (probe in table) is (expected is not None)
    if expected is not None:
        assert table.rank(expected) == vocabulary.index(probe)


def test_vectors_belong_to_their_words() -> None:
    vocabulary = ["zebra", "ape", "Öl", "mouse"]
    vectors = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    table = WordVectors.build(vocabulary, vectors)
    assert table.dim == 5
    rows = [row for word in vocabulary if (row := table.row(word)) is not None]
    np.testing.assert_allclose(table.vectors(rows), vectors, atol=np.abs(vectors).max() / 254)


def test_a_table_survives_the_disk_and_stays_there(tmp_path: Path) -> None:
    vocabulary = ["the", "a", "dog", "café", "t-shirt", "犬"]
    table = table_of(*vocabulary)
    table.save(tmp_path)
    loaded = WordVectors.load(tmp_path)
    assert list(loaded) == list(table)
    for word in vocabulary:
        row = loaded.row(word)
        assert row is not None
        assert row == table.row(word)
        assert loaded.rank(row) == table.rank(row)
        np.testing.assert_array_equal(loaded.vectors([row]), table.vectors([row]))
    assert isinstance(loaded._codes, np.memmap)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    ("text", "found", "unknown"),
    [
        ("A dog's T-shirt", ["a", "dog", "t-shirt"], []),
        ("sheep-dog", ["sheep", "dog"], []),
        ("sheep-wolf-dog", ["sheep", "dog"], ["wolf"]),
        ("dög café", ["dog", "café"], []),
        ("cafè cafe CAFE\u0301 ｃａｆé", ["café"] * 4, []),
        ("wolf wolf bear", [], ["wolf", "bear"]),
        ("dog dog", ["dog", "dog"], []),
        ("dog'n'sheep", ["dog", "sheep"], ["n"]),
        ("", [], []),
    ],
)
def test_find(text: str, found: list[str], unknown: list[str]) -> None:
    table = table_of("a", "dog", "t-shirt", "sheep", "café")
    assert found_words(table, text) == (found, unknown)


def edits(left: str, right: str) -> int:
    """Return the optimal string alignment distance by the textbook recursion."""
    rows = [
        [i + j if i * j == 0 else 0 for j in range(len(right) + 1)] for i in range(len(left) + 1)
    ]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            same = left[i - 1] == right[j - 1]
            best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i][j] = best
    return rows[-1][-1]


letters = st.text("abc", min_size=1, max_size=7)


@settings(deadline=None)
@given(st.lists(letters, unique=True, min_size=1, max_size=12), letters)
def test_spelling_is_the_nearest_then_of_like_letters_or_length_then_the_most_frequent(
    vocabulary: list[str], word: str
) -> None:
    limit = -1 if len(word) < 3 else 1 if len(word) <= 4 else 2
    near = [
        (
            edits(word, known),
            Counter(word) != Counter(known),
            abs(len(word) - len(known)),
            rank,
            known,
        )
        for rank, known in enumerate(vocabulary)
    ]
    near = [candidate for candidate in near if candidate[0] <= limit]
    expected = min(near)[-1] if near else None
    assert table_of(*vocabulary).spelling(word) == expected


def test_a_spelling_is_of_the_same_script() -> None:
    table = table_of("cat", "кот", "katze")
    assert table.spelling("кит") == "кот"
    assert table.spelling("cot") == "cat"
    assert table.spelling("猫猫猫") is None
    assert table.spelling("猫") is None


def test_a_word_with_marks_and_without_is_one_word() -> None:
    both = table_of("résumé", "resume", "naïve")
    assert found_words(both, "résumé resume rèsume") == (["resume"] * 3, [])
    assert found_words(both, "naive naïve") == (["naïve"] * 2, [])


def test_a_vowel_that_is_a_mark_stays_in_its_word() -> None:
    assert tokenize("एक कुत्ता, हिन्दी।") == ["एक", "कुत्ता", "हिन्दी"]


def test_unknown_words_come_with_a_spelling_or_none() -> None:
    table = table_of("dog", "elephant")
    assert table.unknown("a dgo, a dog and an elefant") == [
        UnknownWord("a"),
        UnknownWord("dgo", "dog"),
        UnknownWord("and"),
        UnknownWord("an"),
        UnknownWord("elefant", "elephant"),
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_empty_short_or_foreign_file_is_named(tmp_path: Path, name: str) -> None:
    table_of("a", "dog").save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for damaged in (None, b"", content[:60], content[:-1], b"PK\x03\x04" + content, b"text"):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(ModelError, match=name):
            WordVectors.load(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("array", [np.zeros(2), np.zeros((2, 2, 2), np.int8), np.zeros((), int)])
def test_an_array_of_another_kind_is_refused(tmp_path: Path, name: str, array: np.ndarray) -> None:
    table_of("a", "dog").save(tmp_path)
    np.save(tmp_path / name, array)
    with pytest.raises(ModelError, match=name):
        WordVectors.load(tmp_path)


def test_files_of_two_tables_are_refused(tmp_path: Path) -> None:
    table_of("a", "dog").save(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    table_of("a", "dog", "cat").save(other)
    for name in FILES:
        mixed = tmp_path / f"mixed-{name}"
        mixed.mkdir()
        for part in FILES:
            source = other if part == name else tmp_path
            (mixed / part).write_bytes((source / part).read_bytes())
        with pytest.raises(ModelError, match="do not belong together"):
            WordVectors.load(mixed)


@pytest.mark.filterwarnings("ignore::UserWarning")  # NumPy's, about headers like those of Python 2
def test_random_damage_to_a_header_is_never_another_error(tmp_path: Path) -> None:
    table_of("a", "dog").save(tmp_path)
    path = tmp_path / "words-codes.npy"
    content = path.read_bytes()
    random = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(content)
        for place in random.integers(0, 80, 3):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            WordVectors.load(tmp_path)
        except ModelError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017 - damage may also go unseen
