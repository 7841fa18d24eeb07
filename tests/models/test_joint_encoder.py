"""A tiny joint model, exported for real, against the same computation in torch and NumPy."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from indexer.train.backbones import Backbone
from indexer.train.export import HALF_FROM, export_image_branch
from indexer.train.joint.config import JointConfig
from indexer.train.joint.model import JointModel
from indexer.train.joint.saving import save_model
from searchengine.errors import ImageError, ModelError, UnknownWords
from searchengine.language.words import FILES as WORD_FILES
from searchengine.language.words import WordVectors
from searchengine.models import files
from searchengine.models.joint import BATCH, IMAGE_MODEL, TEXT_FILES, JointEncoder
from searchengine.types import UnknownWord

SIZE, DIM, CELLS = 32, 24, 16
WORDS = ("the", "dog", "runs", "red", "sheep", "xyz", "café")


@dataclass(frozen=True)
class Tiny:
    """A model folder and what it was made of."""

    folder: Path
    backbone: Backbone
    model: JointModel
    table: WordVectors
    used: np.ndarray


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(11)
    random = np.random.default_rng(11)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, 4, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 40, 3, 2, 1),
        nn.ReLU(),
    )
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    backbone = Backbone("tiny", network.eval(), 40, SIZE, SIZE, mean, std, None)
    vectors = random.normal(size=(len(WORDS), 10)).astype(np.float32)
    vectors[WORDS.index("xyz")] = 0
    table = WordVectors.build(WORDS, vectors)
    used = np.array(sorted(table.find("the dog xyz café")[0]))
    model = JointModel(table.vectors(used), 40, JointConfig(dim=DIM))
    with torch.no_grad():
        model.residual.weight.normal_()
        model.residual.weight[used == table.row("xyz")] = 0
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder, model, backbone, table, used, {"licence": "none"})
    yield Tiny(folder, backbone, model, table, used)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder(tiny: Tiny) -> JointEncoder:
    return JointEncoder(tiny.folder)


@pytest.fixture
def copy(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.folder, tmp_path / "copy"))


def noise(seed: int, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    """Return a picture of coloured squares."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize(size, Image.Resampling.NEAREST)


def torch_regions(tiny: Tiny, picture: Image.Image) -> np.ndarray:
    """Compute W f_l + b in single precision, cell by cell, from the definition."""
    pixels = torch.from_numpy(np.array(picture)).float() / 255
    for channel in range(3):
        mean, std = tiny.backbone.mean[channel], tiny.backbone.std[channel]
        pixels[..., channel] = (pixels[..., channel] - mean) / std
    with torch.inference_mode():
        maps = tiny.backbone.features(pixels.permute(2, 0, 1)[None])[0]
        rows = [
            tiny.model.head(maps[:, row, column])
            for row in range(maps.shape[1])
            for column in range(maps.shape[2])
        ]
    return torch.stack(rows).numpy()


def unit(vector: np.ndarray) -> np.ndarray:
    row: np.ndarray = vector / np.linalg.norm(vector)
    return row


def test_what_the_model_says_of_itself(tiny: Tiny, encoder: JointEncoder) -> None:
    config = files.read_config(tiny.folder)
    assert (encoder.name, encoder.dim, encoder.decode_size) == ("tiny", DIM, SIZE)
    assert encoder.fingerprint == config.fingerprint
    assert config.image["cells"] == [4, 4]
    assert config.notes == {"licence": "none"}
    assert set(config.files) == {IMAGE_MODEL, *TEXT_FILES, *WORD_FILES}


def test_picture_is_the_mean_of_torch_regions(tiny: Tiny, encoder: JointEncoder) -> None:
    pictures = [noise(seed) for seed in range(3)]
    rows = encoder.encode_images(pictures)
    for row, picture in zip(rows, pictures, strict=True):
        expected = torch_regions(tiny, picture).mean(axis=0)
        np.testing.assert_allclose(row, unit(expected), atol=2e-3)  # stored in half precision


def test_mean_of_regions_is_the_embedding_before_normalising(encoder: JointEncoder) -> None:
    pictures = [noise(seed) for seed in range(3)]
    regions = encoder.encode_regions(pictures)
    assert regions.shape == (3, CELLS, DIM)
    rows = [unit(cells.mean(axis=0)) for cells in regions]
    np.testing.assert_allclose(encoder.encode_images(pictures), rows, atol=1e-5)


def test_regions_are_the_linear_layer_of_the_features(tiny: Tiny, encoder: JointEncoder) -> None:
    pictures = [noise(seed) for seed in range(2)]
    with torch.inference_mode():
        expected = tiny.model.head(torch.from_numpy(encoder.encode_features(pictures))).numpy()
    # The head's weights are stored in half precision.
    regions = encoder.encode_regions(pictures)
    np.testing.assert_allclose(regions, expected, atol=2e-3 * np.abs(expected).max())


