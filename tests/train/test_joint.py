"""Training from pictures and captions to a model folder, for real but small."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from indexer.train.backbones import load_backbone
from indexer.train.captioner.rebind import require_same_cnn
from indexer.train.joint.config import JointConfig
from indexer.train.joint.lexicon import directions
from indexer.train.joint.start import read_weights
from indexer.train.joint.training import Progress, Sources, train_joint
from indexer.vocabulary.classes import Class, read_classes
from searchengine.errors import ConfigError, ImageError, LexpixError, ModelError, TrainingDataError
from searchengine.models import files
from searchengine.models.joint import JointEncoder

pytestmark = pytest.mark.usefixtures("one_torch_thread")

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 40), "blue": (30, 50, 220), "grey": (128,) * 3}
EACH = 7
DEV = 2
SMALL = "squeezenet1_1"
SHORT = JointConfig(dim=16, epochs=3, finetune=2, fresh=8, batch=16, seed=4)


@pytest.fixture(autouse=True, scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give torchvision a folder of its own for weights, and a proxy that refuses to fetch any."""
    home = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        put_weights(SMALL)
        yield home
    # What was fetched first has made urllib remember the proxy for the whole process.
    urllib.request.install_opener(urllib.request.build_opener())


def put_weights(name: str) -> torch.nn.Module:
    """Put random weights where torchvision looks for the published ones."""
    torch.manual_seed(8)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    weights = models.get_model_weights(name).DEFAULT
    extra = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    network = models.get_model(name, weights=None, **extra)
    torch.save(network.state_dict(), folder / Path(weights.url).name)
    published: torch.nn.Module = models.get_model(name, weights=weights)
    return published.eval()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Draw noisy pictures of four colours, with captions, and make word vectors for them."""
    folder = tmp_path_factory.mktemp("drawn")
    random = np.random.default_rng(6)
    lines = []
    for colour, rgb in COLOURS.items():
        for number in range(EACH):
            pixels = np.array(rgb) + random.normal(0, 25, (48, 64, 3))
            name = f"{number}-{colour[::-1]}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
            captions = [f"a {colour} square", f"something {colour}", f"{colour} wall"]
            split = "dev" if number < DEV else "train"
            lines.append(json.dumps({"image": name, "captions": captions, "split": split}))
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    vocabulary = ["a", "square", "something", "wall", *COLOURS, "scarlet"]
    vectors = random.normal(size=(len(vocabulary), 8))
    vectors[-1] = vectors[vocabulary.index("red")] + random.normal(size=8) * 0.1
    rows = zip(vocabulary, vectors.tolist(), strict=True)
    text = "\n".join(" ".join([word, *map(str, vector)]) for word, vector in rows)
    (folder / "words.txt").write_text(text)
    return Sources(folder / "pairs.jsonl", backbone=SMALL, words=folder / "words.txt")


def colour_of(path: str | Path) -> str:
    return Path(path).stem.partition("-")[2][::-1]


@pytest.fixture(scope="module")
def orange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw further pairs, of a fifth colour; the picture 0-orange.png is not for training."""
    folder = tmp_path_factory.mktemp("more")
    random = np.random.default_rng(9)
    lines = []
    for number in range(6):
        pixels = np.array((245, 140, 20)) + random.normal(0, 25, (40, 40, 3))
        name = f"{number}-orange.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
        split = "train" if number else "test"
        lines.append(json.dumps({"image": name, "captions": ["orange"], "split": split}))
    (folder / "more.jsonl").write_text("\n".join(lines))
    return folder / "more.jsonl"


