"""Filters of a query: how they are read, what their values mean, and hints at what was not."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchengine.errors import QuerySyntaxError
from searchengine.language.filters import (
    KINDS,
    Circle,
    Span,
    circle,
    described,
    distance_km,
    folders_matching,
    formats,
    moment,
    names_matching,
    parts_matching,
    spans,
)
from searchengine.language.query import format, parse
from searchengine.types import Filter, Query, Term

LONG = (
    'dog in:2024/Summer after:2024-06-01 before:2024-09 year:2023|2024 camera:"X-T3" lens:35'
    " iso:>1600 near:47.37,8.54,5km place:Zurich tag:beach rating:>3 type:heic mp:>12 portrait"
    " -tag:people name:IMG_12*"
)


def test_the_filters_of_other_programs_are_read() -> None:
    query = parse(LONG)
    assert query.terms == (Term(1.0, "words", "dog"),)
    assert query.hints == ()
    assert query.filters == (
        Filter("2024/Summer", kind="in"),
        Filter("2024-06-01", kind="after"),
        Filter("2024-09", kind="before"),
        Filter("2023|2024", kind="year"),
        Filter("X-T3", kind="camera"),
        Filter("35", kind="lens"),
        Filter(">1600", kind="iso"),
        Filter("47.37,8.54,5km", kind="near"),
        Filter("Zurich", kind="place"),
        Filter("beach", kind="tag"),
        Filter(">3", kind="rating"),
        Filter("heic", kind="type"),
        Filter(">12", kind="mp"),
        Filter("portrait", kind="shape"),
        Filter("people", excluded=True, kind="tag"),
        Filter("IMG_12*", kind="name"),
    )
    assert parse(format(query)) == query


@pytest.mark.parametrize(
    ("text", "words", "filters"),
    [
        ("portrait of a man", "portrait of a man", []),
        ("tag:x portrait of a man", "portrait of a man", [Filter("x")]),
        ("portrait tag:x", "portrait", [Filter("x")]),
        ("tag:x portrait", "", [Filter("x"), Filter("portrait", kind="shape")]),
        ('tag:x "portrait"', "portrait", [Filter("x")]),
        ("tag:x landscape + dog", "dog", [Filter("x"), Filter("landscape", kind="shape")]),
        ("portrait:yes dog", "dog", [Filter("portrait", kind="shape")]),
        ("portrait:no dog", "dog", [Filter("portrait", True, "shape")]),
        ("-portrait:no dog", "dog", [Filter("portrait", False, "shape")]),
        (
            "dog -year:2020 + iso:100-400",
            "dog",
            [Filter("2020", True, "year"), Filter("100-400", kind="iso")],
        ),
        ('in:"My Photos" dog', "dog", [Filter("My Photos", kind="in")]),
    ],
)
def test_a_shape_is_a_filter_only_among_filters(
    text: str, words: str, filters: list[Filter]
) -> None:
    terms = (Term(1.0, "words", words),) if words else ()
    assert parse(text) == Query(terms, tuple(filters))


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ("dog after:yesterday", 4, "after: takes a year, month or day such as 2024"),
        ("after:2024-13", 0, "takes a year"),
        ("before:2024-02-30", 0, "takes a year"),
        ("iso:high", 0, "iso: takes a number, such as 400, >1600 or 100-400"),
        ("month:5-6|13", 0, "month: takes numbers from 1 to 12"),
        ("rating:>5", 0, "rating: takes numbers from -1 to 5"),
        ("tag:cat | tag:dog", 8, "| stands within a filter, without spaces: tag:cat|dog"),
        ("iso:400-100", 0, "the smaller number stands first"),
        ("year:2023|", 0, "something is missing beside |"),
        ("type:word", 0, "type: takes one of jpeg, heic"),
        ("near:Zurich", 0, "near: takes degrees north and east"),
        ("near:91,0", 0, "near: takes degrees"),
        ("portrait:maybe", 0, "portrait: takes yes or no"),
        ("shape:round", 0, "takes one of portrait, landscape, square, panorama"),
    ],
)
def test_a_value_that_a_filter_does_not_take_is_refused(text: str, at: int, reason: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert caught.value.position == at


VALUES = {
    "after": "2024-06-01",
    "before": "2024",
    "year": "2023|2024",
    "month": "6-8",
    "mm": "24-70",
    "iso": ">=1600",
    "mp": "<12",
    "rating": "5",
    "near": "-33.9,18.4,2mi",
    "type": "raw|heic",
    "shape": "square",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_filter_is_read_written_and_told(kind: str) -> None:
    query = parse(f"-{kind}:{VALUES.get(kind, 'a')} dog")
    [one] = query.filters
    assert (one.kind, one.excluded) == (kind, True)
    assert parse(format(query)) == query
    assert described(one).startswith("not ")


def test_what_a_filter_means_is_told_in_words() -> None:
    said = [described(one) for one in parse("iso:>1600 month:6|12 near:47.37,8.54,500m").filters]
    assert said == [
        "with ISO over 1600",
        "taken in June or December",
        "taken at most 0.5 km from 47.37, 8.54",
    ]


# Values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", dt.datetime(2024, 1, 1)),
        ("2024-09", dt.datetime(2024, 9, 1)),
        ("2024-9-3", dt.datetime(2024, 9, 3)),
        ("2024-09-03T14:30", dt.datetime(2024, 9, 3, 14, 30)),
        ("2024-09-03 14:30:59", dt.datetime(2024, 9, 3, 14, 30, 59)),
    ],
)
def test_a_time_begins_with_its_first_moment(text: str, expected: dt.datetime) -> None:
    assert moment(text) == expected


@given(st.integers(0, 500), st.integers(0, 100), st.integers(0, 100))
def test_spans_hold_what_their_signs_say(number: int, low: int, more: int) -> None:
    high = low + more

    def holds(value: str) -> bool:
        return any(number in span for span in spans(value))

    assert holds(f">{low}") == (number > low)
    assert holds(f">={low}") == (number >= low)
    assert holds(f"<{low}") == (number < low)
    assert holds(f"<={low}") == (number <= low)
    assert holds(f"{low}") == (number == low)
    assert holds(f"{low}-{high}") == (low <= number <= high)
    assert holds(f"<{low}|>{high}") == (number < low or number > high)


def test_about_a_number_is_what_is_rounded_to_it() -> None:
    [span] = spans("35", about=0.5)
    assert [one in span for one in (34.4, 34.5, 35.49, 35.5)] == [False, True, True, False]
    assert None not in Span()


def test_circles_have_a_unit_and_a_usual_size() -> None:
    assert circle("47.37,8.54") == Circle(47.37, 8.54, 5.0)
    assert circle("-1, 2, 500 m") == Circle(-1.0, 2.0, 0.5)
    assert circle("1,2,3") == Circle(1.0, 2.0, 3.0)


def test_distances_are_those_of_the_earth() -> None:
    # Zurich to New York by the great circle, as published: 6,325 km, give or take a little.
    assert distance_km(47.3769, 8.5417, 40.7128, -74.0060) == pytest.approx(6325, abs=10)
    assert distance_km(0, 179.9, 0, -179.9) == pytest.approx(0.2 * 111.195, rel=1e-3)
    assert distance_km(0, 0, 0, 180) == pytest.approx(math.pi * 6371.0088)


def test_names_match_without_capitals_accents_and_ending() -> None:
    matches = names_matching("IMG_12*|Zürich.jpg")
    names = ["img_1234.HEIC", "IMG_12.jpg", "IMG_2.jpg", "zurich.JPG", "ZÜRICH.jpg", "zurich.png"]
    assert [matches(name) for name in names] == [True, True, False, True, True, False]
    assert names_matching("img_1")("IMG_1.HEIC")


def test_folders_match_as_a_row_of_whole_names() -> None:
    matches = folders_matching("2024/Summer")
    folders = [
        "/a/2024/summer",
        "/2024/Summer/x",
        "/2024/x/Summer",
        "/12024/Summer",
        "/2024/Summers",
    ]
    assert [matches(folder) for folder in folders] == [True, True, False, False, False]


def test_parts_match_anywhere_in_a_name() -> None:
    matches = parts_matching("x-t3|zurich")
    texts = ["FUJIFILM X-T3", "X-T30", "X-T2", "Zürich, Switzerland", None]
    assert [matches(text) for text in texts] == [True, True, False, True, False]


def test_formats_have_their_usual_names() -> None:
    assert formats("JPG|dng|heif") == ["jpeg", "raw", "heic"]


# Hints


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "date:2024 beach",
            "date:2024 is no filter and was read as words; did you mean year:2024?",
        ),
        ("since:2023 beach", "was read as words; did you mean after:2023?"),
        ("date:2024-06 beach", "was read as words; did you mean after:2024-06-01?"),
        ("foo:bar", "foo:bar is no filter and was read as words; filters are tag, caption,"),
        ("Tag:beach", "was read as words; did you mean tag:beach?"),
        ("cat | dog", "between values of a filter it is or: tag:cat|dog"),
        ("tag: dog", "tag: is a filter only with its value right behind it, in quotes if it has"),
        (
            "cat \N{MINUS SIGN} dog",
            "is a dash and was read as a word; a minus takes away: cat - dog",
        ),
        ("cat \N{EN DASH} dog", "a minus takes away: cat - dog"),
        ("cat \N{MINUS SIGN}dog", "begins with a dash; a minus takes away: cat - dog"),
        ("cat without a dog", "'without' takes nothing away in a query; a minus does: cat - dog"),
        ("a beach but no people", "a minus does: a beach - people"),
        ("not a dog", "a minus does: WHAT YOU SEEK - dog"),
    ],
)
def test_what_looks_like_something_else_gets_a_hint(text: str, hint: str) -> None:
    [said] = parse(text).hints
    assert hint in said


@pytest.mark.parametrize(
    "text",
    [
        "a dog on the beach",
        "cat - dog",
        "note book",
        "t-shirt",
        "a knot",
        "https://example.com/a",
        '"cat without a dog"',
        '"date:2024"',
        'camera:"X-T3" dog',
        'tag:"hot dog"',
        "./a:b.jpg",
        "2*beach + dog",
    ],
)
def test_plain_queries_get_no_hint(text: str) -> None:
    assert parse(text).hints == ()


# The page about them


def test_the_page_names_every_filter_and_its_examples_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    read = [parse(example).filters for example in rows]
    assert sorted(one.kind for [one] in read) == sorted(KINDS)
