"""A served library follows what other processes write of tags, without making a request wait."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from searchengine.catalog.embeddings import Content
from searchengine.catalog.records import PictureRecord, StoredEncoder
from searchengine.catalog.tags import Told
from searchengine.config import Settings
from searchengine.errors import LibraryError
from searchengine.search.engine import Engine
from searchengine.search.tag_table import TagTable
from searchengine.types import FileStat
from searchengine.vectors import unit_rows
from searchengine.web import live as live_module
from searchengine.web.live import Live


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A library of four pictures, looked at anew by every request; each look takes long."""
    settings = Settings(library=tmp_path / "library", index="exact")
    engine = Engine.open(settings, create=True)
    write(engine, {number: number for number in range(4)})
    engine.refresh()
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(live_module, "SHARE", 1e6)  # no rest between two readings
    return Live(engine, settings, clock=lambda: 1000.0 * next(seconds))


def write(engine: Engine, contents: dict[int, int]) -> None:
    """Write pictures, as an index run does: what is in the file of each number."""
    rows = unit_rows(np.random.default_rng(1).normal(size=(len(contents), engine.encoder.dim)))
    engine.catalog.write(
        [
            PictureRecord(FileStat(f"/p/{n}.jpg", 1, content, n), "/p", f"{content:064x}", vector=v)
            for (n, content), v in zip(contents.items(), rows, strict=True)
        ],
        fingerprint=engine.encoder.fingerprint,
        model_name=engine.encoder.name,
        dim=engine.encoder.dim,
        scan=engine.catalog.begin_scan("/p", None),
    )


def tagged(live: Live) -> dict[str, set[int]]:
    """Return what a request sees."""
    with live.reading() as view:
        return names_of(view.facets.tags)


def names_of(table: TagTable) -> dict[str, set[int]]:
    holders = {name: set(table.holders([name]).ids.tolist()) for name in table.names}
    return {name: ids for name, ids in holders.items() if ids}


