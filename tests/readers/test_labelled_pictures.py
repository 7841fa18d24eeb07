"""Captions and labels from packages: small drawn copies of them, through the real script."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.evaluation.labels import read_labels
from indexer.readers.pairs import read_pairs

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "labelled_pictures.py"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://web.resource.org/cc/">
<metadata><rdf:RDF><cc:Work><dc:title>{title}</dc:title><dc:subject><rdf:Bag>{words}</rdf:Bag>
</dc:subject><dc:creator><cc:Agent><dc:title>Somebody</dc:title></cc:Agent></dc:creator></cc:Work>
</rdf:RDF></metadata></svg>"""


def run(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], check=True)


def paint(path: Path, seed: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def clip(root: Path, name: str, title: str, *keywords: str) -> Path:
    drawing, picture = root / "svg" / f"{name}.svg", root / "png" / f"{name}.png"
    drawing.parent.mkdir(parents=True, exist_ok=True)
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    drawing.write_text(SVG.format(title=title, words=items), encoding="utf-8")
    paint(picture)
    return picture


def test_clip_art_is_captioned_by_title_and_keywords(tmp_path: Path) -> None:
    root, out = tmp_path / "openclipart", tmp_path / "out.jsonl"
    dog = clip(root, "animals/dog_01", "Running Dog 05 (B and W)", "mammal", "", "dog", "hash")
    dolphin = clip(root, "animals/dolphin", "Etiquette Icons", "mammal")  # a whole collection's
    clip(root, "computer/icons/pen", "Pen", "tool")
    clip(root, "shapes/star", "Star", "shape")
    clip(root, "food/pomodori_architetto_01", "Pomodori", "food")  # neither English nor more
    Image.new("RGB", (16, 16), "white").save(clip(root, "animals/ghost", "Ghost"))
    cups = [clip(root, f"food/cup_{number}", "Cup", "drink") for number in range(4)]
    run("clipart", root, out)
    found = {pair.image: pair.captions for pair in read_pairs(out)}
    assert found == {
        dog: ("running dog", "running dog, mammal"),
        dolphin: ("dolphin", "dolphin, mammal"),
        **dict.fromkeys(cups[:3], ("cup", "cup, drink")),
    }
    run("clipart", root, out, "--labels")
    assert dict(read_labels(out))[dog] == ("running dog",)


def test_emoji_of_things_are_captioned_once(tmp_path: Path) -> None:
    package, out, names = tmp_path / "package", tmp_path / "out.jsonl", tmp_path / "names.json"
    kinds = {
        "1F415": ("Animals & Nature", "animal-mammal", "dog2"),
        "1F3C3-200D-2640-FE0F": ("People & Body", "person-activity", "woman-running"),
        "1F1EB-1F1F7": ("Flags", "country-flag", "fr"),
        "1F63A": ("Smileys & Emotion", "cat-face", "smiley_cat"),
        "1F600": ("Smileys & Emotion", "face-smiling", "grinning"),
    }
    entries = []
    for code, (category, kind, name) in kinds.items():
        image = f"{code.lower()}.png"
        paint(package / "img/google/64" / image)
        entries.append(
            {"unified": code, "category": category, "subcategory": kind, "short_name": name}
            | {"image": image, "has_img_google": True}
        )
    (package / "emoji.json").write_text(json.dumps(entries), encoding="utf-8")
    better = [{"hexcode": "1F415", "annotation": "dog", "tags": "animal, dogs, pet"}]
    names.write_text(json.dumps(better), encoding="utf-8")
    run("emoji", package, out, "--names", names)
    pairs = read_pairs(out)
    assert {pair.image.name: pair.captions for pair in pairs} == {
        "1f415.png": ("dog, animal, dogs, pet",),
        "1f63a.png": ("smiley cat",),
    }
    assert {pair.split for pair in pairs} == {"test"}


def test_photos_are_labelled_by_what_captions_agree_on(tmp_path: Path) -> None:
    pairs, out = tmp_path / "captions.jsonl", tmp_path / "out.jsonl"
    entries = [
        {"image": "1.jpg", "captions": ["a dog", "two dogs", "dog and ball", "balls", "it"]},
        {"image": "2.jpg", "captions": ["a hat", "hats", "nothing"]},
        {"image": "3.jpg", "captions": ["a cat", "cats", "cat"], "split": "train"},
    ]
    lines = (json.dumps({"split": "dev"} | entry) for entry in entries)
    pairs.write_text("\n".join(lines), encoding="utf-8")
    run("captions", pairs, out)
    assert read_labels(out) == [(tmp_path / "1.jpg", ("dog",))]


def test_classes_name_the_pictures_of_imagenet(tmp_path: Path) -> None:
    classes, out = tmp_path / "names.tsv", tmp_path / "out.jsonl"
    classes.write_text("0\tn1\ttench\ttench\tfish\n7\tn2\tcock\tcock\tbird\n", encoding="utf-8")
    for name in ("imagenet_00_7.jpg", "imagenet_01_0.jpg", "cifar10_00_3.jpg"):
        paint(tmp_path / "data" / name)
    run("imagenet", tmp_path / "data", out, "--classes", classes)
    assert [(path.name, names) for path, names in read_labels(out)] == [
        ("imagenet_00_7.jpg", ("cock",)),
        ("imagenet_01_0.jpg", ("tench",)),
    ]


def test_labelled_pictures_are_split_by_the_names_of_their_files(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(30)]
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        lines = (json.dumps({"image": f"pie/{name}", "labels": ["apple pie"]}) for name in names)
        (tmp_path / folder / "labels.jsonl").write_text("\n".join(lines), encoding="utf-8")
    splits = []
    for folder in ("one", "other"):
        out = tmp_path / f"{folder}.jsonl"
        run("split", tmp_path / folder / "labels.jsonl", out)
        entries = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert [entry["image"] for entry in entries] == [
            str(tmp_path / folder / "pie" / name) for name in names
        ]
        assert all(entry["labels"] == entry["captions"] == ["apple pie"] for entry in entries)
        assert {pair.split for pair in read_pairs(out)} == {"train", "test"}
        splits.append([entry["split"] for entry in entries])
    held_out = ["test" if zlib.crc32(name.encode()) % 3 == 0 else "train" for name in names]
    assert splits == [held_out, held_out]
    run("split", tmp_path / folder / "labels.jsonl", out, "--all-are", "food")
    called = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    assert called["captions"] == [*called["labels"], *called["labels"], "food"]
