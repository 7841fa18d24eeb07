"""Scores split exactly: for random vectors, for the bundled model, and as drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from searchengine.config import Settings
from searchengine.errors import (
    CancelledQuery,
    ModelError,
    NothingIndexed,
    UnknownPicture,
    UnknownWords,
)
from searchengine.search.attribution import draw, merge, split
from searchengine.search.engine import Engine
from searchengine.search.resolve import parts_of, query_vector
from searchengine.types import Explainable, Explanation, Part, PathLike, Term
from searchengine.vectors import compose, unit_rows
from tests.support.colour_encoder import ColourEncoder
from tests.support.colour_library import open_engine

PHOTOS = Path(skimage.data.__file__).parent
CAT, COFFEE = PHOTOS / "chelsea.png", PHOTOS / "coffee.png"
TOLERANCE = 1e-4

numbers = st.floats(-3, 3, width=32)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.data())
def test_shares_and_cells_add_up_to_the_cosine(
    parts: int, rows: int, columns: int, data: st.DataObject
) -> None:
    dim = 6
    vectors = data.draw(npst.arrays(np.float32, (parts, dim), elements=numbers))
    regions = data.draw(npst.arrays(np.float32, (rows * columns, dim), elements=numbers))
    total, mean = vectors.sum(axis=0), regions.mean(axis=0)
    if np.linalg.norm(total) < 0.1 or np.linalg.norm(mean) < 0.1:
        return
    vectors = vectors / np.linalg.norm(total)
    labels = [f"word{number}" for number in range(parts)]
    found = split(labels, vectors, regions, (rows, columns))
    cosine = float(unit_rows(total)[0] @ unit_rows(mean)[0])
    assert found.score == pytest.approx(cosine, abs=TOLERANCE)
    assert sum(part.share for part in found.parts) == pytest.approx(cosine, abs=TOLERANCE)
    for part, vector in zip(found.parts, vectors, strict=True):
        assert part.grid.shape == (rows, columns)
        assert part.grid.sum() == pytest.approx(part.share, abs=TOLERANCE)
        naive = [
            float(np.dot(vector, region)) / (len(regions) * np.linalg.norm(mean))
            for region in regions
        ]
        np.testing.assert_allclose(part.grid.ravel(), naive, atol=TOLERANCE)


class RandomModel:
    """A linear model of random numbers, biased towards one direction as trained models are."""

    words = ("dog", "cat", "red", "run", "beach")
    grid = (3, 5)

    def __init__(self, seed: int, dim: int) -> None:
        random = np.random.default_rng(seed)
        bias = random.normal(size=dim)
        self._table = random.normal(size=(len(self.words), dim)).astype(np.float32)
        self._pictures = (bias + 3 * random.normal(size=(4, 15, dim))).astype(np.float32)

    def encode_words(self, text: str) -> tuple[list[str], np.ndarray]:
        known = [word for word in text.split() if word in self.words]
        return known, self._table[[self.words.index(word) for word in known]]

    def encode_regions(self, images: Sequence[PathLike | Image.Image]) -> np.ndarray:
        return self._pictures[[int(str(image)) for image in images]]

    def vector(self, term: Term) -> np.ndarray:
        if term.kind == "picture":
            rows: np.ndarray = unit_rows(self.encode_regions([term.value]).mean(axis=1))
        else:
            rows = unit_rows(self.encode_words(term.value)[1].sum(axis=0))
        first: np.ndarray = rows[0]
        return first


words = st.lists(st.sampled_from(RandomModel.words), min_size=1, max_size=4).map(" ".join)
weights = st.floats(0.1, 5) | st.floats(-5, -0.1)
terms = st.builds(Term, weights, st.just("words"), words) | st.builds(
    Term, weights, st.just("picture"), st.sampled_from(["0", "1", "2"])
)


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from([3, 64]), st.lists(terms, min_size=1, max_size=5))
def test_arithmetic_on_random_models_adds_up_to_the_cosine(
    seed: int, dim: int, asked: list[Term]
) -> None:
    model = RandomModel(seed, dim)
    assert isinstance(model, Explainable)
    resolved = [(term, model.vector(term)) for term in asked]
    total = sum(term.weight * vector for term, vector in resolved)
    assume(np.linalg.norm(total) > 0.05 * sum(abs(term.weight) for term in asked))
    labels, parts = parts_of(model, resolved)
    found = split(*merge(labels, parts), model.encode_regions(["3"])[0], model.grid)
    cosine = float(query_vector(resolved) @ model.vector(Term(1.0, "picture", "3")))
    assert found.score == pytest.approx(cosine, abs=TOLERANCE)
    assert sum(part.share for part in found.parts) == pytest.approx(cosine, abs=TOLERANCE)
    assert sum(part.grid.sum() for part in found.parts) == pytest.approx(cosine, abs=TOLERANCE)
    named = {
        label for t in asked for label in ([t.value] if t.kind != "words" else t.value.split())
    }
    assert {part.label for part in found.parts} == named


def test_only_ratios_of_weights_count(engine: Engine) -> None:
    plain = engine.explain("2*cat - dog", CAT)
    heavy = engine.explain("2e300*cat - 1e300*dog", CAT)
    assert [part.share for part in heavy.parts] == pytest.approx([p.share for p in plain.parts])


def test_words_that_come_twice_are_one_part() -> None:
    labels, parts = merge(["a", "dog", "a"], np.eye(3, dtype=np.float32))
    assert labels == ["a", "dog"]
    np.testing.assert_array_equal(parts, [[1, 0, 1], [0, 1, 0]])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    library = tmp_path_factory.mktemp("library")
    with Engine.open(Settings(library=library), create=True) as engine:
        yield engine


@pytest.mark.parametrize(
    ("query", "terms", "weights"),
    [
        ("cat", ["cat"], [1]),
        ("a brown cat on a sheep-dog blanket", ["a brown cat on a sheep-dog blanket"], [1]),
        ("2*cat - coffee cup + zzxqvk", ["cat", "coffee cup"], [2, -1]),
        ("- a dog on grass", ["a dog on grass"], [-1]),
        ("0.3*cat - 2*cat + sofa - red", ["cat", "cat", "sofa", "red"], [0.3, -2, 1, -1]),
    ],
)
def test_explanation_adds_up_to_the_cosine_of_the_bundled_model(
    engine: Engine, query: str, terms: list[str], weights: list[float]
) -> None:
    wanted = compose(engine.encoder.encode_texts(terms), weights)
    cosine = float(wanted @ engine.encoder.encode_images([CAT])[0])
    found = engine.explain(query, CAT)
    assert found.score == pytest.approx(cosine, abs=TOLERANCE)
    assert sum(part.share for part in found.parts) == pytest.approx(cosine, abs=TOLERANCE)
    assert sum(part.grid.sum() for part in found.parts) == pytest.approx(cosine, abs=TOLERANCE)
    expected = ["zzxqvk"] if "zzxqvk" in query else []
    assert [unknown.word for unknown in found.unknown_words] == expected


def test_an_explanation_needs_no_library(engine: Engine, tmp_path: Path) -> None:
    query = f"{COFFEE} - coffee + cat"
    with Engine.without_library(Settings(library=tmp_path / "none")) as bare:
        found, expected = bare.explain(query, CAT), engine.explain(query, CAT)
        assert found.score == expected.score
        assert [p.share for p in found.parts] == [p.share for p in expected.parts]
        with pytest.raises(UnknownPicture, match="#12"):
            bare.explain("cat", 12)
        with pytest.raises(NothingIndexed):
            bare.search("cat")
    assert not (tmp_path / "none").exists()


def test_pictures_of_the_query_are_parts(engine: Engine) -> None:
    found = engine.explain([str(COFFEE), "-", "coffee", "+", "cat"], CAT)
    assert [part.label for part in found.parts] == [str(COFFEE), "coffee", "cat"]
    encoder = engine.encoder
    terms = np.stack([encoder.encode_images([COFFEE])[0], *encoder.encode_texts(["coffee", "cat"])])
    cosine = float(compose(terms, [1, -1, 1]) @ encoder.encode_images([CAT])[0])
    assert found.score == pytest.approx(cosine, abs=TOLERANCE)


def test_the_word_that_counts_is_the_one_that_is_seen(engine: Engine) -> None:
    shares = {part.label: part.share for part in engine.explain("a cat - coffee", CAT).parts}
    assert max(shares, key=lambda label: shares[label]) == "cat"


def test_places_follow_what_they_show(engine: Engine, tmp_path: Path) -> None:
    """Swap two pictures that stand side by side: what speaks for each changes sides with it."""
    leaning = {}
    for order in ((COFFEE, CAT), (CAT, COFFEE)):
        pair = Image.new("RGB", (448, 224))
        for place, path in enumerate(order):
            with Image.open(path) as picture:
                pair.paste(picture.convert("RGB").resize((224, 224)), (224 * place, 0))
        pair.save(tmp_path / "pair.png")
        for part in engine.explain("coffee - flower", tmp_path / "pair.png").parts:
            columns = part.grid.sum(axis=0)
            leaning[order[0], part.label] = float(columns[4:].sum() - columns[:3].sum())
    assert leaning[COFFEE, "coffee"] < 0 < leaning[CAT, "coffee"]


def test_errors_are_those_of_a_search(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UnknownWords, match="zzxqvk"):
        engine.explain("zzxqvk", CAT)
    with pytest.raises(CancelledQuery):
        engine.explain("cat - cat", CAT)
    with pytest.raises(UnknownPicture, match=r"none\.png"):
        engine.explain("cat", tmp_path / "none.png")
    with pytest.raises(UnknownPicture, match="#77"):
        engine.explain("cat", 77)


def test_a_model_that_is_not_linear_says_so(tmp_path: Path) -> None:
    with open_engine(tmp_path / "library") as engine:
        assert isinstance(engine.encoder, ColourEncoder)
        with pytest.raises(ModelError, match="'colours': its scores cannot be split"):
            engine.explain("red", CAT)


def test_heat_is_drawn_where_it_is_warm_for_and_cold_against() -> None:
    heat = np.zeros((2, 2), dtype=np.float32)
    heat[0, 0], heat[1, 1] = 0.5, -0.5
    picture = Image.new("RGB", (320, 320), (128, 128, 128))
    sheet = np.asarray(draw(picture, Explanation(0.0, (Part("x", 0.0, heat),)))).astype(int)
    redness = sheet[..., 0] - sheet[..., 2]
    rows, columns = np.nonzero(redness > 60)
    cold_rows, cold_columns = np.nonzero(redness[:360] < -60)
    panel_rows = rows[rows < 360]
    assert panel_rows.max() < cold_rows.min() + 40
    assert columns[rows < 360].max() < cold_columns.min() + 40


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000)])
def test_odd_shapes_can_be_drawn(size: tuple[int, int]) -> None:
    part = Part("a word of considerable length that does not fit", 0.1, np.ones((7, 7), np.float32))
    sheet = draw(Image.new("RGB", size), Explanation(0.1, (part,)))
    assert sheet.width >= 150
