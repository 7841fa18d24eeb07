"""Model folders: written whole or not at all, and bound together by hashes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from searchengine.errors import ModelError
from searchengine.models import files
from searchengine.models.files import ModelConfig

CONFIG = ModelConfig(
    kind="joint",
    name="tiny",
    dim=4,
    image={"size": 32, "resize": "squash"},
    text={"words": 3},
    notes={"seed": 1},
)


def save(folder: Path, config: ModelConfig = CONFIG, weights: bytes = b"weights") -> ModelConfig:
    def write(fresh: Path) -> None:
        (fresh / "image.onnx").write_bytes(weights)
        (fresh / "words.npy").write_bytes(b"words")

    return files.save(folder, config, write)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    saved = save(tmp_path / "m")
    assert files.read_config(tmp_path / "m") == saved
    assert dataclasses.replace(saved, files={}) == CONFIG
    assert sorted(saved.files) == ["image.onnx", "words.npy"]
    for name in saved.files:
        assert files.verify(tmp_path / "m", saved, name) == tmp_path / "m" / name
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_crash_while_writing_leaves_the_good_model(tmp_path: Path) -> None:
    save(tmp_path / "m")
    before = contents(tmp_path / "m")

    def crash(fresh: Path) -> None:
        (fresh / "image.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.save(tmp_path / "m", CONFIG, crash)
    assert contents(tmp_path / "m") == before
    save(tmp_path / "m", weights=b"better")
    assert contents(tmp_path / "m")["image.onnx"] == b"better"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_model_set_aside_by_a_killed_run_outlives_the_next_crash(tmp_path: Path) -> None:
    save(tmp_path / "m")
    before = contents(tmp_path / "m")
    (tmp_path / "m").rename(tmp_path / "m.old")  # killed between the two renames

    def crash(fresh: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.save(tmp_path / "m", CONFIG, crash)
    assert contents(tmp_path / "m") == before


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    for name in ("photos", "file"):
        with pytest.raises(ModelError, match=f"{name}: exists and is no model"):
            save(tmp_path / name)
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"precious"
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty")


def test_fingerprint_is_of_what_decides_a_vector_and_not_of_notes(tmp_path: Path) -> None:
    base = save(tmp_path / "base").fingerprint
    assert len(base) == 64
    assert save(tmp_path / "again").fingerprint == base
    same: list[dict[str, Any]] = [{"notes": {"licence": "other"}}, {"name": "other"}]
    for change in same:
        assert save(tmp_path / "m", dataclasses.replace(CONFIG, **change)).fingerprint == base
    other: list[dict[str, Any]] = [
        {"kind": "words"},
        {"dim": 5},
        {"image": {"size": 64, "resize": "squash"}},
        {"text": {"words": 4}},
    ]
    prints = [save(tmp_path / "m", dataclasses.replace(CONFIG, **c)).fingerprint for c in other]
    prints.append(save(tmp_path / "m", weights=b"weightS").fingerprint)
    assert len({base, *prints}) == 6


def test_notes_are_added_without_another_fingerprint(tmp_path: Path) -> None:
    saved = save(tmp_path / "m")
    files.annotate(tmp_path / "m", {"dev": {"r1": 9.5}})
    noted = files.read_config(tmp_path / "m")
    assert noted.notes == {"seed": 1, "dev": {"r1": 9.5}}
    assert noted.fingerprint == saved.fingerprint


@pytest.mark.parametrize("content", [None, b"", b"weightS", b"weights "])
def test_a_missing_or_changed_file_is_refused_by_name(
    tmp_path: Path, content: bytes | None
) -> None:
    saved = save(tmp_path / "m")
    path = tmp_path / "m" / "image.onnx"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m/image\.onnx: .*install the model again"):
        files.verify(tmp_path / "m", saved, "image.onnx")


def test_a_file_that_the_description_does_not_list_is_refused(tmp_path: Path) -> None:
    saved = save(tmp_path / "m")
    (tmp_path / "m" / "more.npy").write_bytes(b"")
    with pytest.raises(ModelError, match=r"more\.npy: missing from the model"):
        files.verify(tmp_path / "m", saved, "more.npy")


def test_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps(entries | {"format": 99}))
    with pytest.raises(ModelError, match=r"config\.json: model format 99, this lexpix reads 1"):
        files.read_config(tmp_path / "m")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "colour": "red"}', "\udc80"],
)
def test_a_damaged_description_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"config\.json: not a model description"):
        files.read_config(tmp_path)


@pytest.mark.parametrize("change", [{"dim": "4"}, {"image": []}, {"files": ["image.onnx"]}])
def test_an_entry_of_another_type_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match="wrong type"):
        files.read_config(tmp_path / "m")


@pytest.mark.parametrize(
    "change", [{"kind": "words"}, {"dim": 5}, {"image": {"size": 64}}, {"text": {}}, {"files": {}}]
)
def test_a_setting_changed_by_hand_is_refused_and_a_note_is_not(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    saved = save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps(entries | {"notes": {"by": "hand"}, "name": "other"}))
    assert files.read_config(tmp_path / "m").fingerprint == saved.fingerprint
    path.write_text(json.dumps(entries | change))
    with pytest.raises(ModelError, match=r"config\.json: not the settings .*hash mismatch"):
        files.read_config(tmp_path / "m")


def test_a_model_is_found_by_path_even_as_a_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "m")
    assert files.resolve(str(tmp_path / "m")) == tmp_path / "m"
    monkeypatch.chdir(tmp_path / "m")
    assert files.resolve(".").samefile(tmp_path / "m")


@pytest.mark.parametrize("name", ["", "..", "nowhere", "no/where"])
def test_no_model_is_said_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"no model there \(config\.json is missing\)"):
        files.resolve(name)
