"""Names of what a CNN knows: classes, their kinds, and what is like them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.train.joint.config import JointConfig
from indexer.train.joint.lexicon import Lexicon, build_lexicon, directions
from indexer.train.joint.model import JointModel
from indexer.train.joint.naming import FLOOR, Naming
from indexer.train.joint.pictured import SHRINK, Pictured
from indexer.vocabulary.classes import Class
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import TrainingDataError

ANIMAL, BIRD, MACHINE = "00000001", "00000002", "00000003"
HERON, CRANE, DERRICK, PUMP, EGRET = (f"0000001{n}" for n in range(5))
WADING, THOUGHT = "00000031", "00000032"
TREES = {"oak": "00000021", "elm": "00000022", "fir": "00000023", "yew": "00000024"}
CLASSES = [
    Class(f"n{HERON}", "heron", ("heron",), "grey wading bird"),
    Class(f"n{CRANE}", "crane", ("crane", "common crane"), "large wading bird"),
    Class(f"n{DERRICK}", "crane", ("crane",), "machine that lifts"),
    Class(f"n{PUMP}", "gas pump", ("gas pump", "petrol pump"), "machine that pours"),
    *(Class(f"n{offset}", name, (name,), "tall plant") for name, offset in TREES.items()),
]
NOUNS = {
    BIRD: (("bird",), 5, (), "it has feathers"),
    MACHINE: (("machine",), 6, (), "it has parts that move"),
    HERON: (("heron",), 5, (BIRD,), "grey wading bird"),
    CRANE: (("common crane", "crane"), 5, (BIRD,), "large wading bird"),
    DERRICK: (("crane",), 6, (MACHINE,), "machine that lifts"),
    PUMP: (("gas pump", "petrol pump"), 6, (MACHINE,), "machine that pours"),
    EGRET: (("egret",), 5, (BIRD,), "white wading bird"),
    WADING: (("wading",), 4, (), "wading, as a grey wading bird does"),
    THOUGHT: (("thought",), 9, (), "what nobody has seen"),
    **{offset: ((name,), 20, (), "tall plant") for name, offset in TREES.items()},
}
SENSES = {
    "crane": (DERRICK, CRANE),
    "egret": (EGRET,),
    "bird": (BIRD,),
    "heron": (HERON,),
    "wading": (WADING,),
    "thought": (THOUGHT,),
}
TOPICS = (
    "wading",
    "machine",
    "grey",
    "white",
    "large",
    "lifts",
    "pours",
    "feathers",
    "parts",
    "plant",
)


def topics(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Read a text as a sentence model might: by what it is about."""
    found = [[1.0 if topic in text else 0.0 for topic in TOPICS] for text in texts]
    return np.array(found, dtype=np.float32) + np.float32(0.01)


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    """Write nouns whose sense of a machine is met thrice as often as that of a bird."""
    data = []
    for offset, (words, lexname, hypernyms, gloss) in NOUNS.items():
        written = " ".join(f"{word.replace(' ', '_')} 0" for word in words)
        pointers = "".join(f"@ {other} n 0000 " for other in hypernyms)
        data.append(
            f"{offset} {lexname:02d} n {len(words):02x} {written} {len(hypernyms):03d} {pointers}"
            f'| {gloss}; "so it is"\n'
        )
    (tmp_path / "data.noun").write_text("".join(data))
    index = (f"{w} n {len(o)} 0 {len(o)} 0 {' '.join(o)}\n" for w, o in SENSES.items())
    (tmp_path / "index.noun").write_text("".join(index))
    (tmp_path / "noun.exc").write_text("")
    (tmp_path / "cntlist.rev").write_text("crane%1:06:00:: 1 2\ncrane%1:05:00:: 2 0\n")
    return WordNet(tmp_path)


def build(wordnet: WordNet, left_out: Sequence[int] = ()) -> Lexicon:
    words = ["bird", "crane", "cranes", "egret", "egrets", "heron", "herons", "machine"]
    return build_lexicon(CLASSES, wordnet, words, topics, left_out)


AXES = np.eye(8, 10, dtype=np.float32)


def vector(lexicon: Lexicon, text: str) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = lexicon.vectors(AXES)[lexicon.texts.index(text)]
    return found


def test_a_name_points_to_its_class_and_a_kind_to_the_middle_of_its_classes(
    wordnet: WordNet,
) -> None:
    lexicon = build(wordnet)
    for name in ("heron", "herons"):
        np.testing.assert_allclose(vector(lexicon, name), AXES[0], atol=1e-6)
    for name in ("gas pump", "petrol pump"):
        np.testing.assert_allclose(vector(lexicon, name), AXES[3], atol=1e-6)
    middle = (AXES[2] + AXES[3]) / np.sqrt(2)
    np.testing.assert_allclose(vector(lexicon, "machine"), middle, atol=1e-6)


