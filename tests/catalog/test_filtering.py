"""Filters on what files say: exactly what a plain loop over all pictures leaves."""

from __future__ import annotations

import datetime as dt
import fnmatch
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog import reading
from searchengine.catalog.database import empty_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.language.filters import read_filter
from searchengine.types import Exif, FileStat

CAMERAS = [None, "FUJIFILM X-T3", "Apple iPhone 15", "Nikon Z 6", "Fujifilm x-t30"]
LENSES = [None, "XF35mmF1.4 R", "XF 23 mm", "Éclair 35"]
FOLDERS = ["/p", "/p/2024/Summer", "/p/2024/summer/Tag 1", "/p/2023/Winter", "/other/2024"]
NAMES = ["IMG_12.jpg", "img_123.HEIC", "DSC.jpg", "IMG_2.PNG"]
FORMATS = [None, "jpeg", "heic", "png", "raw"]
KEYWORDS = [(), ("Beach",), ("dog", "Strand"), ("beach", "cat")]

times = st.none() | st.datetimes(dt.datetime(2022, 11, 1), dt.datetime(2025, 2, 1))
exifs = st.builds(
    Exif,
    taken_at=times.map(lambda at: None if at is None else at.replace(microsecond=0)),
    camera=st.sampled_from(CAMERAS),
    lens=st.sampled_from(LENSES),
    focal=st.none() | st.sampled_from([23.0, 34.5, 35.0, 35.4, 50.0]),
    iso=st.none() | st.sampled_from([100, 400, 1600, 3200]),
    rating=st.none() | st.integers(-1, 5),
    keywords=st.sampled_from(KEYWORDS),
)
points = st.none() | st.tuples(st.floats(47.0, 47.8), st.floats(8.0, 9.0))


@st.composite
def pictures(draw: st.DrawFn) -> list[PictureRecord]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        exif = draw(exifs)
        where = draw(points)
        if where is not None:
            exif = replace(exif, lat=where[0], lon=where[1])
        folder = f"{draw(st.sampled_from(FOLDERS))}/{number}"
        size = draw(
            st.sampled_from([(None, None), (4000, 3000), (3000, 4000), (500, 500), (9000, 3000)])
        )
        made.append(
            PictureRecord(
                FileStat(f"{folder}/{draw(st.sampled_from(NAMES))}", 1, 1, 1),
                "/p",
                f"{number:064x}",
                *size,
                exif,
                format=draw(st.sampled_from(FORMATS)),
            )
        )
    return made


def low(text: str | None) -> str:
    return (text or "").lower().replace("é", "e")


def haversine(a: tuple[float, float], b: tuple[float, float]) -> float:
    """By the angle between two unit vectors, not by the formula of the program."""
    one, two = (
        (
            math.cos(math.radians(lat)) * math.cos(math.radians(lon)),
            math.cos(math.radians(lat)) * math.sin(math.radians(lon)),
            math.sin(math.radians(lat)),
        )
        for lat, lon in (a, b)
    )
    return 6371.0088 * math.acos(min(1.0, sum(x * y for x, y in zip(one, two, strict=True))))


Test = Callable[[PictureRecord], bool]


def shape(one: PictureRecord) -> str:
    return {(4000, 3000): "landscape", (3000, 4000): "portrait", (500, 500): "square"}.get(
        (one.width or 0, one.height or 0), "panorama" if one.width else ""
    )


def megapixels(one: PictureRecord) -> float:
    return (one.width or 0) * (one.height or 0) / 1e6


def ending(one: PictureRecord) -> str:
    by_name = {".jpg": "jpeg", ".heic": "heic", ".png": "png"}
    return one.format or by_name["." + one.stat.path.rsplit(".", 1)[1].lower()]


def name(one: PictureRecord) -> str:
    return one.stat.path.rsplit("/", 1)[1].lower()