@pytest.fixture(scope="module")
def efficient(drawn: Sources, orange: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train from the pairs, further pairs and a sentence model, once for all tests of a real CNN.

    Most of the time goes into two exports of that CNN: one for its features, one for the model.
    """
    out = tmp_path_factory.mktemp("models") / "efficient"
    assert drawn.words is not None
    words = orange.with_name("words.txt")
    words.write_text(drawn.words.read_text() + "\norange " + " ".join(["0.1"] * 8))
    sources = dataclasses.replace(
        drawn,
        also=(orange,),
        backbone="efficientnet_lite0",
        words=words,
        distil=4,
        notes={"licence": "none"},
    )
    config = JointConfig(
        dim=32, epochs=40, finetune=1, fresh=10, batch=20, cnn_rate=1e-5, head_rate=1e-4
    )
    scores = train_joint(sources, out, config)
    assert files.read_config(out).notes["dev"] == scores
    return out


def test_each_colour_finds_its_dev_pictures(drawn: Sources, efficient: Path) -> None:
    encoder = JointEncoder(efficient)
    pictures = [path for path in sorted(drawn.pairs.parent.glob("*.png")) if path.name[0] in "01"]
    assert len(pictures) == DEV * len(COLOURS)
    images = encoder.encode_images(pictures)
    for colour in COLOURS:
        scores = images @ encoder.encode_texts([f"a {colour} square"])[0]
        best = np.argsort(-scores)[:DEV]
        assert [colour_of(pictures[place]) for place in best] == [colour] * DEV


def test_a_word_that_training_never_saw_works_through_its_vector(
    drawn: Sources, efficient: Path
) -> None:
    encoder = JointEncoder(efficient)
    colours = encoder.encode_texts(list(COLOURS))
    scores = colours @ encoder.encode_texts(["scarlet"])[0]
    assert list(COLOURS)[int(scores.argmax())] == "red"


def test_further_pairs_and_a_sentence_model_teach_what_the_pairs_lack(
    orange: Path, efficient: Path
) -> None:
    notes = files.read_config(efficient).notes
    assert notes["pictures"] == {"train": 20, "dev": 8, "also": 5}
    assert notes["sources"]["also"] == "more.jsonl"
    assert np.load(efficient / "text-projection.npy").shape == (8 + 4, 32)
    encoder = JointEncoder(efficient)
    kept_apart = encoder.encode_images([orange.with_name("0-orange.png")])[0]
    names = [*COLOURS, "orange"]
    assert names[int((encoder.encode_texts(names) @ kept_apart).argmax())] == "orange"


def test_notes_say_where_a_model_comes_from_without_folders(
    drawn: Sources, efficient: Path
) -> None:
    notes = files.read_config(efficient).notes
    assert notes["licence"] == "none"
    assert notes["sources"]["pairs"] == "pairs.jsonl"
    assert notes["config"]["epochs"] == len(notes["epochs"]["frozen"]) == 40
    assert len(notes["epochs"]["finetune"]) == 1
    assert notes["epochs"]["finetune"][-1]["t2i_r10"] == 100.0
    for path in efficient.iterdir():
        assert str(drawn.pairs.parent).encode() not in path.read_bytes()


def train(
    sources: Sources, out: Path, config: JointConfig = SHORT, progress: Progress = lambda *_: None
) -> str:
    train_joint(sources, out, config, progress=progress)
    return files.read_config(out).fingerprint


@pytest.fixture(scope="module")
def whole(drawn: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train without interruption; the folder of the model."""
    out = tmp_path_factory.mktemp("whole") / "m"
    train(drawn, out)
    return out


@pytest.fixture(scope="module")
def reference(whole: Path) -> str:
    return files.read_config(whole).fingerprint


def test_another_seed_gives_another_model_from_the_same_features(
    drawn: Sources, whole: Path, reference: str, tmp_path: Path
) -> None:
    shutil.copytree(whole.with_name("m.work"), tmp_path / "m.work")
    stages: set[str] = set()
    config = dataclasses.replace(SHORT, seed=5)
    other = train(drawn, tmp_path / "m", config, progress=lambda name, *_: stages.add(name))
    assert other != reference
    assert stages == {"frozen 1/3", "frozen 2/3", "frozen 3/3", "finetune 1/2", "finetune 2/2"}


def interrupt(stage: str) -> Progress:
    def progress(name: str, done: int, total: int, remark: str) -> None:
        if name.startswith(stage):
            raise KeyboardInterrupt

    return progress


def test_the_same_seed_interrupted_anywhere_and_resumed_elsewhere_gives_the_same_model(
    drawn: Sources, reference: str, tmp_path: Path
) -> None:
    for stage in ("features", "frozen 1/", "frozen 3/", "finetune 1/", "finetune 2/"):
        with pytest.raises(KeyboardInterrupt):
            train(drawn, tmp_path / "m", progress=interrupt(stage))
        assert not (tmp_path / "m").exists()
    stages: set[str] = set()
    last = train(drawn, tmp_path / "m", progress=lambda name, *_: stages.add(name))
    assert last == reference
    assert stages == {"finetune 2/2"}


def test_a_note_does_not_start_training_again(
    drawn: Sources, whole: Path, reference: str, tmp_path: Path
) -> None:
    shutil.copytree(whole.with_name("m.work"), tmp_path / "m.work")
    noted = dataclasses.replace(drawn, notes={"licence": "CC0"})
    stages: set[str] = set()
    again = train(noted, tmp_path / "m", progress=lambda name, *_: stages.add(name))
    assert (again, stages) == (reference, set())
    assert files.read_config(tmp_path / "m").notes["licence"] == "CC0"


def test_the_command_trains_a_model(drawn: Sources, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.with_name("mine.work").mkdir()
    for features in whole.with_name("m.work").glob("features-*.npy"):
        shutil.copy(features, out.with_name("mine.work"))
    command = "from searchengine.cli.main import main; main()"
    arguments = ["--pairs", str(drawn.pairs), "--out", str(out), "--words", str(drawn.words)]
    arguments += ["--backbone", SMALL, "--dim", "16", "--epochs", "2", "--note", "licence=CC0"]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", command, "train", "joint", *arguments, "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    assert scores.pop("model") == str(out)
    config = files.read_config(out)
    assert config.notes["dev"] == scores
    assert (config.name, config.dim, config.notes["licence"]) == ("mine", 16, "CC0")
    assert "frozen 2" in result.stderr


Change = Callable[[Sources, Path], Sources]


def empty_pairs(sources: Sources, folder: Path) -> Sources:
    (folder / "pairs.jsonl").write_text("")
    return dataclasses.replace(sources, pairs=folder / "pairs.jsonl")


def unknown_words(sources: Sources, folder: Path) -> Sources:
    entries = [{"image": f"{n}.jpg", "captions": ["quux"], "split": "train"} for n in "12"]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, entries)))
    return dataclasses.replace(sources, pairs=folder / "pairs.jsonl")


