"""What the server sends of the files of a library, with links in it and files that were changed."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.errors import ChangedFile
from searchengine.search import originals
from searchengine.search.originals import open_original
from searchengine.types import Picture
from tests.support.plain_pictures import draw
from tests.support.served import run, serving

SECRET = b"the secret of this machine\n" * 40
NEVER = (
    "link-to-text.jpg",
    "text.jpg",
    "swapped.jpg",
    "swapped-for-a-twin.jpg",
    "link-out.jpg",
    "album/out.jpg",
    "pipe.jpg",
)
"""Files that must not be sent, under the root."""


@dataclass(frozen=True)
class Scene:
    """A library, its folder of pictures, and what may not be read through it."""

    root: Path
    outside: Path
    ids: dict[str, int]
    api: httpx.Client

    def get(self, name: str, what: str = "file", **headers: str) -> httpx.Response:
        return self.api.get(f"images/{self.ids[name]}/{what}", headers=headers)


def indexed(library: Path, root: Path) -> dict[str, int]:
    catalog = Catalog(open_database(library, create=False))
    with_rows = [path for path in root.rglob("*") if not path.is_dir()]
    with_rows += (root / "album").glob("*")
    rows = catalog.by_paths([str(path) for path in with_rows])
    catalog.close()
    return {os.path.relpath(path, root): row.id for path, row in rows.items()}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Index a folder with links, change some of it behind the back of the server, and serve it."""
    folder = tmp_path_factory.mktemp("links")
    root, outside, library = folder / "photos", folder / "outside", folder / "library"
    twin = draw(outside / "twin.jpg", "navy")
    (outside / "secret.txt").write_bytes(SECRET)
    for name, colour in (
        ("plain.jpg", "red"),
        ("swapped.jpg", "green"),
        ("edited.jpg", "orange"),
        ("same-size.jpg", "olive"),
        ("touched.jpg", "purple"),
        ("pipe.jpg", "pink"),
        ("inner/plain.jpg", "brown"),
    ):
        draw(root / name, colour)
    draw(root / "a-png-called.jpg", "teal", "PNG")
    (root / "swapped-for-a-twin.jpg").write_bytes(twin.read_bytes())
    (root / "text.jpg").write_bytes(SECRET)
    draw(folder / "second" / "there.jpg", "gold")
    (root / "link-to-text.jpg").symlink_to(outside / "secret.txt")
    (root / "link-inside.jpg").symlink_to(root / "inner" / "plain.jpg")
    (root / "link-to-other-root.jpg").symlink_to(folder / "second" / "there.jpg")
    draw(outside / "album" / "out.jpg", "gray")
    (root / "link-out.jpg").symlink_to(draw(outside / "other.jpg", "black"))
    (root / "album").symlink_to(outside / "album")
    (folder / "linked-root").symlink_to(folder / "third")
    draw(folder / "third" / "third.jpg", "lime")
    run(library, "index", str(root), code=4)  # texts are no pictures
    for one in (folder / "second", folder / "linked-root"):
        run(library, "index", str(one))
    ids = indexed(library, root)
    ids["../linked-root/third.jpg"] = indexed(library, folder / "linked-root")["third.jpg"]
    for name, target in (("swapped.jpg", "secret.txt"), ("swapped-for-a-twin.jpg", "twin.jpg")):
        (root / name).unlink()
        (root / name).symlink_to(outside / target)
    draw(root / "edited.jpg", "yellow", "PNG")
    status = (root / "same-size.jpg").stat()
    data = bytearray((root / "same-size.jpg").read_bytes())
    data[-20] ^= 1
    (root / "same-size.jpg").write_bytes(data)
    os.utime(root / "same-size.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(root / "touched.jpg", (1, 1))
    (root / "pipe.jpg").unlink()
    os.mkfifo(root / "pipe.jpg")
    with serving(library) as url, httpx.Client(base_url=f"{url}/api/v1/", timeout=60) as api:
        yield Scene(root, outside, ids, api)


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("what", ["file", "thumb", "explain?q=red", "caption"])
def test_nothing_but_indexed_pictures_of_the_folders_is_sent(
    scene: Scene, name: str, what: str
) -> None:
    answer = scene.get(name, what)
    assert answer.status_code in (404, 409)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(str(scene.root / name))
    assert SECRET[:20] not in answer.content


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("link-to-text.jpg", "lexpix failures"),
        ("link-out.jpg", "leads out of the indexed folders"),
        ("album/out.jpg", "lexpix index FOLDER"),
    ],
)
def test_refusal_says_why_and_what_to_do(scene: Scene, name: str, told: str) -> None:
    assert told in scene.get(name).json()["detail"]
    assert str(scene.outside) not in scene.get(name).text


