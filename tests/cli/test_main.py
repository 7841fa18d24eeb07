"""The real command on real photographs, as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import sklearn.datasets
from PIL import Image

import searchengine
from searchengine.models.files import ASSETS
from tests.support.command import LEXPIX, environment, lexpix
from tests.support.small_wordnet import write_wordnet
from tests.support.terminal import on_terminal

SKIMAGE = Path(skimage.data.__file__).parent
SKLEARN = Path(sklearn.datasets.__file__).parent / "images"
PHOTOS = {
    "animals/chelsea.png": SKIMAGE / "chelsea.png",
    "food/coffee.png": SKIMAGE / "coffee.png",
    "people/astronaut.png": SKIMAGE / "astronaut.png",
    "rocket.jpg": SKIMAGE / "rocket.jpg",
    "places/china.jpg": SKLEARN / "china.jpg",
    "plants/flower.jpg": SKLEARN / "flower.jpg",
    "plants/grass.png": SKIMAGE / "grass.png",
    "things/motorcycle.png": SKIMAGE / "motorcycle_left.png",
    "things/coins.png": SKIMAGE / "coins.png",
    "moon.png": SKIMAGE / "moon.png",
}


def answer(*arguments: str | Path, library: Path, cwd: Path | None = None) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(
        lexpix(*arguments, "--json", library=library, cwd=cwd).stdout
    )
    return given


def found(*arguments: str | Path, library: Path, cwd: Path | None = None) -> list[str]:
    """Return the file names of the whole ranking, unlikely matches too."""
    hits = answer("search", *arguments, "--all", library=library, cwd=cwd)["hits"]
    return [os.path.basename(hit["path"]) for hit in hits]


def copy_photos(folder: Path) -> Path:
    for name, source in PHOTOS.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A library that the tests only ask."""
    folder = tmp_path_factory.mktemp("library")
    lexpix("index", photos, library=folder)
    return folder


@pytest.mark.parametrize(
    ("query", "picture"),
    [
        ("cat", "chelsea.png"),
        ("a cat looking at the camera", "chelsea.png"),
        ("coffee", "coffee.png"),
        ("a cup of coffee on a table", "coffee.png"),
        ("flower", "flower.jpg"),
        ("coins", "coins.png"),
        ("motorcycle", "motorcycle.png"),
        ("a temple", "china.jpg"),
        ("red flower", "flower.jpg"),
        ("temple", "china.jpg"),
        ("grass", "grass.png"),
    ],
)
def test_words_find_what_is_in_the_picture(query: str, picture: str, library: Path) -> None:
    assert found(query, library=library)[0] == picture


@pytest.mark.parametrize(
    ("query", "picture"),
    [
        (["./food/coffee.png", "-", "coffee", "+", "motorcycle"], "motorcycle.png"),
        (["./animals/chelsea.png - cat + 2*flower"], "flower.jpg"),
        (["./places/china.jpg", "-", "temple", "+", "flower"], "flower.jpg"),
    ],
)
def test_arithmetic_finds_what_was_added(
    query: list[str], picture: str, library: Path, photos: Path
) -> None:
    assert found(*query, library=library, cwd=photos)[0] == picture


def test_answer_has_the_promised_form_and_the_cosine_of_the_model(library: Path) -> None:
    entries = answer("search", "cat", "-k", "3", "--all", library=library)
    assert list(entries) == [
        "query",
        "unknown_words",
        "translated",
        "copies",
        "hits",
        "nothing_like_that",
        "hints",
        "took_ms",
    ]
    assert entries["query"] == "cat"
    assert entries["unknown_words"] == []
    fields = ["id", "path", "score", "match", "band", "at", "duplicates"]
    assert [list(hit) for hit in entries["hits"]] == [fields] * 3
    encoder = searchengine.load_model()
    for hit in entries["hits"]:
        cosine = encoder.encode_texts(["cat"]) @ encoder.encode_images([hit["path"]]).T
        assert hit["score"] == pytest.approx(float(cosine[0, 0]), abs=2e-3)