def test_tags_are_read_beside_requests_and_what_is_said_meanwhile_is_kept(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = live.engine.catalog.tags
    read, go_on = threading.Event(), threading.Event()
    original = TagTable.of

    def slowly(*arguments: object) -> TagTable:
        table = original(*arguments)  # type: ignore[arg-type]
        read.set()
        assert go_on.wait(60)
        return table

    monkeypatch.setattr(TagTable, "of", slowly)
    monkeypatch.setattr(live_module, "FEW", 0)  # two pictures are many here
    store.set_tag([1, 2], "mine", "user")  # as another process would
    assert tagged(live) == {}  # the request did not wait
    assert read.wait(60)
    store.set_tag([3], "mine", "user")
    store.set_tag([1], "mine", "no")
    live.tagged(3)
    live.tagged(1)
    assert tagged(live) == {"mine": {3}}
    go_on.set()
    live._wait_for_tags()
    assert names_of(live._facets.tags) == {"mine": {2, 3}}  # nothing was read once more
    live.close()


def test_tags_that_cannot_be_read_stay_and_are_read_later(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = live.engine.catalog.tags
    tried = threading.Event()

    def fails(*arguments: object) -> TagTable:
        tried.set()
        raise OSError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(TagTable, "of", fails)
        patch.setattr(live_module, "FEW", 0)  # one picture is many here
        store.set_tag([1], "mine", "user")
        assert tagged(live) == {}
        assert tried.wait(60)
        live._wait_for_tags()
    assert "disk I/O error" in caplog.text
    live.refresh()
    assert tagged(live) == {"mine": {1}}
    live.close()


def test_an_edited_file_loses_its_guesses_at_once_and_nothing_else_is_read(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fingerprint = live.engine.catalog.tags, live.engine.encoder.fingerprint
    store.write_guesses({1: [("cat", 0.9)], 2: [("cat", 0.9)]}, fingerprint, "v")
    store.set_tag([1], "mine", "user")
    live.refresh()
    assert tagged(live) == {"cat": {1, 2}, "mine": {1}}

    def never(*arguments: object) -> TagTable:
        raise AssertionError("all tags are read")

    monkeypatch.setattr(TagTable, "of", never)
    write(live.engine, {0: 70, 9: 90})  # the file of picture 1, and a new one
    assert tagged(live) == {"cat": {2}, "mine": {1}}
    live.close()


def test_tags_that_another_process_has_changed_are_read_by_themselves(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fingerprint = live.engine.catalog.tags, live.engine.encoder.fingerprint
    store.write_guesses({1: [("cat", 0.9)], 2: [("cat", 0.9)]}, fingerprint, "v")
    store.set_tag([4], "old", "user")
    live.refresh()

    def never(*arguments: object) -> TagTable:
        raise AssertionError("all tags are read")

    monkeypatch.setattr(TagTable, "of", never)
    store.set_tag([3], "mine", "user")
    store.set_tag([1], "cat", "no")
    assert tagged(live) == {"cat": {2}, "mine": {3}, "old": {4}}
    store.write_guesses({2: [("dog", 0.5)]}, fingerprint, "v")
    store.take_over({4: Told(gone=("old",), names=("new",))}, str)
    assert tagged(live) == {"dog": {2}, "mine": {3}, "new": {4}}
    live.engine.catalog.following.inherit_tags(1, 3)
    store.forget_word("dog")
    assert tagged(live) == {"mine": {1, 3}, "new": {4}}
    live.engine.catalog.forget("/p/0.jpg")
    assert tagged(live) == {"mine": {3}, "new": {4}}
    live.close()


# Another model


def beside(engine: Engine, model: Path) -> None:
    """Give a library's pictures vectors of another model and choose it, as `reembed` does."""
    with Engine.open(replace(engine.settings, model=str(model), yielding=frozenset())) as other:
        ids = other.catalog.present().tolist()
        contents = {
            id_: Content(row.sha256 or "", unit_rows(np.ones((1, other.encoder.dim)))[0])
            for id_, row in other.catalog.get(ids).items()
        }
        encoder = StoredEncoder(other.encoder.fingerprint, other.encoder.name, other.encoder.dim)
        other.catalog.embeddings.add(encoder, contents)
        other.catalog.embeddings.choose(str(model))


def test_a_server_follows_its_library_to_another_model(live: Live, colour_model: Path) -> None:
    settings = replace(live.settings, yielding=frozenset({"model"}))
    following = Live(Engine.open(settings), settings)
    first, id_ = following.engine.encoder.fingerprint, following.id
    forgotten: list[str] = []
    following.on_move.append(lambda: forgotten.append(following.engine.encoder.fingerprint))
    beside(live.engine, colour_model)
    following.refresh()
    if following._mover is not None:
        following._mover.join()
    with following.reading() as view:
        now = view.engine.encoder.fingerprint
        assert now != first
        assert len(view.engine.index) == 4
        assert [hit.id for hit in view.engine.search("red", unlikely=True).hits] == [1, 2, 3, 4]
    assert forgotten == [now]
    assert following.id != id_
    live.engine.catalog.embeddings.drop(first)
    following.refresh()
    with following.reading() as view:
        assert len(view.engine.search("red", unlikely=True).hits) == 4
    following.close()
    live.close()


def test_a_server_whose_model_was_named_says_that_its_vectors_were_dropped(
    live: Live, colour_model: Path
) -> None:
    encoder = live.engine.encoder
    beside(live.engine, colour_model)
    live.refresh()
    with live.reading() as view:
        assert view.engine.encoder is encoder
    live.engine.catalog.embeddings.drop(encoder.fingerprint)
    with pytest.raises(LibraryError, match="were deleted"), live.reading():
        raise AssertionError("it was answered")
    write(live.engine, {number: number for number in range(2)})
    with live.reading() as view:
        assert len(view.engine.index) == 2
    live.close()
