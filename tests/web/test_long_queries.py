"""Questions of many, long or unknown words: bounded work, and a clear answer."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from searchengine.search.resolve import ALL_LETTERS, MAX_LETTERS, MAX_PARTS, MAX_WORDS
from searchengine.types import MOST_SUGGESTIONS
from tests.support.plain_pictures import draw
from tests.support.served import environment, run, serving

RECIPE = "2 cups of flour and a pinch of salt, mixed with butter until it crumbles. "


def nonsense(count: int) -> list[str]:
    """Return different words that nobody knows, of which some are near to known ones."""
    rng = random.Random(7)
    return ["".join(rng.choices(string.ascii_lowercase, k=8)) for _ in range(count)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    draw(folder / "photos" / "red.jpg", "red")
    (folder / "recipe.md").write_text(f"# Bread\n\n{RECIPE * 100}\n", encoding="utf-8")
    library = folder / "library"
    run(library, "index", str(folder / "photos"))
    run(library, "texts", "add", str(folder / "recipe.md"))
    return library


@pytest.fixture(scope="module")
def api(library: Path) -> Iterator[httpx.Client]:
    with serving(library) as url, httpx.Client(base_url=f"{url}/api/v1/", timeout=60) as client:
        yield client


def suggested(answer: httpx.Response) -> list[str]:
    """Return the unknown words of an answer that come with another spelling."""
    return [one["word"] for one in answer.json()["unknown_words"] if one["suggestion"]]


def run_badly(library: Path, *arguments: str) -> str:
    """Run a command that is refused as a bad query, and return what it says."""
    command = [sys.executable, "-m", "searchengine.cli.main", *arguments]
    done = subprocess.run(
        command, env=environment(library), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize("joint", [" ", " + "])
def test_only_the_first_unknown_words_come_with_a_spelling(api: httpx.Client, joint: str) -> None:
    words = [f"elephan{letter}" for letter in "bcdfghjklm"]  # all but one letter of a known word
    query = joint.join(["red", *words])
    found = api.post("search", json={"query": query, "unlikely": True}).raise_for_status()
    assert [one["word"] for one in found.json()["unknown_words"]] == words
    assert suggested(found) == words[:MOST_SUGGESTIONS]
    assert suggested(api.get("parse", params={"q": query})) == words[:MOST_SUGGESTIONS]
    assert suggested(api.get("texts", params={"q": "bread " + " ".join(words)})) == words[:5]
    terms = [{"text": word} for word in words]
    nothing = api.post("search", json={"terms": terms})
    assert nothing.json()["type"] == "urn:lexpix:unknown-words"
    assert suggested(nothing) == words[:MOST_SUGGESTIONS]
    near = api.get("words/near", params={"word": " ".join(words)})
    assert suggested(near) == words[:MOST_SUGGESTIONS]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (" ".join(nonsense(MAX_WORDS + 1)), f"has {MAX_WORDS + 1} words, the limit is {MAX_WORDS}"),
        ("red," * 2400, f"has 2400 words, the limit is {MAX_WORDS}"),
        ("red + caption:" + '"' + "a " * 300 + '"', f"the limit is {MAX_WORDS}"),
        ("猫" * 199 + ("," + "猫" * 199) * 10, f"has 2189 letters, the limit is {ALL_LETTERS}"),
        ("x" * 9990, f"9990 letters (xxxxxxxxxxxxxxxxxxxx...), the limit is {MAX_LETTERS}"),
        (" + ".join(["red"] * 101), f"has 101 terms, the limit is {MAX_PARTS}"),
        (" ".join(["tag:red"] * 101), f"has 101 filters, the limit is {MAX_PARTS}"),
        ("red " + " ".join(["caption:red"] * 101), f"has 101 filters, the limit is {MAX_PARTS}"),
    ],
)
def test_query_over_a_limit_is_refused_in_words(
    api: httpx.Client, library: Path, query: str, told: str
) -> None:
    answers = [
        api.post("search", json={"query": query}),
        api.get("parse", params={"q": query}),
        api.get("images/1/explain", params={"q": query}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:lexpix:query")
        assert told in answer.json()["detail"]
        assert "leave" in answer.json()["detail"]
    done = run_badly(library, "search", query)
    assert told in done


def test_query_at_the_limits_is_answered(api: httpx.Client) -> None:
    words = ["red", *nonsense(MAX_WORDS - 2), "y" * MAX_LETTERS]
    found = api.post("search", json={"query": " ".join(words), "unlikely": True}).json()
    assert [hit["id"] for hit in found["hits"]] == [1]
    assert [one["word"] for one in found["unknown_words"]] == words[1:]


def test_whole_text_is_no_query_and_may_be_long(
    api: httpx.Client, library: Path, tmp_path: Path
) -> None:
    words = nonsense(3000)
    text = tmp_path / "long.txt"
    text.write_text(RECIPE * 300 + " ".join(words), encoding="utf-8")
    found = json.loads(run(library, "search", "--text-file", str(text), "--all", "--json"))
    assert [hit["id"] for hit in found["hits"]] == [1]
    answer = api.get("texts", params={"q": RECIPE * 6}).raise_for_status().json()
    assert [hit["title"] for hit in answer["hits"]] == ["Bread"]


@pytest.mark.parametrize(
    ("route", "asked"),
    [
        ("texts", {"q": " ".join(nonsense(1000))}),
        ("recipes", {"q": " ".join(nonsense(1000))}),
        ("recipes", {"q": "red", "with": [" ".join(nonsense(11))] * 10}),
        ("recipes", {"image_id": 1, "without": [" ".join(nonsense(11))] * 10}),
    ],
)
def test_questions_for_texts_have_the_same_limits(
    api: httpx.Client, route: str, asked: dict[str, str | int]
) -> None:
    answer = api.get(route, params=asked)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:lexpix:query")
    assert f"the limit is {MAX_WORDS}" in answer.json()["detail"]


@pytest.mark.parametrize("begun", ["a" * 9999 + " ", "tag:" * 2499, '"tag:' * 1900 + "b c "])
def test_suggestions_for_a_long_beginning_are_none(api: httpx.Client, begun: str) -> None:
    assert api.get("suggest", params={"q": begun}).json() == {"suggestions": []}
