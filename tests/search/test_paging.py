"""Pages of pictures against the whole answer and naive sorting, on real pictures and catalogs."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import indexer
from searchengine.config import Settings
from searchengine.errors import ModelError, NothingIndexed, QueryError
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.sync import synchronise
from searchengine.language import query
from searchengine.search import ordering
from searchengine.search.engine import Engine
from searchengine.search.facets import Facet
from searchengine.search.pages import Page, PageRequest, Sort
from searchengine.search.values import Value
from searchengine.types import Ids, MinMatch, Picture, Scores, Vectors
from tests.support.colour_library import open_engine, photograph, photograph_all, scan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    photograph_all(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def engine(tmp_path: Path, photos: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "library") as engine:
        scan(engine, photos)
        yield engine


def pages(engine: Engine, request: PageRequest) -> Iterator[Page]:
    while True:
        page = engine.page(request)
        yield page
        if page.next is None:
            return
        request = replace(request, after=page.next)


def _stamp(row: Picture) -> float:
    assert row.exif.taken_at is not None
    return row.exif.taken_at.timestamp()


def ids_of(*found: Page) -> list[int]:
    return [hit.id for page in found for hit in page.answer.hits]


@pytest.mark.parametrize("limit", [1, 4, 7, 100])
@pytest.mark.parametrize("text", ["red", "red - green + 2*pink", "black + #3"])
def test_pages_of_matches_are_the_whole_answer(engine: Engine, text: str, limit: int) -> None:
    whole = engine.search(text, limit=1000)
    found = list(pages(engine, PageRequest(query.parse(text), limit=limit)))
    assert [hit for page in found for hit in page.answer.hits] == list(whole.hits)
    assert all(len(page.answer.hits) <= limit for page in found)


@pytest.mark.parametrize("sort", ["newest", "oldest"])
@pytest.mark.parametrize("limit", [3, 100])
def test_pictures_by_date(engine: Engine, sort: Sort, limit: int) -> None:
    found = list(pages(engine, PageRequest(sort=sort, limit=limit)))
    rows = engine.catalog.get(engine.catalog.present())
    dated = [row for row in rows.values() if row.exif.taken_at is not None]
    undated = [row for row in rows.values() if row.exif.taken_at is None]
    sign = -1 if sort == "newest" else 1
    dated.sort(key=lambda row: (sign * _stamp(row), sign * row.id))
    undated.sort(key=lambda row: sign * row.id)
    assert ids_of(*found) == [row.id for row in [*dated, *undated]]
    assert {page.total for page in found} == {len(rows)}
    assert {hit.score for page in found for hit in page.answer.hits} == {None}


@pytest.mark.parametrize("limit", [3, 100])
def test_filters_alone_list_pictures_as_they_stand_by_date(engine: Engine, limit: int) -> None:
    every = ids_of(*pages(engine, PageRequest(limit=limit)))
    asked = query.parse("type:jpeg")  # answered without reading what all pictures are
    found = list(pages(engine, PageRequest(asked, limit=limit)))
    assert ids_of(*found) == every
    assert {page.total for page in found} == {len(every)}
    dated = {row.id for row in engine.catalog.get(every).values() if row.exif.taken_at}
    assert 0 < len(dated) < len(every)
    asked = query.parse("year:1-9999")
    assert ids_of(*pages(engine, PageRequest(asked, limit=limit))) == [
        id_ for id_ in every if id_ in dated
    ]


@pytest.mark.parametrize("unlikely", [False, True])
@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_matches_by_date_are_all_of_them(engine: Engine, sort: Sort, unlikely: bool) -> None:
    asked = query.parse("red - #4")
    by_match = list(pages(engine, PageRequest(asked, limit=1000)))
    by_date = list(pages(engine, PageRequest(asked, sort=sort, limit=4, unlikely=unlikely)))
    assert sorted(ids_of(*by_date)) == sorted(ids_of(*by_match))
    every = ids_of(*pages(engine, PageRequest(sort=sort, limit=1000)))
    assert ids_of(*by_date) == [id_ for id_ in every if id_ in set(ids_of(*by_match))]
    scores = {hit.id: hit.score for hit in by_match[0].answer.hits}
    assert all(hit.score == scores[hit.id] for page in by_date for hit in page.answer.hits)


@pytest.mark.parametrize("text", [None, "red", "red - green"])
@pytest.mark.parametrize("sort", ["match", "newest"])
def test_nothing_is_lost_or_shown_twice_while_pictures_come_and_go(
    engine: Engine, photos: Path, text: str | None, sort: Sort
) -> None:
    request = PageRequest(None if text is None else query.parse(text), sort=sort, limit=4)
    there = ids_of(engine.page(replace(request, limit=1000)))
    seen: list[int] = []
    gone: set[int] = set()
    for number, page in enumerate(pages(engine, request)):
        seen += ids_of(page)
        if number < 4:  # one that matches well, one that does not, and one less
            photograph(photos / f"new-{number}.jpg", "red", "red", dt.datetime(2024, 1, 1 + number))
            photograph(photos / f"old-{number}.jpg", "green", "pink", dt.datetime(1999, 1, 1))
            victim = next((id_ for id_ in reversed(there) if id_ not in {*gone, *seen}), None)
            if victim is not None:
                os.remove(engine.catalog.get([victim])[victim].path)
                gone.add(victim)
            scan(engine, photos)
    assert len(seen) == len(set(seen))
    assert set(there) - gone <= set(seen)


@pytest.mark.parametrize("text", [None, "red", "red tag:liked", "tag:liked", "- tag:liked", "#3"])
@pytest.mark.parametrize("sort", ["match", "newest"])
@pytest.mark.parametrize("unlikely", [False, True])
def test_facets_that_a_server_holds_change_no_answer(
    engine: Engine, text: str | None, sort: Sort, unlikely: bool
) -> None:
    for id_ in (2, 3, 7, 11):
        engine.edit_tags(id_, add=["liked"])
    asked = None if text is None else query.parse(text)
    request = PageRequest(asked, sort=sort, unlikely=unlikely, limit=3, count=True)
    facets = engine.facets()
    first = engine.page(request, facets)
    again = engine.page(request, facets)  # what was remembered counts
    alone = engine.page(request)
    assert first.answer.hits == again.answer.hits == alone.answer.hits != ()
    assert first.counts == again.counts == alone.counts
    assert first.next == again.next == alone.next


def test_a_folder_narrows_down_a_page_of_any_order(engine: Engine, photos: Path) -> None:
    folder = photos / "red"
    below = {row.id for row in engine.catalog.get(engine.catalog.present()).values()
             if Path(row.path).parent == folder}  # fmt: skip
    for request in (
        PageRequest(within=folder),
        PageRequest(query.parse("green"), within=folder, unlikely=True),
        PageRequest(query.parse("green"), {"folder": [str(photos)]}, folder, "oldest"),
    ):
        assert set(ids_of(engine.page(request))) == below


def test_a_library_without_pictures_answers_when_all_are_asked_for(tmp_path: Path) -> None:
    with open_engine(tmp_path / "library") as engine:
        assert engine.page(PageRequest(count=True)).answer.hits == ()
        for text in ("red", "tag:liked"):
            with pytest.raises(NothingIndexed, match="lexpix index"):
                engine.page(PageRequest(query.parse(text), count=True))


@pytest.mark.parametrize(
    "chosen",
    [
        {"year": [2021]},
        {"year": [None]},
        {"camera": ["Camera 0", None], "year": [2020, 2022]},
        {"tag": ["liked"]},
        {"folder": ["FOLDER/red", "FOLDER/pink"], "month": ["2021-01", "2022-04", None]},
        {"shape": ["portrait"]},
    ],
)
@pytest.mark.parametrize("text", ["red", "green - pink + tag:liked"])
def test_facets_lose_nothing_of_the_whole_ranking(
    engine: Engine, photos: Path, chosen: dict[Facet, list[Value]], text: str
) -> None:
    for id_ in (2, 3, 7, 11, 19, 23):
        engine.edit_tags(id_, add=["liked"])
    chosen = {
        facet: [v.replace("FOLDER", str(photos)) if isinstance(v, str) else v for v in values]
        for facet, values in chosen.items()
    }
    whole = engine.search(text, limit=1000).hits
    rows = engine.catalog.get(hit.id for hit in whole)
    liked = {2, 3, 7, 11, 19, 23}

    def passes(id_: int) -> bool:
        row, taken = rows[id_], rows[id_].exif.taken_at
        has = {
            "year": taken and taken.year,
            "month": taken and f"{taken:%Y-%m}",
            "camera": row.exif.camera,
            "folder": os.path.dirname(row.path),
            "tag": "liked" if id_ in liked else None,
            "shape": "landscape",
        }
        return all(has[facet] in values for facet, values in chosen.items())

    found = list(pages(engine, PageRequest(query.parse(text), chosen, limit=3, count=True)))
    expected = [hit for hit in whole if passes(hit.id)]
    assert [h for page in found for h in page.answer.hits] == expected
    # What is beside a chosen value is what choosing it alone would leave.
    for facet, values in chosen.items():
        assert found[0].counts is not None
        for count in found[0].counts[facet].values:
            if count.value in values:
                alone = PageRequest(
                    query.parse(text), {**chosen, facet: [count.value]}, sort="newest", limit=1000
                )
                assert engine.page(alone).total == count.count


@pytest.mark.parametrize("sort", ["match", "newest"])
@pytest.mark.parametrize("unlikely", [False, True])
def test_counts_are_of_what_is_shown_alone(
    tmp_path: Path, photos: Path, sort: Sort, unlikely: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "NEAREST", 5)
    with Engine.open(Settings(tmp_path / "joint", executor="serial"), create=True) as engine:
        indexer.index(engine, photos)
        for text in ("red", "a photo of a green field - pink", "horse", "red + #4"):
            asked = query.parse(text)
            every = engine.page(PageRequest(asked, unlikely=True, limit=1000))
            bands = {hit.id: hit.band for hit in every.answer.hits}
            least = 5 if "#" in text else 0
            shown = [
                i
                for n, (i, band) in enumerate(bands.items())
                if unlikely or band != "unlikely" or n < least
            ]
            rows = engine.catalog.get(shown)
            years = Counter(
                None if (at := row.exif.taken_at) is None else at.year for row in rows.values()
            )
            request = PageRequest(asked, sort=sort, unlikely=unlikely, count=True)
            page = engine.page(request)
            assert page.counts is not None
            assert {one.value: one.count for one in page.counts["year"].values} == years
            assert engine.counts(request, engine.facets()) == page.counts
            # Choosing a value shows what was beside it, in the bands that they had.
            for year, count in years.items():
                chosen = PageRequest(asked, {"year": [year]}, sort=sort, unlikely=unlikely)
                hits = engine.page(replace(chosen, limit=1000)).answer.hits
                assert sum(hit.id in shown for hit in hits) == count
                assert all(bands[hit.id] == hit.band for hit in hits)


PHOTOGRAPHS = {
    "animals": ["chelsea.png", "horse.png"],
    "sky": ["moon.png", "rocket.jpg", "hubble_deep_field.jpg"],
    "ground": ["grass.png", "gravel.png", "brick.png"],
    "things": ["coffee.png", "coins.png", "clock_motion.png", "motorcycle_left.png", "page.png"],
}
"""Of scikit-image, by the folder that the tests put them into."""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A library of real photographs, as the bundled model sees them."""
    import skimage.data

    photos = tmp_path_factory.mktemp("photographs")
    for folder, names in PHOTOGRAPHS.items():
        (photos / folder).mkdir()
        for name in names:
            shutil.copy2(Path(skimage.data.__file__).parent / name, photos / folder)
    with Engine.open(Settings(photos / "library", executor="serial"), create=True) as engine:
        indexer.index(engine, photos)
        yield engine


