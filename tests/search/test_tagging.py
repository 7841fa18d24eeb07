"""Tags, filters and taught words: the vocabulary, the engine against naive answers, the command."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import skimage.data

import searchengine
from indexer.evaluation.tags import caption_tags, reliability
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.errors import ModelError, QueryError, UnknownPicture
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.sync import open_index
from searchengine.language.tag_vocabulary import Kind, TagVocabulary, tag_name
from searchengine.search.engine import Engine
from searchengine.search.resolve import Resolver
from searchengine.search.tagging import ALIKE, Tagger, taught_vector
from searchengine.search.taught import TaughtWords
from searchengine.types import Encoder, Explainable, Tag
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import ColourEncoder
from tests.support.colour_library import open_engine, paint, scan

SKIMAGE = Path(skimage.data.__file__).parent
LEXPIX = str(Path(sys.executable).with_name("lexpix"))
VOCABULARY = TagVocabulary.load()


# The vocabulary


def test_vocabulary_is_large_and_each_word_belongs_to_one_tag() -> None:
    words = [word for entry in VOCABULARY.entries for word in (entry.name, *entry.synonyms)]
    assert 3000 <= len(VOCABULARY.entries) <= 6000
    assert len(words) == len(set(words))
    assert all(word == tag_name(word) and "\t" not in word for word in words)
    assert {entry.kind for entry in VOCABULARY.entries} == set(get_args(Kind))


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("sofas", "couch"),
        ("Dogs", "dog"),
        ("bicycles", "bicycle"),
        ("bike", "bicycle"),
        ("ran", "running"),
        ("swims", "swimming"),
        ("grey", "gray"),
        ("sea shore", "sea shore"),
        ("seashore", "beach"),
        ("geese", "goose"),
        ("grandma's  Cabin", "grandma's cabin"),
    ],
)
def test_synonyms_plurals_and_forms_of_verbs_mean_one_tag(word: str, tag: str) -> None:
    assert VOCABULARY.canonical(word) == tag


def test_caption_tags_agree_with_looking_for_every_word() -> None:
    captions = [["Two dogs ran by the sea.", "A hot dog"], ["Nothing"], ["The sofas, grey"]]
    assert caption_tags(VOCABULARY, captions) == [
        {"dog", "running", "sea", "hot dog"},
        set(),
        {"couch", "gray"},
    ]


def test_reliability_counts_each_tenth() -> None:
    sure = np.array([[0.05, 0.55], [0.58, 1.0]])
    right = np.array([[False, True], [False, True]])
    assert reliability(sure, right) == ((5.0, 0.0, 1), (56.5, 50.0, 2), (100.0, 100.0, 1))


# The model's tags


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return searchengine.load_model()


@pytest.fixture(scope="module")
def tagger(encoder: Encoder) -> Tagger:
    return Tagger(encoder, VOCABULARY, {})


def test_photographs_get_the_tags_that_people_would_give(encoder: Encoder, tagger: Tagger) -> None:
    names = ["chelsea.png", "motorcycle_left.png", "camera.png"]
    found = tagger.tag(encoder.encode_images([SKIMAGE / name for name in names]), 10)
    cat, motorcycle, camera = ([tag.name for tag in tags] for tags in found)
    assert "cat" in cat[:5]  # the picture is its face: "nose" comes first
    assert motorcycle[0] == "motorcycle"
    assert {"camera", "tripod"} & set(camera)


def test_tags_are_the_best_of_the_vocabulary_without_repetitions(
    encoder: Encoder, tagger: Tagger
) -> None:
    pictures = encoder.encode_images([SKIMAGE / "chelsea.png", SKIMAGE / "coffee.png"])
    for tags, sure in zip(tagger.tag(pictures, 6), tagger.confidences(pictures), strict=True):
        naive: list[int] = []
        for column in sorted(range(len(sure)), key=lambda column: -sure[column]):
            words = set(tagger.names[column].split())
            repeated = any(
                tagger.vectors[column] @ tagger.vectors[other] > ALIKE
                or words <= set(tagger.names[other].split())
                or words >= set(tagger.names[other].split())
                for other in naive
            )
            if not repeated and len(naive) < 6:
                naive.append(column)
        assert [tag.name for tag in tags] == [tagger.names[column] for column in naive]
        assert [tag.confidence for tag in tags] == pytest.approx([float(sure[c]) for c in naive])


def test_a_rarer_word_needs_better_evidence(encoder: Encoder, tagger: Tagger) -> None:
    frequent = TagVocabulary("dog\tnoun\t100\t\t\n")
    rare = TagVocabulary("dog\tnoun\t90000\t\t\n")
    picture = encoder.encode_images([SKIMAGE / "chelsea.png"])
    sure = [Tagger(encoder, words, {}).confidences(picture)[0, 0] for words in (frequent, rare)]
    assert sure[0] > sure[1] > 0


def test_a_class_of_the_cnn_needs_no_better_evidence_than_a_plain_word(encoder: Encoder) -> None:
    picture = encoder.encode_images([SKIMAGE / "astronaut.png"])
    sure = {
        (kind, rank): Tagger(encoder, TagVocabulary(f"space shuttle\t{kind}\t{rank}\t\t\n"), {})
        .confidences(picture)
        .item()
        for kind in ("noun", "class")
        for rank in (100, 15_000, 90_000)
    }
    assert sure["class", 100] > sure["noun", 100]  # two words
    assert sure["class", 100] > sure["class", 15_000] == sure["class", 90_000]
    assert sure["noun", 15_000] > sure["noun", 90_000]


def test_what_is_a_kind_of_something_is_that_too(encoder: Encoder) -> None:
    picture = encoder.encode_images([SKIMAGE / "chelsea.png"])
    lines = (
        "tabby\tclass\t1\t\tcat\ncat\tnoun\t90000\t\tpet\npet\tnoun\t90000\t\t\ncar\tnoun\t1\t\t\n"
    )
    apart = TagVocabulary(
        "".join(f"{line.rpartition(chr(9))[0]}\t\n" for line in lines.splitlines())
    )
    alone = dict(
        zip(
            ("tabby", "cat", "pet", "car"),
            Tagger(encoder, apart, {}).confidences(picture)[0].tolist(),
            strict=True,
        )
    )
    assert alone["tabby"] > max(alone["cat"], alone["pet"])
    tags = Tagger(encoder, TagVocabulary(lines), {}).tag(picture, 4)[0]
    assert [tag.name for tag in tags] == ["tabby", "cat", "pet", "car"]
    assert [tag.confidence for tag in tags[:3]] == pytest.approx([alone["tabby"]] * 3, abs=0.01)
    assert tags[3].confidence == pytest.approx(alone["car"])


def test_version_names_words_and_taught_words(encoder: Encoder, tagger: Tagger) -> None:
    small = TagVocabulary("".join(f"{e.name}\tnoun\t1\t\t\n" for e in VOCABULARY.entries[:300]))
    taught = {"the cabin": tagger.vectors[0]}
    other = {"the cabin": tagger.vectors[1]}
    made = [Tagger(encoder, small, words) for words in ({}, taught, other, taught)]
    versions = [one.version for one in made]
    assert versions[1] == versions[3]
    assert len({*versions, tagger.version}) == 4


def test_a_taught_vector_lies_between_its_pictures_and_the_words_that_fit() -> None:
    random = np.random.default_rng(1)
    words = unit_rows(random.standard_normal((200, 16)))
    pictures = unit_rows(words[7] + 0.2 * random.standard_normal((3, 16)))
    vector = taught_vector(pictures, words)
    middle = unit_rows(pictures.mean(axis=0))[0]
    assert vector @ middle > 0.9
    assert vector @ words[7] > middle @ words[7]


# The engine, with an encoder that sees colours and has no calibration


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    for top in ("red", "green", "blue"):
        for bottom in ("red", "green", "white"):
            paint(tmp_path / "photos" / f"{top}-{bottom}.png", top, bottom)
    with open_engine(tmp_path / "library") as opened:
        scan(opened, tmp_path / "photos")
        yield opened


def photo(engine: Engine, name: str) -> str:
    [path] = [
        p.path for p in engine.catalog.get(engine.catalog.present()).values() if name in p.path
    ]
    return path


def names_of(engine: Engine, query: str, **options: Any) -> list[str]:
    hits = engine.search(query, limit=100, **options).hits
    return [os.path.basename(hit.path).removesuffix(".png") for hit in hits]


def test_filters_keep_the_ranking_of_what_passes(engine: Engine) -> None:
    tagged = {"red-red": ["warm"], "red-white": ["warm", "pale"], "blue-white": ["pale", "Hot Dog"]}
    for name, tags in tagged.items():
        engine.edit_tags(photo(engine, name), add=tags)
    everything = names_of(engine, "red")
    cases: dict[str, Callable[[list[str]], bool]] = {
        "red tag:warm": lambda tags: "warm" in tags,
        "red + tag:warm + tag:pale": lambda tags: {"warm", "pale"} <= set(tags),
        "red - tag:pale": lambda tags: "pale" not in tags,
        "red tag:warm - tag:pale": lambda tags: "warm" in tags and "pale" not in tags,
        'red tag:"hot  dogs"': lambda tags: "Hot Dog" in tags,
        "red tag:nobody": lambda tags: False,
        "red - tag:nobody": lambda tags: True,
    }
    for query, passes in cases.items():
        expected = [name for name in everything if passes(tagged.get(name, []))]
        assert names_of(engine, query) == expected


def test_a_tag_of_several_words_without_quotes_is_asked_about(engine: Engine) -> None:
    engine.edit_tags(photo(engine, "red-red"), add=["hot red", "red"])
    said = "no picture is tagged 'hot'; a name with spaces stands in quotes: tag:\"hot red\""
    nothing = "no picture passes the filters"
    assert engine.search("tag:hot red").hints == (nothing, said)
    assert engine.search("tag:nobody").hints == (nothing, "no picture is tagged 'nobody'")
    assert engine.search("tag:red -tag:red").hints == (nothing,)
    assert engine.search("tag:red blue", unlikely=True).hints == ()


def test_filters_meet_a_folder_and_the_pictures_of_a_query(engine: Engine, tmp_path: Path) -> None:
    paint(tmp_path / "photos" / "more" / "red-blue.png", "red", "blue")
    scan(engine, tmp_path / "photos")
    for name in ("red-blue", "red-red"):
        engine.edit_tags(photo(engine, name), add=["warm"])
    folder = tmp_path / "photos" / "more"
    assert names_of(engine, "red tag:warm", within=folder) == ["red-blue"]
    assert names_of(engine, "tag:warm", within=folder) == ["red-blue"]
    assert names_of(engine, f"{photo(engine, 'red-red')} tag:warm") == ["red-blue"]


def test_filters_alone_list_the_surest_first_and_missing_pictures_never(engine: Engine) -> None:
    ids = {name: engine.catalog.by_paths([photo(engine, name)])[photo(engine, name)].id
           for name in ("red-red", "red-green", "blue-red", "green-red")}  # fmt: skip
    store = engine.catalog.tags
    guesses = {ids["red-red"]: 0.4, ids["red-green"]: 0.9, ids["blue-red"]: 0.8}
    store.write_guesses(
        {one: [("sofa", sure), ("warm", 0.5)] for one, sure in guesses.items()},
        engine.encoder.fingerprint,
        "v",
    )
    engine.edit_tags(photo(engine, "green-red"), add=["sofa"])
    hits = engine.search("tag:sofa").hits
    assert [hit.score for hit in hits] == [1.0, 0.9, 0.8, 0.4]
    assert names_of(engine, "tag:sofa") == ["green-red", "red-green", "blue-red", "red-red"]
    assert [hit.score for hit in engine.search("tag:sofa tag:warm").hits] == [0.5, 0.5, 0.4]
    assert len(names_of(engine, "- tag:sofa")) == 5
    os.remove(photo(engine, "red-green"))
    scan(engine, Path(photo(engine, "red-red")).parent)
    assert names_of(engine, "tag:sofa") == ["green-red", "blue-red", "red-red"]


def test_the_users_word_decides(engine: Engine) -> None:
    picture = photo(engine, "red-red")
    assert engine.tag(picture)[0] == Tag("red", "guess", None)
    engine.edit_tags(picture, remove=["Red"], add=["Warm"])
    shown = engine.tag(picture)
    assert shown[0] == Tag("warm", "user")
    assert "red" not in [tag.name for tag in shown]
    engine.edit_tags(picture, add=["red"], remove=["warm"])
    assert engine.tag(picture)[0] == Tag("red", "user")
    assert [tag.name for tag in engine.tag(picture)].count("red") == 1
    engine.edit_tags(photo(engine, "blue-white"), accept=["blue"])
    assert names_of(engine, "tag:blue") == ["blue-white"]


def test_user_tags_follow_a_moved_file(engine: Engine) -> None:
    picture = photo(engine, "red-red")
    engine.edit_tags(picture, add=["warm"])
    folder = Path(picture).parent
    (folder / "elsewhere").mkdir()
    os.rename(picture, folder / "elsewhere" / "renamed.png")
    scan(engine, folder)
    assert names_of(engine, "tag:warm") == ["renamed"]


@pytest.mark.parametrize(
    ("word", "message"),
    [({"remove": ["zeppelin mail"]}, "not a tag of this picture"),
     ({"accept": ["zebra"]}, "not a guess for this picture"),
     ({"add": ["  "]}, "needs a name")],
)  # fmt: skip
def test_a_word_that_makes_no_sense_is_refused(
    engine: Engine, word: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        engine.edit_tags(photo(engine, "red-red"), **word)


def test_tags_of_a_picture_outside_of_the_library_are_guessed_but_not_kept(
    engine: Engine, tmp_path: Path
) -> None:
    stranger = paint(tmp_path / "elsewhere.png", "yellow", "yellow")
    assert engine.tag(stranger)[0].name == "yellow"
    with pytest.raises(UnknownPicture, match="not in the library"):
        engine.edit_tags(stranger, add=["warm"])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(QueryError, match=r"broken\.png"):
        engine.tag(broken)


def test_guesses_are_not_kept_without_a_calibration(engine: Engine) -> None:
    with pytest.raises(ModelError, match="lexpix train match"):
        engine.tags.tag_all()


# Taught words, with the same encoder


def test_a_taught_word_works_in_queries_and_as_a_tag(engine: Engine) -> None:
    engine.teach("The Barn", [photo(engine, "green-white")])
    assert names_of(engine, "the barn")[0] == "green-white"
    assert engine.search("the barn").unknown_words == ()
    assert [w.word for w in engine.search("my barn the barn red").unknown_words] == ["my", "barn"]
    assert names_of(engine, "the barn - green + red")[0] == "red-white"
    assert engine.tag(photo(engine, "green-white"))[0].name == "the barn"
    engine.forget_word("the barn")
    with pytest.raises(QueryError):
        engine.search("the barn")
    with pytest.raises(QueryError, match="none so far"):
        engine.forget_word("the barn")


def test_the_longest_phrase_counts_first(engine: Engine) -> None:
    engine.teach("barn", [photo(engine, "blue-white")])
    engine.teach("red barn", [photo(engine, "green-white")])
    taught = TaughtWords(engine.catalog, engine.encoder)
    pieces = taught.split("a red barn, a barn")
    assert [piece if isinstance(piece, str) else (piece[0],) for piece in pieces] == [
        "a", ("red barn",), "a", ("barn",)]  # fmt: skip
    assert taught.split("nothing known") == ["nothing known"]


def with_another_model(engine: Engine, library: Path) -> Engine:
    encoder = ColourEncoder("d1" * 32)
    catalog = Catalog(open_database(library, create=False))
    index = open_index(catalog, encoder.fingerprint, encoder.dim, library / "index2", ExactIndex)
    return Engine(Settings(library=library), catalog, encoder, index)


def test_another_model_learns_the_word_again_from_the_pictures(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.teach("barn", [photo(engine, "green-white"), photo(engine, "green-red")])
    gone = photo(engine, "green-red")
    os.remove(gone)
    with with_another_model(engine, tmp_path / "library") as other:
        assert [word.usable for word in other.taught_words()] == [False]
        scan(other, tmp_path / "photos")
        with caplog.at_level(logging.WARNING):
            assert names_of(other, "barn")[0] == "green-white"
        assert "taught with another model; made anew from 1 of its 2 pictures" in caplog.text
        assert [word.usable for word in other.taught_words()] == [True]


def test_another_model_says_so_if_the_pictures_are_gone(engine: Engine, tmp_path: Path) -> None:
    engine.teach("barn", [photo(engine, "green-white")])
    os.remove(photo(engine, "green-white"))
    with with_another_model(engine, tmp_path / "library") as other:
        scan(other, tmp_path / "photos")
        with pytest.raises(
            QueryError, match="taught with another model, and its pictures are gone"
        ):
            other.search("barn")


def test_a_word_needs_letters_and_pictures(engine: Engine) -> None:
    with pytest.raises(QueryError, match="needs letters"):
        engine.teach("!!!", [photo(engine, "red-red")])
    with pytest.raises(QueryError, match="name at least one"):
        engine.teach("barn", [])


# The bundled model: exactness, calibrated guesses, the command


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("chelsea.png", "coffee.png", "motorcycle_left.png", "camera.png", "rocket.jpg"):
        shutil.copy2(SKIMAGE / name, folder / name)
    return folder


def lexpix(
    *arguments: str | Path, library: Path, photos: Path, code: int = 0
) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LEXPIX_")}
    ran = subprocess.run(
        [LEXPIX, *map(str, arguments)],
        env=kept | {"LEXPIX_LIBRARY": str(library), "XDG_CONFIG_HOME": str(library / "none")},
        cwd=photos,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def test_explanation_of_a_taught_word_adds_up_to_the_score(tmp_path: Path, photos: Path) -> None:
    with Engine.open(Settings(library=tmp_path / "library"), create=True) as engine:
        scan(engine, photos)
        engine.teach("Tom's tomcat", [photos / "chelsea.png"])
        query = "a tom's tomcat on grass - coffee"
        found = engine.explain(query, photos / "camera.png")
        scores = {Path(h.path).name: h.score for h in engine.search(query, unlikely=True).hits}
        assert found.score == pytest.approx(scores["camera.png"], abs=2e-3)
        assert sum(part.share for part in found.parts) == pytest.approx(found.score, abs=1e-4)
        assert "tom's tomcat" in [part.label for part in found.parts]
        with_words = engine.encoder_with_taught_words
        assert isinstance(with_words, Explainable)
        plain = Resolver(engine.catalog, engine.encoder)
        asked = searchengine.language.query.parse("a cat on grass")
        taught = Resolver(engine.catalog, with_words).resolve(asked).terms[0][1]
        np.testing.assert_array_equal(taught, plain.resolve(asked).terms[0][1])


def test_guesses_of_the_library_are_kept_searched_and_denied(photos: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return lexpix(*arguments, library=library, photos=photos, code=code)

    outside = json.loads(run("tag", "./chelsea.png", "--json").stdout)["pictures"][0]["tags"]
    assert "cat" in [tag["name"] for tag in outside[:5]]
    assert outside[0]["source"] == "guess"
    assert 0 < outside[0]["confidence"] < 1
    assert not library.exists()

    run("index", ".")
    first = json.loads(run("tag", "--all", "--json").stdout)
    assert first["pictures"] == 5
    assert first["tags"] > 0
    listed = json.loads(run("tag", "--list", "--json").stdout)["tags"]
    assert {"name": "motorcycle", "user": 0, "guess": 1} in listed
    hits = json.loads(run("search", "tag:motorcycles", "--json").stdout)["hits"]
    assert [Path(hit["path"]).name for hit in hits] == ["motorcycle_left.png"]

    said = run("tag", "./motorcycle_left.png", "--remove", "motorcycle", "--add", "My Bike")
    shown = said.stdout.splitlines()
    assert shown[0].split() == ["yours", "my", "bike"]
    assert shown[1].startswith("guess 0.")
    assert not any(line.endswith(" motorcycle") for line in shown)
    hits = json.loads(run("search", 'tag:"my bike" - tag:motorcycle', "--json").stdout)["hits"]
    assert [hit["score"] for hit in hits] == [1.0]

    run("teach", "Tom's cat", "./chelsea.png")
    assert json.loads(run("tag", "--all", "--json").stdout)["pictures"] == 5  # there is a new word
    assert json.loads(run("tag", "--all", "--json").stdout) == {"pictures": 0, "tags": 0}
    hits = json.loads(run("search", 'tag:"tom\'s cat"', "--json").stdout)["hits"]
    assert Path(hits[0]["path"]).name == "chelsea.png"
    assert json.loads(run("search", "tag:motorcycle", "--json").stdout)["hits"] == []


def test_the_command_refuses_what_makes_no_sense(photos: Path, tmp_path: Path) -> None:
    def refuses(*arguments: str, says: str, code: int = 2) -> str:
        ran = lexpix(*arguments, library=tmp_path / "library", photos=photos, code=code)
        assert says in ran.stderr
        assert ran.stdout == ""
        return ran.stderr

    refuses("tag", "--all", "--add", "dog", says="need pictures")
    refuses("tag", "./nowhere.png", says="nowhere.png: cannot be read")
    refuses("teach", "barn", says="name the pictures that show it")
    refuses("teach", "rock + paper", "./chelsea.png", says="a query reads this as more than words")
    refuses("teach", "tag:barn", "./chelsea.png", says="leave out signs")
    unread = refuses("teach", "dog", "./nope.jpg", says="nope.jpg: cannot be read")
    assert "from now on" not in unread
    refuses("teach", "./chelsea.png", "./coffee.png", says="the new word comes first")