NAIVE: dict[str, Test] = {
    "camera:x-t3": lambda p: "x-t3" in low(p.exif.camera),
    "camera:nikon|iphone": lambda p: (
        "nikon" in low(p.exif.camera) or "iphone" in low(p.exif.camera)
    ),
    "lens:35": lambda p: "35" in low(p.exif.lens),
    "lens:eclair": lambda p: "eclair" in low(p.exif.lens),
    "after:2024-06-01": lambda p: (
        p.exif.taken_at is not None and p.exif.taken_at >= dt.datetime(2024, 6, 1)
    ),
    "before:2024-09": lambda p: (
        p.exif.taken_at is not None and p.exif.taken_at < dt.datetime(2024, 9, 1)
    ),
    "after:2023-05-05T12:30": lambda p: (
        p.exif.taken_at is not None and p.exif.taken_at >= dt.datetime(2023, 5, 5, 12, 30)
    ),
    "year:2023|2024": lambda p: (
        p.exif.taken_at is not None and p.exif.taken_at.year in (2023, 2024)
    ),
    "year:<2024|>=2025": lambda p: p.exif.taken_at is not None and p.exif.taken_at.year != 2024,
    "year:0|2023-123456": lambda p: p.exif.taken_at is not None and p.exif.taken_at.year >= 2023,
    "year:<1|>9999": lambda p: False,
    "year:>2023": lambda p: p.exif.taken_at is not None and p.exif.taken_at.year > 2023,
    "month:6-8|12": lambda p: (
        p.exif.taken_at is not None and p.exif.taken_at.month in (6, 7, 8, 12)
    ),
    "iso:>400": lambda p: p.exif.iso is not None and p.exif.iso > 400,
    "iso:100-400": lambda p: p.exif.iso in (100, 400),
    "mm:35": lambda p: p.exif.focal in (34.5, 35.0, 35.4),
    "mm:<=35": lambda p: p.exif.focal is not None and p.exif.focal <= 35,
    "mp:12": lambda p: megapixels(p) == 12,
    "mp:>12": lambda p: megapixels(p) > 12,
    "rating:>3": lambda p: p.exif.rating is not None and p.exif.rating > 3,
    "rating:0|5": lambda p: p.exif.rating in (0, 5),
    "near:47.37,8.54,25km": lambda p: (
        p.exif.lat is not None
        and p.exif.lon is not None
        and haversine((47.37, 8.54), (p.exif.lat, p.exif.lon)) <= 25
    ),
    "type:heic|raw": lambda p: ending(p) in ("heic", "raw"),
    "shape:portrait|square": lambda p: shape(p) in ("portrait", "square"),
    "in:2024/summer": lambda p: "/2024/summer/" in p.stat.path.lower(),
    "in:2024": lambda p: "/2024/" in p.stat.path,
    "in:/p/2024": lambda p: p.stat.path.startswith("/p/2024/"),
    "name:IMG_12*": lambda p: fnmatch.fnmatchcase(name(p), "img_12*"),
    "name:img_12": lambda p: name(p) == "img_12.jpg",
    "keyword:beach": lambda p: "beach" in [one.lower() for one in p.exif.keywords],
}


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    made = Catalog(empty_database())
    yield made
    made.close()


