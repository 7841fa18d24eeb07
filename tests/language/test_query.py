"""The query grammar: what people type, what is refused and where, and the way back to text."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from searchengine.errors import QueryError, QuerySyntaxError
from searchengine.language.filters import KINDS, TAKES
from searchengine.language.query import format, parse, with_filters
from searchengine.types import Filter, Query, Term


def nothing_exists(path: str) -> bool:
    return False


def words(value: str, weight: float = 1.0) -> Term:
    return Term(weight, "words", value)


def picture(value: str, weight: float = 1.0) -> Term:
    return Term(weight, "picture", value)


def number(value: str, weight: float = 1.0) -> Term:
    return Term(weight, "id", value)


def only(name: str) -> Filter:
    return Filter(name)


def no(name: str) -> Filter:
    return Filter(name, excluded=True)


FILTERED: dict[str, Query] = {
    "tag:dog": Query((), (only("dog"),)),
    "- tag:dog": Query((), (no("dog"),)),
    "-tag:dog": Query((), (no("dog"),)),
    "beach tag:dog": Query((words("beach"),), (only("dog"),)),
    "beach + tag:dog - tag:cat": Query((words("beach"),), (only("dog"), no("cat"))),
    "tag:dog a red tag:beach ball": Query((words("a red ball"),), (only("dog"), only("beach"))),
    "- tag:dog - 2*red": Query((words("red", -2),), (no("dog"),)),
    'beach tag:"hot  dog" - red': Query((words("beach"), words("red", -1)), (only("hot dog"),)),
    "./a.jpg tag:dog - tag:x": Query((picture("./a.jpg"),), (only("dog"), no("x"))),
    "./my a.jpg - dog tag:dog": Query((picture("./my a.jpg"), words("dog", -1)), (only("dog"),)),
    "#12 tag:Größe": Query((number("12"),), (only("Größe"),)),
    "price tag: 5": Query((words("price tag: 5"),)),
    "hashtag:x a:tag:b": Query((words("hashtag:x a:tag:b"),)),
    '"tag:dog"': Query((words("tag:dog"),)),
    r'tag:"a \"b\""': Query((), (only('a "b"'),)),
}


@pytest.mark.parametrize("text", FILTERED)
def test_filters_are_taken_out_and_the_rest_is_read(text: str) -> None:
    assert parse(text, nothing_exists) == FILTERED[text]


READINGS: dict[str, list[Term]] = {
    "dog": [words("dog")],
    "a dog running on the beach": [words("a dog running on the beach")],
    "  a \t dog\n": [words("a dog")],
    "./dog.jpg - dog + cat": [picture("./dog.jpg"), words("dog", -1), words("cat")],
    "2*beach + sunset - people": [words("beach", 2), words("sunset"), words("people", -1)],
    "./a.jpg + ./b.jpg + #123": [picture("./a.jpg"), picture("./b.jpg"), number("123")],
    "../a.jpg + /b.jpg + ~/c.jpg": [picture("../a.jpg"), picture("/b.jpg"), picture("~/c.jpg")],
    "@dog.jpg": [picture("dog.jpg")],
    "@./dog.jpg": [picture("./dog.jpg")],
    "t-shirt": [words("t-shirt")],
    "black-and-white t-shirt - hi-fi": [words("black-and-white t-shirt"), words("hi-fi", -1)],
    "c++ + c#": [words("c++"), words("c#")],
    "- people + beach": [words("people", -1), words("beach")],
    "-people + beach": [words("people", -1), words("beach")],
    "+dog": [words("dog")],
    "-2*dog": [words("dog", -2)],
    ".5*dog": [words("dog", 0.5)],
    "1e-2*dog": [words("dog", 0.01)],
    "2 * beach - 3* sea": [words("beach", 2), words("sea", -3)],
    "0.5*./a.jpg - 2*#7": [picture("./a.jpg", 0.5), number("7", -2)],
    "2*a dog": [words("a dog", 2)],
    "./a*b.jpg": [picture("./a*b.jpg")],
    "2*./3*b.jpg": [picture("./3*b.jpg", 2)],
    "./my holiday dog.jpg - dog": [picture("./my holiday dog.jpg"), words("dog", -1)],
    "5 dogs": [words("5 dogs")],
    "#sunset": [words("#sunset")],
    "cats / dogs @ home": [words("cats / dogs @ home")],
    "info*dog": [words("info*dog")],
    '"rock - paper" + 2*"#1"': [words("rock - paper"), words("#1", 2)],
    'the "best" dog': [words("the best dog")],
    '5" nail': [words('5" nail')],
    r'@"./a \"b\" \\ - c.jpg"': [picture(r'./a "b" \ - c.jpg')],
}


@pytest.mark.parametrize("text", READINGS)
def test_one_string_is_read(text: str) -> None:
    assert parse(text, nothing_exists) == Query(tuple(READINGS[text]))


# A path with spaces must be one argument, and so must a quoted term.
@pytest.mark.parametrize("text", [text for text in READINGS if not re.search('"|/my ', text)])
def test_separate_arguments_mean_the_same_as_one_string(text: str) -> None:
    assert parse(text.split(), nothing_exists) == parse(text, nothing_exists)


def test_neighbouring_word_arguments_join() -> None:
    assert parse(["a dog", "running"]) == Query((words("a dog running"),))


def test_shell_line_of_the_manual_is_read() -> None:
    arguments = shlex.split('"2*beach + sunset" - people + "#12"')
    expected = (words("beach", 2), words("sunset"), words("people", -1), number("12"))
    assert parse(arguments) == Query(expected)


REFUSED = {
    # query: where the mark must stand
    "dog -": 4,
    "dog +": 4,
    "-": 0,
    "dog + - cat": 6,
    "dog - - cat": 6,
    "+ + dog": 2,
    "dog -cat": 4,
    "--dog": 1,
    "dog + -cat": 6,
    "./a.jpg + dog ./b.jpg": 14,
    "dog #12": 4,
    "#12 dog": 4,
    "#12 #13": 4,
    "dog 2*cat": 4,
    "dog + 2*": 6,
    "2* + dog": 0,
    "2*3*dog": 2,
    "0*dog": 0,
    "dog - 0.0*cat": 6,
    "1e999*dog": 0,
    "1e-999*dog": 0,
    "inf*dog": 0,
    "-Infinity*dog": 1,
    "NaN*dog": 0,
    "1,5*dog": 0,
    "dog + #1234567890123456789": 6,
    '"dog': 0,
    'a "dog"s': 2,
    'dog + ""': 6,
    '@"  "': 0,
    "dog + tag:a -": 12,
    "dog - + tag:a": 6,
    "dog 2*tag:a": 4,
    'dog tag:"a': 4,
    'tag:"a"s': 0,
    'dog tag:"  "': 4,
}


@pytest.mark.parametrize("text", REFUSED)
def test_error_shows_where(text: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text, nothing_exists)
    _problem, shown, mark = str(caught.value).split("\n")
    assert shown == f"  {text}"
    assert mark.index("^") - len("  ") == REFUSED[text]


def test_mark_stands_right_below_a_tab_and_across_arguments() -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse(["a\tdog", "-"])
    assert str(caught.value).endswith("\n  a dog -\n        ^")


def test_two_pictures_without_a_sign_are_refused() -> None:
    with pytest.raises(QuerySyntaxError, match=r"a \+ or - is missing"):
        parse(["./a.jpg", "./b.jpg"], nothing_exists)


@pytest.mark.parametrize("arguments", ["", " \n", [], ["", " "]])
def test_empty_query_is_refused_with_an_example(arguments: str | list[str]) -> None:
    with pytest.raises(QuerySyntaxError, match="empty; give words"):
        parse(arguments)


@pytest.fixture
def odd_file(tmp_path: Path) -> str:
    file = tmp_path / "me - you + a dog.jpg"
    file.touch()
    return str(file)


def test_argument_that_is_a_file_is_one_picture(odd_file: str) -> None:
    assert parse([odd_file]) == Query((picture(odd_file),))


def test_argument_that_is_a_file_may_have_a_weight_and_neighbours(odd_file: str) -> None:
    arguments = [f"2*{odd_file}", "-", f"@{odd_file}", "+", "cat"]
    expected = (picture(odd_file, 2), picture(odd_file, -1), words("cat"))
    assert parse(arguments) == Query(expected)


def test_same_argument_is_split_when_there_is_no_such_file(odd_file: str) -> None:
    Path(odd_file).unlink()
    assert [term.kind for term in parse([odd_file]).terms] == ["picture", "words", "words"]


def test_file_below_home_is_found(odd_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(odd_file).parent))
    monkeypatch.setenv("USERPROFILE", str(Path(odd_file).parent))
    short = f"~/{Path(odd_file).name}"
    assert parse([short]) == Query((picture(short),))


def test_words_never_look_at_the_disk() -> None:
    def exists(path: str) -> bool:
        raise AssertionError(path)

    assert parse("dog - t-shirt + #3", exists)


finite = st.floats(allow_nan=False, allow_infinity=False).filter(lambda weight: weight != 0)
weights = st.sampled_from([1.0, -1.0, 2.0, 0.5]) | finite
marks = st.text(st.sampled_from("ab2.*+-#@/~\"\\' "), min_size=1) | st.lists(
    st.sampled_from(["tag:", "a", '"', " ", "-", "+", "./", "2*", "\\"]), min_size=1
).map("".join)
sentences = (
    (st.text(min_size=1) | marks)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text != "")
)
paths = (st.text(min_size=1) | marks).filter(lambda text: text.strip() != "")
terms = st.one_of(
    st.builds(words, sentences, weights),
    st.builds(picture, paths, weights),
    st.builds(number, st.integers(1, 10**18 - 1).map(str), weights),
)
filters = st.builds(Filter, sentences, st.booleans())
queries = st.builds(
    lambda some, kept: Query(tuple(some), tuple(kept)),
    st.lists(terms, max_size=4),
    st.lists(filters, max_size=3),
).filter(lambda query: query.terms or query.filters)


@settings(deadline=None)
@given(queries)
@example(Query((words("tag:a"), picture("a tag:b")), (only("-"), no('"a'), only("tag:b"))))
@example(Query((picture("@a"), words('"'), words("2 *x"), picture('"'), words("- a"))))
def test_formatted_query_reads_back(query: Query) -> None:
    assert parse(format(query), nothing_exists) == query


@settings(deadline=None)
@given(st.text() | marks | st.lists(marks))
def test_any_text_is_a_query_or_a_syntax_error(text: str | list[str]) -> None:
    try:
        query = parse(text, nothing_exists)
    except QuerySyntaxError:
        return
    assert all(term.value and math.isfinite(term.weight) and term.weight for term in query.terms)
    assert parse(format(query), nothing_exists) == query


def test_plain_queries_are_written_as_people_write_them() -> None:
    for text in ("./dog.jpg - dog + cat", "- 2*beach + 0.5*#12", "a black-and-white t-shirt"):
        assert format(parse(text, nothing_exists)) == text


filter_values = st.sampled_from(
    [
        *(("tag", "hot dog"), ("in", "2024/Summer Days"), ("name", "IMG_*"), ("type", "png|jpeg")),
        *(("after", "2024-06"), ("year", "2020|2024"), ("iso", ">1600"), ("near", "47.3,8.5,2km")),
        *(("camera", 'x "3"'), ("rating", "-1-3"), ("before", "soon"), ("shape", "round")),
        *(("portrait", "no"), ("landscape", "yes"), ("month", "6-8"), ("place", "Zürich")),
    ]
)


@given(st.lists(st.tuples(st.booleans(), filter_values), min_size=1), st.sampled_from(["", "dog"]))
def test_filters_as_values_are_those_of_the_text(
    chosen: list[tuple[bool, tuple[str, str]]], said: str
) -> None:
    values: dict[str, list[str]] = {}
    for excluded, (key, value) in chosen:
        values.setdefault(f"{'-' if excluded else ''}{key}", []).append(value)
    quoted = [
        '{}:"{}"'.format(key, value.replace('"', '\\"'))
        for key, of_key in values.items()
        for value in of_key
    ]
    query = parse(said) if said else None
    try:
        expected = parse(" ".join([said, *quoted]))
    except QuerySyntaxError:
        with pytest.raises(QueryError):
            with_filters(query, values)
        return
    assert with_filters(query, values) == expected
    assert with_filters(query, expected.filters) == expected


@pytest.mark.parametrize("values", [{"date": "2024"}, {"--tag": "dog"}, {"tag": " "}, {"": "x"}])
def test_filters_that_are_none_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        with_filters(None, values)


def test_every_kind_of_filter_says_what_a_flag_of_it_takes() -> None:
    assert set(TAKES) == set(KINDS)