def test_an_ambiguous_name_has_its_senses_as_often_as_people_mean_them(wordnet: WordNet) -> None:
    both = vector(build(wordnet), "crane")
    assert both[2] / both[1] == pytest.approx((2 + 1) / (0 + 1 / 4))
    assert both[[0, *range(3, 10)]] == pytest.approx(0)
    np.testing.assert_allclose(vector(build(wordnet), "common crane"), AXES[1], atol=1e-6)


def test_what_is_no_class_is_placed_by_its_gloss_and_trusted_less(wordnet: WordNet) -> None:
    lexicon = build(wordnet)
    egret = vector(lexicon, "egret")
    assert min(egret[:2]) > max(egret[2:]) + 0.1
    place = lexicon.texts.index("egret")
    assert not lexicon.named[place]
    assert 0.15 < lexicon.support[place] < 1
    np.testing.assert_allclose(vector(lexicon, "egrets"), egret, rtol=1e-6)


def test_a_sense_counts_less_where_only_its_gloss_places_it(wordnet: WordNet) -> None:
    known, guessed = build(wordnet), build(wordnet, left_out=[2])  # the machine called crane
    (rare, usual), (rare_then, usual_then) = (
        sorted(lexicon.senses[lexicon.texts.index("crane")].toarray().ravel())[-2:]
        for lexicon in (known, guessed)
    )
    assert usual / rare == pytest.approx((2 + 1) / (0 + 1 / 4))
    assert rare_then == pytest.approx(rare)
    assert rare < usual_then < usual


def test_photographs_of_a_name_place_what_is_like_it_the_more_of_them_there_are(
    wordnet: WordNet,
) -> None:
    words = ["bird", "egret", "egrets", "heron", "mist"]
    axis = np.zeros(10, dtype=np.float32)
    axis[9] = 1
    axes = np.concatenate([AXES, axis[None]])
    shares = []
    for count in (1, 4, 100):
        pictured = Pictured(("egrets",), (count,), None)
        lexicon = build_lexicon(CLASSES, wordnet, words, topics, (), pictured)
        place = lexicon.vectors(axes)[lexicon.texts.index("egret")]
        shares.append(place[9])
        assert place[:2].min() > place[2:9].max()  # it still is a wading bird
        heron = lexicon.vectors(axes)[lexicon.texts.index("heron")]
        np.testing.assert_allclose(heron, AXES[0], atol=1e-6)  # a class needs no photograph
    assert 0.1 < shares[0] < shares[1] < shares[2] < 1


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_a_row_of_a_name_tells_its_photographs_from_others(names: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(names, 12)) * 5
    labels = [(f"name {n}",) for n in range(names) for _ in range(6)]
    features = np.repeat(centres, 6, axis=0) + random.normal(size=(6 * names, 12)) * 0.1
    pictured = Pictured.of(labels, features.astype(np.float32))
    assert pictured.names == tuple(f"name {n}" for n in range(names))
    assert pictured.counts == (6,) * names
    assert pictured.rows is not None
    # The same by hand: the inverse of the shrunk covariance times the mean, less that of all.
    cov = np.cov(features.T, bias=True)
    cov += np.eye(12) * np.trace(cov) / 12 * SHRINK
    for n in range(names):
        row = np.linalg.inv(cov) @ (features[6 * n : 6 * n + 6].mean(0) - features.mean(0))
        np.testing.assert_allclose(pictured.rows[n], row, rtol=1e-3, atol=1e-4)
    scores = (features - features.mean(0)) @ pictured.rows.T
    assert (scores.argmax(axis=1) == np.repeat(np.arange(names), 6)).mean() > 0.9


def test_what_is_no_thing_has_a_place_only_near_what_is_known(wordnet: WordNet) -> None:
    words = ["bird", "egret", "wading", "thought"]
    lexicon = build_lexicon(CLASSES, wordnet, words, topics)
    assert "wading" in lexicon.texts  # an act, which has a gloss like those of wading birds
    assert "thought" not in lexicon.texts


def test_a_class_that_is_left_out_is_placed_by_the_others(wordnet: WordNet) -> None:
    lexicon = build(wordnet, left_out=[0])
    heron = vector(lexicon, "heron")
    assert heron[0] == 0
    assert heron.argmax() == 1


