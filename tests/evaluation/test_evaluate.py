"""Evaluations of a model and of a library, against naive loops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import searchengine
from indexer.evaluation.labels import evaluate_labels, read_labels
from indexer.evaluation.languages import evaluate_languages, questions_of_cldr, questions_of_table
from indexer.evaluation.library import evaluate_library
from indexer.evaluation.retrieval import evaluate_retrieval
from indexer.executors import Serial
from indexer.library.pipeline import index_images
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.errors import NothingIndexed, TrainingDataError
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.sync import synchronise
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.language.translator import aliases
from searchengine.search.tagging import Tagger
from tests.support.colour_encoder import COLOURS, ColourEncoder

ENCODER = ColourEncoder()


@pytest.fixture
def paintings(tmp_path: Path) -> dict[str, Path]:
    """Paint one noisy picture of each colour."""
    random = np.random.default_rng(3)
    folder = tmp_path / "paintings"
    folder.mkdir()
    for colour, rgb in COLOURS.items():
        noise = random.normal(0, 30, (40, 40, 3))
        pixels = (np.array(rgb) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{colour}.png")
    return {colour: folder / f"{colour}.png" for colour in COLOURS}


def test_colours_find_their_paintings(paintings: dict[str, Path]) -> None:
    captions = [[f"{colour} {colour}", colour] for colour in paintings]
    scores = evaluate_retrieval(ENCODER, list(paintings.values()), captions)
    assert (scores.images, scores.captions) == (10, 20)
    assert scores.t2i.r1 == scores.i2t.r1 == 100.0


def test_a_caption_without_known_words_counts_as_the_worst_rank(paintings: dict[str, Path]) -> None:
    captions = [[colour] for colour in paintings]
    captions[0] = ["zorblax"]
    scores = evaluate_retrieval(ENCODER, list(paintings.values()), captions)
    assert scores.captions == 10
    assert scores.t2i.r10 == 100.0  # ten pictures: the worst rank is ten
    assert scores.t2i.r5 == scores.t2i.r1 == 90.0


def test_captions_without_any_known_word_are_an_error(paintings: dict[str, Path]) -> None:
    with pytest.raises(TrainingDataError, match="no word of any caption"):
        evaluate_retrieval(ENCODER, [paintings["red"]], [["zorblax"]])


def test_labels_are_measured_both_ways(paintings: dict[str, Path]) -> None:
    labelled: list[tuple[Path, tuple[str, ...]]] = [
        (path, (colour,)) for colour, path in paintings.items()
    ]
    labelled.append((paintings["red"], ("blue",)))  # a copy with a wrong label
    scores = evaluate_labels(ENCODER, labelled)
    assert scores.unknown == ()
    assert (scores.images, scores.names) == (11, 10)
    assert scores.n2p.r1 == 90.0  # "red" ties with the copy, which counts against it
    assert scores.top1 == pytest.approx(100 * 10 / 11, abs=0.01)
    precisions = []
    for colour in COLOURS:
        wanted = ENCODER.encode_texts([colour])[0]
        cosines = {
            number: float(wanted @ ENCODER.encode_images([path])[0])
            for number, (path, _) in enumerate(labelled)
        }
        right = {number for number, (_, names) in enumerate(labelled) if colour in names}
        ranking = sorted(cosines, key=lambda number: (-cosines[number], number in right))
        places = sorted(ranking.index(number) + 1 for number in right)
        precisions.append(np.mean([(n + 1) / place for n, place in enumerate(places)]))
    assert scores.mean_average_precision == pytest.approx(100 * np.mean(precisions), abs=0.01)


def test_tags_are_measured_against_the_names_and_what_means_the_same() -> None:
    encoder = searchengine.load_model()
    folder = Path(skimage.data.__file__).parent
    labelled = [(folder / "chelsea.png", ("cats",)), (folder / "coins.png", ("zorblax", "lawyer"))]
    pictures = encoder.encode_images([path for path, _ in labelled])
    proposed = [
        [tag.name for tag in tags]
        for tags in Tagger(encoder, TagVocabulary.load(), {}).tag(pictures, 10)
    ]
    assert "cat" in proposed[0]
    assert not {"zorblax", "lawyer"} & set(proposed[1])
    scores = evaluate_labels(encoder, labelled)
    place = proposed[0].index("cat") + 1  # the tag that "cats" means
    assert [scores.tag1, scores.tag5, scores.tag10] == [50.0 * (place <= n) for n in (1, 5, 10)]


def test_a_name_without_known_words_counts_as_the_worst_both_ways(
    paintings: dict[str, Path],
) -> None:
    labelled = [(path, (colour,)) for colour, path in paintings.items()]
    labelled[0] = (labelled[0][0], ("zorblax",))
    scores = evaluate_labels(ENCODER, labelled)
    assert scores.unknown == ("zorblax",)
    assert (scores.images, scores.names) == (10, 10)
    assert scores.n2p.r1 == scores.n2p.r5 == scores.top1 == scores.top5 == 90.0
    assert scores.n2p.r10 == 100.0  # ten pictures: the worst rank is ten
    assert scores.mean_average_precision == pytest.approx(100 * (9 + 1 / 10) / 10)


def test_a_name_of_several_words_is_their_sum(tmp_path: Path) -> None:
    """Red and blue add up to purple, which neither word alone finds first."""
    labelled = []
    for name, rgb in {"red": (255, 0, 0), "blue": (0, 0, 255), "mixed": (128, 0, 128)}.items():
        Image.new("RGB", (8, 8), rgb).save(tmp_path / f"{name}.png")
        labelled.append((tmp_path / f"{name}.png", (name.replace("mixed", "red blue"),)))
    scores = evaluate_labels(ENCODER, labelled)
    assert scores.n2p.r1 == scores.top1 == 100.0


def test_names_of_which_none_is_known_are_an_error(paintings: dict[str, Path]) -> None:
    with pytest.raises(TrainingDataError, match="zorblax"):
        evaluate_labels(ENCODER, [(paintings["red"], ("zorblax",))])


def test_labels_are_read_relative_to_their_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    lines = [{"image": "a/1.jpg", "labels": ["dog", "grass"]}, {"image": "2.jpg", "labels": []}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert read_labels(path) == [(tmp_path / "a/1.jpg", ("dog", "grass"))]


@pytest.mark.parametrize("line", ["[]", "{", '{"image": 3, "labels": []}', '{"image": "x"}'])
def test_a_malformed_label_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"image": "1.jpg", "labels": ["dog"]}\n' + line, encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"labels\.jsonl:2: not"):
        read_labels(path)


@pytest.fixture
def catalog(tmp_path: Path, paintings: dict[str, Path]) -> Catalog:
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    folder = str(paintings["red"].parent)
    index_images(folder, catalog, ENCODER, executor=Serial())
    return catalog


@pytest.mark.parametrize("backend", [ExactIndex, FaissIndex])
def test_a_whole_index_has_full_recall(
    catalog: Catalog, backend: type[ExactIndex | FaissIndex]
) -> None:
    index = backend(None)
    synchronise(index, catalog, ENCODER.fingerprint, ENCODER.dim)
    scores = evaluate_library(catalog, ENCODER, index, queries=["red zorblax", "", "blue"])
    assert scores.pictures == scores.queries == 10
    assert scores.index_recall == 100.0
    assert scores.unknown_words == pytest.approx(33.33)
    assert 0 < scores.p50_ms <= scores.p95_ms


def test_an_index_that_lacks_half_is_found_out(catalog: Catalog) -> None:
    index = ExactIndex(None)
    synchronise(index, catalog, ENCODER.fingerprint, ENCODER.dim)
    index.drop(np.arange(1, 6))
    # All ten are among the exact ten nearest of each; five are left.
    assert evaluate_library(catalog, ENCODER, index).index_recall == 50.0


def test_an_empty_library_says_so(tmp_path: Path) -> None:
    catalog = Catalog(open_database(tmp_path / "empty", create=True))
    with pytest.raises(NothingIndexed):
        evaluate_library(catalog, ENCODER, ExactIndex(None))


def test_languages_find_what_the_english_words_find(paintings: dict[str, Path]) -> None:
    labelled = [(path, (colour,)) for colour, path in paintings.items()]
    labelled *= 2  # more than ten pictures, so that the first ten can be wrong
    table = questions_of_table({"red", "blue"})
    assert ("빨강", "red") in table["ko"]
    assert ("rot", "red") in table["de"]
    [german, nonsense] = evaluate_languages(
        ENCODER, labelled, {"de": [("rot", "red"), ("blau", "blue")], "fr": [("zorblax", "red")]}
    )
    assert (german.words, german.found, german.english) == (2, 100.0, 100.0)
    assert (nonsense.found, nonsense.english) == (0.0, 100.0)
    with pytest.raises(TrainingDataError, match="no word of any language"):
        evaluate_languages(ENCODER, labelled, {"de": []})


def test_names_of_emoji_are_read_from_cldr(tmp_path: Path) -> None:
    for language in aliases().languages:
        folder = tmp_path / "annotations" / language
        folder.mkdir(parents=True)
        names = {"en": "red circle", "de": "Roter Kreis"}
        said = {"🔴": {"tts": [names.get(language, language)]}, "❤": {"default": ["love"]}}
        (folder / "annotations.json").write_text(json.dumps({"annotations": {"annotations": said}}))
    asked = questions_of_cldr({"red circle"}, tmp_path)
    assert asked["und"] == [("🔴", "red circle")]
    assert asked["de"] == [("roter kreis", "red circle")]
    (tmp_path / "annotations" / "de" / "annotations.json").write_text("[]")
    with pytest.raises(TrainingDataError, match=r"de/annotations\.json"):
        questions_of_cldr({"red circle"}, tmp_path)