def test_pictures_of_the_query_are_left_out_by_file_and_by_id(library: Path, photos: Path) -> None:
    chelsea = photos / "animals" / "chelsea.png"
    hits = answer("search", "cat", library=library)["hits"]
    assert hits[0]["path"] == str(chelsea)
    for query in (str(chelsea), f"#{hits[0]['id']}", f"@{chelsea}"):
        names = found(query, "-k", "100", library=library)
        assert len(names) == len(PHOTOS) - 1
        assert "chelsea.png" not in names


def test_similar_takes_a_file_or_a_number(library: Path, photos: Path) -> None:
    by_file = answer("similar", photos / "plants" / "grass.png", "--all", library=library)["hits"]
    id_ = next(
        hit["id"]
        for hit in answer("search", "grass", "--all", library=library)["hits"]
        if hit["path"].endswith("grass.png")
    )
    assert len(by_file) == len(PHOTOS) - 1
    assert answer("similar", f"#{id_}", "--all", library=library)["hits"] == by_file


def test_similar_is_never_empty_and_says_how_little_is_alike(library: Path) -> None:
    id_ = answer("search", "coffee", library=library)["hits"][0]["id"]
    ran = lexpix("similar", f"#{id_}", library=library)
    assert "nothing here is much like that; these come nearest" in ran.stderr
    lines = ran.stdout.splitlines()[1:]
    assert [line.split()[2] for line in lines] == ["weak"] * (len(PHOTOS) - 1)
    by_json = answer("similar", f"#{id_}", library=library)
    assert not by_json["nothing_like_that"]
    assert [hit["band"] for hit in by_json["hits"]] == ["unlikely"] * (len(PHOTOS) - 1)


def test_a_file_that_the_library_has_is_said_to_be_there(
    library: Path, photos: Path, tmp_path: Path
) -> None:
    known = photos / "animals" / "chelsea.png"
    elsewhere = shutil.copy2(known, tmp_path / "unknown.png")
    ran = lexpix("similar", elsewhere, library=library)
    assert f"you have this: {known}" in ran.stderr
    first = ran.stdout.splitlines()[1]
    assert first.split()[:2] == ["the", "same"]
    assert first.endswith(str(known))
    entries = answer("similar", elsewhere, library=library)
    assert [copy["path"] for copy in entries["copies"]] == [str(known)]
    assert str(known) not in [hit["path"] for hit in entries["hits"]]
    assert "you have this" not in lexpix("similar", known, library=library).stderr


def test_filter_restricts_to_a_folder(library: Path, photos: Path) -> None:
    assert set(found("cat", "--in", photos / "plants", library=library)) == {
        "flower.jpg",
        "grass.png",
    }


def test_leading_minus_is_part_of_the_query(library: Path) -> None:
    assert found("- cat", "-k", "100", library=library)[-1] == "chelsea.png"


def test_table_shows_score_and_path(library: Path, photos: Path) -> None:
    head, first, *_ = lexpix("search", "cat", library=library).stdout.splitlines()
    assert head.split() == ["score", "match", "number", "path"]
    score, match, band, number, path = first.split(maxsplit=4)
    assert 0 < float(score) <= 1
    assert 0 < int(match.removesuffix("%")) <= 100
    assert band in ("likely", "maybe")
    assert number.startswith("#")
    assert path == str(photos / "animals" / "chelsea.png")


@pytest.mark.parametrize(
    ("query", "picture"),
    [("red flower", "flower.jpg"), ("motorcycle", "motorcycle.png"), ("cat", "chelsea.png")],
)
def test_what_is_there_is_a_match(query: str, picture: str, library: Path) -> None:
    entries = answer("search", query, library=library)
    assert not entries["nothing_like_that"]
    first = entries["hits"][0]
    assert os.path.basename(first["path"]) == picture
    assert first["band"] in ("likely", "maybe")
    assert entries["hits"][-1]["band"] != "unlikely"  # the unlikely tail is left out
    whole = answer("search", query, "--all", library=library)["hits"]
    assert whole[: len(entries["hits"])] == entries["hits"]
    assert len(whole) == len(PHOTOS) > len(entries["hits"])
    assert {hit["band"] for hit in whole[len(entries["hits"]) :]} == {"unlikely"}
    assert all(0 <= hit["match"] <= 1 for hit in whole)