def test_an_unknown_synset_is_named(wordnet: WordNet) -> None:
    strange = [*CLASSES, Class("n00009999", "phoenix", ("phoenix",), "a bird of fire")]
    with pytest.raises(
        TrainingDataError, match=r"class 8 \(phoenix\): WordNet has no synset n0000"
    ):
        build_lexicon(strange, wordnet, ["bird"], topics)


def test_without_wordnet_only_classes_have_names() -> None:
    lexicon = build_lexicon(CLASSES, None, ["bird", "machine"], None)
    birds_and_machines = {"heron", "crane", "common crane", "gas pump", "petrol pump"}
    assert set(lexicon.texts) == birds_and_machines | set(TREES)
    middle = (AXES[1] + AXES[2]) / np.sqrt(2)
    np.testing.assert_allclose(vector(lexicon, "crane"), middle, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), dim=st.integers(3, 12))
def test_the_direction_of_a_class_scores_features_as_its_row_does(seed: int, dim: int) -> None:
    random = np.random.default_rng(seed)
    channels = dim + 4
    projection = random.normal(size=(dim, channels)).astype(np.float32)
    classifier = random.normal(size=(7, dim)).astype(np.float32) @ projection  # in W's reach
    found = directions(projection, classifier)
    centred = classifier - classifier.mean(axis=0)
    features = random.normal(size=(20, channels)).astype(np.float32)
    lengths = np.linalg.norm(np.linalg.lstsq(projection.T, centred.T, rcond=None)[0], axis=0)
    scores = (features @ projection.T) @ found.T * lengths
    np.testing.assert_allclose(scores, features @ centred.T, rtol=2e-2, atol=2e-2)


def naming_of(
    lexicon: Lexicon, heard: Sequence[int], config: JointConfig
) -> tuple[Naming, JointModel, npt.NDArray[np.float32]]:
    """Make a model in which text i has vocabulary row i, and what says its names."""
    torch.manual_seed(3)
    texts = len(lexicon.texts)
    model = JointModel(
        np.random.default_rng(4).normal(size=(texts, 8)).astype(np.float32), 9, config
    )
    classifier = torch.randn(len(CLASSES), 9)
    rows = np.arange(texts)
    first = [torch.tensor([lexicon.texts.index(each.names[0])]) for each in CLASSES]
    counts = np.array(heard)
    naming = Naming(lexicon, rows, counts, classifier, first, range(len(CLASSES)))
    places = lexicon.vectors(directions(model.head.weight.detach().numpy(), classifier.numpy()))
    return naming, model, places


def cosines(model: JointModel, places: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    vectors = model.word_vectors(torch.arange(len(places))).detach().numpy()
    found: npt.NDArray[np.float32] = (vectors * places).sum(1) / np.linalg.norm(vectors, axis=1)
    return found


def test_a_silent_name_goes_to_its_place_and_one_that_captions_say_stays_near_its_own(
    wordnet: WordNet,
) -> None:
    lexicon = build(wordnet)
    heard = [1000 if text == "heron" else 0 for text in lexicon.texts]
    naming, model, places = naming_of(lexicon, heard, JointConfig(dim=6))
    before = model.word_vectors(torch.arange(len(places))).detach().numpy()
    naming.place(model, named=True)
    after = model.word_vectors(torch.arange(len(places))).detach().numpy()
    silent = [n for n, t in enumerate(lexicon.texts) if lexicon.support[n] == 1 and not heard[n]]
    np.testing.assert_allclose(cosines(model, places)[silent], 1, atol=1e-5)
    spoken = lexicon.texts.index("heron")
    moved = after[spoken] - before[spoken]
    length = np.median(np.linalg.norm(before, axis=1))
    np.testing.assert_allclose(moved, FLOOR * length * places[spoken], atol=2e-3)
    others = ~lexicon.named
    np.testing.assert_array_equal(after[others], before[others])


def test_the_loss_brings_names_to_their_places_and_the_classifier_into_the_space(
    wordnet: WordNet,
) -> None:
    lexicon = build(wordnet)
    naming, model, places = naming_of(lexicon, [0] * len(lexicon.texts), JointConfig(dim=6))
    features = torch.randn(64, 9).abs()
    optimizer = torch.optim.Adam([model.residual.weight], lr=0.02)
    first = float(naming.loss(model, features, model.embed_pictures(features)).detach())
    for _ in range(150):
        loss = naming.loss(model, features, model.embed_pictures(features))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert float(loss.detach()) < first / 2
    crane = lexicon.texts.index("common crane")
    assert cosines(model, places)[crane] > 0.95
