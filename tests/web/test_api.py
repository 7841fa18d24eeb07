"""The REST API, served for real over real pictures, beside the engine and the command line."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from fastapi import HTTPException
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.config import Settings
from searchengine.errors import ChangedFile
from searchengine.search.engine import Engine
from searchengine.types import Hit
from searchengine.web import schemas
from searchengine.web.app import create_app
from searchengine.web.media.decoding import Decoding
from searchengine.web.media.thumbs import Thumbs
from searchengine.web.media.uploads import Uploads
from tests.support.colour_encoder import ColourEncoder
from tests.support.colour_library import open_engine, photograph, photograph_all, scan
from tests.support.web_server import served

EVIL = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    photograph_all(folder)
    photograph(folder / "odd" / EVIL, "orange", "blue")
    photograph(folder / "odd" / os.fsdecode(b"caf\xe9.jpg"), "blue", "orange")
    photograph(folder / "odd" / "undated.jpg", "red", "pink")  # other bytes, the same pixels
    (folder / "odd" / "copy.jpg").write_bytes((folder / "red" / "red-pink.jpg").read_bytes())
    return folder


@pytest.fixture(scope="module")
def library(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    with open_engine(folder) as engine:
        scan(engine, photos)
    return folder


@pytest.fixture(scope="module")
def api(library: Path) -> Iterator[httpx.Client]:
    app = create_app(Settings(library=library), open_engine(library))
    with (
        served(app) as server,
        httpx.Client(base_url=f"{server.url}/api/v1/", timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def engine(library: Path) -> Iterator[Engine]:
    with open_engine(library) as engine:
        yield engine


def id_of(engine: Engine, path: Path) -> int:
    return engine.catalog.by_paths([str(path)])[str(path)].id


def score_of(hit: Hit) -> float:
    assert hit.score is not None
    return round(hit.score, 6)


def all_pages(api: httpx.Client, **question: object) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = api.post("search", json={**question, "cursor": cursor}).raise_for_status().json()
        hits += page["hits"]
        cursor = page["next_cursor"]
        if cursor is None:
            return hits


def test_answers_are_those_of_the_engine(api: httpx.Client, engine: Engine) -> None:
    asked = engine.search("red - 0.5*green", limit=7)
    found = api.post("search", json={"query": "red - 0.5*green", "limit": 7}).json()
    assert schemas.SearchAnswer.model_validate(found)
    assert found["query"] == asked.query
    assert [(hit["id"], hit["path"], hit["score"]) for hit in found["hits"]] == [
        (hit.id, hit.path, score_of(hit)) for hit in asked.hits
    ]
    assert found["terms"] == [{"text": "red", "weight": 1.0}, {"text": "green", "weight": -0.5}]
    by_terms = api.post("search", json={"terms": found["terms"], "limit": 7}).json()
    by_address = api.get("search", params={"q": "red - 0.5*green", "limit": 7}).json()
    for other in (by_terms, by_address):
        assert other["hits"] == found["hits"]
        assert other["next_cursor"] == found["next_cursor"]


def test_pages_end_and_are_complete(api: httpx.Client, engine: Engine) -> None:
    every = set(engine.catalog.present().tolist())
    for question in ({}, {"query": "red"}, {"query": "red", "sort": "oldest"}):
        hits = all_pages(api, limit=5, **question)
        assert len(hits) == len({hit["id"] for hit in hits})
        assert {hit["id"] for hit in hits} == every


def test_page_preloads_what_its_script_would_ask(api: httpx.Client) -> None:
    beside = {"with": ["facets"], "facet_values": ["12"]}
    for address, asked in (
        ("/?q=red&q=blue&sort=oldest&open=3", {"q": ["red"], "sort": ["oldest"], **beside}),
        (
            "/map?unlikely=&f.shape=square&f.year=&f.year=2020",
            {"unlikely": ["1"], "shape": ["square"], "year": ["", "2020"]},
        ),
        ("/map?sort=oldest", {"sort": ["oldest"], "limit": ["1"]}),
        ("/?q=%22%3E%3Cscript%3E&x=1", {"q": ['"><script>'], **beside}),
    ):
        html = api.get(urljoin(str(api.base_url), address)).text
        found = re.search(r'<link rel="preload" as="fetch" crossorigin href="([^"]*)">', html)
        assert found is not None, html
        link = urlsplit(unescape(found.group(1)))
        assert link.path == "/api/v1/search"
        told = parse_qs(link.query, keep_blank_values=True)
        assert told == {**asked, "collapse": ["true"]}


def test_facets_of_an_address_are_those_of_a_body(api: httpx.Client) -> None:
    body = {"filters": {"year": [2021, None], "camera": ["Camera 1", None]}, "with": ["facets"]}
    first = api.post("search", json=body).json()
    address = "year=2021&year=&camera=Camera%201&camera="
    second = api.get(f"search?{address}&with=facets").json()
    assert first["facets"] == second["facets"]
    alone = api.post("facets", json={"filters": body["filters"]}).json()
    assert first["facets"] == alone == api.get(f"facets?{address}").json()
    assert schemas.FacetsOut.model_validate(alone)
    assert first["hits"] == second["hits"] != []
    assert {hit["taken_at"] and hit["taken_at"][:4] for hit in first["hits"]} == {"2021", None}
    everything = api.get("facets").json()
    assert sum(value["count"] for value in everything["year"]) == api.get("search").json()["total"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": "./red.jpg"}, 400),
        ({"query": "/etc/passwd"}, 400),
        ({"query": "@/etc/passwd"}, 400),
        ({"query": "@upload:nobody"}, 404),
        ({"query": "#4000"}, 404),
        ({"query": "red", "terms": [{"text": "red"}]}, 400),
        ({"query": "red - -"}, 400),
        ({"query": "red - red"}, 400),
        ({"query": "nosuchword"}, 400),
        ({"terms": [{"text": "red", "weight": 0}]}, 422),
        ({"terms": [{"text": "red", "image_id": 1}]}, 422),
        ({"cursor": "AAAA"}, 400),
        ({"limit": 501}, 422),
        ({"nonsense": 1}, 422),
        ({"filters": {"year": [True]}}, 422),
        ({"filters": {"shape": [""]}}, 422),
        ({"unlikely": "yes"}, 422),
        ({"query": "tag:x", "min_match": 0.5, "unlikely": True}, 400),
        ({"query": "red", "min_match": 1.5}, 422),
        ({"query": "red", "min_match": "unlikely"}, 422),
    ],
)
def test_bad_question_is_a_problem(api: httpx.Client, body: dict[str, Any], status: int) -> None:
    answer = api.post("search", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_cursor_of_another_order_is_refused(api: httpx.Client) -> None:
    cursor = api.get("search", params={"limit": 2, "sort": "oldest"}).json()["next_cursor"]
    assert api.get("search", params={"sort": "newest", "cursor": cursor}).status_code == 400


def test_parse_tells_what_a_query_is_and_where_it_ends(api: httpx.Client) -> None:
    found = api.get("parse", params={"q": "2*red zorblax - #1 tag:dog"}).json()
    assert schemas.ParseAnswer.model_validate(found)
    assert [term.get("text") for term in found["terms"]] == ["red zorblax", None]
    assert found["filters"] == [{"kind": "tag", "name": "dog", "excluded": False}]
    assert [word["word"] for word in found["unknown_words"]] == ["zorblax"]
    assert found["translated"] == []


def test_words_of_other_languages_are_told_and_asked_in_english(api: httpx.Client) -> None:
    told = [{"word": "빨강", "english": "red", "language": "ko"}]
    assert api.get("parse", params={"q": "빨강"}).json()["translated"] == told
    found = api.get("search", params={"q": "빨강", "unlikely": True}).json()
    assert found["translated"] == told
    english = api.get("search", params={"q": "red", "unlikely": True}).json()
    assert english["translated"] == []
    assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in english["hits"]]


def test_words_are_suggested_by_what_the_library_shows(api: httpx.Client) -> None:
    def suggested(begun: str) -> list[str]:
        found = api.get("suggest", params={"q": begun}).json()["suggestions"]
        kinds = [one["kind"] for one in found]
        assert kinds == sorted(kinds, key=["word", "tag", "folder"].index), "words come first"
        return [one["text"] for one in found if one["kind"] == "word"]

    before = suggested("ba")
    last = [word for word in before if " " not in word][-1]
    assert last != before[0]
    id_ = api.post("search", json={}).json()["hits"][0]["id"]
    api.put(f"images/{id_}/tags", json={"add": [last]}).raise_for_status()
    try:
        assert suggested("ba")[0] == last
    finally:
        api.put(f"images/{id_}/tags", json={"remove": [last]}).raise_for_status()
    assert suggested("ba") == before


def test_suggestions_follow_the_languages_of_the_browser(api: httpx.Client) -> None:
    def words(letters: str, languages: str) -> list[str]:
        headers = {"Accept-Language": languages}
        found = api.get("suggest", params={"q": letters}, headers=headers).json()["suggestions"]
        return [one["text"] for one in found if one["kind"] == "word" and "english" in one]

    assert "빨강" in words("빨", "en")
    assert words("schmett", "en") == []
    assert "schmetterling" in words("schmett", "de-DE,de;q=0.9")
    assert api.get("parse", params={"q": "red - - blue"}).json()["position"] == 6


def test_upload_finds_what_the_file_finds(
    api: httpx.Client, engine: Engine, tmp_path: Path
) -> None:
    stranger = photograph(tmp_path / "new.jpg", "red", "orange")
    for path in (stranger, tmp_path / "known.jpg"):
        if not path.exists():  # bytes that the library has: copies are no answer
            path.write_bytes(Path(engine.catalog.get([1])[1].path).read_bytes())
        taken = api.post("uploads", files={"file": ("any.bin", path.read_bytes())}).json()
        assert schemas.UploadAnswer.model_validate(taken)
        assert (taken["width"], taken["height"]) == (60, 40)
        asked = engine.search([str(path), "-", "green"], limit=9)
        query = f"@upload:{taken['upload']} - green"
        found = api.post("search", json={"query": query, "limit": 9}).json()
        assert found["query"] == query
        assert schemas.SearchAnswer.model_validate(found)
        assert [(hit["id"], hit["score"]) for hit in found["hits"]] == [
            (hit.id, score_of(hit)) for hit in asked.hits
        ]
        assert [one["id"] for one in found["copies"]] == ([] if path == stranger else [1])
        again = api.post(
            "search",
            json={
                "terms": found["terms"][:1]
                and [{"upload": taken["upload"]}, {"text": "green", "weight": -1}],
                "limit": 9,
            },
        ).json()
        assert again["hits"] == found["hits"]
        thumb = api.get(api.base_url.join(taken["thumb"]))
        assert Image.open(io.BytesIO(thumb.content)).format == "JPEG"


def test_upload_that_is_no_picture_or_too_much(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = api.post("uploads", files={"file": ("x.jpg", b"<svg onload=alert(1)>")})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    bomb = io.BytesIO()
    Image.new("1", (10_000, 7_000)).save(bomb, "PNG")
    assert api.post("uploads", files={"file": ("b.png", bomb.getvalue())}).status_code == 422
    monkeypatch.setattr("searchengine.web.routes.search.MAX_BYTES", 1000)
    assert api.post("uploads", files={"file": ("b.png", bytes(1001))}).status_code == 413


def test_uploads_are_few_and_for_a_while(engine: Engine, tmp_path: Path) -> None:
    now = 0.0
    kept = Uploads(Decoding(1), most=2, lifetime=10, clock=lambda: now)
    data = photograph(tmp_path / "x.jpg", "red", "blue").read_bytes()
    first, second = (kept.add(engine, data).token for _ in range(2))
    kept.get(first)
    third = kept.add(engine, data).token  # the second was not used for longest
    assert kept.get(first).picture.vector.shape == (engine.encoder.dim,)
    with pytest.raises(HTTPException, match="404"):
        kept.get(second)
    now = 9.0
    kept.get(third)
    now = 15.0
    assert kept.get(third).token == third
    with pytest.raises(HTTPException, match="404"):
        kept.get(first)


def test_picture_tells_all_that_is_known(api: httpx.Client, engine: Engine, photos: Path) -> None:
    path = photos / "red" / "red-pink.jpg"
    found = api.get(f"images/{id_of(engine, path)}").json()
    assert schemas.ImageAnswer.model_validate(found)
    assert (found["path"], found["folder"], found["name"]) == (
        str(path),
        str(path.parent),
        "red-pink.jpg",
    )
    assert (found["width"], found["height"], found["format"]) == (60, 40, "jpeg")
    assert found["size"] == path.stat().st_size
    assert found["taken_at"] == "2021-05-05T12:00:00"
    assert found["copies"] == [id_of(engine, photos / "odd" / "copy.jpg")]
    # Of the many pictures that are much like it, the one of no other date.
    [near] = found["near_duplicates"]
    assert near["id"] == id_of(engine, photos / "odd" / "undated.jpg")
    scores = {hit.id: hit.score for hit in engine.search(f"#{found['id']}", limit=100).hits}
    assert near["score"] == pytest.approx(scores[near["id"]], abs=1e-5)
    assert api.get("images/4000").status_code == 404


def test_names_that_are_markup_or_no_text_arrive_as_they_are(
    api: httpx.Client, photos: Path, engine: Engine
) -> None:
    answer = api.get("search", params={"q": "orange", "with": "facets", "limit": 100})
    paths = {hit["path"] for hit in answer.json()["hits"]}
    assert answer.content.isascii()
    for name in (EVIL, os.fsdecode(b"caf\xe9.jpg")):
        path = photos / "odd" / name
        assert str(path) in paths
        file = api.get(f"images/{id_of(engine, path)}/file")
        assert file.content == path.read_bytes()
        assert file.headers["content-type"] == "image/jpeg"
        assert "<" not in file.headers["content-disposition"]


def test_file_is_sent_in_ranges_and_once(api: httpx.Client, engine: Engine, photos: Path) -> None:
    path = photos / "red" / "red-pink.jpg"
    address = f"images/{id_of(engine, path)}/file"
    whole = api.get(address)
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = api.get(address, headers={"Range": "bytes=10-29"})
    assert (part.status_code, part.content) == (206, path.read_bytes()[10:30])
    assert part.headers["content-range"] == f"bytes 10-29/{path.stat().st_size}"
    last = api.get(address, headers={"Range": "bytes=-5"})
    assert last.content == path.read_bytes()[-5:]
    assert api.get(address, headers={"Range": "bytes=999999-"}).status_code == 416
    known = api.get(address, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_thumbnail_is_small_kept_and_cached(
    api: httpx.Client, engine: Engine, photos: Path, library: Path
) -> None:
    path = photos / "green" / "green-pink.jpg"
    id_ = id_of(engine, path)
    hit = next(h for h in api.get("search?limit=100").json()["hits"] if h["id"] == id_)
    link = api.base_url.join(hit["thumb"])
    first = api.get(link)
    assert "immutable" in first.headers["cache-control"]
    assert Image.open(io.BytesIO(first.content)).size == (60, 40)
    unversioned = api.get(f"images/{id_}/thumb")
    assert unversioned.content == first.content
    assert unversioned.headers["cache-control"] == "private, no-cache"
    known = api.get(link, headers={"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    stored = list((library / "thumbs").rglob("*-320.jpg"))
    assert first.content in [one.read_bytes() for one in stored]
    assert api.get(f"images/{id_}/thumb?size=319").status_code == 422


def test_thumbnails_keep_to_their_limit_and_the_latest(engine: Engine, tmp_path: Path) -> None:
    rows = engine.catalog.get(engine.catalog.present()[:12])
    thumbs = Thumbs(tmp_path / "thumbs", Decoding(1), limit=4000)
    made = {}
    for age, picture in enumerate(rows.values()):
        made[picture.id] = thumbs.of(picture, 160, engine.original)
        for file in (tmp_path / "thumbs").rglob("*.jpg"):  # older than those to come
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 1000 * (12 - age)))
        kept = list((tmp_path / "thumbs").rglob("*.jpg"))
        assert sum(file.stat().st_size for file in kept) <= 4000
    last = list(rows.values())[-1]
    assert last.sha256 is not None
    assert any(file.name.startswith(last.sha256) for file in kept)
    assert 0 < len(kept) < len(rows)
    assert {one: thumbs.of(rows[one], 160, engine.original) for one in made} == made


def test_thumbnail_of_an_edited_file_is_not_made_for_that_of_the_old(tmp_path: Path) -> None:
    path = photograph(tmp_path / "photos" / "x.png", "red", "red")
    with open_engine(tmp_path / "library") as engine:
        scan(engine, tmp_path / "photos")
        picture = engine.catalog.get([1])[1]
        photograph(path, "blue", "blue")
        os.utime(path, (1, 1))
        thumbs = Thumbs(tmp_path / "thumbs", Decoding(1))
        with pytest.raises(ChangedFile, match="index it again"):
            thumbs.of(picture, 160, engine.original)
        assert list((tmp_path / "thumbs").rglob("*.jpg")) == []
        scan(engine, tmp_path / "photos")
        renewed = thumbs.of(engine.catalog.get([1])[1], 160, engine.original)
        shown = Image.open(io.BytesIO(renewed)).getpixel((5, 5))
        assert isinstance(shown, tuple)
        assert shown[2] > 200 > shown[0]


def test_a_least_match_counts_in_address_and_body(api: httpx.Client) -> None:
    api.put("images/4/tags", json={"add": ["least"]}).raise_for_status()
    for least in (1, 0.5, "likely"):
        body = api.post("search", json={"query": "tag:least", "min_match": least})
        address = api.get("search", params={"q": "tag:least", "min_match": least})
        assert [hit["id"] for hit in body.raise_for_status().json()["hits"]] == [4]
        assert address.raise_for_status().json()["hits"] == body.json()["hits"]
    api.put("images/4/tags", json={"remove": ["least"]}).raise_for_status()


def test_tags_are_taken_and_found_at_once(api: httpx.Client) -> None:
    said = api.put("images/5/tags", json={"add": ["Best of all"]}).json()
    assert schemas.TagsAnswer.model_validate(said)
    assert {"name": "best of all", "source": "user", "confidence": None} in said["tags"]
    by_facet = api.get("search", params={"tag": "best of all", "with": "facets"}).json()
    assert [hit["id"] for hit in by_facet["hits"]] == [5]
    mine = {"value": "best of all", "label": "best of all", "count": 1, "own": True}
    assert mine in by_facet["facets"]["tag"]
    by_query = api.get("search", params={"q": 'tag:"best of all"'}).json()
    assert [hit["id"] for hit in by_query["hits"]] == [5]
    suggested = api.get("suggest", params={"q": "red + bes"}).json()["suggestions"]
    assert {
        "kind": "tag",
        "text": "best of all",
        "insert": 'tag:"best of all"',
        "count": 1,
    } in suggested
    api.put("images/5/tags", json={"remove": ["best of all"]}).raise_for_status()
    assert api.get("search", params={"tag": "best of all"}).json()["total"] == 0
    assert api.put("images/5/tags", json={"remove": ["never had it"]}).status_code == 400


def test_exports(api: httpx.Client, engine: Engine, photos: Path, tmp_path: Path) -> None:
    ids = [id_of(engine, photos / "red" / "red-pink.jpg"), id_of(engine, photos / "odd" / EVIL)]
    listed = api.post("exports", json={"ids": ids, "form": "json"}).json()["pictures"]
    rows = list(
        csv.DictReader(io.StringIO(api.post("exports", json={"ids": ids, "form": "csv"}).text))
    )
    assert [row["id"] for row in listed] == ids
    assert [(int(row["id"]), row["path"]) for row in rows] == [(r["id"], r["path"]) for r in listed]
    api.put(f"images/{ids[1]}/tags", json={"add": ["=holiday", "at home"]}).raise_for_status()
    with_matches = {"ids": ids, "matches": [None, 0.75]}
    listed = api.post("exports", json=with_matches | {"form": "json"}).json()["pictures"]
    assert [(row["tags"], row["match"]) for row in listed] == [
        ([], None),
        (["=holiday", "at home"], 0.75),
    ]
    written = api.post("exports", json=with_matches | {"form": "csv"}).text
    _, row = csv.DictReader(io.StringIO(written))
    assert (row["tags"], row["match"], row["caption"]) == ("'=holiday; at home", "0.75", "")
    for wrong in ([0.5], [0.5, 2.0]):
        asked = {"ids": ids, "matches": wrong, "form": "csv"}
        assert api.post("exports", json=asked).status_code == 422
    packed = api.post("exports", json=with_matches | {"form": "zip"})
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["red-pink.jpg", EVIL, "pictures.csv", "pictures.json"]
        assert archive.read("red-pink.jpg") == (photos / "red" / "red-pink.jpg").read_bytes()
        beside = json.loads(archive.read("pictures.json"))["pictures"]
        assert [one.pop("file") for one in beside] == archive.namelist()[:2]
        assert beside == listed
        table = list(csv.DictReader(io.StringIO(archive.read("pictures.csv").decode())))
        assert [one["file"] for one in table] == archive.namelist()[:2]
        assert table[1]["match"] == "0.75"
    assert api.post("exports", json={"ids": [4000], "form": "zip"}).status_code == 404


def test_picture_tells_how_it_was_exposed(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    written: dict[str, dict[int, Any]] = {
        "told.jpg": {0x829D: 2.8, 0x829A: 0.004, 0x8827: 400, 0x920A: 35.0},
        "broken.jpg": {0x829D: IFDRational(1, 0), 0x829A: "long", 0x8827: 200},
        "silent.jpg": {},
    }
    for number, (name, tags) in enumerate(written.items()):
        exif = Image.Exif()
        exif.get_ifd(0x8769).update(tags)
        Image.new("RGB", (40, 30), (number, 0, 0)).save(photos / name, exif=exif)
    library = tmp_path / "library"
    with open_engine(library) as engine:
        scan(engine, photos)
        ids = {name: id_of(engine, photos / name) for name in written}
    with (
        served(create_app(Settings(library=library), open_engine(library))) as server,
        httpx.Client(base_url=f"{server.url}/api/v1/", timeout=60) as api,
    ):

        def exposure(name: str) -> list[Any]:
            found = api.get(f"images/{ids[name]}").raise_for_status().json()
            assert schemas.ImageAnswer.model_validate(found)
            return [found[key] for key in ("aperture", "shutter", "iso", "focal")]

        assert exposure("told.jpg") == [2.8, pytest.approx(0.004), 400, 35.0]
        assert exposure("broken.jpg") == [None, None, 200, None]
        assert exposure("silent.jpg") == [None] * 4
        (photos / "told.jpg").unlink()
        assert exposure("told.jpg") == [None, None, 400, 35.0]


def test_status_and_texts_of_a_library_without_texts(api: httpx.Client, library: Path) -> None:
    status = api.get("status").json()
    assert schemas.StatusAnswer.model_validate(status)
    assert (status["library"], status["local"]) == (str(library), True)
    assert api.get("texts").json()["hits"] == []
    assert api.get("images/1/texts").json()["hits"] == []
    assert api.get("recipes", params={"image_id": 1}).status_code == 409
    assert api.get("recipes", params={"q": "soup"}).status_code == 409
    assert api.get("recipes", params={"q": "soup", "image_id": 1}).status_code == 400
    assert api.get("recipes", params={"with": "rice"}).json()["hits"] == []
    assert api.get("texts/1").status_code == 404


def _index(library: str, folders: list[str]) -> None:
    """Index folders in a process of its own."""
    from indexer.executors import Serial
    from indexer.library.pipeline import index_images

    catalog = Catalog(open_database(Path(library), create=False))
    for folder in folders:
        index_images(folder, catalog, ColourEncoder(), executor=Serial())
    catalog.close()


def test_searches_answer_while_another_process_indexes(tmp_path: Path) -> None:
    photograph_all(tmp_path / "photos")
    library = tmp_path / "library"
    with open_engine(library) as engine:
        scan(engine, tmp_path / "photos")
        old = set(engine.catalog.present().tolist())
    for number in range(6):
        for place, (top, bottom) in enumerate(
            [("red", "blue"), ("red", "white"), ("brown", "red")]
        ):
            path = tmp_path / f"new-{number}" / f"{place}-{number}.png"
            photograph(path, top, bottom).write_bytes(path.read_bytes() + bytes([number]))
    folders = [str(tmp_path / f"new-{number}") for number in range(6)]
    app = create_app(Settings(library=library), open_engine(library))
    failures: list[str] = []
    with served(app) as server:
        done = threading.Event()

        def ask(question: dict[str, Any]) -> None:
            with httpx.Client(base_url=f"{server.url}/api/v1/", timeout=60) as client:
                while not done.is_set():
                    hits = all_pages(client, limit=20, **question)
                    ids = [hit["id"] for hit in hits]
                    if len(ids) != len(set(ids)) or not old <= set(ids):
                        failures.append(f"{question}: {sorted(ids)}")

        questions: list[dict[str, Any]] = [
            {"query": "red"},
            {"with": ["facets"]},
            {"query": "red - blue"},
        ]
        threads = [threading.Thread(target=ask, args=(one,)) for one in questions]
        for thread in threads:
            thread.start()
        process = multiprocessing.get_context("spawn").Process(
            target=_index, args=(str(library), folders)
        )
        process.start()
        process.join(120)
        done.set()
        for thread in threads:
            thread.join(60)
        assert process.exitcode == 0
        assert failures == []
        app.state.live.refresh()
        with httpx.Client(base_url=f"{server.url}/api/v1/", timeout=60) as client:
            hits = all_pages(client, query="red", limit=20)
    with open_engine(library) as engine:
        fresh = engine.search("red", limit=100)
    assert [hit["id"] for hit in hits] == [hit.id for hit in fresh.hits]
    assert len(hits) > len(old)


def test_revision_tells_what_others_indexed_and_of_another_server(tmp_path: Path) -> None:
    photograph(tmp_path / "one" / "a.jpg", "red", "blue")
    photograph(tmp_path / "two" / "b.jpg", "green", "blue")
    library = tmp_path / "library"
    servers = set()
    with open_engine(library) as engine:
        scan(engine, tmp_path / "one")
    for _ in range(2):
        with served(create_app(Settings(library=library), open_engine(library))) as server:
            address = f"{server.url}/api/v1/revision"
            first = httpx.get(address, timeout=60).json()
            assert schemas.Revision.model_validate(first)
            assert httpx.get(address, timeout=60).json() == first
            servers.add(first["server"])
            if len(servers) == 1:
                process = multiprocessing.get_context("spawn").Process(
                    target=_index, args=(str(library), [str(tmp_path / "two")])
                )
                process.start()
                process.join(120)
                later = first
                for _ in range(600):  # a look at the catalog may be a second old
                    if later["pictures"] == 2:
                        break
                    time.sleep(0.1)
                    later = httpx.get(address, timeout=60).json()
                assert later["pictures"] == 2
                assert later["revision"] > first["revision"]
                assert later["server"] == first["server"]
    assert len(servers) == 2


def test_answers_are_those_of_the_command_line(photos: Path, tmp_path: Path) -> None:
    library = str(tmp_path / "library")

    def lexpix(*arguments: str) -> str:
        command = [sys.executable, "-m", "searchengine.cli.main", *arguments, "--library", library]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    lexpix("index", str(photos / "red"), str(photos / "pink"))
    with served(create_app(Settings(library=Path(library)))) as server:
        for text in ("a red sunset", "pink", "flower - #2", "tag:rose"):
            printed = json.loads(lexpix("search", text, "--json", "-k", "6", "--no-collapse"))
            found = httpx.post(
                f"{server.url}/api/v1/search", json={"query": text, "limit": 6}, timeout=60
            ).json()
            same = ("id", "path", "score", "match", "band", "at", "duplicates")
            assert [{name: hit[name] for name in same} for hit in found["hits"]] == printed["hits"]
            assert found["query"] == printed["query"]
            assert found["nothing_like_that"] == printed["nothing_like_that"]
