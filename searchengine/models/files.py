"""A model on disk: a folder of plain files, bound together by `config.json`.

`config.json` lists every other file with its size and SHA-256. The fingerprint is the SHA-256 over
that list and over everything that decides what a vector means; notes on the training and licences
take no part, so that correcting a note does not outdate a library. Neither do attachments: files
that are checked like the others, but that no vector depends on. `config.json` names its own
fingerprint as well, so that a setting changed by hand is noticed. No file is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from searchengine.errors import ModelError

FORMAT = 1
CONFIG = "config.json"
ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What `config.json` says.

    Attributes:
        kind: The class of model, "joint".
        name: What people call the model.
        dim: Length of its vectors.
        image: Preprocessing: `size` in pixels, `resize`, `interpolation`; and `cells`, rows and
            columns of the grid of places.
        text: How texts become words.
        notes: Data, command, seed, scores and licences; not part of the fingerprint.
        files: Name -> {"sha256", "bytes"} of every other file of the folder.
        attachments: Group, such as "match" -> the same for files that no vector depends on; not
            part of the fingerprint.
    """

    kind: str
    name: str
    dim: int
    image: Mapping[str, Any]
    text: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attachments: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal over weights, configuration and preprocessing."""
        meaning = {
            "format": FORMAT,
            "kind": self.kind,
            "dim": self.dim,
            "image": self.image,
            "text": self.text,
            "files": self.files,
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def resolve(name: str) -> Path:
    """Return the folder of a bundled model ("default") or of a path.

    Raises:
        ModelError: Neither exists.
    """
    is_bundled = os.sep not in name and (ASSETS / name / CONFIG).is_file()
    folder = ASSETS / name if is_bundled else Path(name).expanduser()
    if not (folder / CONFIG).is_file():
        known = ", ".join(bundled())
        raise ModelError(f"{name}: no model there ({CONFIG} is missing); bundled models: {known}")
    return folder


def bundled() -> list[str]:
    """Return the names of the models that are part of lexpix."""
    return sorted(path.parent.name for path in ASSETS.glob(f"*/{CONFIG}"))


def read_config(folder: Path) -> ModelConfig:
    """Read `config.json`; raise ModelError naming what is wrong with it."""
    path = folder / CONFIG
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        version = entries.pop("format")
        if version != FORMAT:
            raise ModelError(
                f"{path}: model format {version}, this lexpix reads {FORMAT}; "
                "use the lexpix that made it, or train it again"
            )
        recorded = entries.pop("fingerprint", None)  # models of the first version have none
        config = ModelConfig(**entries)
        parts = (config.image, config.text, config.notes, config.files, config.attachments)
        if not isinstance(config.dim, int) or not all(isinstance(part, dict) for part in parts):
            raise TypeError("an entry is of the wrong type")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: not a model description ({error})") from error
    if recorded not in (None, config.fingerprint):
        raise ModelError(
            f"{path}: not the settings this model was saved with (hash mismatch); "
            "install the model again"
        )
    return config


def verify(folder: Path, config: ModelConfig, name: str) -> Path:
    """Return the path of a file of the model after comparing size and hash with the description.

    Raises:
        ModelError: The file is missing or not the one the model was saved with.
    """
    path = folder / name
    try:
        described = dict(config.files)
        for group in config.attachments.values():
            described.update(group)
        expected = (described[name]["bytes"], described[name]["sha256"])
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: missing from the model ({error}); install the model again"
        ) from error
    if (size, digest) != expected:
        raise ModelError(
            f"{path}: not the file of this model (hash mismatch); install the model again"
        )
    return path


def save(folder: Path, config: ModelConfig, write: Callable[[Path], None]) -> ModelConfig:
    """Write a model so that a good one is replaced by a whole one or not at all.

    Args:
        folder: Where the model shall be; what is there is replaced.
        config: The description; its `files` are filled in.
        write: Called with a new empty folder to put the other files into.

    Raises:
        ModelError: There is something else than a model.
    """
    require_replaceable(folder)
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    if (old / CONFIG).exists() and not folder.exists():
        old.rename(folder)  # an earlier run was killed between the two renames below
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    write(fresh)
    files = {path.name: _describe(path) for path in sorted(fresh.iterdir())}
    entries = {
        "format": FORMAT,
        "kind": config.kind,
        "name": config.name,
        "dim": config.dim,
        "image": dict(config.image),
        "text": dict(config.text),
        "files": files,
        "notes": dict(config.notes),
    }
    entries["fingerprint"] = replace(config, files=files).fingerprint
    (fresh / CONFIG).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    complete = read_config(fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return complete


def require_replaceable(folder: Path) -> None:
    """Raise ModelError if saving a model there would destroy something else."""
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if os.path.lexists(folder):
        raise ModelError(f"{folder}: exists and is no model, so it is not replaced; name another")


def annotate(folder: Path, notes: Mapping[str, Any]) -> None:
    """Add notes to a model's description; its fingerprint stays."""
    entries = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    entries["notes"].update(notes)
    _replace_config(folder, entries)


def attach(folder: Path, group: str, write: Callable[[Path], None]) -> None:
    """Add files to a model that no vector depends on; its fingerprint stays.

    The old files of the group are replaced by all of the new ones or not at all: names carry a
    hash, and what counts is the description, which changes in one step.

    Args:
        folder: A model.
        group: What the files are for; their names begin with it.
        write: Called with a new empty folder to put the files into, one of each suffix.
    """
    entries = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    fresh = folder / f"{group}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        write(fresh)
        written = {path: _describe(path) for path in sorted(fresh.iterdir())}
        mark = hashlib.sha256(json.dumps([*written.values()]).encode()).hexdigest()[:12]
        described = {}
        for path, description in written.items():
            name = f"{group}-{mark}{path.suffix}"
            path.replace(folder / name)
            described[name] = description
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    attachments = entries.setdefault("attachments", {})
    attachments[group] = described
    _replace_config(folder, entries)
    for leftover in folder.glob(f"{group}-*"):
        if leftover.name not in described:
            leftover.unlink()


def attached(folder: Path, config: ModelConfig, group: str) -> dict[str, Path]:
    """Return the files of a group by suffix after verifying them; none if there is no such group.

    Raises:
        ModelError: A file is missing or was changed.
    """
    names = config.attachments.get(group, {})
    return {Path(name).suffix: verify(folder, config, name) for name in names}


def _replace_config(folder: Path, entries: Mapping[str, Any]) -> None:
    fresh = folder / f"{CONFIG}.new"
    fresh.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / CONFIG)


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
