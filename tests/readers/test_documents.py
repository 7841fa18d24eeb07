"""Texts and recipes come out of files as they were written; what is wrong is said with its line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.readers.documents import read_documents, record
from searchengine.documents import Document, Kind
from searchengine.types import Failure

LEEK_PIE = {
    "id": "leek-pie",
    "title": "Leek and barley pie",
    "ingredients": ["3 leeks, sliced", "100 g pearl barley", "1 sheet of pastry"],
    "instructions": ["Simmer the barley.", "Fold it into the leeks.", "Bake under the pastry."],
}
GARDEN = {"title": "The north bed", "body": "Shade until noon.\n\nFerns like it,\nhostas too."}


def _read(path: Path, kind: Kind | None = None) -> tuple[list[Document], list[tuple[str, str]]]:
    found = list(read_documents(path, kind))
    documents = [one for one in found if isinstance(one, Document)]
    failures = [(Path(one.path).name, one.reason) for one in found if isinstance(one, Failure)]
    return documents, failures


def _write(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_recipe_and_text_are_told_apart_by_their_fields(tmp_path: Path) -> None:
    documents, failures = _read(_write(tmp_path / "a.jsonl", LEEK_PIE, GARDEN))
    assert failures == []
    assert documents[0] == Document(
        "recipe",
        "Leek and barley pie",
        ("Simmer the barley.", "Fold it into the leeks.", "Bake under the pastry."),
        ("3 leeks, sliced", "100 g pearl barley", "1 sheet of pastry"),
        None,
        "leek-pie",
    )
    assert (documents[1].kind, documents[1].body) == (
        "text",
        ("Shade until noon.", "Ferns like it, hostas too."),
    )


def test_kind_that_is_asked_for_is_what_every_document_is(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", LEEK_PIE, GARDEN)
    texts, _ = _read(path, "text")
    assert [one.kind for one in texts] == ["text", "text"]
    assert texts[0].body == (*LEEK_PIE["ingredients"], *LEEK_PIE["instructions"])
    assert [one.kind for one in _read(path, "recipe")[0]] == ["recipe", "recipe"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json", "a.ndjson", "a.jsonld"])
def test_same_recipe_comes_out_of_each_form_of_json(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = json.dumps([LEEK_PIE] if name == "a.json" else LEEK_PIE).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
    assert _read(path) == _read(_write(tmp_path / "b.jsonl", LEEK_PIE))


def test_bad_lines_are_named_and_the_rest_goes_through(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.jsonl",
        LEEK_PIE,
        '{"title": "cut off',
        {"title": "  ", "ingredients": ["1", "½"], "instructions": []},
        LEEK_PIE,
        "",
        {"title": 7, "body": "x"},
        {"title": "A", "ingredients": [["flour"]]},
        {"title": "B", "body": {"text": "x"}},
        {"name": "no such field"},
        "[1, 2",
        '"just a text"',
        '{"title": "half \\ud800 one", "body": "x"}',
        {"title": "C", "body": "x", "image": 5},
        {"title": "D", "body": "x", "id": [1]},
        {"title": "Last", "body": "still here"},
    )
    documents, failures = _read(path)
    assert [one.title for one in documents] == ["Leek and barley pie", "Last"]
    expected = [
        "line 2: no JSON (Unterminated string",
        "line 3: a recipe without words",
        "line 4: the id 'leek-pie' was used by line 1",
        "line 6: its title is a number",
        "line 7: one of its ingredients is a list",
        "line 8: its body are an object",
        "line 9: no field title, body, ingredients or instructions (but name)",
        "line 10: no JSON",
        "line 11: a text instead of an object",
        "line 12: it holds half a character",
        "line 13: its image is a number",
        "line 14: its id is a list",
    ]
    assert [name for name, _ in failures] == ["a.jsonl"] * len(expected)
    for (_, reason), begin in zip(failures, expected, strict=True):
        assert reason.startswith(begin)


def test_picture_is_taken_from_beside_the_file_and_missed_if_it_is_not_there(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "pie.png")
    path = _write(
        tmp_path / "a.jsonl",
        {**LEEK_PIE, "image": "pie.png"},
        {"title": "B", "body": "x", "image": "gone.png"},
        {"title": "C", "body": "x", "image": "https://example.org/c.jpg"},
        {"title": "D", "body": "x", "image": (tmp_path / "pie.png").as_uri()},
    )
    documents, failures = _read(path)
    pie = tmp_path / "pie.png"
    assert [one.image for one in documents] == [pie, tmp_path / "gone.png", None, pie]
    assert failures == [("a.jsonl", f"line 2: its picture {tmp_path / 'gone.png'} is not there")]


def test_key_without_an_id_stays_when_other_lines_come_and_go(tmp_path: Path) -> None:
    one, two = {"title": "Rain", "body": "a"}, {"title": "Rain", "body": "b"}
    before = _read(_write(tmp_path / "a.jsonl", one, two))[0]
    after = _read(_write(tmp_path / "a.jsonl", GARDEN, one, "{", two))[0]
    assert [d.key for d in after][1:] == [d.key for d in before]
    assert before[0].key != before[1].key


TORN = gzip.compress(b"{}\n" * 999, mtime=0)[:-12]
"""The same bytes in every process: test names hold them, and pytest-xdist compares names."""


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", json.dumps(LEEK_PIE).encode("utf-16"), "not UTF-8 but UTF-16"),
        ("a.jsonl", json.dumps(LEEK_PIE).encode("utf-16"), "not UTF-8 but UTF-16"),
        ("a.txt", b"fine\ncaf\xe9", "not UTF-8 (byte 0xe9 in line 2)"),
        ("a.jsonl", b'{"title": "caf\xe9"}\n', "line 1: not UTF-8 (byte 0xe9"),
        ("a.md", b"\x00\x01", "not a text (byte 0 is zero)"),
        ("a.json", b'{\n "title": "x"\n "y": 1}', "line 3: no JSON"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b"[" * 100_000, "line 1: nested too deeply"),
        ("a.jsonl.gz", b"no gzip", "the compressed file is damaged"),
        (
            "a.jsonl.gz",
            TORN,
            "the compressed file is damaged",
        ),
        ("a.html", b"<p>no recipe</p>", "a web page without a schema.org Recipe"),
        ("a.json", b'{"@context": "https://schema.org", "@type": "Person"}', "JSON-LD without"),
        ("a.md", b'---\nid: 1\ntitle: "a" b\n---\nx', "line 3: the front matter is no YAML"),
        ("a.txt", b" \n", "a text without words"),
    ],
)
def test_file_that_cannot_be_read_is_one_failure(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)
    documents, failures = _read(tmp_path / name)
    assert documents == []
    assert [place for place, _ in failures][-1:] == [name]
    assert reason in failures[-1][1]


def test_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    assert _read(tmp_path / "no.jsonl") == ([], [("no.jsonl", "No such file or directory")])


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.md", "a.txt"])
def test_mark_of_utf8_at_the_beginning_is_no_part_of_the_text(tmp_path: Path, name: str) -> None:
    text = json.dumps(GARDEN) if "json" in name else "The north bed\n\nShade until noon."
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    documents, failures = _read(tmp_path / name)
    assert failures == []
    assert "\ufeff" not in documents[0].title + documents[0].body[0]


def test_plain_text_is_paragraphs_below_a_title(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("On ferns\r\n\r\nThey are\r\nold. \r\n \t\r\nOlder than flowers.", newline="")
    (document,) = _read(path)[0]
    assert (document.title, document.body) == ("On ferns", ("They are old.", "Older than flowers."))
    path.write_text("A sentence is no title.\n\nNor is this.")
    (document,) = _read(path)[0]
    assert (document.title, document.body) == ("", ("A sentence is no title.", "Nor is this."))


def test_folder_is_read_in_order_and_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    _write(tmp_path / "b" / "two.jsonl", {"title": "Two", "body": "x"})
    _write(tmp_path / "one.txt", "one word")
    _write(tmp_path / ".git" / "x.txt", "hidden")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "bad.json").write_bytes(b"{")
    documents, failures = _read(tmp_path)
    assert [one.title or one.body[0] for one in documents] == ["one word", "Two"]
    assert [name for name, _ in failures] == ["bad.json"]


def test_folder_without_texts_says_so(tmp_path: Path) -> None:
    ((_, reason),) = _read(tmp_path)[1]
    assert reason.startswith("no text in this folder; read are: .jsonl")


def test_lines_are_read_one_at_a_time(tmp_path: Path) -> None:
    """20 MB of lines in a process whose memory may grow by less than half of that."""
    path = tmp_path / "big.jsonl"
    line = json.dumps({"title": "Long", "body": "word " * 20_000})
    path.write_text(f"{line}\n" * 200, encoding="utf-8")
    code = (
        "import resource, sys\n"
        "from indexer.readers.documents import read_documents\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "documents = read_documents(sys.argv[1]); next(documents); before = used()\n"
        "print(sum(1 for _ in documents), used() - before)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    count, grown = map(int, run.stdout.split())
    assert count == 199
    assert grown < 9_000  # kilobytes


# Words as they come out: one blank between them, and none around.
_WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1
)
_LINE = st.lists(_WORDS, min_size=1, max_size=4).map(" ".join)
_LINES = st.lists(_LINE, max_size=4).map(tuple)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Document,
            st.just("recipe"),
            _LINE.map(lambda line: f"Dish {line}"),
            _LINES,
            _LINES,
            st.none(),
        )
        | st.builds(
            Document, st.just("text"), _LINE.map(lambda line: f"On {line}"), _LINES, st.just(())
        ),
        max_size=4,
    )
)
def test_document_written_as_a_line_is_read_as_it_was(
    tmp_path: Path, documents: list[Document]
) -> None:
    keyed = [
        Document(one.kind, one.title, one.body, one.ingredients, one.image, f"key {number}")
        for number, one in enumerate(documents)
    ]
    path = _write(tmp_path / "a.jsonl", *map(record, keyed))
    assert _read(path) == (keyed, [])
