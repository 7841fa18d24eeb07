"""Vectors of several models beside each other, and moving a library from one to another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from indexer.executors import Threads
from indexer.library.pipeline import index_images
from indexer.library.reembed import BATCH, ReembedReport, reembed
from searchengine.catalog.database import open_database
from searchengine.catalog.embeddings import Content
from searchengine.catalog.records import PictureRecord, StoredEncoder
from searchengine.catalog.store import Catalog
from searchengine.cli.main import main
from searchengine.errors import ModelError
from searchengine.indexes.exact import ExactIndex
from searchengine.indexes.faiss import FaissIndex
from searchengine.indexes.sync import open_index, remove_index
from searchengine.models import files
from searchengine.types import Failure, FileStat, PathLike, VectorIndex, Vectors
from searchengine.vectors import unit_rows
from tests.support.colour_encoder import ColourEncoder
from tests.support.command import LEXPIX, environment

COUNT = 2 * BATCH + 5


class OtherEncoder(ColourEncoder):
    """The same colours in a space of its own, in fewer dimensions."""

    name = "other"
    dim = 20
    _turn = np.random.default_rng(4).normal(size=(ColourEncoder.dim, 20))

    def __init__(self, stop_after: int = 1_000_000) -> None:
        super().__init__("07" * 32)
        self.stop_after = stop_after

    def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
        if len(self.batches) == self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(images))
        rows = ColourEncoder().encode_images(images) @ self._turn
        return unit_rows(rows)


OLD, NEW = ColourEncoder(), OtherEncoder()


def draw(path: Path, seed: int) -> None:
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(fields).resize((64, 64), Image.Resampling.NEAREST).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(COUNT):
        draw(folder / f"{seed:02}.png", seed)
    return folder


@pytest.fixture
def catalog(tmp_path: Path, photos: Path) -> Iterator[Catalog]:
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    index_images(str(photos), catalog, OLD, executor=Threads(2))
    yield catalog
    catalog.close()


def run(
    catalog: Catalog, encoder: ColourEncoder
) -> tuple[ReembedReport, list[Failure], list[tuple[int, int]]]:
    failures: list[Failure] = []
    steps: list[tuple[int, int]] = []
    report = reembed(
        catalog,
        encoder,
        executor=Threads(2),
        progress=lambda done, total: steps.append((done, total)),
        on_failure=failures.append,
    )
    return report, failures, steps


def vectors(catalog: Catalog, encoder: ColourEncoder) -> dict[str, np.ndarray]:
    """Return the stored vectors by file name."""
    pictures = catalog.get(range(1, 1000))
    found = catalog.vectors(pictures, encoder.fingerprint)
    return {os.path.basename(pictures[id_].path): vector for id_, vector in found.items()}


def assert_true(catalog: Catalog, encoder: ColourEncoder, names: set[str], photos: Path) -> None:
    """Compare stored vectors with those of the files, computed here from scratch."""
    stored = vectors(catalog, encoder)
    assert set(stored) == names
    for name, vector in stored.items():
        np.testing.assert_allclose(
            vector, type(encoder)().encode_images([photos / name])[0], atol=2e-3
        )


def names(photos: Path) -> set[str]:
    return {path.name for path in photos.iterdir()}


def test_every_picture_has_vectors_of_both_models(catalog: Catalog, photos: Path) -> None:
    report, failures, steps = run(catalog, NEW)
    assert report == ReembedReport(had=0, added=COUNT, bad=0, left=0, missing=0)
    assert report.complete
    assert failures == []
    assert steps == [(done, COUNT) for done in range(1, COUNT + 1)]
    for encoder in (OLD, NEW):
        assert_true(catalog, encoder, names(photos), photos)
    assert [(one.name, one.dim, count) for one, count in catalog.embeddings.counts()] == [
        ("colours", 48, COUNT),
        ("other", 20, COUNT),
    ]


def test_an_interrupted_run_goes_on_where_it_was(catalog: Catalog, photos: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(catalog, OtherEncoder(stop_after=2))
    assert len(vectors(catalog, NEW)) == 2 * BATCH
    again = OtherEncoder()
    report, _, _ = run(catalog, again)
    assert (report.had, report.added, report.complete) == (2 * BATCH, COUNT - 2 * BATCH, True)
    assert again.batches == [COUNT - 2 * BATCH]
    assert_true(catalog, NEW, names(photos), photos)
    idle = OtherEncoder()
    assert run(catalog, idle)[0] == ReembedReport(had=COUNT, added=0, bad=0, left=0, missing=0)
    assert idle.batches == []


def test_copies_are_embedded_once(catalog: Catalog, photos: Path) -> None:
    for copy in range(5):
        shutil.copy(photos / "00.png", photos / f"copy{copy}.png")
    index_images(str(photos), catalog, OLD, executor=Threads(2))
    encoder = OtherEncoder()
    assert run(catalog, encoder)[0].added == COUNT + 5
    assert sum(encoder.batches) <= COUNT + 1  # a copy may be decoded before the first is stored
    assert_true(catalog, NEW, names(photos), photos)


def test_what_cannot_be_read_is_told_and_keeps_its_old_vector(
    catalog: Catalog, photos: Path
) -> None:
    before = vectors(catalog, OLD)
    (photos / "00.png").unlink()
    draw(photos / "01.png", 99)
    (photos / "02.png").write_bytes(b"no picture")
    (photos / "03.png").unlink()
    (photos / "03.png").mkdir()
    report, failures, _ = run(catalog, NEW)
    assert report == ReembedReport(had=0, added=COUNT - 4, bad=0, left=4, missing=0)
    assert not report.complete
    reasons = {os.path.basename(one.path): one.reason for one in failures}
    assert reasons == {
        "00.png": "not there; is its disk mounted? If it is gone for good, run: lexpix index",
        "01.png": "changed since it was indexed; run: lexpix index",
        "02.png": "changed since it was indexed; run: lexpix index",
        "03.png": "cannot be read (Is a directory)",
    }
    after = vectors(catalog, OLD)
    assert set(after) == set(before)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    (photos / "03.png").rmdir()
    index_images(str(photos), catalog, OLD, executor=Threads(2))
    report, failures, _ = run(catalog, NEW)
    assert report == ReembedReport(had=COUNT - 4, added=1, bad=0, left=0, missing=2)
    assert failures == []
    assert {"00.png", "03.png"} < set(vectors(catalog, OLD))


def test_a_picture_that_decoders_have_given_up_does_not_hold_up_the_rest(
    catalog: Catalog, photos: Path
) -> None:
    (photos / "old.png").write_bytes(b"of a kind that Pillow dropped")
    record = PictureRecord(
        FileStat(str(photos / "old.png"), 29, 0, 0),
        str(photos),
        hashlib.sha256((photos / "old.png").read_bytes()).hexdigest(),
        vector=OLD.encode_images([photos / "00.png"])[0],
    )
    catalog.write([record], fingerprint=OLD.fingerprint, model_name=OLD.name, dim=OLD.dim, scan=1)
    report, (failure,), _ = run(catalog, NEW)
    assert (report.bad, report.left, report.complete) == (1, 0, True)
    assert failure == Failure(
        str(photos / "old.png"), "not a readable image (its content is of no known format)"
    )
    assert "old.png" in vectors(catalog, OLD)


def test_pictures_that_the_model_fails_on_are_left(catalog: Catalog, photos: Path) -> None:
    class Picky(OtherEncoder):
        def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
            rows = super().encode_images(images)
            if any(row @ rows[0] < -0.3 for row in rows) or len(rows) == 1:
                raise ValueError("not to my taste")
            return rows

    report, failures, _ = run(catalog, Picky())
    assert report.left == len(failures) > 0
    assert not report.complete
    assert {one.reason for one in failures} == {"the model cannot encode it (not to my taste)"}


def test_a_model_that_cannot_run_blames_no_picture(catalog: Catalog) -> None:
    class Broken(OtherEncoder):
        def encode_images(self, images: Sequence[PathLike | Image.Image]) -> Vectors:
            raise ModelError("m/image.onnx: missing")

    with pytest.raises(ModelError, match=r"m/image\.onnx: missing"):
        run(catalog, Broken())
    assert vectors(catalog, NEW) == {}


def test_a_vector_is_stored_only_for_the_bytes_of_its_row(catalog: Catalog) -> None:
    one, two, three = (catalog.get([id_])[id_] for id_ in (1, 2, 3))
    vector = OtherEncoder().encode_images([one.path])[0]
    assert one.sha256 is not None
    catalog.forget(three.path)
    stored = StoredEncoder(NEW.fingerprint, NEW.name, NEW.dim)
    found = {one.id: Content(one.sha256, vector), two.id: Content("f" * 64, vector)}
    found[three.id] = Content(three.sha256 or "", vector)
    assert catalog.embeddings.add(stored, found) == {one.id}
    assert set(vectors(catalog, NEW)) == {os.path.basename(one.path)}
    assert catalog.embeddings.add(stored, {}) == set()


# Index files


def generations(folder: Path) -> dict[str, bytes]:
    """Return the files of rows, which have a new name whenever they are written."""
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.suffix != ".json"}


def test_models_in_turn_need_no_rebuild(catalog: Catalog, tmp_path: Path) -> None:
    run(catalog, NEW)
    folder = tmp_path / "index"
    for encoder in (OLD, NEW):
        open_index(catalog, encoder.fingerprint, encoder.dim, folder, FaissIndex)
    before = generations(folder)
    assert len(before) == 2
    for encoder in (OLD, NEW, OLD, NEW):
        index = open_index(catalog, encoder.fingerprint, encoder.dim, folder, FaissIndex)
        assert len(index) == COUNT
    assert generations(folder) == before


def test_reembedding_leaves_the_old_index_alone_and_completes_the_new_one(
    catalog: Catalog, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    open_index(catalog, OLD.fingerprint, OLD.dim, folder, ExactIndex)
    before = generations(folder)
    with pytest.raises(KeyboardInterrupt):
        run(catalog, OtherEncoder(stop_after=1))
    half = open_index(catalog, NEW.fingerprint, NEW.dim, folder, ExactIndex)
    assert len(half) == BATCH
    run(catalog, OtherEncoder())
    old = open_index(catalog, OLD.fingerprint, OLD.dim, folder, ExactIndex)
    assert len(old) == COUNT
    assert before.items() <= generations(folder).items()
    # One gone, one more: only the vectors that came tell that the new index is behind.
    catalog.forget(str(photos / "00.png"))
    whole = open_index(catalog, NEW.fingerprint, NEW.dim, folder, ExactIndex)
    assert len(whole) == COUNT - 1
    for name, vector in vectors(catalog, NEW).items():
        ids, scores = whole.search(vector[None], 1)
        assert os.path.basename(catalog.get([int(ids[0, 0])])[int(ids[0, 0])].path) == name
        assert scores[0, 0] == pytest.approx(1, abs=1e-5)


def test_a_picture_lost_while_another_got_its_vector_is_noticed(
    catalog: Catalog, photos: Path, tmp_path: Path
) -> None:
    def new_index() -> VectorIndex:
        return open_index(catalog, NEW.fingerprint, NEW.dim, tmp_path / "index", ExactIndex)

    with pytest.raises(KeyboardInterrupt):
        run(catalog, OtherEncoder(stop_after=1))
    assert len(new_index()) == BATCH
    catalog.forget(str(photos / "00.png"))
    last = catalog.by_paths([str(photos / f"{COUNT - 1}.png")]).popitem()[1]
    vector = OtherEncoder().encode_images([last.path])[0]
    stored = StoredEncoder(NEW.fingerprint, NEW.name, NEW.dim)
    catalog.embeddings.add(stored, {last.id: Content(last.sha256 or "", vector)})
    index = new_index()
    assert len(index) == BATCH  # as many as before, but not the same
    assert index.search(vector[None], 1)[0][0, 0] == last.id


def test_dropped_vectors_are_in_no_index(catalog: Catalog, tmp_path: Path) -> None:
    run(catalog, NEW)
    folder = tmp_path / "index"
    open_index(catalog, NEW.fingerprint, NEW.dim, folder, ExactIndex)
    assert catalog.embeddings.drop(NEW.fingerprint) == COUNT
    assert [one for one, _ in catalog.embeddings.counts()] == [
        StoredEncoder(OLD.fingerprint, OLD.name, OLD.dim)
    ]
    assert len(open_index(catalog, NEW.fingerprint, NEW.dim, folder, ExactIndex)) == 0
    remove_index(catalog, NEW.fingerprint, folder)
    assert list(folder.iterdir()) == []
    assert run(catalog, OtherEncoder())[0].added == COUNT


# The command


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that sees what the bundled one sees, under another fingerprint."""
    folder = tmp_path_factory.mktemp("models") / "second"
    bundled = files.resolve("default")

    def write(fresh: Path) -> None:
        for name in files.read_config(bundled).files:
            os.link(bundled / name, fresh / name)

    config = files.read_config(bundled)
    config = dataclasses.replace(config, name="second", text={**config.text, "edition": 2})
    files.save(folder, config, write)
    return folder