@pytest.mark.parametrize("text", ["#ID", "#ID - coffee + horse", "wedding + 0.2*#ID"])
def test_a_query_with_a_picture_always_finds_the_nearest(
    photographs: Engine, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "NEAREST", 3)
    engine = photographs
    rows = engine.catalog.get(engine.catalog.present())
    [coffee] = [row.id for row in rows.values() if row.path.endswith("coffee.png")]
    assert engine.search("kids playing in a pool").nothing_like_that
    asked = query.parse(text.replace("ID", str(coffee)))
    every = engine.search(asked, limit=1000, unlikely=True)
    assert {hit.band for hit in every.hits[1:]} == {"unlikely"}
    assert not every.nothing_like_that
    request = PageRequest(asked, limit=2, count=True)
    found = list(pages(engine, request))
    assert ids_of(*found) == [hit.id for hit in every.hits][:3]
    assert all(page.answer.names_pictures for page in found)
    by_date = engine.page(replace(request, sort="oldest", limit=100))
    assert sorted(ids_of(by_date)) == sorted(ids_of(*found))
    # Where none of them is left by what was chosen, the nearest of the others are there.
    folder_of = {id_: os.path.dirname(row.path) for id_, row in rows.items()}
    shown = {folder_of[id_] for id_ in ids_of(*found)}
    away = min(set(folder_of.values()) - shown)
    there = [hit.id for hit in every.hits if folder_of[hit.id] == away][:3]
    for sort in ("match", "newest"):
        page = engine.page(replace(request, chosen={"folder": [away]}, sort=sort, limit=100))
        assert sorted(ids_of(page)) == sorted(there)
        assert page.counts is not None
        counted = {one.value: one.count for one in page.counts["folder"].values}
        assert counted[away] == len(there)