def unreadable_picture(sources: Sources, folder: Path) -> Sources:
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    entry = json.dumps({"image": str(folder / "torn.jpg"), "captions": ["red"], "split": "train"})
    (folder / "pairs.jsonl").write_text(f"{sources.pairs.read_text()}\n{entry}")
    return dataclasses.replace(sources, pairs=folder / "pairs.jsonl", images=sources.pairs.parent)


def too_few_classes(sources: Sources, folder: Path) -> Sources:
    (folder / "classes.tsv").write_text("0\tn1\tdog\thound, cur\tan animal\n")
    return dataclasses.replace(sources, classes=folder / "classes.tsv")


def backbone(name: str) -> Change:
    return lambda sources, _: dataclasses.replace(sources, backbone=name)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (empty_pairs, TrainingDataError, r"pairs\.jsonl: no pairs of a picture and captions"),
        (unknown_words, TrainingDataError, r"pairs\.jsonl: fewer than two training pictures with"),
        (unreadable_picture, ImageError, r"torn\.jpg: not a readable image"),
        (too_few_classes, TrainingDataError, "1 class names do not fit backbone 'squeezenet1_1'"),
        (backbone("resnet19"), ModelError, "'resnet19' is unknown; use efficientnet_lite0 or"),
        (
            backbone("resnet18"),
            ModelError,
            r"'resnet18': its weights could not be fetched from https://.*resnet18.*\.pth \(.+\); "
            r"connect to a network once, put the file into .*checkpoints, or use",
        ),
    ],
)
def test_an_error_says_what_is_wrong_and_leaves_the_good_model(
    drawn: Sources, tmp_path: Path, change: Change, error: type[LexpixError], message: str
) -> None:
    out = tmp_path / "good"
    config = files.ModelConfig("joint", "good", 16, {"size": 224}, {})
    files.save(out, config, lambda fresh: (fresh / "image.onnx").touch())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(error, match=message):
        train_joint(change(drawn, tmp_path), out, SHORT)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not (tmp_path / "good.new").exists()


def test_a_folder_of_photos_is_refused_before_anything_is_done(
    drawn: Sources, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(ModelError, match="photos: exists and is no model"):
        train_joint(drawn, tmp_path / "photos", SHORT)
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "a.jpg"]


