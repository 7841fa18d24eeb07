"""Recipes of a picture: there are some for a dish, and none for anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

from searchengine.web import schemas
from tests.support.page import id_of
from tests.support.served import environment

RECIPES = {"Flat white", "Lentil soup"}


def answer(url: str, path: str, **params: Any) -> dict[str, Any]:
    found = httpx.get(f"{url}/api/v1/{path}", params=params, timeout=60).raise_for_status().json()
    assert schemas.TextsAnswer.model_validate(found)
    return dict(found)


def titles(answer: dict[str, Any]) -> list[str]:
    return [hit["title"] for hit in answer["hits"]]


def test_a_dish_has_recipes_and_anything_else_has_none(photo_server: str) -> None:
    dish, rocket = id_of(photo_server, "coffee.png"), id_of(photo_server, "rocket.jpg")
    of_dish: list[tuple[str, dict[str, Any]]] = [
        ("recipes", {"image_id": dish}),
        (f"images/{dish}/texts", {}),
    ]
    for path, params in of_dish:
        found = answer(photo_server, path, **params)
        assert set(titles(found)) == RECIPES
        assert not found["nothing_like_that"]
    of_rocket: list[tuple[str, dict[str, Any]]] = [
        ("recipes", {"image_id": rocket}),
        ("recipes", {"image_id": rocket, "with": "milk"}),
        (f"images/{rocket}/texts", {}),
        (f"images/{rocket}/texts", {"kind": "recipe"}),
    ]
    for path, params in of_rocket:
        found = answer(photo_server, path, **params)
        assert titles(found) == []
        assert found["nothing_like_that"]
        assert titles(answer(photo_server, path, **params, unlikely=True)) != []
    assert not answer(photo_server, "recipes", q="rocket soup")["nothing_like_that"]


def test_an_upload_of_what_is_no_dish_has_no_recipes(
    photo_server: str, photo_library: Path
) -> None:
    for name, found in (("coffee.png", True), ("rocket.jpg", False)):
        file = (photo_library.parent / "photos" / name).read_bytes()
        taken = httpx.post(
            f"{photo_server}/api/v1/uploads", files={"file": ("x", file)}, timeout=60
        ).json()
        told = answer(photo_server, "recipes", upload=taken["upload"])
        assert bool(told["hits"]) == found == (not told["nothing_like_that"])


@pytest.mark.parametrize("command", [["recipes", "from"], ["texts", "for"]])
def test_the_command_line_says_that_a_picture_shows_no_dish(
    photo_library: Path, command: list[str]
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        rocket = os.fspath(photo_library.parent / "photos" / "rocket.jpg")
        words = [sys.executable, "-m", "searchengine.cli.main", *command, rocket, *arguments]
        return subprocess.run(
            words, env=environment(photo_library), capture_output=True, text=True, check=True
        )

    said = run()
    assert said.stdout == ""
    assert "the picture shows no dish" in said.stderr
    found = json.loads(run("--json").stdout)
    assert (found["hits"], found["nothing_like_that"]) == ([], True)
    everything = json.loads(run("--json", "--all").stdout)
    assert {hit["title"] for hit in everything["hits"]} == RECIPES
