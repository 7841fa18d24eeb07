"""Tags in a real database: against a naive model of them, and through the life of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchengine.catalog.database import open_database
from searchengine.catalog.records import PictureRecord
from searchengine.catalog.selection import Selection
from searchengine.catalog.store import Catalog
from searchengine.catalog.tags import StoredTag, TagCatalog, TagCount
from searchengine.types import FileStat
from searchengine.vectors import unit_rows

DIM = 8
Library = tuple[Catalog, TagCatalog]


def vector(number: int) -> np.ndarray:
    row: np.ndarray = unit_rows(np.random.default_rng(number).standard_normal((1, DIM)))[0]
    return row


def record(path: str, content: int, id_: int | None = None) -> PictureRecord:
    stat = FileStat(path, 10, 20, 30)
    return PictureRecord(stat, "/p", f"{content:064x}", vector=vector(content), id=id_)


def write(catalog: Catalog, *records: PictureRecord, model: str = "m", scan: int = 0) -> list[int]:
    return catalog.write(records, fingerprint=model, model_name=model, dim=DIM, scan=scan)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    yield catalog, catalog.tags
    catalog.close()


def said(tags: TagCatalog, *ids: int, model: str = "m") -> set[tuple[int, str, str]]:
    return {(tag.image_id, tag.name, tag.source) for tag in tags.get(ids, model)}


def holders(tags: TagCatalog, names: list[str]) -> dict[int, float]:
    """Return how sure it is that a picture has one of these tags, by id."""
    found = Selection.union(selection for _, selection in tags.holders("m", names))
    return dict(zip(found.ids.tolist(), found.confidence.tolist(), strict=True))


def test_tags_follow_a_moved_file_and_survive_an_edit_but_guesses_do_not(library: Library) -> None:
    catalog, tags = library
    [one] = write(catalog, record("/p/a.jpg", 1))
    tags.set_tag([one], "sunset", "user")
    tags.set_tag([one], "dog", "no")
    tags.write_guesses({one: [("beach", 0.7)]}, "m", "v")

    write(catalog, record("/p/b.jpg", 1, id_=one))
    everything = {(one, "sunset", "user"), (one, "dog", "no"), (one, "beach", "guess")}
    assert said(tags, one) == everything
    assert tags.without_guesses("m", "v") == []

    write(catalog, record("/p/b.jpg", 2))
    assert said(tags, one) == everything - {(one, "beach", "guess")}
    assert tags.without_guesses("m", "v") == [one]

    catalog.forget("/p/b.jpg")
    assert said(tags, one) == set()


def test_yes_and_no_undo_each_other_and_a_guess_stays_denied(library: Library) -> None:
    catalog, tags = library
    [one] = write(catalog, record("/p/a.jpg", 1))
    tags.write_guesses({one: [("dog", 0.9)]}, "m", "v")
    assert holders(tags, ["dog"]) == {one: 0.9}
    tags.set_tag([one], "dog", "no")
    tags.write_guesses({one: [("dog", 0.8)]}, "m", "w")
    assert holders(tags, ["dog"]) == {}
    assert tags.counts("m") == []
    tags.set_tag([one], "dog", "user")
    assert holders(tags, ["dog"]) == {one: 1.0}
    assert tags.counts("m") == [TagCount("dog", 1, 0)]
    assert said(tags, one) == {(one, "dog", "user"), (one, "dog", "guess")}


def test_guesses_of_another_model_are_not_told(library: Library) -> None:
    catalog, tags = library
    [one] = write(catalog, record("/p/a.jpg", 1))
    tags.write_guesses({one: [("dog", 0.9)]}, "other", "v")
    assert tags.get([one], "m") == []
    assert holders(tags, ["dog"]) == {}
    assert tags.get([one], "other") == [StoredTag(one, "dog", "guess", 0.9)]
    assert tags.without_guesses("m", "v") == [one]


def test_only_present_pictures_with_a_vector_wait_for_guesses(library: Library) -> None:
    catalog, tags = library
    ids = write(catalog, record("/p/a.jpg", 1), record("/p/b.jpg", 2), record("/p/c.jpg", 3))
    tags.write_guesses({ids[0]: []}, "m", "v")
    assert tags.without_guesses("m", "v") == ids[1:]
    assert tags.without_guesses("m", "another vocabulary") == ids
    catalog.sweep("/p/b.jpg", 5)
    assert tags.without_guesses("m", "v") == [ids[2]]
    tags.write_guesses({ids[2]: [], 999: [("ghost", 0.5)]}, "m", "v")  # 999 was forgotten meanwhile
    assert tags.without_guesses("m", "v") == []


def test_counts_are_of_present_pictures(library: Library) -> None:
    catalog, tags = library
    ids = write(catalog, record("/p/a.jpg", 1), record("/p/b.jpg", 2))
    tags.write_guesses({one: [("dog", 0.9)] for one in ids}, "m", "v")
    tags.set_tag(ids[:1], "dog", "user")
    assert tags.counts("m") == [TagCount("dog", 1, 1)]
    catalog.sweep("/p/a.jpg", 5)
    assert tags.counts("m") == [TagCount("dog", 0, 1)]


def test_a_taught_word_is_kept_for_each_model_and_replaced_as_a_whole(library: Library) -> None:
    _, tags = library
    tags.teach("the cabin", "m", vector(1), {"aa": "/p/1.jpg", "bb": "/p/2.jpg"})
    tags.renew("the cabin", "other", vector(2))
    assert tags.taught() == {"the cabin": {"aa": "/p/1.jpg", "bb": "/p/2.jpg"}}
    np.testing.assert_allclose(tags.taught_vectors("m")["the cabin"], vector(1), atol=1e-3)
    np.testing.assert_allclose(tags.taught_vectors("other")["the cabin"], vector(2), atol=1e-3)
    tags.teach("the cabin", "m", vector(3), {"cc": "/p/3.jpg"})
    assert tags.taught() == {"the cabin": {"cc": "/p/3.jpg"}}
    assert tags.taught_vectors("other") == {}  # made of pictures that no longer count
    assert tags.forget_word("the cabin")
    assert not tags.forget_word("the cabin")
    assert tags.taught_vectors("m") == {}


steps = st.lists(
    st.tuples(
        st.sampled_from(["user", "no", "guess"]),
        st.integers(0, 2),
        st.sampled_from(["a", "b"]),
        st.sampled_from([0.25, 0.5, 0.75]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(steps)
def test_holders_agree_with_a_naive_model(steps: list[tuple[str, int, str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(open_database(Path(folder), create=True))
        tags = catalog.tags
        ids = write(catalog, *(record(f"/p/{n}.jpg", n) for n in range(3)))
        word: dict[tuple[int, str], str] = {}
        guess: dict[int, tuple[str, float]] = {}
        for source, place, name, sure in steps:
            one = ids[place]
            if source == "guess":
                tags.write_guesses({one: [(name, sure)]}, "m", "v")
                guess[one] = (name, sure)
            else:
                tags.set_tag([one], name, source)
                word[one, name] = source
        for names in (["a"], ["b"], ["a", "b"]):
            expected: dict[int, float] = {}
            for one in ids:
                scores = [1.0 for name in names if word.get((one, name)) == "user"]
                if (
                    one in guess
                    and guess[one][0] in names
                    and word.get((one, guess[one][0])) != "no"
                ):
                    scores.append(guess[one][1])
                if scores:
                    expected[one] = max(scores)
            assert holders(tags, names) == expected
        alone = {name: holders(tags, [name]) for name in ("a", "b")}
        every = {name: set(selection.ids.tolist()) for name, selection in tags.holders("m")}
        assert {name: ids for name, ids in every.items() if ids} == {
            name: set(found) for name, found in alone.items() if found
        }
        catalog.close()
