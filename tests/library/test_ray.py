"""A real Ray cluster writes the catalog that threads write, whatever becomes of its machines."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.executors import Threads
from indexer.library.pipeline import index_images, retry_failures
from indexer.library.reembed import reembed
from indexer.library.tally import Progress
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.errors import ExecutorUnavailable, MissingPlugin, ModelError
from searchengine.models.joint import JointEncoder
from searchengine.plugins import load_at
from searchengine.types import Encoder, Failure, IndexReport, Vectors
from tests.support.colour_encoder import ColourEncoder
from tests.support.command import lexpix
from tests.support.ray_cluster import (
    FatalEncoder,
    LoggedEncoder,
    RealCluster,
    started_by_command,
)

pytest.importorskip("ray", reason="Ray is missing: pip install -e '.[dev]'")

from indexer.ray import BATCH, LOOK_AHEAD, Ray, require_answer
from tests.support.remote_places import Website


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealCluster]:
    cluster = RealCluster()
    try:
        assert list(Ray(address=cluster.address).imap(abs, [-1])) == [1]
        yield cluster  # which executors without an address use from now on
    finally:
        cluster.stop()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of a hundred pictures, two of them copies, and two files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(98):
        draw(folder / f"{seed:03}.png", seed)
    shutil.copy(folder / "003.png", folder / "near.png")
    shutil.copy(folder / "003.png", folder / "zz-far.png")
    (folder / "cut.png").write_bytes((folder / "005.png").read_bytes()[:40])
    (folder / "text.jpg").write_text("no picture")
    return folder


def draw(path: Path, seed: int) -> None:
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(fields).resize((64, 64), Image.Resampling.NEAREST).save(path)


def pictures_in(folder: Path) -> list[str]:
    return sorted(str(one) for one in folder.iterdir() if one.name not in ("cut.png", "text.jpg"))


@contextlib.contextmanager
def catalog_in(folder: Path) -> Iterator[Catalog]:
    with contextlib.closing(Catalog(open_database(folder, create=True))) as catalog:
        yield catalog


def content(
    catalog: Catalog, encoder: Encoder, root: str = "/"
) -> tuple[dict[str, tuple[Any, ...]], Vectors]:
    """Return what a catalog says of each picture by its path, and the vectors in this order."""
    by_id = catalog.get(catalog.ids_under(root))
    ids = sorted(by_id, key=lambda id_: by_id[id_].path)
    rows = {
        row.path: (row.state, row.sha256, row.size, row.width, row.height, row.format, row.exif)
        for row in (by_id[id_] for id_ in ids)
    }
    assert len(rows) == len(by_id)
    vectors = catalog.vectors(ids, encoder.fingerprint)
    return rows, np.stack([vectors[id_] for id_ in ids])


def indexed(catalog: Catalog, folder: Path, encoder: Encoder, **options: Any) -> IndexReport:
    return index_images(str(folder), catalog, encoder, **{"executor": Ray(), **options})


def test_results_are_those_of_map_in_the_order_of_the_items(cluster: RealCluster) -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for item in range(300):
            drawn += 1
            yield item

    limit = BATCH * (LOOK_AHEAD * 2 + 1)
    with contextlib.closing(Ray().imap(lambda item: item * item, items())) as results:
        for done, result in enumerate(results):
            assert result == done * done
            assert drawn - done <= limit
    assert done == 299


def test_an_error_is_raised_in_place_of_its_result(cluster: RealCluster) -> None:
    results = Ray().imap(lambda item: 6 // item, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_cancels_what_is_under_way(cluster: RealCluster, tmp_path: Path) -> None:
    def work(item: int) -> int:
        import time

        time.sleep(0.05)
        (tmp_path / str(item)).touch()
        return item

    results = Ray().imap(work, range(1000))
    assert next(results) == 0
    results.close()
    assert next(Ray().imap(abs, [-1])) == 1  # which waits until the workers are free
    assert len(list(tmp_path.iterdir())) < 5 * BATCH


def test_a_function_that_cannot_travel_is_refused(cluster: RealCluster) -> None:
    with socket.socket() as one, pytest.raises(ExecutorUnavailable, match="cannot be sent"):
        list(Ray().imap(lambda _: one.fileno(), [1]))


def test_the_catalog_is_that_of_threads(
    cluster: RealCluster, photos: Path, tmp_path: Path, colour_encoder: JointEncoder
) -> None:
    with catalog_in(tmp_path / "ray") as mine, catalog_in(tmp_path / "threads") as theirs:
        report = indexed(mine, photos, colour_encoder)
        assert report == indexed(theirs, photos, colour_encoder, executor=Threads(2))
        assert (report.added, report.failed) == (100, 2)
        rows, vectors = content(mine, colour_encoder)
        expected, those = content(theirs, colour_encoder)
        assert rows == expected
        assert mine.failures() == theirs.failures()
        np.testing.assert_allclose(vectors, those, atol=1e-3)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_workers_open_addresses_themselves(
    cluster: RealCluster, photos: Path, tmp_path: Path, colour_encoder: JointEncoder, kind: str
) -> None:
    site = Website(tmp_path / "site")
    if kind != "folder":
        shutil.make_archive(str(tmp_path / "shards" / "000"), kind, photos)
    site.mirror(photos if kind == "folder" else tmp_path / "shards")
    with catalog_in(tmp_path / "ray") as mine, catalog_in(tmp_path / "threads") as theirs:
        report = index_images(site.address, mine, colour_encoder, executor=Ray())
        assert report == index_images(site.address, theirs, colour_encoder, executor=Threads(2))
        assert (report.added, report.failed) == (100, 2)
        rows, vectors = content(mine, colour_encoder, site.address)
        expected, those = content(theirs, colour_encoder, site.address)
        assert rows == expected
        np.testing.assert_allclose(vectors, those, atol=1e-3)
        again = index_images(site.address, mine, colour_encoder, executor=Ray())
        assert (again.added, again.unchanged) == (0, 102)
    site.stop()


@pytest.mark.slow
def test_the_command_is_a_client_of_a_cluster_that_ray_start_has_started(
    photos: Path, tmp_path: Path, colour_model: Path
) -> None:
    site = Website(tmp_path / "site")
    site.mirror(photos)
    with (
        tempfile.TemporaryDirectory(prefix="ray-") as short,  # as names of sockets have to be
        started_by_command(Path(short)) as (nodes, clients),
    ):
        for place, executor in (
            (str(photos), f"ray://127.0.0.1:{clients}"),
            (site.address, f"ray:127.0.0.1:{nodes}"),
            (site.address, f"ray://127.0.0.1:{clients}"),
        ):
            library = tmp_path / f"library {len(list(tmp_path.iterdir()))}"
            library.mkdir()
            (library / "config.toml").write_text(f"model = '{colour_model}'\n")
            told = lexpix("index", place, "--executor", executor, library=library, code=4)
            assert "100 added, 2 failed" in told.stdout
    site.stop()


def test_what_is_known_is_not_embedded_again(
    cluster: RealCluster, photos: Path, tmp_path: Path
) -> None:
    encoder = LoggedEncoder(tmp_path / "log")
    with catalog_in(tmp_path / "library") as catalog:
        assert indexed(catalog, photos, encoder).added == 100
        _, before = content(catalog, encoder)
        embedded = sum(number for _, number in encoder.calls())
        assert embedded in (98, 99, 100)  # a copy may be on its way beside another one
        assert os.getpid() not in {pid for pid, _ in encoder.calls()}
        photos.rename(moved := tmp_path / "moved")
        shutil.copy(moved / "007.png", moved / "new.png")
        report = indexed(catalog, moved, encoder)
        assert (report.moved, report.added) == (100, 1)
        assert sum(number for _, number in encoder.calls()) == embedded
        rows, after = content(catalog, encoder)
        assert list(rows) == pictures_in(moved)
        copy = list(rows).index(str(moved / "new.png"))
        np.testing.assert_array_equal(np.delete(after, copy, axis=0), before)
        np.testing.assert_array_equal(after[copy], before[7])


def test_another_model_gives_vectors_too(
    cluster: RealCluster, photos: Path, tmp_path: Path, colour_encoder: JointEncoder
) -> None:
    with catalog_in(tmp_path / "library") as catalog:
        indexed(catalog, photos, ColourEncoder(), executor=Threads(2))
        (photos / "011.png").unlink()
        left: list[Failure] = []
        report = reembed(catalog, colour_encoder, executor=Ray(), on_failure=left.append)
        assert (report.added, report.left) == (99, 1)
        assert [failure.path for failure in left] == [str(photos / "011.png")]
        rows = catalog.get(catalog.present())
        vectors = catalog.vectors(rows, colour_encoder.fingerprint)
        expected = colour_encoder.encode_images([rows[id_].path for id_ in vectors])
        np.testing.assert_allclose(np.stack(list(vectors.values())), expected, atol=1e-3)


def test_a_file_that_ends_its_worker_is_a_failure_and_the_others_are_not(
    cluster: RealCluster, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64), FatalEncoder.FATAL).save(photos / "050-poison.png")
    failures: list[Failure] = []
    with catalog_in(tmp_path / "library") as catalog:
        report = indexed(catalog, photos, FatalEncoder(), on_failure=failures.append)
        assert (report.added, report.failed) == (100, 3)
        reasons = {os.path.basename(failure.path): failure.reason for failure in failures}
        assert reasons.keys() == {"050-poison.png", "cut.png", "text.jpg"}
        assert "the worker of Ray that read it died" in reasons["050-poison.png"]
        assert indexed(catalog, photos, FatalEncoder()) == IndexReport(unchanged=103)
        mended = retry_failures(catalog, ColourEncoder(), executor=Threads(1))
        assert (mended.updated, mended.failed) == (1, 2)
    assert capfd.readouterr().out == ""  # Ray would print there, among the answers of commands


def test_a_worker_that_finds_another_model_says_so(
    cluster: RealCluster, photos: Path, tmp_path: Path, colour_model: Path
) -> None:
    from tests.support.small_models import save_colour_model

    folder = tmp_path / "model"
    shutil.copytree(colour_model, folder)
    encoder = JointEncoder(folder)
    assert pickle.loads(pickle.dumps(encoder)).fingerprint == encoder.fingerprint
    shutil.rmtree(folder)
    save_colour_model(folder, seed=4)
    with (
        catalog_in(tmp_path / "library") as catalog,
        pytest.raises(ModelError, match=r"is another model .* on each machine"),
    ):
        indexed(catalog, photos, encoder)


@pytest.mark.parametrize(
    ("setting", "error", "told"),
    [
        ("ray:", MissingPlugin, "no address behind its colon"),
        ("threads:here", MissingPlugin, "takes no address"),
    ],
)
def test_an_address_that_is_none_is_refused(
    setting: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        load_at("lexpix.executors", setting)


def test_a_cluster_that_is_not_there_is_named() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{one.getsockname()[1]}"
        for form in (address, f"ray://{address}"):
            with pytest.raises(ExecutorUnavailable, match=rf"at {address} .* ray start --head"):
                require_answer(form)
        with pytest.raises(ExecutorUnavailable, match="write ray:HOST:PORT"):
            require_answer("somewhere")


def test_the_command_takes_the_executor_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 1)
    ran = lexpix("index", tmp_path, "--executor", "ray:nowhere", library=tmp_path / "lib", code=1)
    assert ran.stdout == ""
    assert "executor ray: 'nowhere' is no address; write ray:HOST:PORT" in ran.stderr


def test_killed_workers_and_nodes_lose_nothing_and_double_nothing(
    cluster: RealCluster, photos: Path, tmp_path: Path
) -> None:
    encoder = LoggedEncoder(tmp_path / "log", seconds=0.03)
    killed: list[str] = []

    def kill(progress: Progress) -> None:
        workers = {pid for pid, _ in encoder.calls()}
        if not killed and len(workers) > 1:
            os.kill(encoder.calls()[-1][0], signal.SIGKILL)
            killed.append("worker")
        elif killed == ["worker"] and progress.done > 40:
            cluster.kill_second()
            killed.append("node")

    with catalog_in(tmp_path / "library") as catalog:
        report = indexed(catalog, photos, encoder, progress=kill)
        assert killed == ["worker", "node"]
        assert (report.added, report.failed) == (100, 2)
        rows, vectors = content(catalog, encoder)
        assert list(rows) == pictures_in(photos)
        expected = ColourEncoder().encode_images(list(rows))
        np.testing.assert_allclose(vectors, expected, atol=2e-3)
        assert indexed(catalog, photos, encoder) == IndexReport(unchanged=102)
