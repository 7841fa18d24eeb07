"""Captioned pictures in the four published formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from indexer.readers.pairs import Pair, read_pairs
from searchengine.errors import TrainingDataError


def write(path: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines(tmp_path: Path) -> None:
    first = {"image": "a/1.jpg", "captions": ["a dog", "a brown dog"], "split": "train"}
    second = {"image": "2.jpg", "captions": ["a cat"], "split": "val"}
    path = write(tmp_path / "pairs.jsonl", f"{json.dumps(first)}\r\n\n{json.dumps(second)}\n")
    assert read_pairs(path) == [
        Pair(tmp_path / "a/1.jpg", ("a dog", "a brown dog"), "train"),
        Pair(tmp_path / "2.jpg", ("a cat",), "dev"),
    ]


def test_one_json_line_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path / "p", {"image": "1.jpg", "captions": [], "split": "test"})
    assert read_pairs(path) == [Pair(tmp_path / "1.jpg", (), "test")]


def test_marks_that_unicode_calls_line_ends_stay_in_captions(tmp_path: Path) -> None:
    caption = "a\u2028dog\x85runs"
    entry = {"image": "1.jpg", "captions": [caption], "split": "train"}
    path = write(tmp_path / "p.jsonl", json.dumps(entry, ensure_ascii=False) + "\n")
    assert read_pairs(path)[0].captions == (caption,)
    path = write(tmp_path / "p.txt", f"1.jpg#0\t{caption}\n")
    assert read_pairs(path)[0].captions == (caption,)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = write(tmp_path / "p", '\ufeff{"image": "1.jpg", "captions": ["a"]}')
    assert read_pairs(path)[0].image == tmp_path / "1.jpg"


def test_karpathy(tmp_path: Path) -> None:
    images = [
        {
            "filepath": "val2014",
            "filename": "1.jpg",
            "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}, {"raw": "Dogs"}],
            "split": "restval",
        },
        {"filename": "2.jpg", "sentences": [{"raw": "A cat"}], "split": "test"},
    ]
    path = write(tmp_path / "dataset_coco.json", {"images": images, "dataset": "coco"})
    assert read_pairs(path, tmp_path / "pictures") == [
        Pair(tmp_path / "pictures/val2014/1.jpg", ("A dog.", "Dogs"), "train"),
        Pair(tmp_path / "pictures/2.jpg", ("A cat",), "test"),
    ]


def test_coco(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 9, "file_name": "9.jpg"}],
        "annotations": [
            {"image_id": 9, "caption": "a cat"},
            {"image_id": 7, "caption": "a dog"},
            {"image_id": 9, "caption": "a black cat"},
        ],
    }
    pairs = read_pairs(write(tmp_path / "captions.json", document))
    assert [(pair.image.name, pair.captions) for pair in pairs] == [
        ("7.jpg", ("a dog",)),
        ("9.jpg", ("a cat", "a black cat")),
    ]


def test_flickr_tokens(tmp_path: Path) -> None:
    text = "b#1.jpg#0\tA dog .\n\na.jpg#0\tA cat .\nb#1.jpg#1\tDogs\tplay .\n"
    pairs = read_pairs(write(tmp_path / "Flickr8k.token.txt", text))
    assert [(pair.image, pair.captions) for pair in pairs] == [
        (tmp_path / "b#1.jpg", ("A dog .", "Dogs\tplay .")),
        (tmp_path / "a.jpg", ("A cat .",)),
    ]


def test_without_splits_a_twentieth_is_kept_for_dev_whatever_else_is_there(tmp_path: Path) -> None:
    lines = [f"{number}.jpg#0\ta dog" for number in range(2000)]
    all_pairs = read_pairs(write(tmp_path / "all.txt", "\n".join(lines)))
    assert {pair.split for pair in all_pairs} == {"train", "dev"}
    assert 70 <= sum(pair.split == "dev" for pair in all_pairs) <= 130
    some = read_pairs(write(tmp_path / "some.txt", "\n".join(reversed(lines[500:600]))))
    assert set(some) <= set(all_pairs)


def test_lines_of_one_picture_are_one_pair(tmp_path: Path) -> None:
    path = tmp_path / "p"
    entries = [("1.jpg", "a dog"), ("2.jpg", "a cat"), ("1.jpg", "a brown dog")]
    lines = [json.dumps({"image": i, "captions": [c], "split": "train"}) for i, c in entries]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_pairs(path) == [
        Pair(tmp_path / "1.jpg", ("a dog", "a brown dog"), "train"),
        Pair(tmp_path / "2.jpg", ("a cat",), "train"),
    ]


def test_a_picture_in_two_splits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    lines = [{"image": "1.jpg", "captions": ["a"], "split": s} for s in ("train", "dev")]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"1\.jpg is in the splits train and dev"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("restval", "train"), ("val", "dev"), ("dev", "dev"), ("test", "test")],
)
def test_names_of_splits(tmp_path: Path, name: str, split: str) -> None:
    path = write(tmp_path / "p", {"image": "1.jpg", "captions": ["a"], "split": name})
    assert read_pairs(path)[0].split == split


GOOD = '{"image": "1.jpg", "captions": ["a"]}\n'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (GOOD + "{", ":2: not a pair"),
        (GOOD + "\n[]", ":3: not a pair"),
        (GOOD + '{"image": "2.jpg"}', ":2: not a pair .*captions"),
        (GOOD + '{"captions": ["a"]}', ":2: not a pair .*image"),
        (GOOD + '{"image": 2, "captions": ["a"]}', ":2: not a pair .*2 is not a string"),
        (GOOD + '{"image": "2.jpg", "captions": "a"}', ":2: not a pair .*list of strings"),
        (GOOD + '{"image": "2.jpg", "captions": [1]}', ":2: not a pair .*1 is not a string"),
        (GOOD + '{"image": "2.jpg", "captions": [], "split": "x"}', ":2: not a pair .*'x'"),
        (GOOD + '{"image": "2.jpg", "captions": [], "split": []}', ":2: not a pair"),
        ("1.jpg#0\ta\n1.jpg a dog", ":2: expected NAME#N<TAB>CAPTION"),
        ("1.jpg\ta dog", ":1: expected NAME#N<TAB>CAPTION"),
        ("#0\ta dog", ":1: expected NAME#N<TAB>CAPTION"),
        ('{"images": [{"filename": "1.jpg", "sentences": []}, 5]}', r": images\[1\] is malformed"),
        ('{"images": [{"filename": "1.jpg", "sentences": [{}]}]}', r": images\[0\] .*raw"),
        ('{"images": [{"filename": 1, "sentences": []}]}', r": images\[0\] is malformed"),
        ('{"images": null}', ": images is not a list"),
        ('{"annotations": [], "images": [{"id": 1}]}', ": not COCO captions .*file_name"),
        ('{"annotations": [{"image_id": 1, "caption": 2}], "images": []}', ": not COCO captions"),
        ('{"annotations": []}', ": not COCO captions .*images"),
        ("", ": no pairs"),
        (" \n\n", ": no pairs"),
        ('{"images": []}', ": no pairs"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, text: str, where: str) -> None:
    path = write(tmp_path / "pairs", text)
    with pytest.raises(TrainingDataError, match=f"^{path}{where}"):
        read_pairs(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"1.jpg#0\tcaf\xe9\n")
    for name in ("latin", "nowhere", "."):
        with pytest.raises(TrainingDataError, match="cannot be read"):
            read_pairs(tmp_path / name)
