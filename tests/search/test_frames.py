"""Films of several scenes: each scene finds its film, at its time and once, as a naive search does.

Real films are drawn, indexed and searched; a reference compares every frame by a plain loop.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.executors import Serial
from indexer.library.foresight import Foresight
from indexer.library.reembed import reembed
from searchengine.catalog import frames as catalog_frames
from searchengine.catalog.backups import restore, save
from searchengine.catalog.database import FILE_NAME, open_database
from searchengine.catalog.embeddings import Content
from searchengine.catalog.health import examine
from searchengine.catalog.mending import mend
from searchengine.catalog.packed import unpack
from searchengine.catalog.records import StoredEncoder
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.images import read_photo
from searchengine.indexes.exact import ExactIndex
from searchengine.language import query
from searchengine.search.engine import Engine
from searchengine.search.frames import Frames, SceneIndex
from searchengine.search.pages import PageRequest
from searchengine.types import Hit, Vector, Vectors
from searchengine.vectors import unit_rows
from tests.support.camera_files import write_film
from tests.support.colour_encoder import COLOURS, ColourEncoder
from tests.support.colour_library import open_engine, photograph, scan
from tests.support.command import lexpix


def scene(colour: str, mark: str = "white") -> Image.Image:
    """A picture that is mostly of one colour, and has something on it."""
    picture = Image.new("RGB", (160, 120), COLOURS[colour])
    picture.paste(COLOURS[mark], (40, 30, 80, 60))
    return picture


def film(path: Path, *colours: str) -> Path:
    """Draw a film of scenes of two seconds each, the first a little longer than the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_film(path, [(scene(one), 2.0 + (not n)) for n, one in enumerate(colours)])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film(folder / "a.mp4", "red", "blue", "yellow")
    film(folder / "b.mov", "green", "purple", "blue", "brown")
    film(folder / "one.mp4", "pink")
    for top, bottom in itertools.permutations(("red", "blue", "yellow", "black"), 2):
        photograph(folder / "still" / f"{top}-{bottom}.jpg", top, bottom)
    return folder


@pytest.fixture
def library(tmp_path: Path, photos: Path) -> Path:
    return Path(shutil.copytree(photos, tmp_path / "photos"))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[Engine]:
    """A library in which nothing changes."""
    with open_engine(tmp_path_factory.mktemp("library")) as engine:
        scan(engine, photos)
        yield engine


