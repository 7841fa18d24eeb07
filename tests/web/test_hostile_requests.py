"""What somebody may try who can ask, or can name and make files: nothing is found, run or broken.

Who may ask at all is the matter of `test_safety.py`, links out of the folders that of
`test_originals.py`.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from tests.support.plain_pictures import draw_many
from tests.support.web_server import PATIENCE, Served, served

NAMES = (
    "a\r\nSet-Cookie: evil=1\r\n\r\n<html>.jpg",
    "quote\";filename*=UTF-8''evil.html;x=\".jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "100%_\\'\"; DROP TABLE images;--.jpg",
)
"""Names that a folder of a stranger may hold."""
META = (
    "%",
    "_",
    "%%",
    "a%",
    "\\",
    "'",
    "''",
    '"',
    "' OR 1=1 --",
    "x') OR ('1'='1",
    "*",
    "?",
    "[a]",
)
"""What means something to SQL, LIKE or a pattern, and is a name here."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "photos"
    one = (draw_many(folder, 8) / "00000.png").read_bytes()
    page = b"<html><script>alert(1)</script></html>"
    for name in NAMES:
        (folder / name).write_bytes(one + page + name.encode())
    (folder / "page.jpg").write_bytes(page)
    (folder / "drawing.jpg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>')
    return folder


@pytest.fixture(scope="module")
def server(colour_model: Path, photos: Path) -> Iterator[Served]:
    chosen = Settings(library=photos.parent / "library", model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, photos)
    with served(create_app(chosen)) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/api/v1/", timeout=PATIENCE) as client:
        yield client


def ids_of(api: httpx.Client) -> dict[str, int]:
    hits = api.get("search", params={"limit": 50}).json()["hits"]
    return {Path(hit["path"]).name: hit["id"] for hit in hits}


def test_cursor_that_was_changed_anywhere_is_a_cursor_or_refused(api: httpx.Client) -> None:
    first = api.get("search", params={"limit": 3, "q": "red", "unlikely": True}).json()
    cursor = first["next_cursor"]
    plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    order, key, tie, seen = plain.split(":")
    told = [
        f"{order}:{key}:{tie}:{other}" for other in ("-1", "1e9", "9" * 40, str(2**40), "٣", "")
    ]
    told += [f"{order}:{key}:{other}:{seen}" for other in (str(2**63), str(-(2**63)), "1_0", " 1")]
    told += [f"{order}:{other}:{tie}:{seen}" for other in ("nan", "inf", "-inf", "0x1p99999", "")]
    told += [plain.replace("match", "newest"), plain + ":1", plain[:-2], "\0" * 9, "é"]
    changed = [base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in told]
    changed += [cursor[:at] + "A~+"[at % 3] + cursor[at + 1 :] for at in range(len(cursor))]
    everything = set(ids_of(api).values())
    for one in changed:
        body = {"limit": 3, "query": "red", "unlikely": True, "cursor": one}
        answer = api.post("search", json=body)
        assert answer.status_code in (200, 400), (one, answer.text)
        if answer.status_code == 200:
            assert {hit["id"] for hit in answer.json()["hits"]} <= everything
        else:
            assert answer.json()["type"] == "urn:lexpix:query"


@pytest.mark.parametrize("name", META)
def test_a_name_with_a_meaning_elsewhere_is_a_name_here(api: httpx.Client, name: str) -> None:
    ids = ids_of(api)
    one = ids["00000.png"]
    tag = f"odd {name} tag"
    api.put(f"images/{one}/tags", json={"add": [tag]}).raise_for_status()
    found = api.post("search", json={"filters": {"tag": [tag]}}).raise_for_status().json()
    assert [hit["id"] for hit in found["hits"]] == [one]
    for other in (name, f"odd {name}", f"%{name}%"):
        hits = api.post("search", json={"filters": {"tag": [other]}}).json()["hits"]
        assert hits == [], other
    for facet in ("folder", "place", "camera"):
        hits = api.post("search", json={"filters": {facet: [name]}}).raise_for_status().json()
        assert hits["hits"] == [], facet
    assert api.get("suggest", params={"q": f"tag:{name}"}).status_code == 200
    api.put(f"images/{one}/tags", json={"remove": [tag]}).raise_for_status()
    assert ids_of(api) == ids


@pytest.mark.parametrize("name", NAMES)
def test_name_of_a_file_becomes_no_header_and_no_page(api: httpx.Client, name: str) -> None:
    id_ = ids_of(api)[name]
    for what in ("file", "thumb"):
        answer = api.get(f"images/{id_}/{what}").raise_for_status()
        assert answer.headers["content-type"].startswith("image/")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
        where = answer.headers.pop("content-disposition", "inline; filename*=UTF-8''")
        start, _, written = where.partition("UTF-8''")
        assert start == "inline; filename*="
        assert re.fullmatch(r"[\w.%~-]*", written, re.ASCII)
        assert not any("evil" in value for value in answer.headers.values())
    assert b"<script>" not in api.get(f"images/{id_}/thumb").content


def test_page_or_drawing_that_calls_itself_a_picture_is_never_sent(
    api: httpx.Client, photos: Path
) -> None:
    assert not {"page.jpg", "drawing.jpg"} & set(ids_of(api))
    for name in ("page.jpg", "drawing.jpg"):
        taken = api.post("uploads", files={"file": (name, (photos / name).read_bytes())})
        assert taken.status_code == 422
        assert taken.headers["content-type"] == "application/problem+json"


def test_upload_with_a_page_behind_it_comes_back_as_pixels_only(api: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "JPEG", comment=b"<script>1</script>")
    data = buffer.getvalue() + b"<html><script>alert(1)</script>"
    taken = api.post("uploads", files={"file": ("a.html", data, "text/html")}).json()
    thumb = api.get(api.base_url.join(taken["thumb"]))
    assert thumb.headers["content-type"] == "image/jpeg"
    assert b"script" not in thumb.content


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/pages.py",
        "/static//etc/passwd",
        "/static/..\\..\\pages.py",
        "/static/%00",
        "/api/v1/images/../../../etc/passwd",
        "/api/v1/images/1%2f..%2f..%2fetc%2fpasswd/file",
        "/api/v1/images/1/thumb?size=../../etc",
        "/api/v1/uploads/..%2f..%2fetc%2fpasswd/thumb",
        "/api/v1/jobs/..%2f..%2fetc/events",
        "/api/v1/albums/..%2f1",
    ],
)
def test_path_that_climbs_finds_nothing(server: Served, path: str) -> None:
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = server.raw(asked.encode())
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404, 405, 422), answer[:200]
    assert b"root:" not in answer
    assert b"import " not in answer
