"""Learning word vectors: reading a corpus, both engines, and the textbook gradient."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.train.joint.table import read_words
from indexer.train.words import skipgram
from indexer.train.words.config import SkipGramConfig
from indexer.train.words.corpus import LONGEST, PIECE, CorpusReport, corpus_files, read_corpus
from indexer.train.words.skipgram import train_words
from indexer.train.words.skipgram_torch import SkipGram, pairs_of
from searchengine.errors import TrainingDataError
from searchengine.language.neighbours import Neighbours
from searchengine.language.words import SMOOTHING, WordVectors, tokenize

PLACES = {
    "kitchen": (["pan", "oven", "spoon", "flour"], ["cook", "stir", "bake", "taste"]),
    "harbour": (["ship", "anchor", "sail", "rope"], ["moor", "float", "drift", "steer"]),
    "garden": (["rose", "hedge", "spade", "lawn"], ["plant", "prune", "water", "mow"]),
}


def small_corpus(sentences: int = 1200) -> list[str]:
    """Return sentences of three worlds whose words never meet, but for "the" and "we"."""
    random = np.random.default_rng(5)
    lines = []
    for _ in range(sentences):
        things, deeds = PLACES[str(random.choice(list(PLACES)))]
        one, other = random.choice(things, 2, replace=False)
        lines.append(f"We {random.choice(deeds)} the {one}, the {other}")
    return lines


def world_of(word: str) -> str | None:
    return next((name for name, parts in PLACES.items() if word in (*parts[0], *parts[1])), None)


def role_of(word: str) -> int | None:
    return next(
        (role for parts in PLACES.values() for role, words in enumerate(parts) if word in words),
        None,
    )


def read(*paths: Path, fields: tuple[str, ...] = ()) -> tuple[list[list[str]], CorpusReport]:
    report = CorpusReport()
    found = [words for words, _ in read_corpus(corpus_files(paths), fields, report)]
    return found, report


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_a_folder_of_all_forms_is_cut_as_queries_are(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "\ufeffA dog's T-shirt!\n\nCAFÉ…\r\n")
    write(tmp_path / "deep/b.txt.gz", "The cat\u2028sat")
    entries = [{"title": "Hot soup", "steps": ["Boil it.", "Eat."], "n": 3}, {"title": "x\u2028y"}]
    write(tmp_path / "deep/c.jsonl.gz", "\n".join(map(json.dumps, entries)))
    write(tmp_path / ".hidden/d.txt", "never")
    found, report = read(tmp_path, fields=("title", "steps"))
    texts = ["A dog's T-shirt!", "", "CAFÉ…", "The cat sat", "Hot soup", "Boil it.", "Eat.", "x y"]
    assert found == [tokenize(text) for text in texts if text]
    assert (report.files, report.sentences, report.words) == (3, 7, 14)
    assert report.failures == []


def test_a_book_in_one_line_loses_no_word(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(PIECE // 3)]
    found, _ = read(write(tmp_path / "book.txt", " ".join(words)))
    assert [word for sentence in found for word in sentence] == words
    assert max(map(len, found)) <= LONGEST


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.bin", b"GIF89a\0\1\2", "zero bytes"),
        ("x.txt", b"good start\n" + b"caf\xe9 \xff\n", "not UTF-8"),
        ("x.txt.gz", None, "cannot be read"),
        ("x.jsonl", b'{"t": "one"}\n{broken\n{"t": "two"}\n', "x.jsonl:2: not JSON"),
        ("y.jsonl", b'{"t": "one"}\n[1]\n', "y.jsonl:2: not a JSON object"),
        ("z.jsonl", b'{"t": "one"}\n{"u": "two"}\n', "z.jsonl:2: no text in t"),
    ],
)
def test_what_is_no_text_is_named_and_the_rest_goes_through(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"word " * 9999)[:-20] if content is None else content)
    found, report = read(path, write(tmp_path / "zz.txt", "the rest"), fields=("t",))
    assert found[-1] == ["the", "rest"]
    assert report.failed == 1
    (failure,) = report.failures
    assert reason in f"{failure.path}: {failure.reason}"


def test_json_lines_ask_for_a_field_that_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", '{"title": "a", "body": "b"}\n')
    with pytest.raises(TrainingDataError, match=r"r\.jsonl:1: .*--field.*title, body"):
        read(path)
    with pytest.raises(TrainingDataError, match=r"no line has text in the field tittle.*title, bo"):
        read(path, fields=("tittle",))


@pytest.mark.parametrize(
    ("text", "min_count", "message"),
    [("", 1, "no words in it"), ("... !\n", 1, "no words in it"), ("a b c d", 2, "--min-count")],
)
def test_a_corpus_that_leaves_nothing_is_refused(
    tmp_path: Path, text: str, min_count: int, message: str
) -> None:
    with pytest.raises(TrainingDataError, match=message):
        train_words(
            [write(tmp_path / "c.txt", text)], tmp_path / "o", SkipGramConfig(min_count=min_count)
        )
    assert not (tmp_path / "o").exists()
    with pytest.raises(TrainingDataError, match="no such file"):
        train_words([tmp_path / "nowhere"], tmp_path / "o", SkipGramConfig())


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    kept = write(tmp_path / "out/letter.txt", "dear")
    with pytest.raises(TrainingDataError, match="is no word table"):
        train_words([kept], tmp_path / "out", SkipGramConfig())
    assert kept.read_text() == "dear"


@pytest.mark.parametrize(
    "config",
    [
        SkipGramConfig(dim=16, window=4, epochs=8, sample=0, phrases=False),
        SkipGramConfig(
            dim=16, window=4, epochs=2, sample=0, phrases=False, engine="torch", negative=5
        ),
        SkipGramConfig(
            dim=16, window=4, epochs=2, sample=0, phrases=False, engine="torch", negative=0
        ),
        SkipGramConfig(
            dim=16, window=4, epochs=12, sample=0, phrases=False, engine="torch", positional=True
        ),
    ],
    ids=["gensim", "torch-sampled", "torch-softmax", "torch-positional"],
)
def test_every_engine_learns_the_same_neighbourhoods(
    tmp_path: Path, config: SkipGramConfig
) -> None:
    lines = small_corpus()
    train_words([write(tmp_path / "c.txt", "\n".join(lines))], tmp_path / "out", config)
    table = WordVectors.load(tmp_path / "out")
    neighbours = Neighbours(table)
    for word in filter(world_of, table):
        # Three others of the same world do the same in a sentence.
        peers = [
            hit.word for hit in neighbours.near(word, 25) if role_of(hit.word) == role_of(word)
        ]
        assert {world_of(peer) for peer in peers[:3]} == {world_of(word)}, (word, peers)
        if config.positional:
            continue  # what stands in the same place is alike too (Ling et al. 2015)
        # Seven others are of the same world; "we" and "the" are of all.
        nearest = [hit.word for hit in neighbours.near(word, 9) if world_of(hit.word)][:7]
        same = sum(world_of(other) == world_of(word) for other in nearest)
        assert same >= 6, (word, nearest)


def test_the_result_is_a_table_for_training_and_for_sums(tmp_path: Path) -> None:
    lines = ["the ice cream melts"] * 30 + ["the ice is cold"] * 9 + ["we saw the cream"] * 9
    lines += [f"the w{number} waits" for number in range(400)]  # rare words make a pair stand out
    config = SkipGramConfig(dim=8, epochs=1)
    train_words([write(tmp_path / "c.txt", "\n".join(lines))], tmp_path / "out", config)
    table = WordVectors.load(tmp_path / "out")
    assert "ice cream" in table
    assert [table.word(row) for row in table.find("The ICE  cream!")[0]] == ["the", "ice cream"]
    words, vectors = read_words(tmp_path / "out", 3)
    assert words[0] == "the"
    assert vectors.shape == (3, 8)
    row = table.row("the")
    assert row is not None
    tokens = json.loads((tmp_path / "out/words.json").read_text())["words"]
    assert tokens <= sum(len(tokenize(line)) for line in lines) - 30  # "ice cream" is one
    share = sum(line.split().count("the") for line in lines) / tokens
    np.testing.assert_allclose(table.weights([row]), SMOOTHING / (SMOOTHING + share), rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.txt", "out"]


@pytest.mark.parametrize("engine", ["gensim", "torch"])
def test_a_resumed_run_ends_with_the_vectors_of_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    corpus = write(tmp_path / "c.txt", "\n".join(small_corpus(200)))
    config = SkipGramConfig(dim=8, epochs=3, engine=engine)  # type: ignore[arg-type]
    train_words([corpus], tmp_path / "unbroken", config)

    def stop(stage: str, done: int, total: int, remark: str) -> None:
        if stage == "training" and remark.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_words([corpus], tmp_path / "broken", config, progress=stop)
    assert not (tmp_path / "broken").exists()
    stages = set()
    train_words([corpus], tmp_path / "broken", config, progress=lambda s, *_: stages.add(s))
    assert stages == {"training"}
    for name in ("words-codes.npy", "words-scales.npy", "words-text.npy"):
        assert (tmp_path / "broken" / name).read_bytes() == (
            tmp_path / "unbroken" / name
        ).read_bytes()


def naive_loss(
    words: np.ndarray, outputs: np.ndarray, pairs: list[tuple[int, int, int]], noise: np.ndarray
) -> float:
    """Return the loss by one-hot products, pair by pair; the softmax if there is no noise."""
    total = 0.0
    for line, (centre, context, place) in enumerate(pairs):
        one_hot = np.zeros((1, len(words)))
        one_hot[0, centre] = 1
        hidden = one_hot @ words  # (1, dim)
        scores = (hidden @ outputs[place].T)[0]  # (words,)
        if noise.size:
            total += np.log1p(np.exp(-scores[context]))
            total += sum(np.log1p(np.exp(scores[w])) for w in noise[line] if w != context)
        else:
            total += np.log(np.exp(scores).sum()) - scores[context]
    return total / len(pairs)


@pytest.mark.parametrize("places", [1, 4])
@pytest.mark.parametrize("negative", [0, 3])
def test_loss_and_gradient_are_those_of_one_hot_products(places: int, negative: int) -> None:
    random = np.random.default_rng(places + negative)
    model = SkipGram(words=5, dim=3, places=places).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(random.normal(size=parameter.shape)))
    pairs = [(0, 1, 0), (0, 2, places - 1), (3, 1, 0), (4, 4, places // 2)]
    noise = random.integers(0, 5, (len(pairs), negative))
    noise[0, :1] = pairs[0][1]  # one that is the context
    centres, contexts, where = (torch.tensor(column) for column in zip(*pairs, strict=True))
    loss = (
        model.sampled_loss(centres, contexts, where, torch.from_numpy(noise))
        if negative
        else model.softmax_loss(centres, contexts, where)
    )
    torch.autograd.backward(loss)
    arrays = [parameter.detach().numpy() for parameter in model.parameters()]
    words, outputs = arrays
    assert loss.item() == pytest.approx(naive_loss(words, outputs, pairs, noise))
    step = 1e-6
    for array, parameter in zip(arrays, model.parameters(), strict=True):
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = naive_loss(words, outputs, pairs, noise)
            array[place] = kept - step
            below = naive_loss(words, outputs, pairs, noise)
            array[place] = kept
            assert parameter.grad is not None
            assert parameter.grad[place].item() == pytest.approx(
                (above - below) / 2 / step, abs=1e-6
            )


def test_pairs_are_those_of_the_window_and_places_say_where() -> None:
    sentence = np.array([10, 11, 12, 13])
    seen = set()
    for seed in range(40):
        parts = pairs_of(sentence, 2, True, np.random.default_rng(seed))
        found = list(zip(*map(np.ndarray.tolist, parts), strict=True))
        # The nearest word to each side is always seen.
        assert {(10, 11, 2), (11, 10, 1), (12, 13, 2), (13, 12, 1)} <= set(found)
        seen.update(found)
    offsets = (-2, -1, 1, 2)
    assert seen == {
        (word, word + offset, place)
        for word in sentence.tolist()
        for place, offset in enumerate(offsets)
        if 10 <= word + offset <= 13
    }
    shared = pairs_of(sentence, 2, False, np.random.default_rng(0))
    assert set(shared[2].tolist()) == {0}


def test_the_signature_knows_the_corpus_and_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path / "c.txt", "one")
    first = skipgram._signature([path], SkipGramConfig(), ())
    assert skipgram._signature([path], SkipGramConfig(workers=7), ()) == first
    assert skipgram._signature([path], SkipGramConfig(seed=2), ()) != first
    assert skipgram._signature([path], SkipGramConfig(), ("title",)) != first
    write(path, "other")
    assert skipgram._signature([path], SkipGramConfig(), ()) != first