@pytest.fixture
def engine(tmp_path: Path, library: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        scan(engine, library)
        yield engine


def id_of(engine: Engine, path: Path) -> int:
    return engine.catalog.by_paths([str(path)])[str(path)].id


def frames(engine: Engine) -> dict[str, list[float]]:
    """Return the times of the frames that can be found, by the names of their films."""
    found = engine.scenes.frames
    rows = engine.catalog.get(found.films.tolist())
    known = engine.catalog.frames.present(engine.encoder.fingerprint)
    # What was read change by change is what one reads who begins now.
    read = Frames(known)
    for mine, theirs in ((found._ids, read._ids), (found._seconds, read._seconds)):
        assert mine.tolist() == theirs.tolist()
    np.testing.assert_array_equal(found._vectors, read._vectors)
    return {os.path.basename(rows[id_].path): sorted(film) for id_, film in known.items()}


@pytest.fixture(scope="module")
def shown(photos: Path) -> dict[str, dict[float | None, Any]]:
    """What every file shows, read and encoded one by one: vectors by time."""
    encoder, vectors = ColourEncoder(), {}
    for path in sorted(photos.rglob("*.*")):
        photo = read_photo(path, size=32, stills=True)
        assert photo.pixels is not None
        stills: dict[float | None, Any] = {photo.at: photo.pixels, **dict(photo.stills)}
        rows = encoder.encode_images(list(stills.values())).astype("<f2").astype(np.float32)
        vectors[path.name] = dict(zip(stills, unit_rows(rows), strict=True))
    return vectors


def naive(
    shown: dict[str, dict[float | None, Any]], text: str
) -> list[tuple[str, float, float | None]]:
    """Compare a query with every picture and every frame in a plain loop."""
    [asked] = ColourEncoder().encode_texts([text])
    found = []
    for name, vectors in shown.items():
        scores = {at: float(vector @ asked) for at, vector in vectors.items()}
        best = max(scores, key=lambda at: scores[at])
        found.append((name, scores[best], best))
    return sorted(found, key=lambda one: -one[1])


def pages(engine: Engine, request: PageRequest) -> Iterator[Hit]:
    while True:
        page = engine.page(request)
        yield from page.answer.hits
        if page.next is None:
            return
        request = replace(request, after=page.next)


@pytest.mark.parametrize(
    ("word", "name", "begins"),
    [
        *(("red", "a.mp4", 0), ("blue", "a.mp4", 3), ("yellow", "a.mp4", 5)),
        *(("green", "b.mov", 0), ("purple", "b.mov", 3), ("brown", "b.mov", 7)),
        ("pink", "one.mp4", 0),
    ],
)
def test_each_scene_finds_its_film_at_its_time_once(
    still: Engine, word: str, name: str, begins: float
) -> None:
    hits = still.search(word, limit=100).hits
    assert hits[0].path.endswith(name)
    assert hits[0].at is not None
    assert begins <= hits[0].at < begins + 3
    assert len({hit.id for hit in hits}) == len(hits) == 15


@pytest.mark.parametrize("text", ["red", "blue", "yellow", "brown", "black"])
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_are_what_a_loop_over_all_frames_finds(
    still: Engine, shown: dict[str, dict[float | None, Any]], text: str, limit: int
) -> None:
    found = [
        (os.path.basename(hit.path), hit.score, hit.at)
        for hit in pages(still, PageRequest(query.parse(text), limit=limit))
    ]
    expected = naive(shown, text)
    assert [(name, at) for name, _, at in found] == [(name, at) for name, _, at in expected]
    scores: list[Any] = [score for _, score, _ in found]
    np.testing.assert_allclose(scores, [score for _, score, _ in expected], atol=1e-6)


def test_filters_hold_and_a_film_is_not_its_own_answer(still: Engine, photos: Path) -> None:
    only = [hit.path for hit in still.search("blue in:still", limit=100).hits]
    assert only
    assert all(path.endswith(".jpg") for path in only)
    hits = still.search("blue name:b.mov").hits
    assert [(os.path.basename(hit.path), 5 <= (hit.at or 0) < 7) for hit in hits] == [
        ("b.mov", True)
    ]
    similar = still.similar(id_of(still, photos / "a.mp4"), limit=100).hits
    assert "a.mp4" not in {os.path.basename(hit.path) for hit in similar}
    assert len(similar) == 14


def test_frames_follow_their_film(engine: Engine, library: Path) -> None:
    encoder = engine.encoder
    assert isinstance(encoder, ColourEncoder)
    first = frames(engine)
    assert sorted(first) == ["a.mp4", "b.mov"]
    assert (len(first["a.mp4"]), len(first["b.mov"])) == (3, 4)
    number = id_of(engine, library / "a.mp4")

    (library / "a.mp4").rename(library / "still" / "moved.mp4")
    shutil.copy(library / "b.mov", library / "copy.mov")
    encoder.batches.clear()
    scan(engine, library)
    assert encoder.batches == []  # what is known of the bytes is taken over
    moved = frames(engine)
    assert moved == {
        "moved.mp4": first["a.mp4"],
        "b.mov": first["b.mov"],
        "copy.mov": first["b.mov"],
    }
    assert id_of(engine, library / "still" / "moved.mp4") == number
    twice = [os.path.basename(hit.path) for hit in engine.search("purple").hits[:2]]
    assert twice == ["b.mov", "copy.mov"]

    film(library / "b.mov", "green", "orange")
    scan(engine, library)
    assert len(frames(engine)["b.mov"]) == 2
    assert engine.search("orange").hits[0].path.endswith("b.mov")
    assert engine.search("purple").hits[0].path.endswith("copy.mov")

    film(library / "b.mov", "green")
    (library / "copy.mov").unlink()
    scan(engine, library)
    assert sorted(frames(engine)) == ["moved.mp4"]
    assert engine.forget(library / "still" / "moved.mp4") == 1
    assert frames(engine) == {}
    with engine.catalog._reader.begin() as connection:
        kept = connection.exec_driver_sql(
            "SELECT count(*) FROM frames WHERE image_id = ?", (number,)
        )
        assert kept.scalar() == 0


def test_films_that_were_indexed_before_get_their_frames(engine: Engine, library: Path) -> None:
    before = frames(engine)
    with engine.catalog._writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM frames")
    with closing(Foresight(engine.settings, engine.encoder)) as foresight:
        assert foresight.index(library).updated == 3
    scan(engine, library)
    assert frames(engine) == before
    assert engine.search("yellow").hits[0].path.endswith("a.mp4")
    with closing(Foresight(engine.settings, engine.encoder)) as foresight:
        report = foresight.index(library)
    assert (report.updated, report.unchanged) == (0, 15)


def test_a_frame_that_is_none_is_found_dropped_and_made_again(
    engine: Engine, library: Path
) -> None:
    before, path = frames(engine), engine.settings.library / FILE_NAME
    number = id_of(engine, library / "a.mp4")
    with engine.catalog._writer.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE frames SET vector = zeroblob(length(vector)) WHERE image_id = ?", (number,)
        )
    damage = [(one.check, one.message) for one in examine(path) if one.severity == "damage"]
    assert damage == [("vectors", "3 of scenes of films are none")]
    assert mend(path) == ["dropped 3 vectors; lexpix index makes them again"]
    scan(engine, library)
    assert frames(engine) == before
    assert [one.check for one in examine(path) if one.severity == "damage"] == []


