"""The lock of the workflows: everything that pyproject.toml asks for, in one version, by hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
HOW = "the lock no longer fits; CONTRIBUTING.md says under Lock how to make it anew"


def locked() -> dict[str, list[Version]]:
    """Return the versions of each package of the lock; more than one where systems differ."""
    text = (ROOT / "requirements" / "ci.txt").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text.partition("\n")[2])[1:]
    versions: dict[str, list[Version]] = {}
    for entry in entries:
        first = entry.partition("\n")[0].removesuffix("\\").strip()
        requirement = Requirement(first)
        (pin,) = requirement.specifier
        assert pin.operator == "==", first
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), f"{first} has no hash"
        versions.setdefault(canonicalize_name(requirement.name), []).append(Version(pin.version))
    return versions


def asked() -> list[Requirement]:
    """Return all requirements: of lexpix, its extras, its build and the workflows.

    Those of `gpu` are left out: what it names is installed in place of a package of the lock.
    """
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)
    project = told["project"]
    lines = [*project["dependencies"], *told["build-system"]["requires"]]
    extras = project["optional-dependencies"]
    lines += [line for name, extra in extras.items() if name != "gpu" for line in extra]
    own = (ROOT / "requirements" / "ci.in").read_text(encoding="utf-8").splitlines()
    lines += [line for line in own if not line.startswith("#")]
    return [one for one in map(Requirement, lines) if one.name != "lexpix"]


def test_lock_has_a_version_that_fits_of_everything_that_is_asked_for() -> None:
    versions = locked()
    for one in asked():
        found = versions.get(canonicalize_name(one.name), [])
        assert any(version in one.specifier for version in found), f"{one}: {found}; {HOW}"


def test_lock_names_no_place_to_fetch_from() -> None:
    text = (ROOT / "requirements" / "ci.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links|^-e|^file:", text, re.MULTILINE)


def test_workflows_install_by_hash_and_name_actions_by_hash() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text(encoding="utf-8")
        for used in re.findall(r"uses: *(\S+)", text):
            assert used.startswith("./") or re.search(r"@[0-9a-f]{40}$", used), used
        for install in re.findall(r"pip install (.*)", text):
            assert "--require-hashes" in install or "--no-deps" in install, install
