"""Bad input through the command line: what is wrong is named, and what was good stays good."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from searchengine.cli.main import main
from searchengine.models import files
from searchengine.search.engine import load_model
from tests.support.command import LEXPIX, environment

pytestmark = pytest.mark.usefixtures("one_torch_thread")

BUNDLED = files.resolve("default")
COLOURS = {"red": (220, 30, 30), "green": (30, 170, 40), "blue": (30, 50, 220)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour, rgb in COLOURS.items():
        Image.new("RGB", (64, 64), rgb).save(folder / f"{colour}.png")
    rows = ["a 0.1 0.2 0.3 0.4", "red 1 0 0 0", "green 0 1 0 0", "blue 0 0 1 0"]
    (folder / "words.txt").write_text("\n".join(rows))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a good model, which nothing below may spoil."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in BUNDLED.iterdir():
        os.link(file, folder / file.name)
    return folder


def write_pairs(photos: Path, *entries: dict[str, object]) -> Path:
    (photos / "pairs.jsonl").write_text("\n".join(map(json.dumps, entries)))
    return photos / "pairs.jsonl"


def good_pairs() -> list[dict[str, object]]:
    return [
        {"image": f"{colour}.png", "captions": [f"a {colour}"], "split": "train"}
        for colour in COLOURS
    ]


def lexpix(*arguments: str | Path, library: Path) -> Result:
    env: dict[str, str | None] = {"LEXPIX_MODEL": None, **environment(library)}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=env)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def break_pairs(kind: str, photos: Path) -> tuple[Path, str]:
    """Write pairs that cannot be used; return them and what is to be said."""
    if kind == "empty":
        pairs = write_pairs(photos)
        return pairs, f"{pairs}: no pairs of a picture and captions in it"
    if kind == "unknown":
        # Each its own: a word that comes often enough is learnt.
        entries = [entry | {"captions": [f"zzxqv{n}k"]} for n, entry in enumerate(good_pairs())]
        return write_pairs(photos, *entries), "known word"
    if kind == "malformed":
        pairs = write_pairs(photos, *good_pairs(), {"image": "red.png"})
        return pairs, f'{pairs}:4: not a pair {{"image": path, "captions": [..]}}'
    if kind == "gone":
        entry: dict[str, object] = {"image": "gone.png", "captions": ["red"], "split": "train"}
        pairs = write_pairs(photos, *good_pairs(), entry)
        return pairs, f"{photos}/gone.png: not a readable image (No such file or directory)"
    (photos / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    entry = {"image": "torn.jpg", "captions": ["red"], "split": "train"}
    pairs = write_pairs(photos, *good_pairs(), entry)
    return pairs, f"{photos}/torn.jpg: not a readable image"


KINDS = ("empty", "unknown", "malformed", "gone", "torn")


# What is torn is met after an export of the CNN; tests of `train_joint` show that it does no harm.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("gone", "torn")])
def test_training_names_what_is_wrong_and_leaves_the_good_model(
    photos: Path, model: Path, tmp_path: Path, kind: str
) -> None:
    before = contents(model)
    pairs, message = break_pairs(kind, photos)
    words = ("--words", photos / "words.txt")
    ran = lexpix("train", "joint", "--pairs", pairs, "--out", model, *words, library=tmp_path)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert message in ran.stderr
    if kind == "unknown":
        assert f"{pairs}: fewer than two training pictures with a caption of" in ran.stderr
    assert contents(model) == before
    assert not (tmp_path / "model.new").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_names_what_is_wrong(photos: Path, tmp_path: Path, kind: str) -> None:
    pairs, message = break_pairs(kind, photos)
    ran = lexpix("eval", "retrieval", "--pairs", pairs, "--split", "train", library=tmp_path)
    assert (ran.exit_code, ran.stdout) == (1, "")
    expected = f"{pairs}: the model knows no word of any caption" if kind == "unknown" else message
    assert expected in ran.stderr


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", ": no labelled pictures in it"),
        ('{"image": "red.png", "labels": []}', ": no labelled pictures in it"),
        ('{"image": "red.png"}', ':1: not {"image": path, "labels": [..]}'),
        ('\n{"image": 3, "labels": ["red"]}', ":2: not {"),
        ('{"image": "red.png", "labels": ["zzxqvk"]}', ": the model knows none of the names zzx"),
    ],
)
def test_labels_that_cannot_be_used_are_named(
    photos: Path, tmp_path: Path, lines: str, message: str
) -> None:
    (photos / "labels.jsonl").write_text(lines)
    ran = lexpix("eval", "labels", "--labels", photos / "labels.jsonl", library=tmp_path)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{photos}/labels.jsonl{message}" in ran.stderr


@pytest.mark.parametrize("name", sorted(files.read_config(BUNDLED).files))
def test_a_changed_file_of_a_model_is_named_and_no_picture_is_blamed(
    photos: Path, model: Path, tmp_path: Path, name: str
) -> None:
    library = tmp_path / "library"
    assert lexpix("index", photos, "--model", model, library=library).exit_code == 0
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).unlink()  # it is a link
    (model / name).write_bytes(content)
    Image.new("RGB", (64, 64), "white").save(photos / "white.png")
    command = ["index"] if name == "image.onnx" else ["search", "red"]
    for change in ("not the file of this model (hash mismatch)", "missing from the model"):
        ran = lexpix(*command, "--model", model, library=library)
        assert (ran.exit_code, ran.stdout) == (1, "")
        assert f"{model / name}: {change}" in ran.stderr
        (model / name).unlink(missing_ok=True)
    assert json.loads(lexpix("failures", "--json", library=library).stdout)["failures"] == []
    # With the file back everything goes on.
    os.link(BUNDLED / name, model / name)
    report = json.loads(lexpix("index", "--json", "--model", model, library=library).stdout)
    assert (report["added"], report["failed"]) == (1, 0)


@pytest.mark.parametrize("change", [{"dim": 256}, {"image": {"size": 192}}, {"kind": "clip"}])
def test_a_changed_description_of_a_model_is_named(
    photos: Path, model: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    entries = json.loads((model / "config.json").read_text())
    (model / "config.json").unlink()
    (model / "config.json").write_text(json.dumps(entries | change))
    ran = lexpix("index", photos, "--model", model, library=tmp_path / "library")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{model}/config.json: not the settings this model was saved with" in ran.stderr
    assert not (tmp_path / "library").exists()


def test_training_killed_while_it_writes_leaves_the_good_model(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    before, fingerprint = contents(model), load_model(str(model)).fingerprint
    pairs = write_pairs(photos, *good_pairs())
    command = [LEXPIX, "train", "joint", "--pairs", str(pairs), "--out", str(model)]
    command += ["--words", str(photos / "words.txt"), "--dim", "8", "--epochs", "1"]
    process = subprocess.Popen(
        command,
        env=environment(tmp_path) | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    half = tmp_path / "model.new"
    while not half.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    assert half.exists()
    assert not (half / "config.json").exists()
    assert contents(model) == before
    assert load_model(str(model)).fingerprint == fingerprint
    ran = lexpix("index", photos, "--model", model, library=tmp_path / "library")
    assert ran.exit_code == 0
    refused = lexpix("index", photos, "--model", half, library=tmp_path / "other")
    assert f"{half}: no model there" in refused.stderr