def test_another_model_gets_frames_of_its_own(engine: Engine, library: Path) -> None:
    catalog, before = engine.catalog, frames(engine)
    other = ColourEncoder("0c" * 32)
    report = reembed(catalog, other, executor=Serial())
    assert (report.had, report.added, report.complete) == (0, 15, True)
    ours = catalog.frames.present(engine.encoder.fingerprint)
    theirs = catalog.frames.present(other.fingerprint)
    assert {id_: sorted(film) for id_, film in theirs.items()} == {
        id_: sorted(film) for id_, film in ours.items()
    }
    assert reembed(catalog, other, executor=Serial()).had == 15
    catalog.embeddings.drop(other.fingerprint)
    assert catalog.frames.present(other.fingerprint) == {}
    assert frames(engine) == before


def test_a_backup_has_the_frames(still: Engine, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    save(still.settings.library, copy / "catalog.sqlite")
    catalog = Catalog(open_database(copy, create=False))
    fingerprint = still.encoder.fingerprint
    kept, here = catalog.frames.present(fingerprint), still.catalog.frames.present(fingerprint)
    catalog.close()
    assert kept.keys() == here.keys() != set()
    for id_, film in here.items():
        np.testing.assert_equal(kept[id_], film)


VALUES = st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any)
PICTURES = st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(PICTURES, VALUES, st.integers(1, 15), st.data())
def test_the_index_with_frames_is_a_loop_over_frames(
    still: Engine, pictures: list[list[list[int]]], asked: list[int], k: int, data: st.DataObject
) -> None:
    """Few small whole numbers, so that there are many ties, and posters of all ranks."""
    films = {id_: rows_of(rows) for id_, rows in enumerate(pictures, 1)}
    index = ExactIndex(None)
    index.put(np.array(list(films), np.int64), np.stack([rows[0] for rows in films.values()]))
    scenes = SceneIndex(index, still.catalog, "none")
    scenes.frames = Frames(
        {id_: dict(enumerate(rows)) for id_, rows in films.items() if len(rows) > 1}
    )
    only = data.draw(st.none() | st.lists(st.sampled_from(sorted(films)), unique=True).map(sorted))

    [vector] = rows_of([asked])
    expected = []
    for id_, rows in films.items():
        exact, direction = rows.astype(np.float64), vector.astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(direction)
        scores = ((exact * direction).sum(axis=1) / lengths).astype(np.float32)
        if only is None or id_ in only:
            expected.append((-float(scores.max()), id_))
        frame = scenes.frames.answering(vector, [id_]).get(id_)
        assert (None if frame is None else frame.seconds) == (
            int(scores.argmax()) if len(rows) > 1 else None
        )
    expected.sort()
    within = None if only is None else np.array(only, dtype=np.int64)
    for ask in (scenes.search, scenes.search_exactly):
        found, cosines = (rows[0] for rows in ask(vector[None], k, within))
        best = [(-float(s), int(i)) for i, s in zip(found, cosines, strict=True) if i >= 0]
        assert best == expected[:k]
        assert found.shape == cosines.shape == (k,)


@settings(max_examples=60, deadline=None)
@given(PICTURES, PICTURES, st.lists(st.integers(1, 20), unique=True), VALUES)
def test_frames_that_changed_are_as_if_read_anew(
    before: list[list[list[int]]], new: list[list[list[int]]], gone: list[int], asked: list[int]
) -> None:
    old = {id_: film_of(rows) for id_, rows in enumerate(before, 1)}
    put = {3 * n: film_of(rows) for n, rows in enumerate(new, 1)}
    put = {id_: film for id_, film in put.items() if id_ not in gone}
    ids = np.array([*put, *gone], dtype=np.int64)
    every = {id_: film for id_, film in old.items() if id_ not in ids} | put
    changed, read = Frames(old).changed(put, ids), Frames(dict(sorted(every.items())))
    assert changed.films.tolist() == sorted(every)
    [vector] = rows_of([asked])
    mine, theirs = (one.answering(vector, every) for one in (changed, read))
    assert {id_: (one.seconds, one.vector.tolist()) for id_, one in mine.items()} == {
        id_: (one.seconds, one.vector.tolist()) for id_, one in theirs.items()
    }


