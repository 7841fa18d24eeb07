"""Pointing on drawn composites, where the right answer is known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.pointing import (
    draw_composites,
    evaluate_pointing,
    heat,
    judge,
    side_by_side,
)
from searchengine.errors import ImageError, ModelError, TrainingDataError
from searchengine.types import Explainable, PathLike
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import COLOURS, ColourEncoder

PAINTED = ("red", "green", "blue", "orange", "white")


class PlacesEncoder(ColourEncoder):
    """Linear in words and places: each cell of a grid is its colour, a word the colour it names."""

    dim = 3

    def __init__(self, columns: int = 4, mirrored: bool = False) -> None:
        super().__init__()
        self.grid = (2, columns)
        self._mirrored = mirrored

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return unit_rows(np.stack([self.encode_words(text)[1].sum(axis=0) for text in texts]))

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> np.ndarray:
        return unit_rows(self.encode_regions(images).mean(axis=1))

    def encode_words(self, text: str) -> tuple[list[str], np.ndarray]:
        self._text(text)  # raises UnknownWords
        words = [word for word in text.split() if word in COLOURS]
        return words, np.array([COLOURS[word] for word in words], np.float32) / 127.5 - 1

    def encode_regions(self, images: Sequence[PathLike | Image.Image]) -> np.ndarray:
        rows, columns = self.grid
        return np.stack(
            [
                np.asarray(image.resize((columns, rows), Image.Resampling.BOX), np.float32)[
                    :, :: -1 if self._mirrored else 1
                ].reshape(rows * columns, 3)
                / 127.5
                - 1
                for image in images
                if isinstance(image, Image.Image)
            ]
        )


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, tuple[str, ...]]]:
    folder = tmp_path_factory.mktemp("painted")
    for colour in PAINTED:
        Image.new("RGB", (40, 30), COLOURS[colour]).save(folder / f"{colour}.png")
    return [(folder / f"{colour}.png", (colour,)) for colour in PAINTED]


def test_colours_point_at_their_half(painted: list[tuple[Path, tuple[str, ...]]]) -> None:
    encoder = PlacesEncoder()
    assert isinstance(encoder, Explainable)
    scores = evaluate_pointing(encoder, painted, pairs=20)
    assert (scores.right, scores.middle, scores.wrong) == (100.0, 0.0, 0.0)
    assert (scores.composites, scores.names, scores.unknown) == (20, 5, ())


def test_an_encoder_that_sees_a_mirror_image_is_always_wrong(
    painted: list[tuple[Path, tuple[str, ...]]],
) -> None:
    scores = evaluate_pointing(PlacesEncoder(mirrored=True), painted, pairs=20)
    assert (scores.right, scores.wrong) == (0.0, 100.0)


def test_swapped_names_are_always_wrong(painted: list[tuple[Path, tuple[str, ...]]]) -> None:
    files = dict(zip(PAINTED, (path for path, _ in painted), strict=True))
    swapped = [(files["red"], ("blue",)), (files["blue"], ("red",))]
    assert evaluate_pointing(PlacesEncoder(), swapped, pairs=5).wrong == 100.0


@pytest.mark.parametrize(
    ("grid", "side", "verdict"),
    [
        ([[0, 1, 5]], "right", "right"),
        ([[0, 1, 5]], "left", "wrong"),
        ([[0, 5, 1]], "left", "middle"),
        ([[0, 5, 1, 0]], "left", "right"),
        ([[0, 1, 5, 0]], "left", "wrong"),
        ([[5, 5, 1, 0], [5, 0, 0, 0]], "left", "right"),
        ([[5, 1, 0, 5]], "left", "wrong"),
        ([[5, 5, 0]], "left", "wrong"),
        ([[-3, -2, -1]], "right", "right"),
        ([[7]], "left", "middle"),
    ],
)
def test_verdicts(grid: list[list[float]], side: str, verdict: str) -> None:
    assert judge(np.array(grid, np.float32), side) == verdict  # type: ignore[arg-type]


def test_a_name_of_several_words_is_the_sum_of_their_grids() -> None:
    encoder = PlacesEncoder(columns=3)
    red, blue = (Image.new("RGB", (9, 9), COLOURS[colour]) for colour in ("red", "blue"))
    picture = side_by_side(red, blue, 12)
    regions = encoder.encode_regions([picture])[0]
    words = encoder.encode_words("red white")[1].astype(np.float64)
    mean = regions.mean(axis=0)
    naive = [
        sum(float(word @ region) for word in words)
        / (len(regions) * np.linalg.norm(mean) * np.linalg.norm(words.sum(axis=0)))
        for region in regions
    ]
    np.testing.assert_allclose(heat("red white", regions, encoder).ravel(), naive, atol=1e-6)


def test_halves_are_squashed_side_by_side() -> None:
    sheet = side_by_side(Image.new("RGB", (300, 10), "red"), Image.new("RGB", (5, 90), "blue"), 16)
    assert sheet.size == (32, 16)
    pixels = np.asarray(sheet)
    assert (pixels[:, :16] == (255, 0, 0)).all()
    assert (pixels[:, 16:] == (0, 0, 255)).all()


def test_no_word_stands_on_both_sides() -> None:
    labelled = [
        (Path("1"), ("dog face",)),
        (Path("2"), ("dogs", "ball")),
        (Path("3"), ("cat", "red ball")),
        (Path("4"), ("bird",)),
    ]
    drawn = {(c.left.name, c.right.name) for c in draw_composites(labelled, pairs=50, seed=1)}
    apart = {("1", "3"), ("1", "4"), ("2", "4"), ("3", "4")}
    assert drawn == apart | {(right, left) for left, right in apart}


def test_the_seed_decides(painted: list[tuple[Path, tuple[str, ...]]]) -> None:
    assert draw_composites(painted, pairs=9, seed=4) == draw_composites(painted, pairs=9, seed=4)
    assert draw_composites(painted, pairs=9, seed=4) != draw_composites(painted, pairs=9, seed=5)


def test_pictures_with_unknown_names_stay_out(
    painted: list[tuple[Path, tuple[str, ...]]],
) -> None:
    odd = [*painted[:2], (painted[2][0], ("zorblax",))]
    scores = evaluate_pointing(PlacesEncoder(), odd, pairs=5)
    assert (scores.composites, scores.names, scores.unknown) == (2, 2, ("zorblax",))


def test_what_cannot_be_measured_says_so(
    painted: list[tuple[Path, tuple[str, ...]]], tmp_path: Path
) -> None:
    with pytest.raises(TrainingDataError, match="different labels"):
        evaluate_pointing(PlacesEncoder(), painted[:1])
    with pytest.raises(TrainingDataError, match="knows none of the names zorblax"):
        evaluate_pointing(PlacesEncoder(), [(painted[0][0], ("zorblax",))])
    with pytest.raises(ModelError, match="'colours': its scores cannot be split"):
        evaluate_pointing(ColourEncoder(), painted)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"broken\.png"):
        evaluate_pointing(PlacesEncoder(), [(broken, ("red",)), painted[1]])