@pytest.mark.parametrize("query", ["children playing in a pool", "a man playing football"])
def test_what_is_not_there_is_said_instead_of_shown(query: str, library: Path) -> None:
    ran = lexpix("search", query, library=library)
    assert ran.stdout == ""
    assert f"nothing here looks like that: {query}" in ran.stderr
    entries = answer("search", query, library=library)
    assert entries["hits"] == []
    assert entries["nothing_like_that"]
    shown = lexpix("search", query, "--all", "-k", "4", library=library)
    assert f"nothing here looks like that: {query}" in shown.stderr
    assert [line.split()[2] for line in shown.stdout.splitlines()[1:]] == ["unlikely"] * 4


def test_what_is_not_there_is_never_likely(library: Path) -> None:
    absent = ["penguin", "guitar", "football player", "snow", "beach", "boat", "airplane", "bed"]
    absent += ["swimming", "bus", "kayak", "tennis", "wedding", "baseball", "surfer", "playground"]
    with searchengine.open(library) as engine:
        answers = [engine.search(query, unlikely=True) for query in absent]
    assert not [hit for answer in answers for hit in answer.hits if hit.band == "likely"]
    # Each says how sure it is; of what is said to be one in five, four are not there.
    best = [answer.hits[0].match or 0.0 for answer in answers]
    assert sum(best) / len(best) < 0.2


def test_a_least_match_leaves_out_what_is_worse(library: Path) -> None:
    every = answer("search", "cat", "--all", "-k", "50", library=library)["hits"]
    good = [hit for hit in every if hit["match"] >= 0.02]
    assert 0 < len(good) < len(every)
    for text in ("2%", "0.02"):
        found = answer("search", "cat", "--min", text, "-k", "50", library=library)["hits"]
        assert [hit["id"] for hit in found] == [hit["id"] for hit in good]
    ran = lexpix("search", "cat", "--min", "60", library=library, code=2)
    assert "write 60%, 0.6, likely or maybe" in ran.stderr
    lexpix("search", "cat", "--min", "likely", "--all", library=library, code=2)


def test_model_without_a_calibration_says_how_to_get_one(
    library: Path, tmp_path: Path, photos: Path
) -> None:
    bare = tmp_path / "model"
    shutil.copytree(ASSETS / "default", bare, ignore=shutil.ignore_patterns("match-*"))
    entries = json.loads((bare / "config.json").read_text())
    del entries["attachments"]
    (bare / "config.json").write_text(json.dumps(entries))
    ran = lexpix("search", "skiing", "--model", bare, library=library)
    assert ran.stderr.count("lexpix train match") == 1
    assert len(ran.stdout.splitlines()) == len(PHOTOS) + 1  # vectors are those of the same model
    hits = answer("search", "skiing", "--model", bare, library=library)["hits"]
    assert {(hit["match"], hit["band"]) for hit in hits} == {(None, None)}


def test_changed_calibration_is_named(library: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(ASSETS / "default", broken)
    (path,) = broken.glob("match-*.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ran = lexpix("search", "cat", "--model", broken, library=library, code=1)
    assert f"{path.name}: not the file of this model (hash mismatch)" in ran.stderr


@pytest.mark.parametrize(("option", "end"), [("--paths", "\n"), ("-0", "\0")])
def test_bare_paths_for_pipes(option: str, end: str, library: Path, photos: Path) -> None:
    ran = lexpix("search", "cat", "-k", "1", option, library=library)
    assert ran.stdout == str(photos / "animals" / "chelsea.png") + end
    assert ran.stderr == ""


def test_unknown_word_goes_to_stderr_with_the_nearest_spelling(library: Path) -> None:
    ran = lexpix("search", "cat motorcicle", "--json", library=library)
    assert json.loads(ran.stdout)["unknown_words"] == ["motorcicle"]
    assert "'motorcicle' is not known" in ran.stderr
    assert "did you mean 'motorcycle'?" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "zzxqvk"], "no word of the query is known"),
        (["search", "./nowhere.jpg"], "./nowhere.jpg: cannot be read"),
        (["search", "#99999"], "#99999: no picture of the library has this number"),
        (["search", "cat", "-", "cat"], "cancel out"),
        (["search", "cat", "+"], "nothing follows this +"),
        (["search", "0*cat"], "other than 0"),
        (["search", ""], "the query is empty"),
        (["search", "cat", "-k", "0"], "0 is not in the range"),
        (["search", "cat", "--jsn"], "No such option"),
        (["forget", "/nowhere"], "the library has nothing there"),
    ],
)
def test_bad_query_exits_with_2_and_says_why(
    arguments: list[str], message: str, library: Path
) -> None:
    ran = lexpix(*arguments, library=library, code=2)
    assert message in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("command", [["search", "cat"], ["status"], ["failures"], ["index"]])