@pytest.mark.parametrize("text", ["star - woman", "night - woman", "coffee"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_show_all_that_is_no_unlikely_match_and_say_how_much_that_is(
    photographs: Engine, text: str, limit: int
) -> None:
    asked = query.parse(text)
    every = photographs.search(asked, limit=1000, unlikely=True).hits
    wanted = [hit.id for hit in every if hit.band != "unlikely"]
    bands = [hit.band for hit in every]
    # Some of the unlikely ones stand before better ones.
    assert (bands.index("unlikely") < len(wanted)) == ("-" in text)
    facets = photographs.facets()
    request = PageRequest(asked, limit=limit)
    first = photographs.page(replace(request, count=True), facets)
    assert first.total == len(wanted)
    assert first.counts is not None
    assert sum(one.count for one in first.counts["shape"].values) == len(wanted)
    assert ids_of(*pages(photographs, request)) == wanted
    found = [first]
    while found[-1].next is not None:  # as a page in a browser goes on: nobody counts again
        found.append(photographs.page(replace(request, after=found[-1].next), facets))
    assert ids_of(*found) == wanted
    assert {page.total for page in found} == {len(wanted)}
    assert [hit.id for hit in photographs.search(asked, limit=limit).hits] == wanted[:limit]
    folded = photographs.search(asked, limit=limit, collapse=True).hits
    assert [hit.id for hit in folded] == wanted[:limit]


@pytest.mark.parametrize(
    "text",
    [
        "coffee",
        "coffee tag:liked|animal",
        "animal type:png",
        "gravel - tag:car",
        "tag:liked|coffee",
    ],
)
def test_matches_of_words_and_filters_fall_with_the_scores(photographs: Engine, text: str) -> None:
    for id_ in (2, 3, 5, 7):
        photographs.edit_tags(id_, add=["liked"])
    photographs.tags.tag_all()
    hits = photographs.search(query.parse(text), limit=1000, unlikely=True).hits
    matches = [hit.match or 0.0 for hit in hits]
    assert len(set(matches)) > 1
    assert matches == sorted(matches, reverse=True)
    scores = [hit.score or 0.0 for hit in hits]
    assert scores == sorted(scores, reverse=True)


class Guided(FaissIndex):
    """Be asked like an index that may miss pictures; count how often it must miss none."""

    scans = 0

    @property
    def is_exact(self) -> bool:
        return False

    def search_exactly(
        self, queries: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, Scores]:
        self.scans += 1
        return super().search_exactly(queries, k, within)


def test_every_picture_is_looked_at_only_before_it_is_said_that_nothing_is_like_that(
    photographs: Engine,
) -> None:
    catalog, encoder, index = photographs.catalog, photographs.encoder, Guided(None)
    synchronise(index, catalog, encoder.fingerprint, encoder.dim)
    engine = Engine(photographs.settings, catalog, encoder, index)
    request = PageRequest(query.parse("star - woman"), limit=2)
    first, *others = pages(engine, request)
    assert first.answer.hits == photographs.page(request).answer.hits
    assert others, "no second page was asked for"
    assert index.scans == 0
    assert engine.search("kids playing in a pool").nothing_like_that
    assert index.scans == 1
    shown = engine.search("kids playing in a pool", unlikely=True)
    assert shown.hits
    assert shown.nothing_like_that
    assert index.scans == 1  # who is shown the nearest anyway does not wait for it


@pytest.mark.parametrize("least", [0.0, 0.02, 0.3, 1.0, "maybe", "likely"])
@pytest.mark.parametrize("text", ["coffee", "an animal - horse", "#2 + coffee"])
def test_a_least_match_is_met_by_all_and_missed_by_none(
    photographs: Engine, text: str, least: MinMatch
) -> None:
    asked = query.parse(text)
    every = photographs.search(asked, limit=1000, unlikely=True).hits
    bands = ("likely", least)
    wanted = [
        hit.id
        for hit in every
        if hit.match is not None
        and (hit.band in bands if isinstance(least, str) else hit.match >= least)
    ]
    request = PageRequest(asked, limit=2, min_match=least, count=True)
    found = list(pages(photographs, request))
    assert ids_of(*found) == wanted
    assert found[0].answer.nothing_like_that == (not wanted)
    assert found[0].counts is not None
    assert sum(one.count for one in found[0].counts["shape"].values) == len(wanted)
    by_date = photographs.page(replace(request, sort="newest", limit=100))
    assert sorted(ids_of(by_date)) == sorted(wanted)
    few = photographs.search(asked, limit=1, min_match=least, collapse=True)
    assert [hit.id for hit in few.hits] == wanted[:1]


def test_a_least_match_of_a_filter_is_how_sure_it_is(photographs: Engine) -> None:
    photographs.tags.tag_all()
    asked = query.parse("tag:coffee|cup|animal")
    every = photographs.search(asked, limit=1000).hits
    for least in (0.3, 1.0):
        found = photographs.search(asked, limit=1000, min_match=least).hits
        assert list(found) == [hit for hit in every if hit.match is not None and hit.match >= least]
    likely = photographs.search(asked, limit=1000, min_match="likely").hits
    assert list(likely) == [hit for hit in every if hit.band == "likely"]


def test_tags_with_a_bar_between_them_are_alternatives(engine: Engine) -> None:
    engine.edit_tags(2, add=["liked"])
    engine.edit_tags(3, add=["printed"])
    engine.edit_tags(5, add=["liked|printed"])  # a bar in a name is one all the same
    for text, expected in [
        ("tag:liked|printed", {2, 3, 5}),
        ('tag:"printed | unknown"', {3}),
        ('tag:"liked|printed" - tag:liked', {3, 5}),
    ]:
        for facets in (None, engine.facets()):
            page = engine.page(PageRequest(query.parse(text), limit=1000), facets)
            assert set(ids_of(page)) == expected


@pytest.mark.parametrize("least", [1.5, -0.1, float("nan"), "unlikely"])
def test_what_is_no_match_is_refused(photographs: Engine, least: Any) -> None:
    with pytest.raises(QueryError, match="a least match is likely, maybe, or a number"):
        photographs.search("coffee", min_match=least)
    with pytest.raises(QueryError, match="one of them"):
        photographs.search("coffee", min_match="likely", unlikely=True)


def test_a_least_match_needs_a_calibration(engine: Engine) -> None:
    with pytest.raises(ModelError, match="has no calibration"):
        engine.search("red", min_match="likely")


def test_copies_of_a_file_that_is_asked_by_are_told_but_no_hits(
    photographs: Engine, tmp_path: Path
) -> None:
    engine = photographs
    rows = engine.catalog.get(engine.catalog.present())
    [cat] = [row for row in rows.values() if row.path.endswith("chelsea.png")]
    elsewhere = shutil.copy2(cat.path, tmp_path / "unknown.png")
    for asked, told in (
        ([str(elsewhere)], [cat.id]),
        ([str(elsewhere), "+", "horse"], [cat.id]),
        (["horse", "-", str(elsewhere)], []),  # less like it is not asking for it
        ([cat.path], []),  # the file itself
        ([f"#{cat.id}"], []),
    ):
        answer = engine.search(asked)
        assert [(one.id, one.path) for one in answer.copies] == [(id_, cat.path) for id_ in told]
        assert cat.id not in [hit.id for hit in answer.hits]


def test_shares_add_up_to_the_score(tmp_path: Path, photos: Path) -> None:
    with Engine.open(Settings(tmp_path / "joint", executor="serial"), create=True) as engine:
        indexer.index(engine, photos / "red")
        asked = query.parse("a red sunset - 0.5*water + #2")
        page = engine.page(PageRequest(asked, unlikely=True, explain=True))
        assert len(page.answer.hits) == 4
        for hit in page.answer.hits:
            assert page.shares is not None
            parts = page.shares[hit.id]
            assert [label for label, _ in parts] == ["a", "red", "sunset", "water", "#2"]
            assert sum(share for _, share in parts) == pytest.approx(hit.score, abs=1e-5)
            exact = {part.label: part.share for part in engine.explain(asked, hit.id).parts}
            # Stored vectors have half precision, and the CNN is run anew for the exact ones.
            assert dict(parts) == pytest.approx(exact, abs=2e-3)
