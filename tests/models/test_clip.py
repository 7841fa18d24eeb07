"""Models of open_clip: a small one with random weights, through the code that real ones take."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from indexer.readers.open_clip import import_clip
from searchengine.cli.main import main
from searchengine.errors import ImageError, MissingPlugin, ModelError
from searchengine.models import files
from searchengine.models.calibration import FEATURES, GROUP, KINDS, Background, Calibration
from searchengine.models.clip import ARCHITECTURE, WEIGHTS, ClipEncoder
from searchengine.search.engine import load_model
from searchengine.types import Calibrated, Encoder, Explainable, Vocabulary

pytestmark = pytest.mark.usefixtures("one_torch_thread")

TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 48, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
TEXTS = ["dog", "a dog on the beach", "zzxqvk", "naïve 猫 😀"]


def network(seed: int = 1, config: dict[str, Any] = TINY) -> Any:
    torch.manual_seed(seed)
    return open_clip.CLIP(**config).eval()


def noise(seed: int, width: int = 90, height: int = 60) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an architecture and its weights, as somebody would hand them over."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    torch.save(network().state_dict(), folder / "tiny.pt")
    torch.save(network(2).state_dict(), folder / "other.pt")
    wide = TINY | {"embed_dim": 32}
    torch.save(network(1, wide).state_dict(), folder / "wide.pt")
    return folder


@pytest.fixture(scope="module")
def model(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "tiny"
    import_clip(str(sources / "tiny.json"), str(sources / "tiny.pt"), out)
    return out


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "in").mkdir()
    for seed in range(8):
        noise(seed).save(folder / ("in" if seed % 2 else ".") / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def library(model: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    assert lexpix("index", photos, "--model", model, library=folder).exit_code == 0
    return folder


def lexpix(*arguments: str | Path, library: Path | None = None) -> Result:
    """Run the command in this process: importing PyTorch takes seconds."""
    env = {"LEXPIX_LIBRARY": str(library), "LEXPIX_MODEL": None, "XDG_CONFIG_HOME": "/nowhere"}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=env)


def answer(*arguments: str | Path, library: Path) -> list[tuple[str, float]]:
    ran = lexpix(*arguments, "--json", library=library)
    assert ran.exit_code == 0, ran.stderr
    return [(hit["path"], hit["score"]) for hit in json.loads(ran.stdout)["hits"]]


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    whole: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return whole


def expected_images(images: list[Image.Image]) -> np.ndarray:
    """Return what open_clip itself makes of pictures, one at a time."""
    transform = open_clip.image_transform(32, is_train=False)
    with torch.inference_mode():
        rows = [network().encode_image(transform(image)[None])[0].numpy() for image in images]
    return unit(np.stack(rows))


def expected_texts(texts: list[str]) -> np.ndarray:
    tokenizer = open_clip.SimpleTokenizer(context_length=16)
    with torch.inference_mode():
        return unit(network().encode_text(tokenizer(texts)).numpy())


def test_vectors_are_those_of_open_clip(model: Path) -> None:
    encoder = load_model(str(model))
    images = [noise(1), noise(2, 60, 90), noise(3, 32, 32)]
    assert encoder.encode_images(images) == pytest.approx(expected_images(images), abs=1e-5)
    assert encoder.encode_texts(TEXTS) == pytest.approx(expected_texts(TEXTS), abs=1e-5)


def test_a_file_a_picture_and_a_prepared_picture_have_one_vector(
    model: Path, tmp_path: Path
) -> None:
    encoder = ClipEncoder(model)
    noise(5).save(tmp_path / "5.png")
    prepared = encoder.prepare(noise(5))
    assert prepared.size == (32, 32) == (encoder.decode_size,) * 2
    rows = encoder.encode_images([noise(5), prepared, tmp_path / "5.png"])
    assert np.ptp(rows, axis=0).max() < 1e-6


def test_more_than_a_batch_equals_one_by_one(model: Path) -> None:
    encoder = ClipEncoder(model)
    images, texts = [noise(seed) for seed in range(35)], [f"{n} dogs" for n in range(35)]
    singly = np.concatenate([encoder.encode_images([image]) for image in images])
    assert encoder.encode_images(images) == pytest.approx(singly, abs=1e-5)
    singly = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert encoder.encode_texts(texts) == pytest.approx(singly, abs=1e-5)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 24)


def test_it_is_an_encoder_that_knows_every_word_and_splits_nothing(model: Path) -> None:
    encoder = ClipEncoder(model)
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, (Vocabulary, Explainable))
    assert (encoder.name, encoder.dim) == ("tiny", 24)
    assert encoder.fingerprint == files.read_config(model).fingerprint


def test_a_file_that_is_no_picture_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match=r"torn\.jpg: not a readable image"):
        ClipEncoder(model).encode_images([tmp_path / "torn.jpg"])


def test_words_and_sums_rank_as_a_naive_scan_does(library: Path, photos: Path, model: Path) -> None:
    paths = sorted(photos.rglob("*.png"))
    pictures = expected_images([Image.open(path) for path in paths])
    (dog, cat) = expected_texts(["a dog on the beach", "cat"])
    for query, vector in (
        (["a dog on the beach"], dog),
        ([f"{paths[0]} - a dog on the beach + 2*cat"], pictures[0] - dog + 2 * cat),
    ):
        scores = pictures @ (vector / np.linalg.norm(vector))
        order = [row for row in np.argsort(-scores) if str(paths[row]) not in query[0]]
        hits = answer("search", *query, "--model", model, library=library)
        assert [path for path, _ in hits] == [str(paths[row]) for row in order]
        assert [score for _, score in hits] == pytest.approx(scores[order].tolist(), abs=2e-3)


def test_similar_and_filters_work_alike(library: Path, photos: Path, model: Path) -> None:
    paths = sorted(photos.rglob("*.png"))
    pictures = expected_images([Image.open(path) for path in paths])
    order = np.argsort(-(pictures @ pictures[0]))[1:]
    hits = answer("similar", paths[0], "--model", model, library=library)
    assert [path for path, _ in hits] == [str(paths[row]) for row in order]
    inside = answer("similar", paths[0], "--in", photos / "in", "--model", model, library=library)
    assert inside == [hit for hit in hits if "/in/" in hit[0]]


def test_explain_says_that_there_is_no_exact_split(
    library: Path, photos: Path, model: Path
) -> None:
    ran = lexpix("explain", "a cat", photos / "0.png", "--model", model, library=library)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "model 'tiny': its scores cannot be split exactly" in ran.stderr
    assert "use a joint model" in ran.stderr


def test_a_process_of_its_own_finds_the_same(library: Path, model: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "searchengine.cli.main", "search", "cat", "--json"],
        env={**os.environ, "LEXPIX_LIBRARY": str(library), "LEXPIX_MODEL": str(model)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    hits = [(hit["path"], hit["score"]) for hit in json.loads(ran.stdout)["hits"]]
    assert hits == answer("search", "cat", "--model", model, library=library)


def test_the_same_weights_in_any_wrapping_have_one_fingerprint(
    sources: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3}})
    )
    prints = {}
    for name, architecture, weights in (
        ("safetensors", sources / "tiny.json", model / WEIGHTS),
        ("other", sources / "tiny.json", sources / "other.pt"),
        ("mean", tmp_path / "open_clip_config.json", sources / "tiny.pt"),
    ):
        ran = lexpix(
            *("import", "clip", architecture, "--weights", weights),
            *("--out", tmp_path / name, "--json"),
        )
        assert ran.exit_code == 0, ran.stderr
        prints[name] = json.loads(ran.stdout)["fingerprint"]
        assert load_model(str(tmp_path / name)).fingerprint == prints[name]
    tiny = files.read_config(model).fingerprint
    assert prints["safetensors"] == tiny
    assert len({tiny, *prints.values()}) == 3
    assert files.read_config(tmp_path / "mean").image["mean"] == [0.5] * 3


def test_the_folder_is_one_that_open_clip_reads(model: Path) -> None:
    ours = open_clip.create_model(f"local-dir:{model}").state_dict()
    for name, weight in network().state_dict().items():
        assert torch.equal(ours[name], weight)
    assert set(load_file(model / WEIGHTS)) == set(ours)


def test_a_tokenizer_of_others_comes_into_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["[PAD]", "[UNK]", "a", "dog", "cat", "on", "the", "beach"]
    level = models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]")
    splitter = Tokenizer(level)
    splitter.pre_tokenizer = pre_tokenizers.Whitespace()
    theirs = PreTrainedTokenizerFast(
        tokenizer_object=splitter, pad_token="[PAD]", unk_token="[UNK]"
    )
    theirs.save_pretrained(tmp_path / "tokenizer")
    text = TINY["text_cfg"] | {"vocab_size": len(words), "pool_type": "last"}
    torch.manual_seed(3)
    network = open_clip.CustomTextCLIP(**TINY | {"text_cfg": text}).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    text["hf_tokenizer_name"] = str(tmp_path / "tokenizer")
    description = TINY | {"text_cfg": text, "custom_text": True}
    (tmp_path / "theirs.json").write_text(json.dumps(description))
    arguments = (str(tmp_path / "theirs.json"), str(tmp_path / "weights.pt"), tmp_path / "m")
    config = import_clip(*arguments)
    assert {"tokenizer.json", "tokenizer_config.json"} < set(config.files)
    shutil.rmtree(tmp_path / "tokenizer")  # nothing outside the folder is needed any more
    tokens = torch.zeros((2, 16), dtype=torch.long)
    tokens[0, :2], tokens[1, :4] = torch.tensor([2, 3]), torch.tensor([4, 5, 6, 7])
    with torch.inference_mode():
        expected = unit(network.encode_text(tokens).numpy())
    rows = load_model(str(tmp_path / "m")).encode_texts(["a dog", "cat on the beach"])
    assert rows == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ModelError, match=r"its tokenizer .*/tokenizer cannot be fetched"):
        import_clip(*arguments)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPlugin, match="its tokenizer needs: pip install transformers"):
        import_clip(*arguments)


def torn(folder: Path) -> None:
    (folder / "weights").write_bytes((folder / "tiny.pt").read_bytes()[:5000])


def code(folder: Path) -> None:
    torch.save({"a": Path("/")}, folder / "weights")


def endless(folder: Path) -> None:
    state = network().state_dict()
    state["visual.proj"] *= float("nan")
    torch.save(state, folder / "weights")


def wide(folder: Path) -> None:
    (folder / "weights").write_bytes((folder / "wide.pt").read_bytes())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (torn, "weights: not weights of the architecture"),
        (code, "weights: no weights, or more than weights, which is not safe to read"),
        (endless, "weights: these weights give no usable vectors"),
        (wide, "weights: not weights of the architecture"),
    ],
)
def test_weights_that_cannot_be_used_are_named_and_leave_the_good_model(
    sources: Path, copy: Path, make: Any, message: str
) -> None:
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    make(sources)
    ran = lexpix(
        *("import", "clip", sources / "tiny.json", "--weights", sources / "weights"),
        *("--out", copy),
    )
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{sources}/{message}" in ran.stderr
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ViT-B-33", "--weights", "openai"], "ViT-B-33: open_clip 3"),
        (["hf-hub:a/b", "--weights", "openai"], "hf-hub:a/b: open_clip 3"),
        (["ViT-B-32", "--weights", "opanai"], "no published weights of ViT-B-32; there are: open"),
        (["none.json", "--weights", "openai"], "none.json: describes no architecture"),
        (["ViT-L-14", "--weights", "tiny.pt"], "with --preprocessing: openai, laion400m"),
        (["ViT-B-32", "--weights", "tiny.pt"], "tiny.pt: not weights of the architecture ViT-B-32"),
        (["xlm-roberta-base-ViT-B-32", "--weights", "tiny.pt"], "use another architecture"),
        (
            ["ViT-B-32", "--weights", "tiny.pt", "--preprocessing", "x"],
            "x: no published weights of ViT-B-32",
        ),
    ],
)
def test_what_open_clip_does_not_know_is_said_with_a_choice(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, message: str
) -> None:
    monkeypatch.chdir(sources)
    ran = lexpix("import", "clip", *arguments, "--out", tmp_path / "out")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert message in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_published_weights_are_refused_in_words(tmp_path: Path) -> None:
    command = f"-m searchengine.cli.main import clip ViT-B-32 --weights openai --out {tmp_path}/out"
    ran = subprocess.run(
        [sys.executable, *command.split()],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "ViT-B-32 openai: the weights cannot be fetched (" in ran.stderr
    assert "connect to a network once, or name a file of weights" in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [ARCHITECTURE, WEIGHTS])
def test_a_changed_or_missing_file_of_the_model_is_named(
    copy: Path, photos: Path, tmp_path: Path, name: str
) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    library = tmp_path / "library"
    ran = lexpix("index", photos, "--model", copy, library=library)
    assert ran.exit_code == 1
    assert f"{copy / name}: not the file of this model (hash mismatch)" in ran.stderr
    (copy / name).unlink()
    ran = lexpix("index", photos, "--model", copy, library=library)
    assert f"{copy / name}: missing from the model" in ran.stderr
    # No picture is to blame.
    assert json.loads(lexpix("failures", "--json", library=library).stdout)["failures"] == []


def test_a_preprocessing_that_open_clip_does_not_know_is_an_error_of_the_model(
    copy: Path, photos: Path, tmp_path: Path
) -> None:
    config = files.read_config(copy)
    config = dataclasses.replace(config, image={**config.image, "resize_mode": "stretch"})
    files.save(copy, config, lambda _folder: None)
    ran = lexpix("index", photos, "--model", copy, library=tmp_path / "library")
    assert ran.exit_code == 1
    assert f"{copy}/config.json: image" in ran.stderr


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="a model of kind 'joint', not of open_clip"):
        ClipEncoder(files.resolve("default"))


def test_a_missing_extra_is_said_with_the_command_before_a_library_is_made(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)  # as if it were not installed
    with pytest.raises(MissingPlugin):
        load_model(str(model))
    arguments = ["import", "clip", "x", "--weights", "y", "--out", str(tmp_path / "out")]
    for command in (["index", str(photos), "--model", str(model)], arguments):
        ran = lexpix(*command, library=tmp_path / "library")
        assert ran.exit_code == 1
        assert "pip install 'lexpix[clip]'" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_calibration_that_is_attached_judges_its_hits(copy: Path, photos: Path) -> None:
    library = copy.parent / "judged"
    assert lexpix("index", photos, "--model", copy, library=library).exit_code == 0

    def hits() -> list[dict[str, Any]]:
        ran = lexpix("search", "a dog", "--all", "--json", "--model", copy, library=library)
        found: list[dict[str, Any]] = json.loads(ran.stdout)["hits"]
        return found

    before = hits()
    assert {hit["match"] for hit in before} == {None}
    # What `train match` would write, with a curve whose middle lies at a cosine of 0.
    encoder = load_model(str(copy))
    assert isinstance(encoder, Calibrated)
    random = np.random.default_rng(1).normal(size=(40, encoder.dim)).astype(np.float32)
    backgrounds = {name: Background.of(unit(random), 4).rounded() for name in ("pictures", *KINDS)}
    curve = dict.fromkeys(FEATURES, 0.0) | {"score": 3.0}
    bands = {kind: {"likely": 0.5, "maybe": 0.2} for kind in KINDS}
    fitted = Calibration(backgrounds, dict.fromkeys(KINDS, curve), bands)
    files.attach(copy, GROUP, fitted.save)
    after = hits()
    assert [(hit["id"], hit["score"]) for hit in after] == [
        (hit["id"], hit["score"]) for hit in before
    ]
    for hit in after:
        assert hit["match"] == pytest.approx(1 / (1 + np.exp(-3 * hit["score"])), abs=2e-3)
        assert hit["band"] == ("likely" if hit["match"] >= 0.5 else "maybe")
