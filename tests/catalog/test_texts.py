"""Texts in a real database: adding, pruning, removing and exporting against a naive model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.library.texts import add_texts, exported
from indexer.readers.documents import read_documents
from searchengine.catalog.database import open_database
from searchengine.catalog.rows import Change
from searchengine.catalog.store import Catalog
from searchengine.catalog.texts import TextCatalog, TextRecord, digest_of
from searchengine.config import Settings
from searchengine.documents import Document
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.sync import open_index, synchronise
from searchengine.search.engine import Engine
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import COLOURS, ColourEncoder

DIM = 8


def vector(number: int) -> np.ndarray:
    row: np.ndarray = unit_rows(np.random.default_rng(number).standard_normal((1, DIM)))[0]
    return row


def text(key: str, title: str = "title", **parts: Any) -> Document:
    return Document("text", title, key=key, **parts)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TextCatalog]:
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    yield catalog.texts
    catalog.close()


def changed(changes: list[Change]) -> tuple[set[int], set[int]]:
    put = {int(one) for change in changes for one in change.put_ids}
    drop = {int(one) for change in changes for one in change.drop_ids}
    return put, drop


def test_an_odd_text_comes_back_as_it_was(store: TextCatalog) -> None:
    document = Document(
        "recipe",
        "Crème “brûlée”\0 \u2028 🍮",
        ("a\nb", "", '"quoted"'),
        ("½ cup", "\ud83c"),
        Path("/p/not \udcff UTF-8.jpg"),
        "ké y",
    )
    [one] = store.write("/p/\udcfe.jsonl", [TextRecord(document, ("sugar",), vector(1))], "m")
    found = store.get([one])[one]
    assert (found.document, found.source, found.names) == (document, "/p/\udcfe.jsonl", ("sugar",))
    assert store.get([0, -1, 2**63, one + 1]) == {}


def test_a_new_version_keeps_its_number_and_loses_what_models_made_of_the_old_one(
    store: TextCatalog,
) -> None:
    [one] = store.write("/a", [TextRecord(text("k"), ("egg",), vector(1))], "m")
    digest = digest_of(text("k"))
    assert store.add_vectors("other", {one: (digest, vector(2))}) == 1
    newer = text("k", "newer")
    assert store.write("/a", [TextRecord(newer, ("ham",), None)], "m") == [one]
    assert store.get([one])[one].document == newer
    assert store.ingredient_names() == ["ham"]
    assert (store.searchable("m"), store.searchable("other")) == (0, 0)
    assert (store.unembedded("m"), store.unembedded("other")) == ([], [one])
    assert store.add_vectors("other", {one: (digest, vector(2))}) == 0  # of the old version


def test_the_same_key_in_another_file_is_another_text(store: TextCatalog) -> None:
    [one] = store.write("/a", [TextRecord(text("k"), (), vector(1))], "m")
    [two] = store.write("/b", [TextRecord(text("k"), (), vector(1))], "m")
    assert one != two
    assert store.known("/a")["k"].id == one
    assert store.ids(source="/b").tolist() == [two]
    with pytest.raises(ValueError, match="stands in two records"):
        store.write("/a", [TextRecord(text("x"), (), None)] * 2, "m")


def test_changes_tell_an_index_all_that_it_missed(store: TextCatalog) -> None:
    ids = store.write("/a", [TextRecord(text(str(n)), (), vector(n)) for n in range(4)], "m")
    assert changed(list(store.changes("m", 0))) == (set(ids), set())
    seq = store.seq()
    store.remove(ids[:1])
    store.write("/a", [TextRecord(text("1", "newer"), (), None)], "m")
    store.write("/a", [TextRecord(text("2", "newer"), (), vector(9))], "m")
    assert changed(list(store.changes("m", seq))) == ({ids[2]}, {ids[0], ids[1]})
    assert store.remove([ids[0], 999]) == []


def test_an_index_heals_when_a_model_comes_to_texts_that_did_not_change(
    store: TextCatalog, tmp_path: Path
) -> None:
    [one] = store.write("/a", [TextRecord(text("k"), (), vector(1))], "m")
    index = open_index(store, "other", DIM, tmp_path / "index", ExactIndex)
    assert len(index) == 0
    store.add_vectors("other", {one: (digest_of(text("k")), vector(2))})
    assert synchronise(index, store, "other", DIM)
    assert index.search(vector(2)[None], 1)[0].tolist() == [[one]]
    store.drop("other")
    synchronise(index, store, "other", DIM)
    assert len(index) == 0
    assert store.searchable("m") == 1


def open_engine(library: Path) -> Engine:
    catalog = Catalog(open_database(library, create=True))
    encoder = ColourEncoder()
    index = open_index(catalog, encoder.fingerprint, encoder.dim, library / "index", ExactIndex)
    return Engine(Settings(library=library, index="exact"), catalog, encoder, index)


# Opposite colours, such as blue and yellow, are no vector together. These all have much red.
HUES = sorted(name for name, (red, _, _) in COLOURS.items() if red > 130)
WORDS = st.lists(st.sampled_from(HUES), min_size=1, max_size=3).map(" ".join)
ENTRY = st.fixed_dictionaries(
    {"title": WORDS}, optional={"body": st.lists(WORDS, min_size=1, max_size=2)}
)
FILE = st.dictionaries(st.sampled_from("abcde"), ENTRY, max_size=5)
STEP = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("12"), FILE, st.booleans()),
    st.tuples(st.just("remove"), st.integers(0, 9)),
)


@settings(deadline=None, max_examples=20)
@given(st.lists(STEP, max_size=6))
def test_a_library_of_texts_agrees_with_a_naive_model(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        naive: dict[tuple[str, str], dict[str, Any]] = {}
        with open_engine(folder / "library") as engine:
            for step in steps:
                if step[0] == "add":
                    _, name, entries, prune = step
                    path = folder / f"{name}.jsonl"
                    lines = [json.dumps({"id": key} | entry) for key, entry in entries.items()]
                    path.write_text("\n".join(lines))
                    report = add_texts(str(path), engine.texts, prune=prune)
                    there = {key: one for (file, key), one in naive.items() if file == str(path)}
                    gone = there.keys() - entries.keys()
                    assert report.added == len(entries.keys() - there.keys())
                    assert report.unchanged == sum(
                        there.get(key) == entry for key, entry in entries.items()
                    )
                    assert report.updated == len(entries) - report.added - report.unchanged
                    assert (report.removed, report.gone) == (
                        (len(gone), 0) if prune else (0, len(gone))
                    )
                    for key in gone if prune else ():
                        del naive[str(path), key]
                    naive |= {(str(path), key): entry for key, entry in entries.items()}
                else:
                    stored = list(engine.texts.store.all())
                    for one in stored[step[1] : step[1] + 1]:
                        engine.texts.store.remove([one.id])
                        del naive[one.source, one.document.key]
            stored = list(engine.texts.store.all())
            seen = {
                (one.source, one.document.key): (one.document.title, one.document.body)
                for one in stored
            }
            assert seen == {
                place: (entry["title"], tuple(entry.get("body", ())))
                for place, entry in naive.items()
            }
            out = folder / "out.jsonl"
            out.write_text("".join(line + "\n" for line in exported(stored)))
            back = [one for one in read_documents(out) if isinstance(one, Document)]
            assert [
                (one.kind, one.title, one.body, one.ingredients, one.image) for one in back
            ] == [
                (one.kind, one.title, one.body, one.ingredients, one.image)
                for one in (text.document for text in stored)
            ]
            # The index answers by exactly the vectors that a model makes of the texts anew.
            if stored:
                model = engine.texts.general
                rows = model.encode_documents([one.document for one in stored])
                asked = model.encode_documents([Document("text", "red")])[0]
                expected = dict(zip([one.id for one in stored], rows @ asked, strict=True))
                hits = engine.texts.search("red", limit=99).hits
                assert {hit.id for hit in hits} == expected.keys()
                for hit in hits:
                    assert hit.score == pytest.approx(float(expected[hit.id]), abs=2e-3)
                scores = [hit.score for hit in hits]
                assert scores == sorted(scores, reverse=True)