@pytest.mark.parametrize("name", ["edited.jpg", "same-size.jpg"])
@pytest.mark.parametrize("what", ["file", "thumb", "explain?q=red", "caption"])
def test_edited_file_is_not_taken_for_what_was_indexed(scene: Scene, name: str, what: str) -> None:
    answer = scene.get(name, what)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:lexpix:changed-file")
    assert f"lexpix index {scene.root}" in answer.json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "plain.jpg",
        "touched.jpg",
        "link-to-other-root.jpg",
        "../linked-root/third.jpg",
    ],
)
def test_picture_and_link_within_the_folders_are_sent(scene: Scene, name: str) -> None:
    answer = scene.get(name)
    assert answer.content == (scene.root / name).read_bytes()
    assert scene.get(name, "thumb").headers["content-type"] == "image/jpeg"
    assert scene.get(name, "explain?q=red").status_code == 200
    assert scene.get(name, "caption").status_code == 200


def test_type_is_that_of_the_content(scene: Scene) -> None:
    for name, kind in (("plain.jpg", "image/jpeg"), ("a-png-called.jpg", "image/png")):
        headers = scene.get(name).headers
        assert headers["content-type"] == kind
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("wanted", "status", "place"),
    [
        ("bytes=10-29", 206, slice(10, 30)),
        ("bytes=600-", 206, slice(600, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-99999999", 206, slice(None)),
        ("bytes=-99999999", 206, slice(None)),
        ("bytes=99999999-", 416, slice(0)),
        ("bytes=-0", 416, slice(0)),
        ("bytes=5-4", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("bytes=0-" + "9" * 5000, 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_range_of_bytes(scene: Scene, wanted: str, status: int, place: slice) -> None:
    whole = (scene.root / "plain.jpg").read_bytes()
    answer = scene.get("plain.jpg", Range=wanted)
    assert (answer.status_code, answer.content) == (status, whole[place])
    if status == 206:
        start, stop, _ = place.indices(len(whole))
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"


def test_range_of_another_file_is_the_whole_of_this_one(scene: Scene) -> None:
    whole = scene.get("plain.jpg")
    conditions = {"Range": "bytes=3-5", "If-Range": whole.headers["etag"]}
    assert scene.get("plain.jpg", **conditions).content == whole.content[3:6]
    assert scene.get("plain.jpg", **conditions | {"If-Range": '"old"'}).content == whole.content


def test_a_link_to_a_picture_of_its_own_folder_is_that_picture(scene: Scene) -> None:
    assert "link-inside.jpg" not in scene.ids
    assert "inner/plain.jpg" in scene.ids


def test_zip_names_what_it_leaves_out(scene: Scene) -> None:
    left_out = [*NEVER, "edited.jpg", "same-size.jpg"]
    ids = [scene.ids[name] for name in [*left_out, "plain.jpg", "link-to-other-root.jpg"]]
    packed = scene.api.post("exports", json={"ids": ids, "form": "zip"})
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.namelist() == [
            *("plain.jpg", "link-to-other-root.jpg"),
            *("pictures.csv", "pictures.json", "not-readable.txt"),
        ]
        assert archive.read("plain.jpg") == (scene.root / "plain.jpg").read_bytes()
        told = archive.read("not-readable.txt").decode().splitlines()
    assert [line.partition(": ")[0] for line in told] == [str(scene.root / n) for n in left_out]


def test_times_that_anybody_can_set_vouch_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "photo.bmp", "navy", "BMP")
    seen, before = path.stat(), hashlib.sha256(path.read_bytes()).hexdigest()
    row = Picture(
        id=1,
        path=str(path),
        root=str(tmp_path),
        sha256=before,
        size=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
        ctime_ns=seen.st_ctime_ns,
        state="ok",
    )
    monkeypatch.setattr(originals, "CHANGES_ARE_TIMED", False)
    open_original(row, [str(tmp_path)]).close()
    after = draw(path, "gold", "BMP").stat()
    assert after.st_size == seen.st_size
    forged = dataclasses.replace(row, mtime_ns=after.st_mtime_ns, ctime_ns=after.st_ctime_ns)
    with pytest.raises(ChangedFile):
        open_original(forged, [str(tmp_path)])