def test_without_a_library_exits_with_3_and_makes_none(command: list[str], tmp_path: Path) -> None:
    ran = lexpix(*command, library=tmp_path / "none", code=3)
    assert "lexpix index FOLDER" in ran.stderr
    assert not (tmp_path / "none").exists()


def test_folder_that_is_not_there_exits_with_1_and_makes_no_library(tmp_path: Path) -> None:
    ran = lexpix("index", tmp_path / "unmounted", library=tmp_path / "library", code=1)
    assert "no such folder; is its disk mounted?" in ran.stderr
    assert not (tmp_path / "library").exists()


def test_setting_that_is_unknown_exits_with_2(library: Path, tmp_path: Path) -> None:
    own = tmp_path / "library"
    own.mkdir()
    (own / "config.toml").write_text("indx = 'faiss'\n")
    assert "config.toml: 'indx' cannot be set" in lexpix("status", library=own, code=2).stderr


def test_library_of_a_newer_lexpix_is_refused_in_words(library: Path, tmp_path: Path) -> None:
    own = tmp_path / "library"
    shutil.copytree(library, own)
    with sqlite3.connect(own / "catalog.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "newer" in lexpix("search", "cat", library=own, code=1).stderr


def test_a_model_of_recipes_indexes_no_pictures(photos: Path, tmp_path: Path) -> None:
    result = lexpix("index", photos, "--model", "food", library=tmp_path / "library", code=1)
    assert "food: a model of recipes" in result.stderr
    assert not (tmp_path / "library").exists()


def test_index_reports_what_changed_and_search_follows(tmp_path: Path) -> None:
    folder, library = copy_photos(tmp_path / "photos"), tmp_path / "library"
    first = answer("index", folder, library=library)
    nothing: dict[str, Any] = dict.fromkeys(first, 0) | {"skipped_files": {}}
    assert first == nothing | {"added": len(PHOTOS)}
    assert list(first) == [
        "added",
        "updated",
        "moved",
        "restored",
        "missing",
        "unchanged",
        "failed",
        "damaged",
        "skipped",
        "ignored",
        "unconfirmed",
        "skipped_files",
    ]
    (folder / "animals" / "chelsea.png").rename(folder / "moved.png")
    (folder / "moon.png").unlink()
    shutil.copy(PHOTOS["rocket.jpg"], folder / "food" / "coffee.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    second = lexpix("index", folder, "--json", library=library, code=4)
    expected = {"updated": 1, "moved": 1, "missing": 1, "failed": 1, "unchanged": len(PHOTOS) - 3}
    assert json.loads(second.stdout) == nothing | expected
    assert "broken.jpg: not a readable image" in second.stderr
    assert found("cat", library=library)[0] == "moved.png"
    assert "moon.png" not in found("moon", "-k", "100", library=library)
    shutil.copy2(PHOTOS["moon.png"], folder / "moon.png")
    assert answer("index", library=library)["restored"] == 1
    assert "moon.png" in found("moon", "-k", "100", library=library)


def test_failures_are_listed_and_tried_again(tmp_path: Path) -> None:
    folder, library = copy_photos(tmp_path / "photos"), tmp_path / "library"
    broken = folder / "broken.jpg"
    broken.write_bytes(PHOTOS["plants/flower.jpg"].read_bytes()[:5000])
    lexpix("index", folder, library=library, code=4)
    (failure,) = answer("failures", library=library)["failures"]
    assert failure["path"] == str(broken)
    assert "truncated" in failure["reason"].lower()
    assert str(broken) in lexpix("failures", library=library).stdout
    shutil.copy(PHOTOS["plants/flower.jpg"], broken)
    assert answer("failures", "--retry", library=library)["failures"] == []
    shown = found("flower", "-k", "2", "--no-collapse", library=library)
    assert set(shown) == {"flower.jpg", "broken.jpg"}


def test_status_tells_what_is_there(library: Path, photos: Path) -> None:
    entries = answer("status", library=library)
    assert entries["counts"] == {"ok": len(PHOTOS), "missing": 0, "bad": 0}
    assert entries["roots"][0]["path"] == str(photos)
    assert entries["indexed"] == len(PHOTOS)
    assert entries["fingerprint"] == searchengine.load_model().fingerprint
    text = lexpix("status", library=library).stdout
    for part in (str(library), f"{len(PHOTOS)} ok", str(photos), entries["fingerprint"][:12]):
        assert part in text


def test_forget_drops_from_the_library_and_not_from_the_disk(tmp_path: Path) -> None:
    folder, library = copy_photos(tmp_path / "photos"), tmp_path / "library"
    lexpix("index", folder, library=library)
    forgotten = lexpix("forget", folder / "plants", "--json", library=library)
    assert json.loads(forgotten.stdout)["forgotten"] == 2
    assert "will find it again" in forgotten.stderr
    assert set(found("flower", "-k", "100", library=library)) & {"flower.jpg", "grass.png"} == set()
    assert (folder / "plants" / "flower.jpg").exists()
    lexpix("forget", folder, library=library)
    lexpix("search", "flower", library=library, code=3)


def test_odd_file_names_survive_table_json_and_pipe(tmp_path: Path) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    names = [b"caf\xe9.png", "猫 \x1b[31m.png".encode(), b"two\nlines.png"]
    for number, name in enumerate(names):
        Image.new("RGB", (32, 32), (80 * number, 20, 20)).save(folder / "x.png")
        os.rename(folder / "x.png", os.fsencode(folder) + b"/" + name)
    lexpix("index", folder, library=library)
    raw = subprocess.run(
        [LEXPIX, "search", "cat", "--all", "-0"],
        env=environment(library),
        capture_output=True,
        check=True,
    ).stdout
    assert {os.path.basename(path) for path in raw.split(b"\0")[:-1]} == set(names)
    hits = answer("search", "cat", "--all", "--no-collapse", library=library)["hits"]
    assert {os.fsencode(os.path.basename(hit["path"])) for hit in hits} == set(names)
    table = lexpix("search", "cat", "--all", "--no-collapse", library=library).stdout
    assert "\x1b" not in table
    assert len(table.splitlines()) == 4


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path: Path) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    Image.new("RGB", (32, 32), "red").save(folder / "猫.png")
    lexpix("index", folder, library=library)
    latin = environment(library) | {"PYTHONIOENCODING": "latin-1"}
    table = subprocess.run(
        [LEXPIX, "search", "cat", "--all"], env=latin, capture_output=True, check=True
    )
    assert rb"\u732b.png" in table.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_full_disk_behind_standard_output_is_said_in_one_line(library: Path) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [LEXPIX, "search", "cat"],
            env=environment(library),
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == ["lexpix: [Errno 28] No space left on device"]


def test_search_by_words_loads_no_training_migration_or_cnn(library: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "searchengine.cli.main",
            "search",
            "cat",
            "--json",
        ],
        env=environment(library),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "faiss" in loaded
    heavy = {
        "torch",
        "alembic",
        "onnxruntime",
        "PIL",
        "rapidfuzz",
        "rich",
        "indexer.library.pipeline",
    }
    assert loaded & heavy == set()


def test_help_of_the_root_loads_nothing_heavy(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "searchengine.cli.main", "--help"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert loaded & {"numpy", "sqlalchemy", "faiss", "torch", "rich", "platformdirs"} == set()
    for command in ("index", "search", "similar", "status", "failures", "forget", "demo", "train"):
        assert f"\n  {command} " in ran.stdout


def test_progress_is_plain_lines_off_a_terminal_and_a_bar_on_one(
    photos: Path, tmp_path: Path
) -> None:
    plain = lexpix("index", photos, library=tmp_path / "one").stderr
    assert f"indexing: {len(PHOTOS)}/{len(PHOTOS)} files" in plain
    assert "files/s" in plain
    assert "\x1b" not in plain
    shown = on_terminal([LEXPIX, "index", str(photos)], environment(tmp_path / "two"))
    assert "\x1b[" in shown
    assert f"{len(PHOTOS)}/{len(PHOTOS)}" in shown
    assert "files/s" in shown


def test_interrupted_index_keeps_what_it_wrote_and_goes_on_later(tmp_path: Path) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    source = Image.open(PHOTOS["rocket.jpg"])
    for number in range(300):
        source.crop((number % 40, number // 40, 400, 300)).save(folder / f"{number}.jpg")
    process = subprocess.Popen(
        [LEXPIX, "index", str(folder)],
        env=environment(library),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while written(library) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    before = written(library)
    report = answer("index", library=library)
    assert 0 < before == report["unchanged"]
    assert report["added"] == 300 - before


def written(library: Path) -> int:
    """Return how many pictures a library holds, as SQLite itself says."""
    try:
        connection = sqlite3.connect(f"file:{library}/catalog.sqlite?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM images").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_the_answers_of_the_demo_are_right(tmp_path: Path) -> None:
    ran = lexpix("demo", "--json", library=tmp_path / "demo")
    assert "not a readable image" not in ran.stderr, "of a file that others test their readers with"
    entries = json.loads(ran.stdout)
    assert entries["report"]["added"] > 20
    word, sentence, sum_, absent = (
        [(os.path.basename(hit["path"]), hit["band"]) for hit in each["hits"]]
        for each in entries["answers"]
    )
    assert word == [("motorcycle_right.png", "likely")]
    [same] = entries["answers"][0]["hits"][0]["duplicates"]
    assert os.path.basename(same["path"]) == "motorcycle_left.png"
    assert sentence == [("flower.jpg", "likely")]
    assert sum_[0] == ("flower.jpg", "likely")
    assert absent == []
    assert entries["answers"][-1]["nothing_like_that"]


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert lexpix("--version", library=tmp_path).stdout.strip() == f"lexpix {version('lexpix')}"


def test_explain_prints_shares_and_draws_them(library: Path, photos: Path, tmp_path: Path) -> None:
    heat = tmp_path / "heat.png"
    picture = photos / "animals" / "chelsea.png"
    entries = answer("explain", "a cat - coffee", picture, "-o", heat, library=library)
    assert [part["part"] for part in entries["parts"]] == ["a", "cat", "coffee"]
    cells = sum(sum(map(sum, part["grid"])) for part in entries["parts"])
    assert cells == pytest.approx(entries["score"], abs=1e-4)
    with Image.open(heat) as drawn:
        assert drawn.width > 900
    table = lexpix("explain", "a cat - coffee", picture, library=library).stdout.splitlines()
    assert table[0].endswith("score")
    assert table[1].endswith("cat")


def test_explain_of_a_file_needs_no_library(library: Path, photos: Path, tmp_path: Path) -> None:
    asked = ("explain", "a cat - coffee", photos / "animals" / "chelsea.png")
    assert answer(*asked, library=tmp_path / "none") == answer(*asked, library=library)
    assert not (tmp_path / "none").exists()
    refused = lexpix("explain", "cat", "#1", library=tmp_path / "none", code=2)
    assert "#1" in refused.stderr
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "catalog.sqlite").write_bytes(b"no database" * 99)
    assert "catalog.sqlite" in lexpix(*asked, library=damaged, code=1).stderr


def test_eval_measures_analogies(tmp_path: Path) -> None:
    from indexer.evaluation.analogies import evaluate_analogies
    from searchengine.search.engine import load_model

    images, captions = [], []
    for colour in ("red", "blue", "yellow"):
        for number in range(5):
            picture = Image.new("RGB", (64, 64), colour)
            picture.paste((20 * number,) * 3, (0, 0, 64, 10 * number + 8))
            picture.save(tmp_path / f"{colour}{number}.png")
            images.append(f"{colour}{number}.png")
            captions.append([f"a {colour} wall", f"wall {number}"])
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "\n".join(
            json.dumps({"image": image, "captions": texts, "split": "test"})
            for image, texts in zip(images, captions, strict=True)
        )
    )
    asked = ("eval", "analogies", "--pairs", pairs, "--split", "test", "--per-pair", "3")
    scores = answer(*asked, "--seed", "7", library=tmp_path)
    paths = [tmp_path / image for image in images]
    expected = evaluate_analogies(load_model(), paths, captions, per_pair=3, seed=7)
    assert scores["keeps_scene"] == pytest.approx(dataclasses.asdict(expected.keeps_scene))
    assert (scores["top5"], scores["queries"], scores["pairs"]) == (expected.top5, 18, 6)
    assert scores["groups"]["colours"]["queries"] == 18
    assert "18 queries, 6 pairs, 15 pictures" in lexpix(*asked, library=tmp_path).stdout
    other = lexpix("eval", "analogies", "--pairs", pairs, library=tmp_path, code=1)
    assert "the split 'dev' in it; splits in it: test" in other.stderr


def test_eval_measures_where_explanations_point(photos: Path, tmp_path: Path) -> None:
    named = {
        "animals/chelsea.png": "cat",
        "food/coffee.png": "cup of coffee",
        "plants/flower.jpg": "flower",
        "moon.png": "zorblax",
    }
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        "\n".join(
            json.dumps({"image": str(photos / image), "labels": [name]})
            for image, name in named.items()
        )
    )
    asked = ("eval", "pointing", "--labels", labels, "--pairs", "6")
    scores = answer(*asked, library=tmp_path)
    assert (scores["composites"], scores["names"], scores["unknown"]) == (6, 3, ["zorblax"])
    assert scores["right"] + scores["middle"] + scores["wrong"] == pytest.approx(100, abs=0.02)
    assert scores["right"] > 50 > scores["wrong"]
    table = lexpix(*asked, library=tmp_path)
    assert f"in the right half {scores['right']:.1f}" in table.stdout
    assert "no word is known of: zorblax" in table.stderr
    labels.write_text(json.dumps({"image": str(photos / "moon.png"), "labels": ["moon"]}))
    refused = lexpix("eval", "pointing", "--labels", labels, library=tmp_path, code=1)
    assert "labels.jsonl: no two of the 1 pictures have different labels" in refused.stderr


def test_eval_measures_pairs_labels_and_the_library(
    library: Path, photos: Path, tmp_path: Path
) -> None:
    named = {
        "animals/chelsea.png": "cat",
        "food/coffee.png": "coffee",
        "plants/flower.jpg": "flower",
    }
    pairs, labels = photos / "pairs.jsonl", photos / "labels.jsonl"
    pairs.write_text(
        "\n".join(
            json.dumps({"image": image, "captions": [f"a {name}"], "split": "dev"})
            for image, name in named.items()
        )
    )
    labels.write_text(
        "\n".join(json.dumps({"image": i, "labels": [name]}) for i, name in named.items())
    )
    scores = answer("eval", "retrieval", "--pairs", pairs, library=library)
    perfect = {"r1": 100.0, "r5": 100.0, "r10": 100.0, "medr": 1.0}
    assert scores == {"t2i": perfect, "i2t": perfect, "images": 3, "captions": 3}
    scores = answer("eval", "labels", "--labels", labels, library=library)
    assert scores["n2p"] == perfect
    assert scores["top1"] == scores["mean_average_precision"] == 100.0
    assert "hypernyms" not in scores
    queries = tmp_path / "queries.txt"
    queries.write_text("cat zzxqvk\n")
    scores = answer("eval", "library", "--queries", queries, library=library)
    assert scores["index_recall"] == 100.0
    assert scores["unknown_words"] == 50.0
    queries.write_bytes(b"caf\xe9\n")
    refused = lexpix("eval", "library", "--queries", queries, library=library, code=2)
    assert "queries.txt: cannot be read" in refused.stderr
    missing = lexpix("eval", "retrieval", "--pairs", tmp_path / "none", library=library, code=1)
    assert "none: cannot be read" in missing.stderr
    assert (
        "no captioned pictures of the split"
        in lexpix(
            "eval", "retrieval", "--pairs", pairs, "--split", "test", library=library, code=1
        ).stderr
    )


def test_eval_measures_broader_words_and_says_which_pictures_it_left_out(
    photos: Path, tmp_path: Path
) -> None:
    nouns = {
        "00000001": (["kitten"], []),
        "00000002": (["cat"], ["00000001"]),
        "00000003": (["food"], []),
    }
    wordnet = write_wordnet(tmp_path / "wordnet", nouns)
    pictures: list[tuple[str, str | None]] = [("animals/chelsea.png", "n00000002")] * 3
    pictures += [("food/coffee.png", "n00000003")] * 9
    pictures += [("moon.png", "n00000009"), ("plants/grass.png", None)]
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        "\n".join(
            json.dumps({"image": str(photos / image), "labels": ["cat"], "synset": synset})
            for image, synset in pictures
        )
    )
    asked = ("eval", "labels", "--labels", labels, "--hypernyms", "--wordnet", wordnet)
    found = answer(*asked, library=tmp_path)["hypernyms"]
    assert [(each["name"], each["average_precision"]) for each in found["each"]] == [
        ("cat", 100.0),
        ("kitten", 100.0),
    ]
    assert found["mean_average_precision"] == 100.0 > found["chance"]
    assert (found["without_synset"], found["unknown_synsets"]) == (1, ["n00000009"])
    table = lexpix(*asked, library=tmp_path)
    assert "2 hypernyms over 12 pictures: mean average precision 100.0" in table.stdout
    assert "pictures without a synset, no hypernym is theirs: 1" in table.stderr
    assert "not in WordNet, no hypernym is theirs: 1 (n00000009)" in table.stderr
    missing = lexpix(*asked[:-1], tmp_path / "none", library=tmp_path, code=1)
    assert "data.noun: cannot be read as WordNet" in missing.stderr
    assert "apt install wordnet-base" in missing.stderr


def test_a_picture_may_have_the_at_sign_of_the_grammar(library: Path, photos: Path) -> None:
    plain, signed = ("plants/grass.png", "@plants/grass.png")
    hits = answer("similar", signed, "--all", library=library, cwd=photos)["hits"]
    assert hits == answer("similar", plain, "--all", library=library, cwd=photos)["hits"]
    assert len(hits) == len(PHOTOS) - 1


def test_a_library_of_one_picture_says_that_there_is_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(PHOTOS["moon.png"], folder)
    lexpix("index", folder, library=tmp_path / "library")
    ran = lexpix("similar", folder / "moon.png", library=tmp_path / "library")
    assert ran.stdout == ""
    assert "no other picture" in ran.stderr


def test_a_model_that_is_not_there_leaves_no_library_behind(photos: Path, tmp_path: Path) -> None:
    lexpix("index", photos, "--model", tmp_path / "none", library=tmp_path / "library", code=1)
    assert not (tmp_path / "library").exists()


def test_the_public_open_makes_a_library_only_if_asked_to(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(searchengine.NothingIndexed):
        searchengine.open(tmp_path / "library")
    assert not (tmp_path / "library").exists()
    with searchengine.open(tmp_path / "library", create=True) as engine:
        assert engine.status().counts == {"ok": 0, "missing": 0, "bad": 0}
    lexpix("index", photos, library=tmp_path / "library")
    with searchengine.open(tmp_path / "library") as engine:
        assert engine.search("cat").hits[0].path.endswith("chelsea.png")


def test_another_language_is_told_of_and_finds_what_english_finds(library: Path) -> None:
    found = lexpix("search", "고양이", "--json", "--all", library=library)
    assert "lexpix: 고양이 → cat" in found.stderr
    korean = json.loads(found.stdout)
    assert korean["translated"] == [{"word": "고양이", "english": "cat", "language": "ko"}]
    english = answer("search", "cat", "--all", library=library)
    assert korean["hits"] == english["hits"]
    assert "→" not in lexpix("search", "Kind", library=library).stderr
    assert (
        "lexpix: Kind → child" in lexpix("search", "Kind", "--lang", "de", library=library).stderr
    )