@pytest.fixture
def library(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    assert lexpix("index", photos, library=folder).exit_code == 0
    return folder


def lexpix(*arguments: str | Path, library: Path, **variables: str) -> Result:
    env: dict[str, str | None] = {"LEXPIX_MODEL": None, **environment(library), **variables}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=env)


def answer(*arguments: str | Path, library: Path, **variables: str) -> dict[str, Any]:
    ran = lexpix(*arguments, "--json", library=library, **variables)
    assert ran.exit_code == 0, ran.stderr
    entries: dict[str, Any] = json.loads(ran.stdout)
    return entries


def models(library: Path, **variables: str) -> dict[str, tuple[int, bool]]:
    found = answer("status", library=library, **variables)["models"]
    return {one["name"]: (one["vectors"], one["current"]) for one in found}


def count_vectors(library: Path) -> int:
    """Return how many vectors the second model of a library has, as SQLite itself says."""
    connection = sqlite3.connect(f"file:{library}/catalog.sqlite?mode=ro", uri=True)
    try:
        query = "SELECT count(*) FROM embeddings WHERE encoder_id = 2"
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def test_a_killed_process_is_resumed_and_the_old_model_answers_until_the_end(
    tmp_path: Path, other: Path
) -> None:
    folder, library = tmp_path / "many", tmp_path / "own"
    folder.mkdir()
    for seed in range(150):
        draw(folder / f"{seed}.png", seed)
    assert lexpix("index", folder, library=library).exit_code == 0
    process = subprocess.Popen(
        [LEXPIX, "reembed", "--model", str(other)],
        env=environment(library),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not count_vectors(library) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    done = count_vectors(library)
    assert 0 < done < 150
    assert models(library) == {"default": (150, True), "second": (done, False)}
    asked = ("search", "grass", "-k", "150", "--all", "--no-collapse")
    hits = answer(*asked, library=library)["hits"]
    assert len(hits) == 150
    report = answer("reembed", "--model", other, library=library)
    assert (report["had"], report["added"]) == (done, 150 - done)
    assert (report["chosen"], report["model"]) == (True, str(other))
    assert models(library) == {"default": (150, False), "second": (150, True)}
    after = answer(*asked, library=library)["hits"]
    # The other model, a copy under another name, has no calibration.
    assert [(hit["id"], hit["score"]) for hit in after] == [(h["id"], h["score"]) for h in hits]


def test_flag_and_variable_come_before_the_choice_and_files_after_it(
    library: Path, photos: Path, other: Path, tmp_path: Path
) -> None:
    (library / "config.toml").write_text("model = './nowhere'")
    assert f"{library}/nowhere: no model there" in lexpix("status", library=library).stderr
    ran = lexpix("reembed", "--model", other, library=library)
    assert ran.exit_code == 0
    assert f"{COUNT} embedded" in ran.stdout
    assert f"{library} now uses {other}" in ran.stderr

    def current(*flags: str, **variables: str) -> str:
        name: str = answer("status", *flags, library=library, **variables)["model"]
        return name

    assert current() == "second"
    assert current(LEXPIX_MODEL="default") == "default"
    assert current("--model", str(other), LEXPIX_MODEL="default") == "second"
    draw(photos / "more.png", 77)
    assert answer("index", library=library)["added"] == 1
    assert models(library) == {"default": (COUNT, False), "second": (COUNT + 1, True)}
    ran = lexpix("reembed", "--model", "default", library=library, LEXPIX_MODEL=str(other))
    assert "LEXPIX_MODEL is set and comes first" in ran.stderr
    assert current() == "default"
    assert current(LEXPIX_MODEL=str(other)) == "second"


def test_an_incomplete_run_chooses_nothing_unless_told_to(
    library: Path, photos: Path, other: Path
) -> None:
    (photos / "00.png").rename(photos.parent / "00.png")
    ran = lexpix("reembed", "--model", other, library=library)
    assert ran.exit_code == 1
    assert f"{COUNT - 1} embedded, 1 left" in ran.stdout
    assert f"{photos}/00.png: not there; is its disk mounted?" in ran.stderr
    assert "the library stays with the model it has" in ran.stderr
    assert models(library) == {"default": (COUNT, True), "second": (COUNT - 1, False)}
    report = answer("reembed", "--model", other, "--allow-missing", library=library)
    assert (report["left"], report["chosen"]) == (1, True)
    assert models(library)["second"] == (COUNT - 1, True)
    (photos.parent / "00.png").rename(photos / "00.png")
    lexpix("index", library=library)
    assert models(library)["second"] == (COUNT, True)


def test_a_model_that_gets_no_vector_at_all_is_never_chosen(
    library: Path, photos: Path, other: Path
) -> None:
    photos.rename(photos.parent / "unmounted")
    ran = lexpix("reembed", "--model", other, "--allow-missing", library=library)
    assert ran.exit_code == 1
    assert f"{COUNT} pictures have no vector of {other} yet" in ran.stderr
    assert models(library)["default"] == (COUNT, True)


def test_a_chosen_model_that_is_gone_is_named_with_the_way_out(
    library: Path, other: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(other, tmp_path / "mine")
    assert lexpix("reembed", "--model", mine, library=library).exit_code == 0
    shutil.rmtree(mine)
    ran = lexpix("search", "cat", library=library)
    assert ran.exit_code == 1
    assert f"{mine}: no model there" in ran.stderr
    assert "choose another: lexpix reembed --model MODEL" in ran.stderr
    assert lexpix("reembed", "--model", "default", library=library).exit_code == 0
    assert lexpix("search", "cat", library=library).exit_code == 0


def test_old_vectors_are_dropped_by_name_or_number_but_never_those_in_use(
    library: Path, other: Path
) -> None:
    lexpix("reembed", "--model", other, library=library)
    for wanted, code, message in (
        ("second", 1, "the library uses this model"),
        ("third", 2, "'third' names 0 models; the library has vectors of default ("),
    ):
        ran = lexpix("reembed", "--drop", wanted, library=library)
        assert (ran.exit_code, ran.stdout) == (code, "")
        assert message in " ".join(ran.stderr.split())
    old = files.read_config(files.resolve("default")).fingerprint
    assert list((library / "index").glob(f"*{old[:12]}*")) != []
    assert answer("reembed", "--drop", old[:8], library=library)["dropped"] == COUNT
    assert models(library) == {"second": (COUNT, True)}
    assert list((library / "index").glob(f"*{old[:12]}*")) == []
    ran = lexpix("search", "cat", "--model", "default", library=library)
    assert ran.exit_code == 3
    assert "but by 'second'" in ran.stderr
    assert "lexpix reembed --model MODEL" in ran.stderr


@pytest.mark.parametrize("arguments", [[], ["--model", "default", "--drop", "x"]])
def test_model_or_drop_has_to_be_given(tmp_path: Path, arguments: list[str]) -> None:
    ran = lexpix("reembed", *arguments, library=tmp_path / "none")
    assert ran.exit_code == 2
    assert "give one of --model and --drop" in ran.stderr


def test_without_a_library_there_is_nothing_to_move(tmp_path: Path) -> None:
    ran = lexpix("reembed", "--model", "default", library=tmp_path / "none")
    assert ran.exit_code == 3
    assert not (tmp_path / "none").exists()


def test_eval_measures_the_model_that_the_library_uses(
    library: Path, other: Path, photos: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(other, tmp_path / "mine")
    lexpix("reembed", "--model", mine, library=library)
    shutil.rmtree(mine)
    entry = {"image": str(photos / "00.png"), "captions": ["red"], "split": "dev"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(entry))
    ran = lexpix("eval", "retrieval", "--pairs", tmp_path / "pairs.jsonl", library=library)
    assert ran.exit_code == 1
    assert f"{mine}: no model there" in ran.stderr