@pytest.mark.parametrize(
    ("name", "classifier"),
    [("mobilenet_v3_small", "classifier"), ("swin_t", "head"), ("googlenet", "fc")],
)
def test_a_backbone_ends_where_the_network_pools(name: str, classifier: str) -> None:
    network = put_weights(name)
    found = load_backbone(name)
    pixels = torch.rand(1, 3, found.size, found.size)

    def normalised(mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
        return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    with torch.inference_mode():
        pooled = found.features(normalised(found.mean, found.std)).mean((2, 3))
        expected = network(normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        result = network.get_submodule(classifier)(pooled)
    assert pooled.shape == (1, found.channels)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-3)


def test_a_network_without_a_map_of_features_is_refused() -> None:
    put_weights("mnasnet0_5")
    with pytest.raises(ModelError, match="'mnasnet0_5': cannot tell where its pooling begins"):
        load_backbone("mnasnet0_5")


def test_classes_are_read_with_their_names_three_times(tmp_path: Path) -> None:
    path = tmp_path / "classes.tsv"
    path.write_text('0\tn1\tdog\thound, "cur"\tan animal\n1\tn2\tcat\t\tanother\n')
    dog, cat = read_classes(path)
    assert dog == Class("n1", "dog", ("hound", '"cur"'), "an animal")
    assert dog.texts == ("dog", "dog", "dog", "hound", '"cur"', "an animal")
    assert cat == Class("n2", "cat", ("",), "another")


@pytest.mark.parametrize("line", ["2\tn2\tcat\tpuss\ta pet", "1\tn2\tcat", "", "x\ty\tz\ta\tb"])
def test_a_malformed_class_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "classes.tsv"
    path.write_text(f"0\tn1\tdog\thound\tan animal\n{line}\n")
    with pytest.raises(TrainingDataError, match=rf"^{path}:2: expected class 1 as INDEX"):
        read_classes(path)


def test_a_device_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device in [kind for kind, is_there in kinds.items() if not is_there]:
        with pytest.raises(ConfigError, match=f"'{device}'"):
            train_joint(Sources(tmp_path / "none.jsonl"), tmp_path / "out", SHORT, device=device)


@pytest.fixture(scope="module")
def begun(drawn: Sources, efficient: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name a thousand classes in a model that has been trained, without training it on."""
    folder = tmp_path_factory.mktemp("begun")
    names = {3: "scarlet", 5: "scarlet wall", 7: "red"}
    rows = ((n, f"n{n:08d}", names.get(n, f"thing{n}")) for n in range(1000))
    lines = (f"{n}\t{synset}\t{name}\t{name}\tsomething\n" for n, synset, name in rows)
    (folder / "classes.tsv").write_text("".join(lines))
    sources = dataclasses.replace(
        drawn,
        backbone="efficientnet_lite0",
        classes=folder / "classes.tsv",
        start=efficient,
        words=None,
    )
    train_joint(sources, folder / "out", JointConfig(dim=32, epochs=0, finetune=0))
    return folder / "out"


def test_a_model_that_is_named_keeps_its_pictures_and_what_captions_say(
    drawn: Sources, efficient: Path, begun: Path
) -> None:
    old, new = JointEncoder(efficient), JointEncoder(begun)
    pictures = sorted(drawn.pairs.parent.glob("*.png"))[:4]
    np.testing.assert_allclose(old.encode_images(pictures), new.encode_images(pictures), atol=2e-3)
    said = ["blue", "something", "a green square"]
    np.testing.assert_allclose(old.encode_texts(said), new.encode_texts(said), atol=2e-2)


def test_names_of_classes_point_to_what_the_classifier_sees(begun: Path) -> None:
    encoder = JointEncoder(begun)
    classifier = load_backbone("efficientnet_lite0").classifier
    assert classifier is not None
    head = read_weights(encoder)["head.weight"]
    places = directions(head, classifier.numpy())
    for name, number in {"scarlet": 3, "scarlet wall": 5, "scarlet walls": 5}.items():
        assert encoder.encode_texts([name])[0] @ places[number] > 0.99, name
    assert encoder.words.find("a scarlet wall")[1] == []
    assert [encoder.words.word(row) for row in encoder.words.find("a scarlet wall")[0]] == [
        "a",
        "scarlet wall",
    ]


def test_a_start_of_another_size_or_cnn_is_refused(
    drawn: Sources, efficient: Path, whole: Path, tmp_path: Path
) -> None:
    sources = dataclasses.replace(drawn, backbone="efficientnet_lite0", start=efficient)
    with pytest.raises(TrainingDataError, match=r"maps 1280 features to 32 dimensions .* 16 and"):
        train_joint(sources, tmp_path / "out", dataclasses.replace(SHORT, epochs=0, finetune=0))
    sources = dataclasses.replace(sources, start=whole)
    with pytest.raises(TrainingDataError, match="its CNN is not 'efficientnet_lite0'"):
        train_joint(sources, tmp_path / "out", dataclasses.replace(SHORT, epochs=0, finetune=0))
    assert not (tmp_path / "out").exists()


def test_a_captioner_moves_to_a_model_of_the_same_cnn_only(
    efficient: Path, begun: Path, whole: Path
) -> None:
    old, new = JointEncoder(efficient), JointEncoder(begun)
    require_same_cnn(old, new)
    with pytest.raises(ModelError, match="has another CNN than"):
        require_same_cnn(old, JointEncoder(whole))


@pytest.mark.parametrize(
    ("name", "rows"),
    [("resnet18", "fc"), ("mobilenet_v2", "classifier.1"), ("mobilenet_v3_small", None)],
)
def test_a_classifier_of_one_layer_brings_its_rows(name: str, rows: str | None) -> None:
    network = put_weights(name)
    found = load_backbone(name).classifier
    if rows is None:
        assert found is None
        return
    assert found is not None
    torch.testing.assert_close(found, network.get_submodule(rows).weight)