chosen = st.lists(st.tuples(st.sampled_from(sorted(NAIVE)), st.booleans()), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(pictures(), chosen)
def test_filters_leave_what_a_plain_loop_leaves(
    catalog: Catalog, made: list[PictureRecord], wanted: list[tuple[str, bool]]
) -> None:
    catalog.forget("/p")
    catalog.forget("/other")
    ids = catalog.write(made, fingerprint="f", model_name="m", dim=4, scan=1)
    expected = [
        id_
        for id_, one in zip(ids, made, strict=True)
        if all(NAIVE[text](one) != excluded for text, excluded in wanted)
    ]
    parts = [(*text.partition(":"), excluded) for text, excluded in wanted]
    filters = [read_filter(key, value, excluded) for key, _, value, excluded in parts]
    assert catalog.filters.passing(filters).tolist() == sorted(expected)


def one_that_is_broken(catalog: Catalog) -> list[PictureRecord]:
    """Empty a catalog, and return three pictures to write, of which the second is broken."""
    catalog.forget("/p")
    catalog.forget("/other")
    stats = [FileStat(f"/p/{name}.jpg", 1, 1, 1) for name in "abc"]
    return [
        PictureRecord(stats[0], "/p", "aa"),
        PictureRecord(stats[1], "/p", "bb", error="broken"),
        PictureRecord(stats[2], "/p", "cc"),
    ]


def test_a_date_at_the_end_of_time_is_one(catalog: Catalog) -> None:
    """SQLite rounds it into a year that it does not know."""
    records = [
        replace(one, exif=Exif(taken_at=at))
        for one, at in zip(
            one_that_is_broken(catalog)[::2],
            (dt.datetime.max, dt.datetime(2024, 1, 1)),
            strict=True,
        )
    ]
    ids = catalog.write(records, fingerprint="f", model_name="m", dim=4, scan=1)
    assert catalog.filters.passing([read_filter("after", "2023", False)]).tolist() == sorted(ids)
    found, seconds = catalog.filters.taken(np.array(sorted(ids)))
    assert found.tolist() == sorted(ids)
    assert seconds[ids.index(ids[1])] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()


def test_missing_and_bad_files_pass_no_filter(catalog: Catalog) -> None:
    records = one_that_is_broken(catalog)
    scan = catalog.begin_scan("/p", None)
    ids = catalog.write(records, fingerprint="f", model_name="m", dim=4, scan=scan)
    later = catalog.begin_scan("/p", None)
    catalog.mark_seen(ids[:2], later)
    catalog.sweep("/p", later)
    assert catalog.filters.passing([read_filter("in", "p", False)]).tolist() == [ids[0]]


@pytest.mark.parametrize("many", [0, 100])
def test_present_among_some_is_the_same_however_it_is_found(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(reading, "MANY", many)
    records = one_that_is_broken(catalog)
    ids = catalog.write(records, fingerprint="f", model_name="m", dim=4, scan=1)
    ids += catalog.write(
        [PictureRecord(FileStat("/p/d.jpg", 1, 1, 1), "/p", "dd")],
        fingerprint="f",
        model_name="m",
        dim=4,
        scan=catalog.begin_scan("/p", None),
    )
    catalog.sweep("/p", catalog.begin_scan("/p", None))  # all that was written before is missing
    catalog.write(records[2:], fingerprint="f", model_name="m", dim=4, scan=10)
    assert catalog.present(np.sort(ids)).tolist() == catalog.present().tolist() == [ids[2]]
    assert catalog.present(np.array(ids[:2])).tolist() == []


@pytest.mark.parametrize("text", ["2023", "2023-2024", "<2000", ">1960"])
def test_dates_that_come_with_the_ids_are_those_of_each_picture(
    catalog: Catalog, text: str
) -> None:
    times = (
        dt.datetime(2023, 12, 31, 23, 59, 59, 999_999),
        dt.datetime(1969, 7, 20, 20, 17, 40, 500_000),
        dt.datetime(2024, 1, 1),
        None,
        dt.datetime(2023, 1, 1),
    )
    records = [
        PictureRecord(FileStat(f"/p/{n}.jpg", 1, 1, 1), "/p", exif=Exif(taken_at=taken))
        for n, taken in enumerate(times)
    ]
    catalog.write(records, fingerprint="f", model_name="m", dim=4, scan=1)
    passing = catalog.filters.passing([read_filter("year", text, False)])
    ids, seconds = catalog.filters.taken(passing)
    again, one_by_one = catalog.filters.taken(passing.copy())
    assert ids.tolist() == again.tolist() == passing.tolist() != []
    assert seconds.tolist() == one_by_one.tolist()
