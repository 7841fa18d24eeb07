"""Files of word vectors, neighbours and analogies, against gensim, SciPy and naive loops."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from indexer.evaluation.metrics import analogy_answers, spearman
from indexer.evaluation.words import (
    evaluate_words,
    packaged_sets,
    read_questions,
    read_similarities,
)
from indexer.readers.wordfiles import Format, read_vectors, write_vectors
from indexer.train.words.source import convert_vectors, open_words, words_and_units
from searchengine.errors import QueryError, TrainingDataError, UnknownWords
from searchengine.language.neighbours import Neighbours
from searchengine.language.words import WordVectors
from tests.support.fresh_interpreter import loaded_by

LEXPIX = str(Path(sys.executable).with_name("lexpix"))
FOOD = Path(__file__).parents[1] / "data" / "food_caption_questions.txt"
WORDS = ["the", "ice cream", "café", "dog", "cat"]


def random_vectors(count: int, dim: int = 4) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary", "glove", "fasttext"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_file_gives_back_the_very_numbers(tmp_path: Path, form: Format, ending: str) -> None:
    path, vectors = tmp_path / f"v{ending}", random_vectors(len(WORDS))
    write_vectors(path, form, WORDS, vectors)
    read = list(read_vectors(path))
    assert [word for word, _ in read] == WORDS
    np.testing.assert_array_equal([vector for _, vector in read], vectors)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file of gensim
@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary", "glove"])
def test_gensim_reads_what_is_written_and_the_other_way_round(tmp_path: Path, form: Format) -> None:
    from gensim.models import KeyedVectors

    vectors, ours, theirs = random_vectors(len(WORDS)), tmp_path / "ours", tmp_path / "theirs"
    write_vectors(ours, form, WORDS, vectors)
    kept = KeyedVectors.load_word2vec_format(
        str(ours), binary=form == "word2vec-binary", no_header=form == "glove"
    )
    assert kept.index_to_key == [word.replace(" ", "_") for word in WORDS]
    np.testing.assert_array_equal(kept.vectors, vectors)
    kept.save_word2vec_format(
        str(theirs), binary=form == "word2vec-binary", write_header=form != "glove"
    )
    read = list(read_vectors(theirs))
    assert [word for word, _ in read] == WORDS
    np.testing.assert_array_equal([vector for _, vector in read], vectors)


def test_a_limit_and_a_table(tmp_path: Path) -> None:
    vectors = random_vectors(5)
    write_vectors(tmp_path / "v", "word2vec", ["The", *WORDS[:4]], vectors)
    assert convert_vectors(tmp_path / "v", tmp_path / "g", "glove", 2) == (2, 4)
    assert [word for word, _ in read_vectors(tmp_path / "g")] == ["The", "the"]
    convert_vectors(tmp_path / "v", tmp_path / "table", "table", 3)  # no query contains "The"
    assert [word for word, _ in read_vectors(tmp_path / "table")] == WORDS[:3]
    (tmp_path / "table" / "mine").touch()
    with pytest.raises(TrainingDataError, match="is no word table"):
        convert_vectors(tmp_path / "v", tmp_path / "table", "table", 3)


@pytest.mark.parametrize(("cut", "number"), [(-3, 5), (40, 2)])
def test_a_damaged_binary_file_names_the_word(tmp_path: Path, cut: int, number: int) -> None:
    path = tmp_path / "v.bin"
    write_vectors(path, "word2vec-binary", WORDS, random_vectors(5))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(TrainingDataError, match=f"word {number} of 5: .*cut short"):
        list(read_vectors(path))
    bad = random_vectors(5)
    bad[2, 1] = np.nan
    write_vectors(path, "word2vec-binary", WORDS, bad)
    with pytest.raises(TrainingDataError, match="word 3 of 5: expected 4 finite numbers"):
        list(read_vectors(path))


def test_phrases_are_found_before_their_words() -> None:
    words = ["new", "york", "new york", "new york city", "ice cream", "cream"]
    table = WordVectors.build(words, random_vectors(len(words)))

    def found(text: str) -> tuple[list[str], list[str]]:
        rows, unknown = table.find(text)
        return [table.word(row) for row in rows], unknown

    assert found("New York City, new york; new") == (["new york city", "new york", "new"], [])
    assert found("york new cream ice") == (["york", "new", "cream"], ["ice"])
    assert found("ice-cream, Ice\n cream") == (["ice cream", "ice cream"], [])


def test_weights_fall_with_frequency_and_survive_the_disk(tmp_path: Path) -> None:
    weights = np.array([0.1, 0.5, 0.9], dtype=np.float32)
    table = WordVectors.build(["the", "zoo", "dog"], random_vectors(3), weights=weights)
    table.save(tmp_path)
    loaded = WordVectors.load(tmp_path)
    rows = loaded.find("the zoo dog")[0]
    np.testing.assert_array_equal(loaded.weights(rows), weights)
    untold = WordVectors.build([f"w{n}" for n in range(50)], random_vectors(50))
    by_rank = untold.weights([untold.row(f"w{n}") or 0 for n in range(50)])
    assert (np.diff(by_rank) > 0).all()
    assert 0 < by_rank[0] < by_rank[-1] < 1


def naive_nearest(words: list[str], vectors: np.ndarray, asked: dict[str, int]) -> list[str]:
    units = {w: v / np.sqrt((v**2).sum()) for w, v in zip(words, vectors, strict=True)}
    total = sum(weight * units[word] for word, weight in asked.items())
    scores = {word: float(unit @ total) for word, unit in units.items() if word not in asked}
    return sorted(scores, key=lambda word: -scores[word])


def test_neighbours_analogies_and_odd_ones_are_those_of_naive_loops_and_of_gensim() -> None:
    from gensim.models import KeyedVectors

    words = [f"w{n:02d}" for n in range(40)]
    table = WordVectors.build(words, random_vectors(40, 6))
    vectors = table.vectors([table.row(word) or 0 for word in words])
    kept = KeyedVectors(6)
    kept.add_vectors(words, vectors)
    neighbours = Neighbours(table)
    near = neighbours.near("w03", 5)
    assert [hit.word for hit in near] == naive_nearest(words, vectors, {"w03": 1})[:5]
    for hit, (word, score) in zip(near, kept.most_similar("w03", topn=5), strict=True):
        assert hit.word == word
        assert hit.score == pytest.approx(score, abs=1e-5)
    asked = {"w02": 1, "w01": -1, "w05": 1}
    found = [hit.word for hit in neighbours.analogy("w01", "w02", "w05", 9)]
    assert found == naive_nearest(words, vectors, asked)[:9]
    for start in range(8):
        group = words[start * 4 : start * 4 + 5]
        units = {word: vectors[words.index(word)] for word in group}
        units = {word: unit / np.linalg.norm(unit) for word, unit in units.items()}
        scores = {}
        for word in group:
            rest = np.sum([units[other] for other in group if other != word], axis=0)
            scores[word] = float(units[word] @ rest / np.linalg.norm(rest))
        odd = neighbours.odd(group)
        assert [hit.word for hit in odd] == sorted(group, key=scores.__getitem__)
        assert odd[0].score == pytest.approx(scores[odd[0].word], abs=1e-5)


def test_a_phrase_that_is_but_the_sum_of_its_words_is_no_neighbour_of_them() -> None:
    words = ["new", "york", "city", "town", "new york", "new city"]
    own = np.eye(5, dtype=np.float32)
    vectors = np.stack(
        [own[0], own[1], own[2], own[2] + own[3], own[1] + 2 * own[4], own[0] + own[2]]
    )
    neighbours = Neighbours(WordVectors.build(words, vectors))
    assert {near.word for near in neighbours.near("new")} == {"york", "city", "town", "new york"}
    assert [near.word for near in neighbours.near("york", 1)] == ["new york"]
    assert neighbours.near("town", 2)[0].word == "city"
    assert "new city" in {near.word for near in neighbours.near("town", 3)}


def test_unknown_words_come_with_a_spelling() -> None:
    table = WordVectors.build(["king", "queen", "crown"], random_vectors(3))
    neighbours = Neighbours(table)
    with pytest.raises(UnknownWords, match=r"'kign' .did you mean 'king'"):
        neighbours.near("kign")
    with pytest.raises(QueryError, match=r"'king quen': .*'quen' .did you mean 'queen'"):
        neighbours.odd(["king", "crown", "king quen"])
    with pytest.raises(QueryError, match="three words"):
        neighbours.odd(["king", "queen"])
    with pytest.raises(QueryError, match="add up to nothing"):
        Neighbours(WordVectors.build(["a"], np.zeros((1, 2), np.float32))).near("a")


def test_accuracy_is_that_of_gensim(tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    random = np.random.default_rng(3)
    words = [f"w{n}" for n in range(30)]
    vectors = random.normal(size=(30, 3)).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    lines = []
    for section in ("one", "gram-two"):
        lines.append(f": {section}")
        for _ in range(60):
            a, b, c = random.choice(30, 3, replace=False)
            target = units @ (units[b] - units[a] + units[c])
            target[[a, b, c]] = -9
            d = int(target.argmax()) if random.random() < 0.5 else int(random.integers(30))
            lines.append(f"w{a} w{b} w{c} w{d}" if random.random() < 0.9 else f"w{a} W{b} w{c} no")
    path = tmp_path / "q.txt"
    path.write_text("\n".join(lines))
    kept = KeyedVectors(3)
    kept.add_vectors(words, vectors)
    _, theirs = kept.evaluate_word_analogies(str(path))
    ours = evaluate_words(words, units, read_questions(path), {})
    for section in theirs[:-1]:
        name, right = section["section"], len(section["correct"])
        assert 10 < right < 55
        assert ours.sections[name].correct == right
        assert ours.sections[name].known == right + len(section["incorrect"])
        assert ours.sections[name].questions == 60
    assert ours.semantic == ours.sections["one"]
    assert ours.syntactic == ours.sections["gram-two"]
    assert ours.total.correct == len(theirs[-1]["correct"])


def test_spearman_is_that_of_scipy_with_ties() -> None:
    random = np.random.default_rng(4)
    for levels in (3, 10, 1000):
        left, right = random.integers(0, levels, (2, 80)).astype(float)
        assert spearman(left, right) == pytest.approx(stats.spearmanr(left, right).statistic)
    assert spearman(np.ones(4), np.arange(4.0)) == 0


def test_answers_leave_out_what_was_asked() -> None:
    units = np.eye(4, dtype=np.float32)
    units[3] = [0.6, 0, 0.8, 0]
    assert analogy_answers(units, np.array([[0, 0, 2], [1, 2, 0]])).tolist() == [3, 3]
    assert analogy_answers(units, np.empty((0, 3), np.int64)).tolist() == []


def test_the_sets_of_gensim_are_read_whole_and_a_bad_line_is_named(tmp_path: Path) -> None:
    sets = packaged_sets()
    questions = read_questions(sets / "questions-words.txt")
    assert sum(map(len, questions.values())) == 19_544  # as published
    assert questions["family"][0] == ("boy", "girl", "brother", "sister")
    assert len(read_similarities(sets / "wordsim353.tsv")) == 353
    assert len(read_similarities(sets / "simlex999.txt")) == 999
    path = tmp_path / "bad.txt"
    path.write_text(": s\na b c d\na b c\n")
    with pytest.raises(TrainingDataError, match=r"bad\.txt:3: expected four words"):
        read_questions(path)
    with pytest.raises(TrainingDataError, match=r"bad\.txt:1: expected two words"):
        read_similarities(path)


def test_own_questions_have_one_answer_each() -> None:
    asked = [question for section in read_questions(FOOD).values() for question in section]
    assert len(set(asked)) == len(asked) > 300
    assert len({question[:3] for question in asked}) == len(asked)


def test_tables_are_compared_on_common_words(tmp_path: Path) -> None:
    for name, words in (("one", ["dog", "cat", "the"]), ("two", ["the", "cow", "dog"])):
        write_vectors(tmp_path / name, "table", words, random_vectors(3))
    words, units = words_and_units(str(tmp_path / "one"), None, str(tmp_path / "two"))
    assert words == ["dog", "the"]
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-6)
    with pytest.raises(TrainingDataError, match="no such word vectors"):
        open_words(str(tmp_path / "three"), None)


def run(*arguments: str, code: int = 0) -> str:
    ran = subprocess.run([LEXPIX, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout if code == 0 else ran.stderr


def test_the_commands_answer_from_the_bundled_table() -> None:
    found = json.loads(run("words", "analogy", "man", "king", "woman", "-k", "5", "--json"))
    assert found[0]["word"] == "queen"
    assert [sorted(hit) for hit in found] == [["score", "word"]] * 5
    assert run("words", "odd", "cat", "kitten", "house", "dog").split()[1] == "house"
    assert "did you mean 'king'" in run("words", "near", "kign", code=2)


def test_asking_words_loads_no_model_and_no_database() -> None:
    code = (
        "from searchengine.cli.main import main\n"
        "main(['words', 'near', 'king', '--json'], standalone_mode=False)"
    )
    heavy = {"torch", "onnxruntime", "faiss", "sqlalchemy", "alembic", "gensim", "PIL", "rapidfuzz"}
    assert heavy & loaded_by(code) == set()
