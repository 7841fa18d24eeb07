"""Texts of a library as questions and as answers, on real pictures, and in real processes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import searchengine
from indexer.library.texts import TextReport, add_texts, files_of
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.documents import Document
from searchengine.errors import (
    MissingPlugin,
    NothingIndexed,
    QueryError,
    UnknownText,
    UnknownWords,
)
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.sync import open_index
from searchengine.language.words import tokenize
from searchengine.models.joint import JointEncoder
from searchengine.models.texts import FIELD_WEIGHTS, SIF_A, GeneralTexts
from searchengine.recipes import ingredients
from searchengine.search.engine import Engine
from searchengine.search.texts import MANY_UNPARSED, document_in, title_of
from searchengine.types import Failure, Vectors
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import ColourEncoder
from tests.support.colour_library import paint, scan
from tests.support.command import lexpix


def open_engine(library: Path, fingerprint: str = "c0" * 32) -> Engine:
    catalog = Catalog(open_database(library, create=True))
    encoder = ColourEncoder(fingerprint)
    index = open_index(catalog, encoder.fingerprint, encoder.dim, library / "index", ExactIndex)
    return Engine(Settings(library=library, index="exact"), catalog, encoder, index)


def write(path: Path, *entries: dict[str, Any] | str) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in entries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    paint(tmp_path / "photos" / "red.png", "red", "red")
    paint(tmp_path / "photos" / "blue.png", "blue", "blue")
    with open_engine(tmp_path / "library") as opened:
        scan(opened, tmp_path / "photos")
        yield opened


def add(engine: Engine, path: Path, **options: Any) -> tuple[TextReport, list[Failure]]:
    failures: list[Failure] = []
    report = add_texts(str(path), engine.texts, on_failure=failures.append, **options)
    return report, failures


# Vectors


@pytest.fixture(scope="module")
def bundled() -> JointEncoder:
    encoder = searchengine.load_model()
    assert isinstance(encoder, JointEncoder)
    return encoder


def naive_vector(encoder: JointEncoder, document: Document) -> np.ndarray:
    """Sum word by word, as the docstring of the module writes it."""
    harmonic = np.log(len(encoder.words)) + np.euler_gamma
    total = np.zeros(encoder.dim)
    for name, lines in document.fields.items():
        field = np.zeros(encoder.dim)
        for word in tokenize(" ".join(lines)):
            for row in encoder.words.find(word)[0]:
                share = 1 / ((encoder.words.rank(row) + 1) * harmonic)
                field += SIF_A / (SIF_A + share) * encoder.word_vectors([row])[0]
        if field.any():
            total += FIELD_WEIGHTS[name] * field / np.linalg.norm(field)
    return total / np.linalg.norm(total)


def test_a_text_is_the_weighted_sum_of_fields_and_words(bundled: JointEncoder) -> None:
    documents = [
        Document(
            "recipe", "The noodle soup", ("Boil the noodles.", "Add salt."), ("2 cups water",)
        ),
        Document("text", "", ("A dog on a sheep-dog's beach",)),
        Document("recipe", "Cake", (), ("1 egg", "1 egg")),
    ]
    rows = GeneralTexts(bundled).encode_documents(documents)
    for row, document in zip(rows, documents, strict=True):
        np.testing.assert_allclose(row, naive_vector(bundled, document), atol=1e-5)


def test_frequent_words_hardly_count(bundled: JointEncoder) -> None:
    model = GeneralTexts(bundled)
    plain, wordy, other = model.encode_documents(
        [Document("text", one) for one in ("cat", "it is the cat of the", "dog")]
    )
    assert plain @ wordy > 0.95 > plain @ other


def test_a_text_without_known_words_is_refused(bundled: JointEncoder) -> None:
    known, unknown = Document("text", "cat"), Document("text", "qqqxzzy")
    with pytest.raises(UnknownWords, match="qqqxzzy"):
        GeneralTexts(bundled).encode_documents([known, unknown])


def test_a_model_without_word_vectors_gets_pieces() -> None:
    encoder = ColourEncoder()
    [row] = GeneralTexts(encoder).encode_documents([Document("text", "red", ("unknown", "blue"))])
    red, blue = encoder.encode_texts(["red", "blue"])
    expected = FIELD_WEIGHTS["title"] * red + FIELD_WEIGHTS["body"] * blue
    np.testing.assert_allclose(row, unit_rows(expected[None])[0], atol=1e-6)


# Questions and answers


def test_texts_and_pictures_find_each_other(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "t.jsonl", {"title": "red"}, {"title": "x", "body": "blue blue"}))
    red, blue = (
        engine.texts.for_picture(tmp_path / "photos" / f"{name}.png", limit=1).hits[0]
        for name in ("red", "blue")
    )
    assert (red.title, blue.title) == ("red", "x")
    assert red.score == pytest.approx(1.0, abs=1e-3)
    [hit] = engine.texts.pictures(blue.id, limit=1).hits
    assert hit.path == str(tmp_path / "photos" / "blue.png")
    assert [hit.title for hit in engine.texts.search("blue").hits] == ["x", "red"]


def test_a_text_asks_within_a_folder(engine: Engine, tmp_path: Path) -> None:
    only = tmp_path / "photos" / "blue.png"
    hits = engine.texts.pictures(Document("text", "red"), within=only).hits
    assert [hit.path for hit in hits] == [str(only)]


def test_kinds_are_searched_apart(engine: Engine, tmp_path: Path) -> None:
    file = write(
        tmp_path / "t.jsonl",
        {"title": "red", "ingredients": ["red paint"]},
        {"title": "red", "body": "red"},
    )
    add(engine, file)
    kinds = {
        kind: sorted(hit.kind for hit in engine.texts.search("red", kind=kind).hits)
        for kind in (None, "text", "recipe")
    }
    assert kinds == {None: ["recipe", "text"], "text": ["text"], "recipe": ["recipe"]}
    assert engine.status().texts == {"text": 1, "recipe": 1}


def test_filters_lose_no_recipe_however_far_down_it_is(engine: Engine, tmp_path: Path) -> None:
    pytest.importorskip("ingredient_parser")
    near = [
        {"title": "red", "ingredients": ["2 red eggs", f"{n} cups of flour"]} for n in range(1, 30)
    ]
    far = {"title": "blue", "ingredients": ["1 egg", "3 chicken thighs"]}
    unlisted = {"title": "red", "instructions": ["red"]}
    add(engine, write(tmp_path / "r.jsonl", *near, far, unlisted))
    picture = tmp_path / "photos" / "red.png"

    def titles(**filters: Any) -> list[str]:
        return [
            hit.title
            for hit in engine.texts.for_picture(picture, kind="recipe", limit=3, **filters).hits
        ]

    assert titles() == ["red"] * 3
    assert titles(having=["chicken"]) == ["blue"]
    assert titles(lacking=["flour"]) == ["blue"]
    assert titles(having=["eggs", "chicken"], lacking=["flour"]) == ["blue"]
    assert titles(having=["egg"], lacking=["chicken"]) == ["red"] * 3
    assert titles(having=["walnut"]) == []
    words = engine.texts.search("red", limit=3, having=["eggs"], lacking=["flour"]).hits
    assert [hit.title for hit in words] == ["blue"]
    first = engine.texts.first(2, kind="recipe", lacking=["chicken"])
    assert [text.document.ingredients[1] for text in first] == [
        "1 cups of flour",
        "2 cups of flour",
    ]
    assert [text.document.title for text in engine.texts.first(9, lacking=["flour"])] == ["blue"]


def test_ingredients_of_a_few_recipes_are_parsed_when_they_are_asked_for(
    engine: Engine, tmp_path: Path
) -> None:
    ingredients._parser.cache_clear()  # as in a process that has parsed nothing
    cake = {"title": "red cake", "ingredients": ["2 large eggs", "1 cup chopped pecans"]}
    pie = {"title": "blue pie", "ingredients": ["3 apples"]}
    add(engine, write(tmp_path / "few.jsonl", cake, pie))
    assert engine.texts.store.unparsed() == [1, 2]
    assert engine.texts.get(1).names == ("eggs", "pecans")
    assert engine.texts.store.unparsed() == [2]  # who asked for one did not wait for the other
    assert [one.id for one in engine.texts.first(5, having=["apple"])] == [2]
    assert engine.texts.store.unparsed() == []
    ingredients._parser.cache_clear()
    more = [{"title": "red", "ingredients": [f"{n} apples"]} for n in range(2, MANY_UNPARSED + 2)]
    add(engine, write(tmp_path / "many.jsonl", *more))
    assert engine.texts.store.unparsed() == []
    assert engine.texts.store.ingredient_names() == ["apples", "eggs", "pecans"]


def test_what_must_be_avoided_is_looked_for_in_the_whole_line(
    engine: Engine, tmp_path: Path
) -> None:
    pytest.importorskip("ingredient_parser")
    file = write(
        tmp_path / "r.jsonl",
        *({"title": "red", "ingredients": ["3 thighs, fried in peanut oil"]} for _ in range(9)),
        {"title": "red", "instructions": ["Nothing is told of what is in it."]},
        {"title": "blue", "ingredients": ["1 egg"]},
    )
    add(engine, file)
    picture = tmp_path / "photos" / "red.png"
    for food in ("peanuts", "nuts"):
        hits = engine.texts.for_picture(picture, kind="recipe", lacking=[food], limit=2).hits
        assert [hit.title for hit in hits] == ["blue"]


@pytest.mark.parametrize("filters", [{"having": ["nuts"]}, {"lacking": ["nuts"]}])
def test_filters_on_ingredients_name_the_extra_that_they_need(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "ingredient_parser", None)  # as if it were not installed
    add(engine, write(tmp_path / "r.jsonl", {"title": "red", "ingredients": ["1 egg"]}))
    with pytest.raises(MissingPlugin, match=r"lexpix\[recipes\]"):
        engine.texts.search("red", **filters)
    with pytest.raises(MissingPlugin, match=r"lexpix\[recipes\]"):
        engine.texts.first(3, **filters)
    with pytest.raises(MissingPlugin, match=r"lexpix\[recipes\]"):
        engine.texts.for_picture(tmp_path / "photos" / "red.png", kind="recipe", **filters)


def test_texts_follow_a_model_change_and_back(engine: Engine, tmp_path: Path) -> None:
    add(engine, write(tmp_path / "t.jsonl", {"title": "red"}, {"title": "blue"}))
    store, first = engine.texts.store, engine.texts.general.fingerprint
    with open_engine(tmp_path / "library", "d0" * 32) as other:
        second = other.texts.general.fingerprint
        assert second != first
        assert store.searchable(second) == 0
        assert [hit.title for hit in other.texts.search("blue", limit=1).hits] == ["blue"]
        assert (store.searchable(first), store.searchable(second)) == (2, 2)
        assert other.texts.drop("c0" * 32) == 2
    assert store.searchable(first) == 0
    assert engine.texts.refresh() == 2
    assert [hit.title for hit in engine.texts.search("red", limit=1).hits] == ["red"]


@dataclass
class Mirrored:
    """A text model with a space of its own: that of the colours, backwards."""

    general: GeneralTexts
    fingerprint: str = "ee" * 32

    @property
    def dim(self) -> int:
        return self.general.dim

    def encode_documents(self, documents: Sequence[Document]) -> Vectors:
        return np.ascontiguousarray(self.general.encode_documents(documents)[:, ::-1])

    def project(self, vectors: Vectors) -> Vectors:
        return np.ascontiguousarray(vectors[:, ::-1])


def test_a_model_of_recipes_answers_where_only_recipes_can(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {"title": "red", "ingredients": ["blue"]}
    add(engine, write(tmp_path / "t.jsonl", recipe, {"title": "blue"}))
    picture = tmp_path / "photos" / "red.png"
    expected = engine.texts.for_picture(picture, kind="recipe").hits
    everything = engine.texts.for_picture(picture).hits
    like = engine.texts.pictures(expected[0].id).hits

    monkeypatch.setattr(
        "searchengine.search.text_indexes.text_model",
        lambda kind, _name, encoder: (
            Mirrored(GeneralTexts(encoder)) if kind == "recipe" else GeneralTexts(encoder)
        ),
    )
    with open_engine(tmp_path / "library") as again:
        # Mirroring changes no cosine, so that the answers are those of the general model ...
        for found, wanted in (
            (again.texts.for_picture(picture, kind="recipe").hits, expected),
            (again.texts.for_picture(picture).hits, everything),
            (again.texts.pictures(expected[0].id).hits, like),
        ):
            assert [hit.id for hit in found] == [hit.id for hit in wanted]
            scores = [hit.score for hit in found]
            assert scores == pytest.approx([hit.score for hit in wanted], abs=2e-3)
        # ... from vectors of its own, for recipes only.
        assert again.texts.store.searchable("ee" * 32) == 1
        blue = tmp_path / "photos" / "blue.png"
        [only] = again.texts.pictures(expected[0].id, within=blue).hits
        assert only.path == str(blue)


def test_what_cannot_be_answered_is_told(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NothingIndexed, match="run: lexpix texts add FILE"):
        engine.texts.search("red")
    add(engine, write(tmp_path / "t.jsonl", {"title": "red"}))
    with pytest.raises(NothingIndexed, match=r"no recipe is stored.*--kind recipe"):
        engine.texts.for_picture(tmp_path / "photos" / "red.png", kind="recipe")
    with pytest.raises(UnknownText, match="99: no text of the library"):
        engine.texts.pictures(99)
    with pytest.raises(UnknownWords, match="sky"):
        engine.texts.search("sky")


# Adding


def test_what_is_wrong_is_told_and_counted_and_the_rest_goes_through(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "there.jpg").touch()
    file = write(
        tmp_path / "t.jsonl",
        {"id": 1, "title": "red", "image": "there.jpg"},
        "{broken",
        {"id": 1, "title": "blue"},
        {"id": 2, "title": "green", "image": "gone.jpg"},
        {"id": 3, "title": "sky"},
        {"id": 4, "title": "..."},
        {"id": 5, "title": "blue"},
    )
    report, failures = add(engine, file)
    assert (report.added, report.failed, report.without_picture) == (3, 4, 1)
    told = " | ".join(failure.reason for failure in failures)
    for part in ("line 2", "line 3", "line 4", "gone.jpg", "'sky'", "line 6"):
        assert part in told
    titles = [one.document.title for one in engine.texts.store.all()]
    assert titles == ["red", "green", "blue"]
    assert engine.texts.store.get([1])[1].document.image == tmp_path / "there.jpg"


def test_nothing_is_pruned_by_a_file_of_which_a_part_is_unreadable(
    engine: Engine, tmp_path: Path
) -> None:
    file = write(tmp_path / "t.jsonl", {"id": 1, "title": "red"}, {"id": 2, "title": "blue"})
    add(engine, file)
    write(file, {"id": 1, "title": "red"}, '{"id": 2, "title": "bl')
    report, failures = add(engine, file, prune=True)
    assert (report.removed, report.gone) == (0, 1)
    assert "could not be read" in failures[-1].reason
    write(file, {"id": 1, "title": "red"})
    assert add(engine, file)[0].gone == 1
    assert add(engine, file, prune=True)[0].removed == 1
    assert [hit.title for hit in engine.texts.search("blue").hits] == ["red"]


def test_a_failing_version_leaves_the_one_that_is_stored(engine: Engine, tmp_path: Path) -> None:
    file = write(tmp_path / "t.jsonl", {"id": 1, "title": "red"})
    add(engine, file)
    report, _ = add(engine, write(file, {"id": 1, "title": "sky"}), prune=True)
    assert (report.failed, report.removed) == (1, 0)
    assert engine.texts.get(1).document.title == "red"


def test_files_of_a_folder_are_texts_of_their_own(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "sub" / ".hidden").mkdir(parents=True)
    (folder / "a.md").write_text("# red\n")
    (folder / "sub" / "b.txt").write_text("blue")
    (folder / "sub" / "picture.png").touch()
    (folder / "sub" / ".hidden" / "c.txt").write_text("green")
    files = files_of(str(folder))
    assert files == [str(folder / "a.md"), str(folder / "sub" / "b.txt")]
    assert sum(add(engine, Path(file), prune=True)[0].added for file in files) == 2
    assert [one.source for one in engine.texts.store.all()] == files
    assert files_of(str(folder / "absent.txt")) == []


def test_a_question_is_one_text_of_a_file(tmp_path: Path) -> None:
    paragraph = tmp_path / "a.txt"
    paragraph.write_text("A dog runs.\n\nIt is happy.")
    assert document_in(paragraph).body == ("A dog runs.", "It is happy.")
    assert document_in(write(tmp_path / "b.jsonl", {"title": "a", "image": "x.jpg"})).title == "a"
    with pytest.raises(QueryError, match=r"holds several texts.*--like-text ID"):
        document_in(write(tmp_path / "c.jsonl", {"title": "a"}, {"title": "b"}))
    with pytest.raises(UnknownText, match="line 1"):
        document_in(write(tmp_path / "d.jsonl", "{"))
    with pytest.raises(UnknownText, match="No such file"):
        document_in(tmp_path / "absent.md")


def test_a_text_without_a_title_is_called_by_its_beginning() -> None:
    assert title_of(Document("text", "", ("A dog.",))) == "A dog."
    assert title_of(Document("text", " ", ("word " * 30,))) == "word " * 12 + "..."


# Processes


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    file = write(
        folder / "recipes.jsonl",
        {"id": "salad", "title": "Green salad", "ingredients": ["1 lettuce"]},
        {"id": "coffee", "title": "A cup of coffee", "ingredients": ["2 spoons of coffee"]},
        "{",
    )
    ran = lexpix("texts", "add", file, "--kind", "recipe", "--json", library=folder)
    assert json.loads(ran.stdout) == {
        "added": 2,
        "updated": 0,
        "unchanged": 0,
        "failed": 1,
        "without_picture": 0,
        "gone": 0,
        "removed": 0,
    }
    assert f"{file}: line 3: no JSON" in ran.stderr
    return folder


def test_the_commands_answer(library: Path, tmp_path: Path) -> None:
    import skimage.data

    cup = Path(skimage.data.__file__).parent / "coffee.png"
    answer = json.loads(lexpix("texts", "for", cup, "--json", library=library).stdout)
    fields = ["query", "unknown_words", "translated", "hits", "nothing_like_that", "took_ms"]
    assert list(answer) == fields
    assert [hit["title"] for hit in answer["hits"]] == ["A cup of coffee", "Green salad"]
    assert list(answer["hits"][0]) == ["id", "kind", "title", "score", "source"]
    shown = lexpix("texts", "search", "fresh", "salad", "-k", "1", library=library).stdout
    assert "Green salad" in shown
    assert "coffee" not in shown

    exported = tmp_path / "out.jsonl"
    lexpix("texts", "export", "-o", exported, library=library)
    added = lexpix("texts", "add", exported, "--json", library=tmp_path / "other")
    assert json.loads(added.stdout)["added"] == 2
    listed = [
        [(one["kind"], one["title"]) for one in json.loads(ran.stdout)["texts"]]
        for ran in (
            lexpix("texts", "list", "--json", library=where)
            for where in (library, tmp_path / "other")
        )
    ]
    assert listed[0] == listed[1] == [("recipe", "Green salad"), ("recipe", "A cup of coffee")]


def test_text_and_pictures_meet_on_the_command_line(library: Path, tmp_path: Path) -> None:
    import skimage.data

    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("coffee.png", "astronaut.png", "moon.png", "page.png", "motorcycle_left.png"):
        shutil.copy(Path(skimage.data.__file__).parent / name, photos)
    lexpix("index", photos, library=library)
    file = tmp_path / "recipe.md"
    file.write_text("# Espresso\n\n## Ingredients\n\n- coffee\n\n## Instructions\n\nFill a cup.\n")
    for question in (["--text-file", file], ["--like-text", "2"]):
        ran = lexpix("search", *question, "-k", "1", "--paths", library=library)
        assert Path(ran.stdout.strip()).name == "coffee.png"
    refused = lexpix("search", "cat", "--like-text", "2", library=library, code=2)
    assert "give a query, or one of --text-file and --like-text" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["texts", "add", "absent.jsonl"], 1, "absent.jsonl: no such file"),
        (["texts", "show", "99"], 2, "99: no text of the library has this number"),
        (["texts", "remove", "1", "99"], 2, "99: no text of the library has this number"),
        (["texts", "search", "qqqxzzy"], 2, "no word of the query is known"),
        (["texts", "search", "cat", "--kind", "text"], 3, "no text is stored"),
    ],
)
def test_refusals_have_their_codes(
    arguments: list[str], code: int, message: str, library: Path
) -> None:
    assert message in lexpix(*arguments, library=library, code=code).stderr
