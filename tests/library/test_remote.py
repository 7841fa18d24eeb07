"""Pictures at addresses are found, followed and shown as those of a folder, on real servers."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import indexer
from searchengine.errors import ChangedFile, ImageError, LexpixError, RootError, UnknownPicture
from searchengine.search.engine import Engine
from searchengine.sources.addresses import absolute
from searchengine.types import Failure, IndexReport
from tests.support.colour_encoder import COLOURS
from tests.support.colour_library import open_engine, paint, photograph
from tests.support.command import lexpix
from tests.support.plain_pictures import draw_many

pytest.importorskip("fsspec", reason="fsspec is missing: pip install -e '.[dev]'")
pytest.importorskip("moto", reason="moto is missing: pip install -e '.[dev]'")

from tests.support.remote_places import RemotePlace, Store, Website, as_client_of, s3_server

NAMES = tuple(COLOURS)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        s3_server(tmp_path_factory.mktemp("s3") / "log") as endpoint,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in as_client_of(endpoint).items():
            patch.setenv(name, value)
        import fsspec

        fsspec.filesystem("s3", use_listings_cache=False).mkdir("bucket")
        yield endpoint


@pytest.fixture(params=["s3", "http", "memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemotePlace]:
    if request.param == "http":
        site = Website(tmp_path / "site")
        yield site
        site.stop()
        return
    if request.param == "s3":
        request.getfixturevalue("s3")
    own = tmp_path.name
    yield Store(
        {
            "s3": f"s3://bucket/{own}",
            "memory": f"memory://{own}",
            "file": f"file://{tmp_path / 'far'}",
        }[request.param]
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures in folders, with what a scan passes over and what it takes along."""
    folder = tmp_path / "photos"
    photograph(folder / "red top.jpg", "red", "black")
    photograph(folder / "a & b" / "green.jpg", "green", "pink")
    photograph(folder / "a & b" / "ünï.jpg", "yellow", "green")
    paint(folder / "deep" / "er" / "pink.png", "pink", "yellow")
    paint(folder / "phone" / "black.png", "black", "black")
    paint(folder / "thumbs" / "small.png", "red", "red")
    paint(folder / "drafts" / "left-out.png", "red", "pink")
    shutil.copy(folder / "red top.jpg", folder / "deep" / "copy.jpg")
    (folder / "phone" / ".nomedia").touch()
    (folder / ".lexpixignore").write_text("drafts/\n")
    (folder / "cut.jpg").write_bytes((folder / "red top.jpg").read_bytes()[:30])
    (folder / "notes.txt").write_text("none")
    (folder / "red top.jpg.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    return folder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with closing(open_engine(tmp_path / "library")) as opened:
        yield opened


def content(engine: Engine, root: str) -> dict[str, tuple[Any, ...]]:
    """Return by its path in a root what is known of each picture, with the bytes of its vector."""
    ids = engine.catalog.ids_under(root)
    vectors = engine.catalog.vectors(ids, engine.encoder.fingerprint)
    return {
        _inside(row.path, root): (
            *(row.sha256, row.size, row.width, row.height, row.format, row.exif, row.phash),
            vectors[row.id].tobytes(),
        )
        for row in engine.catalog.get(ids).values()
    }


def _inside(path: str, root: str) -> str:
    from urllib.parse import unquote

    inside = path.removeprefix(root).lstrip("/")
    return unquote(inside) if root.startswith("http") else inside


def found(engine: Engine, root: str, query: str) -> list[tuple[str, float | None]]:
    hits = engine.search(query, limit=50, within=root).hits
    return sorted((_inside(one.path, root), one.score) for one in hits)


def test_a_place_is_indexed_and_searched_as_a_folder(
    place: RemotePlace, photos: Path, tmp_path: Path, engine: Engine
) -> None:
    place.mirror(photos)
    with closing(open_engine(tmp_path / "local")) as local:
        expected = indexer.index(local, photos)
        report = indexer.index(engine, place.address)
        assert report == expected
        assert (report.added, report.failed, report.skipped, report.ignored) == (5, 1, 1, 2)
        assert content(engine, place.address) == content(local, str(photos))
        assert content(engine, place.address)["red top.jpg"][5].rating == 4
        for query in ("red", "green yellow"):
            assert found(engine, place.address, query) == found(local, str(photos), query)
    again = indexer.index(engine, place.address)
    assert again == IndexReport(unchanged=6, skipped=1, ignored=2)


def test_a_place_is_followed_as_a_folder(
    place: RemotePlace, photos: Path, tmp_path: Path, engine: Engine
) -> None:
    chosen = random.Random(5)
    with closing(open_engine(tmp_path / "local")) as local:
        for _ in range(4):
            place.mirror(photos)
            yes: dict[str, Any] = {"confirm": lambda _: True}
            mine, theirs = (
                indexer.index(engine, place.address, **yes),
                indexer.index(local, photos, **yes),
            )
            counts = ("added", "updated", "moved", "restored", "missing", "failed")
            assert [getattr(mine, one) for one in counts] == [
                getattr(theirs, one) for one in counts
            ]
            assert content(engine, place.address) == content(local, str(photos))
            _change(photos, chosen)


def _change(folder: Path, chosen: random.Random) -> None:
    """Add, change, move and remove a picture."""
    pictures = sorted(folder.rglob("*.jpg"))
    added = folder / "new" / f"{chosen.random()}.jpg"
    photograph(added, chosen.choice(NAMES), chosen.choice(NAMES))
    changed, moved, removed = chosen.sample(pictures, 3)
    photograph(changed, chosen.choice(NAMES), chosen.choice(NAMES))
    os.rename(moved, folder / "deep" / f"moved-{chosen.random()}.jpg")
    removed.unlink()


def test_a_server_that_is_down_loses_nothing(photos: Path, tmp_path: Path, engine: Engine) -> None:
    site = Website(tmp_path / "site")
    site.mirror(photos)
    indexer.index(engine, site.address)
    before = content(engine, site.address)
    site.stop()
    with pytest.raises(RootError, match=r"cannot be read .*; nothing was changed"):
        indexer.index(engine, site.address)
    with pytest.raises(RootError):
        indexer.index(engine, site.address, allow_empty=True)
    # Copies on a disk are copies: nobody knows that the others are gone.
    report = indexer.index(engine, photos)
    assert (report.added, report.moved, report.missing) == (5, 0, 0)
    assert content(engine, site.address) == before
    site.start()
    assert indexer.index(engine, site.address).unchanged == 6
    site.stop()


def test_a_folder_that_cannot_be_listed_loses_nothing(
    photos: Path, tmp_path: Path, engine: Engine
) -> None:
    site = Website(tmp_path / "site")
    site.mirror(photos)
    indexer.index(engine, site.address)
    before = content(engine, site.address)
    site.refused = "/photos/deep"
    failures: list[Failure] = []
    report = indexer.index(engine, site.address, on_failure=failures.append)
    site.stop()
    assert [one.path for one in failures if "deep" in one.path] == [f"{site.address}/deep"]
    assert "HTTP 403" in next(one.reason for one in failures if "deep" in one.path)
    assert (report.missing, content(engine, site.address)) == (0, before)


def test_files_of_which_a_server_says_nothing_are_read_each_time(
    photos: Path, tmp_path: Path, engine: Engine
) -> None:
    site = Website(tmp_path / "site")
    site.is_silent = True
    site.ranges = False
    site.mirror(photos)
    with closing(open_engine(tmp_path / "local")) as local:
        indexer.index(local, photos)
        assert indexer.index(engine, site.address).added == 5
        assert content(engine, site.address) == content(local, str(photos))
    assert indexer.index(engine, site.address).unchanged == 5  # and one that is no picture
    path = photos / "deep" / "er" / "pink.png"
    paint(path, "yellow", "pink")
    site.mirror(photos)
    assert indexer.index(engine, site.address).updated == 1
    row = engine.catalog.by_paths([f"{site.address}/deep/er/pink.png"])
    with engine.original(next(iter(row.values()))) as file:
        assert file.read() == path.read_bytes()
    site.stop()


def test_a_server_that_goes_down_amid_a_run_ends_it(tmp_path: Path, engine: Engine) -> None:
    site = Website(tmp_path / "site")
    draw_many(tmp_path / "photos", 120)
    site.mirror(tmp_path / "photos")
    site.most = 60
    with pytest.raises(RootError, match=r"does not answer any more .*the next run does the rest"):
        indexer.index(engine, site.address)
    assert (engine.catalog.counts()["bad"], engine.catalog.counts()["missing"]) == (0, 0)
    site.most = None
    report = indexer.index(engine, site.address)
    site.stop()
    assert (report.added + report.unchanged, report.failed) == (120, 0)


def test_what_is_gone_from_a_place_is_missing(
    place: RemotePlace, photos: Path, engine: Engine
) -> None:
    place.mirror(photos)
    indexer.index(engine, place.address)
    shutil.rmtree(photos)
    (photos / "empty").mkdir(parents=True)
    (photos / "empty" / "notes.txt").touch()
    place.mirror(photos)
    with pytest.raises(RootError, match="no pictures"):
        indexer.index(engine, place.address)
    assert indexer.index(engine, place.address, allow_empty=True).missing == 6


def test_originals_are_those_that_were_indexed(
    place: RemotePlace, photos: Path, engine: Engine
) -> None:
    place.mirror(photos)
    indexer.index(engine, place.address)
    rows = engine.catalog.get(engine.catalog.ids_under(place.address)).values()
    row = next(one for one in rows if one.path.endswith("pink.png"))
    with engine.original(row) as file:
        assert file.read() == (photos / "deep" / "er" / "pink.png").read_bytes()
    paint(photos / "deep" / "er" / "pink.png", "red", "yellow")
    place.mirror(photos)
    with pytest.raises(ChangedFile, match=f"lexpix index {place.address}$"):
        engine.original(row)
    (photos / "deep" / "er" / "pink.png").unlink()
    place.mirror(photos)
    with pytest.raises(ImageError, match="cannot be read"):
        engine.original(row)
    engine.forget(place.address)
    with pytest.raises(ImageError, match="no address that was indexed"):
        engine.original(row)


def shards(folder: Path, photos: Path, kind: str) -> None:
    """Pack a folder into an archive, its pictures in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(one for one in photos.rglob("*") if one.is_file())
    if kind == "zip":
        with zipfile.ZipFile(folder / "000.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for one in files:
                packed.write(one, one.relative_to(photos))
        return
    with tarfile.open(folder / "000.tar", "w") as packed_tar:
        for one in files:
            packed_tar.add(one, f"./{one.relative_to(photos)}")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_is_a_folder(
    place: RemotePlace, photos: Path, tmp_path: Path, engine: Engine, kind: str
) -> None:
    shards(tmp_path / "shards", photos, kind)
    place.mirror(tmp_path / "shards")
    with closing(open_engine(tmp_path / "local")) as local:
        expected = indexer.index(local, photos)
        assert indexer.index(engine, place.address) == expected
        inside = f"{place.address}/000.{kind}"
        assert content(engine, inside) == content(local, str(photos))
        assert found(engine, inside, "red") == found(local, str(photos), "red")
        row = engine.catalog.by_paths([f"{inside}/red top.jpg"])[f"{inside}/red top.jpg"]
        with engine.original(row) as file:
            assert file.read() == (photos / "red top.jpg").read_bytes()
        assert indexer.index(engine, place.address).unchanged == 6
        _change(photos, random.Random(7))
        shards(tmp_path / "shards", photos, kind)
        place.mirror(tmp_path / "shards")
        mine, theirs = indexer.index(engine, place.address), indexer.index(local, photos)
        counts = ("added", "updated", "moved", "missing")
        assert [getattr(mine, one) for one in counts] == [getattr(theirs, one) for one in counts]
        assert content(engine, inside) == content(local, str(photos))


def test_sidecars_beside_no_picture_are_told_at_an_address_too(
    place: RemotePlace, photos: Path, tmp_path: Path, engine: Engine
) -> None:
    shutil.copy(photos / "red top.jpg.xmp", photos / "gone.jpg.xmp")
    shards(tmp_path / "all" / "shards", photos, "zip")
    shutil.copytree(photos, tmp_path / "all" / "bare")
    place.mirror(tmp_path / "all")
    indexer.index(engine, place.address)
    for folder in (f"{place.address}/bare", f"{place.address}/shards/000.zip"):
        rows = engine.catalog.get(engine.catalog.ids_under(folder)).values()
        [picture] = (row.path for row in rows if row.path.endswith("green.jpg"))
        assert indexer.import_tags(engine, folder).strangers == [f"{folder}/gone.jpg.xmp"]
        assert indexer.import_tags(engine, picture).strangers == []
        # Of one folder some pictures alone were asked for, so what is beside others is not known.
        assert indexer.import_tags(engine, f"{folder}/deep", picture).strangers == []
    assert len(indexer.import_tags(engine).strangers) == 2


def test_a_shard_that_is_as_it_was_is_not_fetched_again(
    photos: Path, tmp_path: Path, colour_model: Path
) -> None:
    site = Website(tmp_path / "site")
    shards(tmp_path / "shards", photos, "tar")
    site.mirror(tmp_path / "shards")
    library = tmp_path / "library"
    library.mkdir()
    (library / "config.toml").write_text(f"model = '{colour_model}'\n")
    told = lexpix("index", site.address, library=library, code=4)
    assert told.stdout.startswith("5 added, 1 failed, 2 ignored in")
    assert site.asked.count("/photos/000.tar") > 6
    site.asked.clear()
    told = lexpix("index", library=library)
    assert told.stdout.startswith("6 unchanged, 2 ignored in")
    assert site.asked.count("/photos/000.tar") == 1  # for its .lexpixignore
    for listing in (library / "archives").iterdir():
        listing.write_bytes(listing.read_bytes()[:-9])
    assert "6 unchanged" in lexpix("index", library=library).stdout
    assert site.asked.count("/photos/000.tar") > 1
    found = lexpix("search", "red", f"in:{site.address}", "--json", library=library)
    assert f"{site.address}/000.tar/deep/er/pink.png" in found.stdout
    site.stop()
    refused = lexpix("index", library=library, code=1)
    assert "does its server answer" in refused.stderr
    assert "5 ok, 0 missing" in lexpix("status", library=library).stdout
    refused = lexpix("watch", site.address, library=library, code=1)
    assert "nothing watches" in refused.stderr


def test_captions_of_a_shard_describe_its_pictures(
    s3: str, photos: Path, tmp_path: Path, engine: Engine
) -> None:
    (photos / "deep" / "copy.txt").write_text(" a red\n copy ")
    (photos / "deep" / "copy.json").write_text('{"key": "copy"}')
    shards(tmp_path / "shards", photos, "tar")
    place = Store(f"s3://bucket/{tmp_path.name}")
    place.mirror(tmp_path / "shards")
    assert indexer.index(engine, place.address).skipped == 1
    path = f"{place.address}/000.tar/deep/copy.jpg"
    assert engine.catalog.by_paths([path])[path].exif.description == "a red copy"
    assert indexer.index(engine, place.address).unchanged == 6


@pytest.mark.parametrize("groups", [1, 3, 100])
def test_rows_of_parquet_are_pictures(
    place: RemotePlace, photos: Path, tmp_path: Path, engine: Engine, groups: int
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [one for one in sorted(photos.rglob("*.*g")) if one.stat().st_size > 30]
    rows: list[dict[str, Any]] = [
        {"image": {"bytes": one.read_bytes(), "path": one.name}, "caption": f"number {n}"}
        for n, one in enumerate(files)
    ]
    rows.insert(2, {"image": None, "caption": "nothing"})
    rows.append({"image": {"bytes": files[-1].read_bytes(), "path": None}, "caption": None})
    (shard := tmp_path / "shards" / "train").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), shard / "0.parquet", row_group_size=groups)
    place.mirror(tmp_path / "shards")
    assert indexer.index(engine, place.address).added == len(files) + 1
    got = content(engine, f"{place.address}/train/0.parquet")
    with closing(open_engine(tmp_path / "local")) as local:
        indexer.index(local, photos)
        # What a folder has passed over has no row of its own to compare with.
        naive = {one[0]: one for one in content(local, str(photos)).values()}
    names = [f"{n + (n > 1):08}-{one.name}" for n, one in enumerate(files)]
    names.append(f"{len(files) + 1:08}{files[-1].suffix}")
    assert sorted(got) == sorted(names)
    described = [got[name][5].description for name in names]
    assert described == [*(f"number {n}" for n in range(len(files))), None]
    for name, one in zip(names, [*files, files[-1]], strict=True):
        assert got[name][0] == hashlib.sha256(one.read_bytes()).hexdigest()
        if got[name][0] in naive:
            assert got[name][-1] == naive[got[name][0]][-1]
    assert indexer.index(engine, place.address).unchanged == len(files) + 1
    path = f"{place.address}/train/0.parquet/{names[-1]}"
    with engine.original(engine.catalog.by_paths([path])[path]) as file:
        assert file.read() == files[-1].read_bytes()


def test_an_archive_of_a_disk_is_named_alone(photos: Path, tmp_path: Path, engine: Engine) -> None:
    shards(tmp_path / "shards", photos, "tar")
    path = tmp_path / "shards" / "000.tar"
    assert indexer.index(engine, path).added == 5
    assert [root.path for root in engine.catalog.roots()] == [f"file://{path}"]
    assert absolute(f"tar://::file://{path}") == f"file://{path}"
    (broken := tmp_path / "broken.tar").write_bytes(b"no archive" * 200)
    with pytest.raises(RootError, match="cannot be read as an archive"):
        indexer.index(engine, broken)


def test_a_web_server_without_parts_has_no_archives(
    photos: Path, tmp_path: Path, engine: Engine
) -> None:
    site = Website(tmp_path / "site")
    site.ranges = False
    (photos / "a.bin").write_bytes(bytes(6_000_000))
    shards(tmp_path / "shards", photos, "tar")
    photograph(tmp_path / "shards" / "one.jpg", "red", "pink")
    site.mirror(tmp_path / "shards")
    failures: list[Failure] = []
    report = indexer.index(engine, site.address, on_failure=failures.append)
    site.stop()
    assert (report.added, report.failed) == (1, 1)
    assert failures[0].path == f"{site.address}/000.tar"
    assert "range requests" in failures[0].reason


def test_names_in_an_archive_lead_nowhere_else(tmp_path: Path, engine: Engine) -> None:
    content = paint(tmp_path / "one.png", "red", "pink").read_bytes()
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        for name in ("../up.png", "/abs.png", "a/../../b.png", "good/./x.png", "good//y.png"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    indexer.index(engine, tmp_path / "evil.tar")
    root = f"file://{tmp_path}/evil.tar"
    names = [_inside(one.path, root) for one in engine.catalog.get([1, 2, 3, 4, 5, 6]).values()]
    assert sorted(names) == ["abs.png", "good/x.png", "good/y.png"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("s3://bucket/photos/", "s3://bucket/photos"),
        ("S3://bucket//a/./b", "s3://bucket/a/b"),
        ("local:///a/../b", "file:///b"),
        ("memory:///x", "memory://x"),
        ("zip://::s3://b/a.zip", "s3://b/a.zip"),
        ("zip://in/side::s3://b/a.zip", "s3://b/a.zip/in/side"),
        ("sftp://me@host/photos", "sftp://me@host/photos"),
    ],
)
def test_an_address_has_one_spelling(typed: str, kept: str) -> None:
    assert absolute(typed) == kept == absolute(kept)


@pytest.mark.parametrize(
    "typed",
    [
        *("https://me:secret@host/x", "sftp://me:secret@host/x", "https://host/x?token=1"),
        *("s3://bucket/../other", "simplecache::s3://b/x::y", "s3://a::b"),
    ],
)
def test_an_address_with_secrets_or_turns_is_refused(typed: str) -> None:
    with pytest.raises(RootError) as refused:
        absolute(typed if "simplecache" not in typed else "s3://b::s3://c")
    assert "secret" not in str(refused.value)


def test_protocols_that_are_not_there_are_named(engine: Engine) -> None:
    with pytest.raises(LexpixError, match=r"nonesuch://host/x: .*not known"):
        indexer.index(engine, "nonesuch://host/x")


def test_a_query_fetches_no_address(photos: Path, tmp_path: Path, engine: Engine) -> None:
    site = Website(tmp_path / "site")
    site.mirror(photos)
    indexer.index(engine, photos)
    query = f"@{site.address}/deep/er/pink.png"
    with pytest.raises(UnknownPicture, match="no picture of the library has this address"):
        engine.search(query)
    assert site.asked == []
    indexer.index(engine, site.address)
    site.asked.clear()
    hits = engine.search(query, limit=1, within=site.address).hits
    site.stop()
    assert hits[0].path.startswith(site.address)
    assert site.asked == []