def test_what_is_no_film_has_none_read(
    engine: Engine, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of films that nobody wrote to are not read again."""
    before, read = engine.scenes.frames, []

    def noted(rows: Sequence[bytes]) -> Vectors:
        read.append(len(rows))
        return unpack(rows)

    monkeypatch.setattr(catalog_frames, "unpack", noted)
    photograph(library / "new.jpg", "red", "pink")
    scan(engine, library)
    assert sum(read) == 0
    assert engine.scenes.frames is before
    film(library / "film.mp4", "red", "blue")
    scan(engine, library)
    assert sum(read) == 2 + 7  # all, as there are more than before
    assert "film.mp4" in frames(engine)


def test_scenes_that_a_model_tells_later_are_found(engine: Engine, library: Path) -> None:
    """`reembed` writes to no picture."""
    catalog, encoder = engine.catalog, engine.encoder
    id_ = id_of(engine, library / "a.mp4")
    known = catalog.frames.present(encoder.fingerprint)[id_]
    row, model = catalog.get([id_])[id_], StoredEncoder(encoder.fingerprint, "m", encoder.dim)
    vector, sha256 = catalog.vectors([id_], encoder.fingerprint)[id_], row.sha256
    assert sha256 is not None
    for some in (dict(list(known.items())[:1]), known, dict(list(known.items())[:2]), known):
        assert catalog.embeddings.add(model, {id_: Content(sha256, vector, some)}) == {id_}
        engine.scenes.refresh()
        assert frames(engine).get("a.mp4", []) == (sorted(some) if len(some) > 1 else [])


def test_scenes_of_a_restored_catalog_are_its_own(
    engine: Engine, library: Path, tmp_path: Path
) -> None:
    save(engine.settings.library, tmp_path / "copy.sqlite")
    film(library / "new.mp4", "red", "blue")
    (library / "b.mov").unlink()
    scan(engine, library)
    assert set(frames(engine)) == {"a.mp4", "new.mp4"}
    restore(engine.settings.library, tmp_path / "copy.sqlite")
    engine.scenes.refresh()
    assert set(frames(engine)) == {"a.mp4", "b.mov"}


def rows_of(values: list[list[int]]) -> Any:
    """Return unit rows, scaled as often as an index and the frames do."""
    return unit_rows(unit_rows(np.array(values, dtype=np.float32)))


def film_of(values: list[list[int]]) -> dict[float, Vector]:
    """Return frames, one a second."""
    return dict(zip(map(float, range(len(values))), rows_of(values), strict=True))


def test_the_commands_name_the_time_and_explain_the_frame(tmp_path: Path) -> None:
    shown = {
        name: Image.fromarray(getattr(skimage.data, name)()).convert("RGB").resize((320, 240))
        for name in ("chelsea", "coffee", "rocket")
    }
    path = tmp_path / "films" / "all.mp4"
    path.parent.mkdir()
    write_film(path, [(picture, 3.0 - 0.5 * n) for n, picture in enumerate(shown.values())])
    library = tmp_path / "library"
    lexpix("index", path.parent, library=library)
    told = lexpix("search", "a cup of coffee", "--all", library=library).stdout
    assert told.splitlines()[1].endswith(f"{path}  at 0:03")
    found = json.loads(lexpix("search", "rocket", "--json", library=library).stdout)["hits"]
    assert [(hit["path"], hit["at"] >= 5.5) for hit in found] == [(str(path), True)]

    with Engine.open(Settings(library=library)) as engine:
        for text, begins in (("a cat", 0.0), ("a cup of coffee", 3.0), ("a rocket", 5.5)):
            page = engine.page(PageRequest(query.parse(text), unlikely=True, explain=True))
            [hit] = page.answer.hits
            explained = engine.explain(text, hit.id)
            assert hit.at is not None
            assert begins <= hit.at < begins + 3
            assert explained.at == hit.at
            assert explained.score == pytest.approx(hit.score, abs=2e-3)
            assert page.shares is not None
            shares = [share for _, share in page.shares[hit.id]]
            assert shares == pytest.approx([part.share for part in explained.parts], abs=2e-3)
        engine.draw(explained, hit.id, tmp_path / "heat.png")
        with Image.open(tmp_path / "heat.png") as sheet:
            drawn = np.asarray(sheet.convert("L"), dtype=float)[36:276, 12:332]  # the first panel
        likeness = [
            np.corrcoef(drawn.ravel(), np.asarray(one.convert("L"), dtype=float).ravel())[0, 1]
            for one in shown.values()
        ]
        assert int(np.argmax(likeness)) == 2, "it is drawn on the rocket"