def test_a_model_without_features_says_so(tiny: Tiny, tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        for path in tiny.folder.iterdir():
            if path.suffix == ".npy":
                shutil.copy(path, folder)
        model = onnx.load(str(tiny.folder / IMAGE_MODEL))
        del model.graph.output[2:]
        onnx.save(model, str(folder / IMAGE_MODEL))

    old = tmp_path / "old"
    files.save(old, files.read_config(tiny.folder), write)
    with pytest.raises(ModelError, match="no output `features`"):
        JointEncoder(old).encode_features([noise(0)])


def test_regions_stand_row_by_row(tiny: Tiny, encoder: JointEncoder) -> None:
    regions = encoder.encode_regions([noise(4)])[0]
    expected = torch_regions(tiny, noise(4))
    np.testing.assert_allclose(regions, expected, atol=5e-3 * np.abs(expected).max())


def test_more_than_a_batch_equals_one_by_one(encoder: JointEncoder) -> None:
    pictures = [noise(seed) for seed in range(BATCH + 8)]
    together = encoder.encode_images(pictures)
    alone = np.concatenate([encoder.encode_images([picture]) for picture in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_rows_are_unit_contiguous_float32(encoder: JointEncoder) -> None:
    for rows in (
        encoder.encode_images([noise(1), noise(2)]),
        encoder.encode_texts(["dog", "red sheep"]),
        encoder.encode_images([]),
        encoder.encode_texts([]),
    ):
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        assert rows.shape[1] == DIM
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("size", [(SIZE, SIZE), (50, 40), (20, 90)])
def test_path_and_picture_give_the_same_vector(
    encoder: JointEncoder, tmp_path: Path, size: tuple[int, int]
) -> None:
    noise(3, size).save(tmp_path / "a.png")
    named, opened = encoder.encode_images([tmp_path / "a.png", noise(3, size)])
    assert named @ opened > (0.999999 if size == (SIZE, SIZE) else 0.998)
    np.testing.assert_array_equal(
        encoder.encode_images([str(tmp_path / "a.png")])[0],
        encoder.encode_images([tmp_path / "a.png"])[0],
    )


def test_prepare_squashes_any_mode_to_the_size(encoder: JointEncoder) -> None:
    for mode in ("RGB", "L", "P", "CMYK"):
        prepared = encoder.prepare(noise(1, (70, 50)).convert(mode))
        assert (prepared.mode, prepared.size) == ("RGB", (SIZE, SIZE))


def test_transparent_pictures_stand_on_white_from_memory_as_from_disk(
    encoder: JointEncoder, tmp_path: Path
) -> None:
    picture = noise(5).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "glass.png")
    from_memory, from_disk = encoder.encode_images([picture, tmp_path / "glass.png"])
    np.testing.assert_array_equal(from_memory, from_disk)


def test_a_file_that_is_no_picture_is_named(encoder: JointEncoder, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"a\.jpg"):
        encoder.encode_images([tmp_path / "a.jpg"])


def test_threads_that_ask_at_once_get_the_same(tiny: Tiny) -> None:
    encoder = JointEncoder(tiny.folder)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda _: encoder.encode_images([noise(1)]), range(4)))
    for row in rows[1:]:
        np.testing.assert_allclose(row, rows[0], atol=1e-6)


def naive_word(tiny: Tiny, word: str) -> np.ndarray:
    """Return FC * glove(word) + residual(word) in float64, with the weights as trained."""
    row = tiny.table.row(word)
    assert row is not None
    projection = tiny.model.projection.weight.detach().numpy().astype(float)
    vector: np.ndarray = projection @ tiny.table.vectors([row])[0].astype(float)
    place = np.flatnonzero(tiny.used == row)
    if len(place):
        vector += tiny.model.residual.weight[place[0]].detach().numpy()
    return vector


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dog", ["dog"]),
        ("red sheep", ["red", "sheep"]),  # no residual
        ("The dog runs, the DOG runs!", ["the", "dog", "runs"] * 2),
        ("a sheep-dog", ["sheep", "dog"]),
        ("café xyz", ["café"]),
    ],
)
def test_texts_are_sums_of_projection_and_residual(
    tiny: Tiny, encoder: JointEncoder, text: str, words: list[str]
) -> None:
    expected = sum((naive_word(tiny, word) for word in words), np.zeros(DIM))
    np.testing.assert_allclose(encoder.text_sum(text), expected, atol=0.05)
    np.testing.assert_allclose(encoder.encode_texts([text])[0], unit(expected), atol=0.01)


def test_word_vectors_are_those_of_the_text(tiny: Tiny, encoder: JointEncoder) -> None:
    rows, _ = encoder.words.find("runs dog sheep the")
    vectors = encoder.word_vectors(rows)
    np.testing.assert_allclose(
        unit(vectors.sum(axis=0)), encoder.encode_texts(["the dog runs sheep"])[0], atol=1e-6
    )
    assert encoder.word_vectors([]).shape == (0, DIM)


