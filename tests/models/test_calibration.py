"""A calibration: probabilities that rise with the score, whatever else is asked; a naive twin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.errors import ModelError
from searchengine.language.query import parse
from searchengine.models.calibration import (
    FEATURES,
    KINDS,
    NAMED,
    OF_PICTURES,
    RISING,
    Background,
    Calibration,
    background_of,
    features_for,
    features_of,
    kind_of,
)
from searchengine.types import Query, QueryKind, Term, Vectors
from searchengine.vectors import unit_rows

DIM = 16
NAMES = ("pictures", "words", "sentence", "mixture", NAMED)


def vectors(seed: int, count: int) -> Vectors:
    random = np.random.default_rng(seed)
    return unit_rows(random.normal(0.2, 1.0, (count, DIM)) * np.linspace(0.2, 2, DIM))


def calibration(seed: int = 0, rank: int = 6) -> Calibration:
    """Make one with random backgrounds and weights; those that rise are not negative."""
    random = np.random.default_rng(seed)
    backgrounds = {
        name: Background.of(vectors(seed + row, 200), rank).rounded()
        for row, name in enumerate(NAMES)
    }
    curves = {
        kind: {
            name: float(abs(weight) if name in RISING else weight)
            for name, weight in zip(names, random.normal(0, 1, len(names)), strict=True)
        }
        for kind, names in ((kind, features_for(kind)) for kind in KINDS)
    }
    return Calibration(backgrounds, curves, {k: {"likely": 0.7, "maybe": 0.2} for k in KINDS})


def naive_match(
    of: Calibration, query: np.ndarray, picture: np.ndarray, kind: QueryKind, searched: int
) -> float:
    """Compute one match with whole covariance matrices in double precision."""

    def moments(name: str, vector: np.ndarray) -> tuple[float, float]:
        background = of.backgrounds[name]
        mean, rest, factors = (
            part.astype(np.float64)
            for part in (background.mean, background.rest, background.factors)
        )
        covariance = factors.T @ factors + np.diag(rest)
        return float(vector @ mean), float(np.sqrt(vector @ covariance @ vector))

    query, picture = query.astype(np.float64), picture.astype(np.float64)
    score = float(query @ picture)
    of_pictures = NAMED if kind in of.wide else "pictures"
    mean_q, deviation_q = moments(of_pictures, query)
    mean_p, deviation_p = moments(of_pictures if kind == "picture" else kind, picture)
    values = {
        "one": 1.0,
        "score": score,
        "z_query": (score - mean_q) / deviation_q,
        "z_picture": (score - mean_p) / deviation_p,
        "spread": deviation_q,
        "size": np.log(searched),
        "mean_query": mean_q,
        "mean_picture": mean_p,
    }
    logit = sum(of.curves[kind][name] * values[name] for name in features_for(kind))
    return float(1 / (1 + np.exp(-logit)))


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_matches_are_those_of_a_naive_loop(seed: int, kinds: list[QueryKind]) -> None:
    of = calibration(seed % 97)
    queries, pictures = vectors(seed, len(kinds)), vectors(seed + 1, 5)
    found = of.match(queries, pictures, kinds, searched=80)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    expected = [
        [naive_match(of, query, picture, kind, 80) for picture in pictures]
        for query, kind in zip(queries, kinds, strict=True)
    ]
    assert found == pytest.approx(np.array(expected), abs=2e-4)


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
@settings(max_examples=30, deadline=None)
def test_matches_that_know_nothing_of_a_picture_but_its_score_follow_it(
    seed: int, kind: QueryKind
) -> None:
    of = calibration(seed % 97)
    assert not of.follows_scores(kind)
    of.curves[kind] = {
        name: 0.0 if name in OF_PICTURES else weight for name, weight in of.curves[kind].items()
    }
    assert of.follows_scores(kind)
    [query], pictures = vectors(seed, 1), vectors(seed + 1, 30)
    found = of.match(query[None], pictures, [kind], searched=80)[0]
    expected = [naive_match(of, query, picture, kind, 80) for picture in pictures]
    assert found == pytest.approx(expected, abs=2e-4)
    assert (np.diff(found[np.argsort(pictures @ query)]) >= -1e-6).all()


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)), st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_a_match_depends_on_its_pair_alone(seed: int, rows: list[int], columns: list[int]) -> None:
    of = calibration()
    queries, pictures = vectors(seed, 4), vectors(seed + 1, 5)
    found = of.match(queries, pictures, KINDS)
    moved = of.match(queries[rows], pictures[columns], [KINDS[row] for row in rows])
    assert moved == pytest.approx(found[rows][:, columns], abs=1e-6)


@given(
    st.sampled_from(KINDS),
    st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=20),
    st.floats(-0.5, 0.5),
    st.floats(0.01, 0.5),
)
@settings(max_examples=50, deadline=None)
def test_a_higher_score_against_the_same_backgrounds_is_no_worse_match(
    kind: QueryKind, scores: list[float], mean: float, deviation: float
) -> None:
    weights = calibration(3).curves[kind]
    row = np.array([sorted(scores)])
    of_pictures = (np.full(len(scores), -mean), np.full(len(scores), deviation * 2))
    features = features_of(
        row, (np.array([mean]), np.array([deviation])), of_pictures, np.array([7])
    )
    logits = np.sum([weights[name] * features[name] for name in FEATURES], axis=0)[0]
    assert (np.diff(logits) >= -1e-9).all()


def test_bundled_calibration_never_falls_with_the_score(bundled: Calibration) -> None:
    for kind in KINDS:
        assert all(bundled.curves[kind][name] >= 0 for name in RISING)
        assert any(bundled.curves[kind][name] > 0 for name in RISING)
        assert 0 < bundled.bands[kind]["maybe"] <= bundled.bands[kind]["likely"] < 1


@pytest.fixture(scope="module")
def bundled() -> Calibration:
    import searchengine

    found = searchengine.load_model().calibration  # type: ignore[attr-defined]
    assert isinstance(found, Calibration)
    return found


@pytest.mark.parametrize("rank", [1, 6, DIM, DIM + 5])
def test_moments_are_those_of_the_vectors_themselves(rank: int) -> None:
    rows, asked = vectors(7, 400), vectors(8, 6)
    mean, deviation = Background.of(rows, rank).moments(asked)
    cosines = asked.astype(np.float64) @ rows.T.astype(np.float64)
    assert mean == pytest.approx(cosines.mean(axis=1), abs=1e-5)
    if rank >= DIM:  # nothing is left out
        assert deviation == pytest.approx(cosines.std(axis=1), rel=1e-4)
    axes = np.eye(DIM, dtype=np.float32)  # on the axes the variances are exact at any rank
    assert Background.of(rows, rank).moments(axes)[1] == pytest.approx(rows.std(axis=0), rel=1e-4)


def test_bands_begin_where_they_say() -> None:
    of = calibration()
    assert [of.band(m) for m in (0.0, 0.19, 0.2, 0.69, 0.7, 1.0)] == [
        "unlikely",
        "unlikely",
        "maybe",
        "maybe",
        "likely",
        "likely",
    ]


def test_what_is_saved_gives_the_same_matches(tmp_path: Path) -> None:
    of = calibration(5)
    of.save(tmp_path)
    again = Calibration.load(tmp_path / "match.json", tmp_path / "match.npy")
    queries, pictures = vectors(1, 4), vectors(2, 9)
    before, after = (c.match(queries, pictures, KINDS) for c in (of, again))
    assert np.array_equal(before, after)
    assert again.bands == of.bands
    assert {background_of(kind) for kind in KINDS} <= set(again.backgrounds)


def test_a_file_of_the_first_format_compares_pictures_as_it_did(tmp_path: Path) -> None:
    of = calibration(6)
    of.curves["picture"] = {name: of.curves["picture"][name] for name in FEATURES}
    fitted = Calibration(of.backgrounds, of.curves, of.bands, wide=["words"])
    fitted.save(tmp_path)
    path = tmp_path / "match.json"
    entries = json.loads(path.read_text())
    del entries["wide"]
    path.write_text(json.dumps(entries | {"format": 1}))
    again = Calibration.load(path, tmp_path / "match.npy")
    queries, pictures = vectors(1, 4), vectors(2, 9)
    found = again.match(queries, pictures, KINDS)
    assert np.array_equal(found, fitted.match(queries, pictures, KINDS))
    now = Calibration(of.backgrounds, of.curves, of.bands).match(queries, pictures, KINDS)
    changed = [kind for row, kind in enumerate(KINDS) if not np.array_equal(found[row], now[row])]
    assert changed == ["picture"]


def _drop_a_kind(folder: Path) -> None:
    entries = json.loads((folder / "match.json").read_text())
    del entries["curves"]["picture"]
    (folder / "match.json").write_text(json.dumps(entries))


def _other_format(folder: Path) -> None:
    entries = json.loads((folder / "match.json").read_text())
    (folder / "match.json").write_text(json.dumps(entries | {"format": 99}))


def _fewer_backgrounds(folder: Path) -> None:
    np.save(folder / "match.npy", np.load(folder / "match.npy")[:2])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_drop_a_kind, "match.json"),
        (_other_format, "match.json"),
        (_fewer_backgrounds, "match.npy"),
        (lambda folder: (folder / "match.npy").write_bytes(b"torn"), "match.npy"),
        (lambda folder: (folder / "match.json").unlink(), "match.json"),
    ],
)
def test_a_damaged_file_is_named(
    damage: Callable[[Path], None], named: str, tmp_path: Path
) -> None:
    calibration().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=named):
        Calibration.load(tmp_path / "match.json", tmp_path / "match.npy")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("dog", "words"),
        ("brown dog", "words"),
        ("a brown dog", "sentence"),
        ("2*dog", "words"),
        ("- people", "mixture"),
        ("dog + beach", "mixture"),
        ("./a.jpg", "picture"),
        ("#12", "picture"),
        ("./a.jpg - dog + cat", "mixture"),
    ],
)
def test_kind_of_a_query(text: str, kind: QueryKind) -> None:
    assert kind_of(parse(text)) == kind


def test_kind_of_a_query_by_terms() -> None:
    assert kind_of(Query((Term(-1.0, "picture", "a.jpg"),))) == "mixture"


def test_kinds_must_be_as_many_as_queries() -> None:
    with pytest.raises(ValueError, match="1 kinds for 2 queries"):
        calibration().match(vectors(1, 2), vectors(2, 3), ["words"])
