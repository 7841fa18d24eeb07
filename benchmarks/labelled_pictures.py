"""Write captions and labels of pictures that packages ship, for `lexpix eval` and `lexpix train`.

    python benchmarks/labelled_pictures.py clipart /usr/share/openclipart clipart.jsonl
    python benchmarks/labelled_pictures.py emoji emoji-datasource-google/package emoji.jsonl \
        --names openmoji/package/data/openmoji.json
    python benchmarks/labelled_pictures.py emoji emoji-datasource-google/package fluent.jsonl \
        --names openmoji/package/data/openmoji.json --part train \
        --drawings fluent-emoji-3d/package/assets
    python benchmarks/labelled_pictures.py captions captions.jsonl labels.jsonl --split dev
    python benchmarks/labelled_pictures.py imagenet foolbox/data labels.jsonl --classes names.tsv
    python benchmarks/labelled_pictures.py split food101/labels.jsonl food101.jsonl

clipart     Debian openclipart-png and openclipart-svg: pairs, captioned by title and keywords
emoji       npm emoji-datasource-google, unpacked: pairs of the split test; the names and keywords
            of npm openmoji are better than its own. With --drawings the same emoji as drawn by
            another package, in files named by code points; --part keeps a quarter apart by code
            points, so that one may train on a style and measure on things of another style
captions    captioned photos: labels, the nouns that at least three captions of a picture agree on
imagenet    files named imagenet_NN_CLASS.jpg, as PyPI's foolbox ships: labels, names of the classes
split       labelled pictures: the same, with a split train or test by the name of the file, so that
            a picture that two collections share is on one side in both; captions are the labels.
            With --all-are food one caption in three is "food"

Pictures stay where they are; the files written name them by absolute paths.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from indexer.evaluation.labels import read_labels
from indexer.evaluation.mentions import count, stem
from indexer.readers.pairs import read_pairs
from searchengine.errors import ImageError
from searchengine.images import open_image
from searchengine.language.words import tokenize

Entry = dict[str, Any]

COPIES = 3
"""At most so many clip-arts of one title."""
APART = 4
"""One emoji in so many is not trained on, in whatever style."""
AGREE = 3
"""So many captions of a photo must name a noun."""
TEST_SHARE = 3
"""One labelled picture in so many is kept for testing."""

_NOUNS = """
airplane ball bench bike bird boat book bridge building bus camel camera canoe car cat chair cow
cup dress duck elephant fence fire fish flag flower fountain frisbee glasses grass guitar hat
helmet horse hurdle jacket kayak ladder leaf microphone motorcycle mountain paint pool rabbit
raft ramp rock rope sand scooter sheep sign skateboard slide snow snowboard sofa stage stairs
stick street sunglasses surfboard swing table tent toy track train trampoline tree truck tunnel
umbrella wagon wall waterfall wave dog beach
"""
NOUNS = tuple(_NOUNS.split())
"""Concrete things. Left out is what stands in pictures that do not agree on it, such as people and
water, and what would say the same of another noun ("bicycle", "puppy", "animal")."""

# Folders of openclipart that hold no picture of a thing.
_NO_THINGS = re.compile(
    r"^(computer/(icons|buttons)|shapes|special|buttons|logos"
    r"|signs_and_symbols/(flags|map_symbols|led|flowchart)|geography/(?!astronomy)"
    r"|unsorted|recreation/games/cards|transportation/aiga)"
)
# Titles of whole collections; there the file's name says what is drawn.
_COLLECTION = re.compile(
    r"^(clipart by|various|aiga|etiquette|svg road|lemon|part of|gramastar|r16|sallite|homes clip"
    r"|blueberry|people$|advertising|map symbols|road signs|boating|simple arrows|card$|$)",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"_archi|archit|rolland", re.IGNORECASE)  # titles in Italian
_NO_KEYWORD = re.compile(
    r"hash|0x|unsorted|@|sym$|united_nations|icon|theme|inkscape|openclipart|architetto|stuff$|^\d+$"
    r"|symbol|^menu$|^office$|^special$|webpage|^work$|clip ?art|^simple$|^bordered$|_",
    re.IGNORECASE,
)
_NO_WORD = frozenset(
    "ganson bw aiga icon clipart email svg png hash v0 v1 drawn straight lines jpg".split()  # noqa: SIM905
)
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}
# Emoji categories that show no thing, and subcategories whose pictures differ in details only.
_NO_EMOJI = frozenset({"Flags", "Symbols", "Component", "Smileys & Emotion"})
_NO_EMOJI_KINDS = frozenset(
    {"time", "family", "hotel", "person-symbol"}
    | {f"hand-{kind}" for kind in ("fingers-open", "fingers-partial", "fingers-closed", "prop")}
    | {"hand-single-finger", "hands", "person-gesture"}
)
_EMOJI_FACES = frozenset({"cat-face", "monkey-face", "heart"})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = ("clipart", "emoji", "captions", "imagenet", "split")
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("source", type=Path, help="folder, or file of captions")
    parser.add_argument("out", type=Path, help="JSON lines to write")
    parser.add_argument("--names", type=Path, help="openmoji.json, for emoji")
    parser.add_argument("--drawings", type=Path, help="folder of another style, for emoji")
    parser.add_argument(
        "--part",
        choices=("all", "train", "test"),
        default="all",
        help="all emoji, those to train on, or the quarter that is not trained on in any style",
    )
    parser.add_argument("--split", default="dev", help="which captioned pictures")
    parser.add_argument("--all-are", metavar="KIND", help="what all the pictures are, for split")
    parser.add_argument("--labels", action="store_true", help="names instead of captions")
    parser.add_argument("--classes", type=Path, help="table: class, synset, name; for imagenet")
    options = parser.parse_args()
    entries = {
        "clipart": lambda: clipart(options.source),
        "emoji": lambda: emoji(options.source, options.names, options.drawings, options.part),
        "captions": lambda: captioned(options.source, options.split),
        "imagenet": lambda: imagenet(options.source, options.classes),
        "split": lambda: split(options.source, options.all_are),
    }[options.kind]()
    written = write(map(named, entries) if options.labels else entries, options.out)
    print(f"{options.out}: {written} pictures", file=sys.stderr)


def named(entry: Entry) -> Entry:
    """Turn a captioned picture into a labelled one: its name is what its caption begins with."""
    if "labels" in entry:
        return entry
    return {"image": entry["image"], "labels": [entry["captions"][0].partition(",")[0]]}


def write(entries: Iterable[Entry], out: Path) -> int:
    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def clipart(root: Path) -> Iterator[Entry]:
    """Yield captioned clip-art of the folders svg and png of openclipart."""
    seen: Counter[str] = Counter()
    for drawing in sorted((root / "svg").rglob("*.svg")):
        place = drawing.relative_to(root / "svg")
        picture = root / "png" / place.with_suffix(".png")
        if _NO_THINGS.match(place.as_posix()) or picture.is_symlink() or not picture.exists():
            continue
        name, keywords = _clipart_name(drawing)
        known = set(map(stem, tokenize(name)))
        extra = [word for word in keywords if not set(map(stem, tokenize(word))) <= known]
        caption = ", ".join(filter(None, [name, *extra]))
        if (not name and len(extra) < 2) or not caption:  # "food" alone names nothing
            continue
        title = name or caption
        if seen[title] < COPIES and _shows_something(picture):
            seen[title] += 1
            options = [name, caption] if name and extra else [caption]
            yield {"image": str(picture), "captions": options, "split": "train"}


def _clipart_name(drawing: Path) -> tuple[str, list[str]]:
    """Return what a drawing is called, empty if nobody said in English, and its keywords."""
    title, keywords = "", []
    try:
        metadata = ElementTree.parse(drawing).find(".//{*}metadata")
        work = None if metadata is None else metadata.find(".//{*}Work")
    except ElementTree.ParseError:  # some declare no name space of the metadata
        work = None
    if work is not None:
        title = work.findtext("dc:title", "", _NAMESPACES) or ""
        bag = work.findall("dc:subject//rdf:li", _NAMESPACES)
        keywords = [" ".join((item.text or "").split()).lower() for item in bag]
    keywords = [word for word in keywords if word and not _NO_KEYWORD.search(word)]
    if _FOREIGN.search(drawing.name + title):
        return "", list(dict.fromkeys(keywords))
    name = drawing.stem if _COLLECTION.match(title.strip()) else title
    words = tokenize(re.sub(r"[_\d]+|\(.*?\)|\bb and w\b", " ", name.replace("-", " ").lower()))
    name = " ".join(word for word in words if word not in _NO_WORD and len(word) > 1)
    return name, list(dict.fromkeys(keywords))


def _shows_something(picture: Path) -> bool:
    """Return whether a picture can be read and is not of one colour."""
    try:
        pixels = np.asarray(open_image(picture, size=32), dtype=np.float32)
    except ImageError as error:
        print(error, file=sys.stderr)
        return False
    return float(pixels.std(axis=(0, 1)).max()) > 4


def emoji(
    folder: Path, names: Path | None, drawings: Path | None = None, part: str = "all"
) -> Iterator[Entry]:
    """Yield captioned emoji, one of those that differ in skin or sex only."""
    better = {} if names is None else _openmoji_names(names)
    others = {} if drawings is None else {_code(path.stem): path for path in drawings.iterdir()}
    for entry in json.loads((folder / "emoji.json").read_text(encoding="utf-8")):
        kind, code = entry["subcategory"], _code(entry["unified"])
        picture = others.get(code) if drawings else folder / "img/google/64" / entry["image"]
        if kind not in _EMOJI_FACES and (entry["category"] in _NO_EMOJI or kind in _NO_EMOJI_KINDS):
            continue
        # Joined with the sign of a sex: the same activity again; facing right: the same mirrored.
        joined = {"2640", "2642", "27A1"} & set(entry["unified"].split("-"))
        if joined or not entry["has_img_google"] or picture is None or not picture.exists():
            continue
        apart = zlib.crc32(code.encode()) % APART == 0
        if part != "all" and apart != (part == "test"):
            continue
        own = entry["short_name"].replace("_", " ").replace("-", " ")
        name, keywords = better.get(code, (own, []))
        words = set(tokenize(name))
        extra = [word for word in keywords if not set(tokenize(word)) <= words]
        caption = ", ".join([name, *extra])
        captions = [name, caption] if extra and part == "train" else [caption]
        split = "train" if part == "train" else "test"
        yield {"image": str(picture.absolute()), "captions": captions, "split": split}


def _code(name: str) -> str:
    """Return code points as all sources write them, without the sign that only asks for colour."""
    return name.upper().replace("-FE0F", "")


def _openmoji_names(path: Path) -> dict[str, tuple[str, list[str]]]:
    return {
        _code(entry["hexcode"]): (
            entry["annotation"].replace(":", ""),
            [tag.strip() for tag in entry["tags"].split(",") if tag.strip()],
        )
        for entry in json.loads(path.read_text(encoding="utf-8"))
    }


def captioned(pairs: Path, split: str) -> Iterator[Entry]:
    """Yield captioned pictures with the nouns that their captions agree on."""
    for pair in read_pairs(pairs):
        if pair.split == split:
            agreed = [noun for noun in NOUNS if count(pair.captions, noun) >= AGREE]
            if agreed:
                yield {"image": str(pair.image.absolute()), "labels": agreed}


def imagenet(folder: Path, classes: Path) -> Iterator[Entry]:
    """Yield pictures whose file names end with a class of ImageNet."""
    with classes.open(encoding="utf-8", newline="") as file:
        names = {int(row[0]): row[2] for row in csv.reader(file, delimiter="\t")}
    for picture in sorted(folder.glob("imagenet_*_*.jpg")):
        label = names[int(picture.stem.rpartition("_")[2])]
        yield {"image": str(picture.absolute()), "labels": [label]}


def split(labels: Path, kind: str | None = None) -> Iterator[Entry]:
    """Yield labelled pictures with the split that the names of their files choose."""
    for image, names in read_labels(labels):
        yield {
            "image": str(image.absolute()),
            "labels": list(names),
            "captions": [*names, *names, kind] if kind else list(names),
            "split": split_of(image),
        }


def split_of(image: Path) -> str:
    """Return "test" for one picture in TEST_SHARE, chosen by its file's name alone."""
    return "test" if zlib.crc32(image.name.encode()) % TEST_SHARE == 0 else "train"


if __name__ == "__main__":
    main()