def test_words_that_mean_nothing_to_the_model_are_unknown(encoder: JointEncoder) -> None:
    assert encoder.unknown_words("a dgo runs") == [UnknownWord("a"), UnknownWord("dgo", "dog")]
    assert encoder.unknown_words("shep dgo", 1) == [
        UnknownWord("shep", "sheep"),
        UnknownWord("dgo"),
    ]
    with pytest.raises(UnknownWords, match="'shep', 'quux'") as raised:
        encoder.encode_texts(["dog", "shep quux"])
    assert raised.value.words == ("shep", "quux")
    with pytest.raises(UnknownWords, match="'xyz'"):  # in the table, without vector or residual
        encoder.encode_texts(["xyz"])
    with pytest.raises(UnknownWords, match="no word to search by"):
        encoder.encode_texts(["?!"])


def test_a_model_without_any_residual_has_texts(tiny: Tiny, copy: Path) -> None:
    model = JointModel(tiny.table.vectors(tiny.used), 40, JointConfig(dim=DIM))
    model.load_state_dict(tiny.model.state_dict())
    nn.init.zeros_(model.residual.weight)
    save_model(copy, model, tiny.backbone, tiny.table, tiny.used, {})
    expected = model.projection.weight.detach().numpy() @ tiny.table.vectors([0])[0]
    word = next(iter(tiny.table))
    np.testing.assert_allclose(
        JointEncoder(copy).encode_texts([word])[0], unit(expected), atol=1e-5
    )


def test_half_precision_is_stored_and_hardly_matters(tiny: Tiny, copy: Path) -> None:
    assert sum(p.numel() >= HALF_FROM for p in tiny.backbone.features.parameters()) == 1
    single = copy.parent / "single"

    def write(folder: Path) -> None:
        for name in (*TEXT_FILES, *WORD_FILES):
            shutil.copy(tiny.folder / name, folder / name)
        export_image_branch(tiny.backbone, tiny.model.head, folder / IMAGE_MODEL, half=False)

    files.save(single, files.read_config(tiny.folder), write)
    saved = (single / IMAGE_MODEL).stat().st_size - (tiny.folder / IMAGE_MODEL).stat().st_size
    assert saved > 2 * HALF_FROM  # two bytes less for each of the weights
    pictures = [noise(seed) for seed in range(10)]
    halves = JointEncoder(tiny.folder).encode_images(pictures)
    singles = JointEncoder(single).encode_images(pictures)
    assert (1 - (halves * singles).sum(axis=1)).max() < 1e-2
    for row, picture in zip(singles, pictures, strict=True):
        np.testing.assert_allclose(row, unit(torch_regions(tiny, picture).mean(axis=0)), atol=1e-5)


def test_weights_too_large_for_half_precision_stay_single(tiny: Tiny, tmp_path: Path) -> None:
    head = nn.Linear(40, 128)
    with torch.no_grad():
        head.weight[0, 0] = 1e6
    export_image_branch(tiny.backbone, head, tmp_path / "m.onnx", half=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (rows,) = session.run(["embedding"], {"pixels": np.array(noise(1))[None]})
    assert np.isfinite(rows).all()


def test_the_exported_model_names_no_file_of_this_machine(tiny: Tiny) -> None:
    content = (tiny.folder / IMAGE_MODEL).read_bytes()
    assert b".py" not in content
    assert str(Path(__file__).parents[2]).encode() not in content


@pytest.mark.parametrize("name", [IMAGE_MODEL, *TEXT_FILES, *WORD_FILES])
def test_a_changed_or_missing_file_is_refused_by_name_when_it_is_needed(
    copy: Path, name: str
) -> None:
    path = copy / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    def use() -> None:
        encoder = JointEncoder(copy)
        encoder.encode_texts(["dog"])
        encoder.encode_images([noise(1)])

    with pytest.raises(ModelError, match=f"{name}.*hash mismatch"):
        use()
    path.unlink()
    with pytest.raises(ModelError, match=f"{name}: missing"):
        use()


def test_a_network_that_onnx_runtime_cannot_load_is_named(copy: Path) -> None:
    def write(folder: Path) -> None:
        (folder / IMAGE_MODEL).write_bytes(b"no protobuf")

    files.save(copy, files.read_config(copy), write)
    with pytest.raises(ModelError, match=r"image\.onnx: ONNX Runtime cannot load it"):
        JointEncoder(copy).encode_images([noise(1)])


def test_a_model_of_another_kind_is_refused(copy: Path) -> None:
    config = dataclasses.replace(files.read_config(copy), kind="captioner")
    files.save(copy, config, lambda _folder: None)
    with pytest.raises(ModelError, match="a model of kind 'captioner', not a joint embedding"):
        JointEncoder(copy)
