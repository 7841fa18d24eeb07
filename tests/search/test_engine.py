"""The engine against naive rankings, on a real catalog with real pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.executors import Serial
from indexer.library.pipeline import index_images
from searchengine.errors import (
    CancelledQuery,
    NothingIndexed,
    QueryError,
    UnknownPicture,
    UnknownWords,
)
from searchengine.search.engine import Engine
from searchengine.types import Query, Term
from tests.support.colour_encoder import COLOURS, ColourEncoder
from tests.support.colour_library import open_engine, paint, scan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    colours = sorted(COLOURS)
    for top in colours:
        for bottom in colours:
            paint(folder / top / f"{top}-{bottom}.png", top, bottom)
    return folder


@pytest.fixture
def engine(tmp_path: Path, photos: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        scan(engine, photos)
        yield engine


def names(answer_paths: list[str]) -> list[str]:
    return [os.path.basename(path) for path in answer_paths]


def naive_ranking(engine: Engine, photos: Path, wanted: np.ndarray) -> list[tuple[str, float]]:
    """Rank every file by its cosine to a vector, computed from the files themselves."""
    paths = sorted(str(path) for path in photos.rglob("*.png"))
    # The catalog keeps half precision; so does the naive ranking, or near ties would differ.
    kept = engine.encoder.encode_images(paths).astype(np.float16).astype(np.float64)
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    scores = kept @ (wanted / np.linalg.norm(wanted))
    ids = [engine.catalog.by_paths([path])[path].id for path in paths]
    order = sorted(range(len(paths)), key=lambda row: (-round(scores[row], 6), ids[row]))
    return [(paths[row], float(scores[row])) for row in order]


def test_words_rank_as_a_naive_scan_does(engine: Engine, photos: Path) -> None:
    answer = engine.search("red", limit=15)
    expected = naive_ranking(engine, photos, engine.encoder.encode_texts(["red"])[0])[:15]
    assert [hit.path for hit in answer.hits] == [path for path, _ in expected]
    assert [hit.score for hit in answer.hits] == pytest.approx([s for _, s in expected], abs=1e-4)


def test_terms_are_normalised_before_they_are_weighted(engine: Engine, photos: Path) -> None:
    picture = photos / "red" / "red-blue.png"
    answer = engine.search([f"2*{picture}", "-", "red red red", "+", "0.5*green"], limit=5)
    encoder = engine.encoder
    terms = np.stack([encoder.encode_images([picture])[0], *encoder.encode_texts(["red", "green"])])
    wanted = np.array([2.0, -1.0, 0.5]) @ terms
    expected = [p for p, _ in naive_ranking(engine, photos, wanted) if p != str(picture)][:5]
    assert [hit.path for hit in answer.hits] == expected


def test_picture_minus_word_plus_word_swaps_the_colour(engine: Engine, photos: Path) -> None:
    answer = engine.search([str(photos / "red" / "red-blue.png"), "-", "red", "+", "green"])
    assert names([answer.hits[0].path]) == ["green-blue.png"]


def test_pictures_of_the_query_and_their_copies_are_left_out(engine: Engine, photos: Path) -> None:
    picture = photos / "red" / "red-blue.png"
    copy = photos / "copies" / "again.png"
    copy.parent.mkdir()
    shutil.copy(picture, copy)
    scan(engine, photos)
    id_ = engine.catalog.by_paths([str(copy)])[str(copy)].id
    for answer in (
        engine.similar(picture, limit=200),
        engine.similar(id_, limit=200),
        engine.search(f"#{id_} + green", limit=200),
    ):
        assert len(answer.hits) == 99
        assert {str(picture), str(copy)} & {hit.path for hit in answer.hits} == set()


def test_limit_is_filled_although_pictures_are_left_out(engine: Engine, photos: Path) -> None:
    assert len(engine.similar(photos / "red" / "red-blue.png", limit=7).hits) == 7


def test_picture_outside_the_library_is_embedded(engine: Engine, tmp_path: Path) -> None:
    outside = paint(tmp_path / "elsewhere" / "mine.jpg", "red", "green")
    assert names([engine.similar(outside).hits[0].path]) == ["red-green.png"]


def test_file_that_changed_since_the_scan_is_asked_as_it_is_now(
    engine: Engine, photos: Path
) -> None:
    changed = photos / "red" / "red-blue.png"
    paint(changed, "yellow", "black")
    Image.open(changed).resize((32, 32)).save(changed)  # or it would be a copy of another file
    assert names([engine.similar(changed).hits[0].path]) == ["yellow-black.png"]


def test_filter_gives_the_whole_ranking_restricted(engine: Engine, photos: Path) -> None:
    whole = [hit.path for hit in engine.search("green", limit=1000).hits]
    folder = str(photos / "purple") + os.sep
    filtered = engine.search("green", limit=1000, within=photos / "purple")
    assert [hit.path for hit in filtered.hits] == [p for p in whole if p.startswith(folder)]
    assert len(filtered.hits) == len(COLOURS)


def test_filter_without_pictures_is_said(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NothingIndexed, match="nothing of it is indexed"):
        engine.search("green", within=tmp_path / "nowhere")


def test_filter_that_leaves_pictures_of_another_model_only_is_said(
    engine: Engine, tmp_path: Path
) -> None:
    paint(tmp_path / "more/red.png", "red", "red")
    other = ColourEncoder("c1" * 32)
    index_images(str(tmp_path / "more"), engine.catalog, other, executor=Serial())
    engine.refresh()
    with pytest.raises(NothingIndexed, match=r"more: no picture there is indexed by this model"):
        engine.search("red", within=tmp_path / "more")


def test_unknown_word_is_reported_beside_the_answer(engine: Engine) -> None:
    answer = engine.search("red zorblax")
    assert [unknown.word for unknown in answer.unknown_words] == ["zorblax"]
    assert [h.path for h in answer.hits] == [h.path for h in engine.search("red").hits]


def test_term_without_known_words_is_left_out_if_another_is_known(engine: Engine) -> None:
    answer = engine.search("red - zorblax")
    assert [unknown.word for unknown in answer.unknown_words] == ["zorblax"]
    assert [h.path for h in answer.hits] == [h.path for h in engine.search("red").hits]


@pytest.mark.parametrize("query", ["zorblax", "zorblax + quux"])
def test_query_without_any_known_word_is_an_error(engine: Engine, query: str) -> None:
    with pytest.raises(UnknownWords, match="zorblax"):
        engine.search(query)


def test_picture_does_not_stand_in_for_unknown_words(engine: Engine, photos: Path) -> None:
    with pytest.raises(UnknownWords, match="zorblax"):
        engine.search([str(photos / "red" / "red-blue.png"), "+", "zorblax"])


def test_terms_that_cancel_out_are_an_error(engine: Engine) -> None:
    with pytest.raises(CancelledQuery, match="cancel out"):
        engine.search("red - red")


def test_unknown_file_and_id_are_errors(engine: Engine) -> None:
    with pytest.raises(UnknownPicture, match=r"\./nowhere\.jpg"):
        engine.search("./nowhere.jpg")
    with pytest.raises(UnknownPicture, match="#987654"):
        engine.search("#987654")
    with pytest.raises(UnknownPicture, match="#1000"):
        engine.similar(10**30)  # more than a database can be asked for


def test_fifo_in_a_query_is_refused_without_waiting(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    with pytest.raises(UnknownPicture, match="not a regular file"):
        engine.similar(tmp_path / "fifo.jpg")


def test_limit_beyond_the_library_gives_all_of_it(engine: Engine, photos: Path) -> None:
    assert len(engine.search("red", limit=10**15).hits) == len(list(photos.rglob("*.png")))


def test_unreadable_picture_in_a_query_is_an_error(engine: Engine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"this is no picture")
    with pytest.raises(QueryError, match=r"broken\.jpg.*not a readable image"):
        engine.similar(broken)


def test_empty_library_has_nothing_to_answer_with(tmp_path: Path) -> None:
    with open_engine(tmp_path / "library") as engine, pytest.raises(NothingIndexed):
        engine.search("red")


def test_forgotten_folder_is_gone_from_answers_but_not_from_the_disk(
    engine: Engine, photos: Path
) -> None:
    assert engine.forget(photos / "green") == len(COLOURS)
    folder = str(photos / "green") + os.sep
    assert not any(hit.path.startswith(folder) for hit in engine.search("green", limit=100).hits)
    assert (photos / "green" / "green-red.png").exists()
    with pytest.raises(UnknownPicture, match="nothing there"):
        engine.forget(photos / "green")


def test_another_engine_sees_what_was_indexed_meanwhile(
    engine: Engine, photos: Path, tmp_path: Path
) -> None:
    paint(photos / "new.png", "brown", "pink")
    scan(engine, photos)
    with open_engine(tmp_path / "library") as other:
        assert any(hit.path.endswith("new.png") for hit in other.search("brown", limit=200).hits)


def test_answer_names_the_query_as_it_was_understood(engine: Engine) -> None:
    query = Query((Term(2.0, "words", "red"), Term(-1.0, "words", "blue")))
    assert engine.search(query).query == "2*red - blue"


def test_status_counts_what_is_there(engine: Engine, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no")
    (photos / "red" / "red-red.png").unlink()
    scan(engine, photos)
    status = engine.status()
    assert status.counts == {"ok": 99, "missing": 1, "bad": 1}
    assert status.indexed == 99
    assert [path for path, _ in status.roots] == [str(photos)]
