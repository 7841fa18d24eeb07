"""Word vectors from text files, tables and the packaged GloVe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.train.joint.table import RARE, build_table, misspelt, read_words
from searchengine.errors import ModelError, TrainingDataError
from searchengine.language.words import WordVectors


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table_of(*words: str) -> WordVectors:
    return WordVectors.build(words, np.eye(len(words), dtype=np.float32))


def test_glove_text(tmp_path: Path) -> None:
    words, vectors = read_words(write(tmp_path / "g.txt", "the 0.5 -1\ndog 2 3e-2\n"), 10)
    assert words == ["the", "dog"]
    np.testing.assert_array_equal(vectors, np.array([[0.5, -1], [2, 0.03]], np.float32))


def test_word2vec_text_has_a_header_and_trailing_spaces(tmp_path: Path) -> None:
    words, vectors = read_words(write(tmp_path / "w.txt", "2 3\nthe 1 2 3 \ndog 4 5 6 \n"), 10)
    assert words == ["the", "dog"]
    assert vectors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_words_with_spaces_as_in_glove_840b_are_passed_over(tmp_path: Path) -> None:
    text = "the 1 2 3\n. . . 4 5 6\nat name@domain.com 1 1 1\ndog 7 8 9\n"
    words, vectors = read_words(write(tmp_path / "g.txt", text), 10)
    assert words == ["the", "dog"]
    assert vectors.tolist() == [[1, 2, 3], [7, 8, 9]]


def test_words_that_no_query_can_contain_do_not_count(tmp_path: Path) -> None:
    text = "The 1\n, 2\ndog's 3\ndog 4\nNew_York 5\nice_cream 6\n_ 7\ncat 8\nbird 9\n"
    words, vectors = read_words(write(tmp_path / "g.txt", text.replace(" ", " 1 ")), 3)
    assert words == ["dog", "ice cream", "cat"]
    assert vectors.tolist() == [[1, 4], [1, 6], [1, 8]]


def test_of_a_word_that_is_there_twice_the_first_counts(tmp_path: Path) -> None:
    words, vectors = read_words(write(tmp_path / "g.txt", "dog 1 1\ndog 2 2\ncat 3 3\n"), 2)
    assert words == ["dog", "cat"]
    assert vectors.tolist() == [[1, 1], [3, 3]]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("the 1 2\ndog 1\n", ":2: expected 2 finite numbers"),
        ("the 1 2\ndog 1 x\n", ":2: not a word vector"),
        ("the 1 2\ndog 1 nan\n", ":2: expected 2 finite numbers for 'dog'"),
        ("the 1 2\ndog inf 1\n", ":2: expected 2 finite numbers for 'dog'"),
        ("the 1 2\n\ndog 1 2\n", ":2: expected 2 finite numbers"),
        ("the\ndog\n", ":1: expected some finite numbers for 'the'"),
        ("2 3\nthe 1 2\ndog 1 2 x\n", ":3: not a word vector"),
        ("", ": no word vectors in it"),
        (", 1 2\n", ": no word vectors in it"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, text: str, where: str) -> None:
    path = write(tmp_path / "g.txt", text)
    with pytest.raises(TrainingDataError, match=f"^{path}{where}"):
        read_words(path, 10)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x80\x03dog 1 2\n")
    for name in ("binary", "nowhere"):
        with pytest.raises(TrainingDataError, match=f"{name}: cannot be read as word vectors"):
            read_words(tmp_path / name, 10)


def test_a_word_table_is_read_in_order_of_frequency(tmp_path: Path) -> None:
    table_of("the", "dog", "a", "cat").save(tmp_path)
    words, vectors = read_words(tmp_path, 3)
    assert words == ["the", "dog", "a"]
    np.testing.assert_allclose(vectors, np.eye(4)[:3], atol=1e-6)


def test_a_folder_that_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=f"^{tmp_path}: no word table there"):
        read_words(tmp_path, 3)
    table_of("the", "dog").save(tmp_path)
    (tmp_path / "words-ranks.npy").write_bytes(b"")
    with pytest.raises(ModelError, match=r"words-ranks\.npy"):
        read_words(tmp_path, 3)


def test_the_packaged_glove_knows_its_most_frequent_words() -> None:
    words, vectors = read_words(None, 200)
    assert words[0] == "the"
    assert len(set(words)) == 200
    assert vectors.shape == (200, 50)
    # The first numbers of glove.6B.50d.txt
    np.testing.assert_allclose(vectors[0][:3], [0.418, 0.24968, -0.41242], atol=1e-5)


def test_the_table_gains_what_texts_say_often_and_words_lack() -> None:
    words = ["the", "sheep", "dog"]
    texts = ["zorb"] * RARE + ["The quux sheep-dog"] * RARE + ["rare"] * (RARE - 1)
    table = build_table(words, np.eye(3, dtype=np.float32), texts)
    assert sorted(table) == ["dog", "quux", "sheep", "the", "zorb"]
    ranks = {word: table.rank(row) for row, word in enumerate(table)}
    assert [word for word, _ in sorted(ranks.items(), key=lambda item: item[1])][:3] == words
    for word in ("zorb", "quux"):
        assert not table.vectors(table.find(word)[0]).any()
    np.testing.assert_allclose(table.vectors(table.find("the sheep dog")[0]), np.eye(3), atol=1e-6)


def test_rare_words_that_mean_another_are_misspelt() -> None:
    texts = ["a dog, a cat and a boy", "the dogs run past a dog and a cat with a boy"] * 2
    dictionary = {"dog", "cat", "boy", "run", "cats-eye", "cap", "bog"}
    words = ["the", "dogg", "catt", "boyd", "dogging", "bog", "doggs", "cap", "dogs", "katt", "ca"]
    wrong = misspelt(words, texts, dictionary, frequent=1)
    # Not what a dictionary has, or texts say, or an inflection is; nor what begins otherwise.
    assert wrong == {"dogg", "catt", "boyd"}
    assert misspelt(words, texts, dictionary, frequent=3) == {"boyd"}
    assert misspelt(words, ["a catt " * 3, *texts], dictionary, frequent=3) == {"boyd"}
