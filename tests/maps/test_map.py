"""Maps as files: what is on them, that names of files cannot break them, and the commands."""

from __future__ import annotations

import base64
import html.parser
import io
import itertools
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from indexer.executors import Serial
from indexer.library.pipeline import index_images
from indexer.maps.drawing import PAPER, PICTURE, WORD, arrange, draw_png, draw_svg
from indexer.maps.output import form_of, write
from indexer.maps.page import SHEET, draw_page
from indexer.maps.scene import THUMB, Scene, Thumb, map_pictures, with_thumbs
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.cli.main import main
from searchengine.errors import ConfigError
from tests.support.boxes import overlap
from tests.support.colour_encoder import COLOURS, ColourEncoder

EVIL = "<img src=x onerror=alert(1)>.png"
SIZE = (640, 480)


def make_scene(pictures: int = 30, words: int = 20) -> Scene:
    rng = np.random.default_rng(5)
    names = [f"/photos/{number:03}.jpg" for number in range(pictures)]
    names[0] = f"/photos/</script><b>&amp;/{EVIL}"
    labels = [f"word {number}" for number in range(words)]
    labels[0] = "</script><script>alert(2)</script>"
    thumbs = tuple(
        Thumb(point, Image.new("RGB", (THUMB, THUMB // 2 + point), (8 * point, 90, 200)))
        for point in range(pictures)
    )
    places = rng.random((pictures + words, 2))
    return Scene("a <map>", places, (*names, *labels), pictures, thumbs)


class Elements(html.parser.HTMLParser):
    """All elements of a page, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def test_nothing_on_a_drawing_overlaps_and_all_is_inside() -> None:
    scene = make_scene()
    plan = arrange(scene, SIZE)
    assert plan.labels
    assert plan.thumbs
    boxes = [np.array(box) for _, box in (*plan.labels, *plan.thumbs)]
    assert not any(overlap(one, other) for one, other in itertools.combinations(boxes, 2))
    corners = np.array(boxes)
    assert corners.min() >= 0
    assert (corners[:, 2:] <= SIZE).all()
    assert (plan.dots >= 0).all()
    assert (plan.dots <= SIZE).all()


def hex_of(image: Image.Image, x: int, y: int) -> str:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return "#{:02x}{:02x}{:02x}".format(*pixel)


def test_png_shows_each_dot_in_the_colour_of_its_kind() -> None:
    scene = Scene(
        "dots", np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]]), ("/a.jpg", "/b.jpg", "c"), 2
    )
    image = Image.open(io.BytesIO(draw_png(scene, SIZE)))
    assert image.size == SIZE
    plan = arrange(scene, SIZE)
    colours = [hex_of(image, int(x), int(y)) for x, y in plan.dots]
    assert colours == [PICTURE, PICTURE, WORD]
    assert hex_of(image, 1, 1) == PAPER


def test_svg_says_what_the_scene_says_whatever_the_names_are() -> None:
    scene = make_scene()
    tree = ElementTree.fromstring(draw_svg(scene, SIZE))
    space = "{http://www.w3.org/2000/svg}"
    titles = [one.text for one in tree.iterfind(f".//{space}circle/{space}title")]
    assert titles == list(scene.names)
    plan = arrange(scene, SIZE)
    texts = [one.text for one in tree.iterfind(f"{space}text")]
    assert texts == [scene.names[point] for point, _ in plan.labels]
    drawn = tree.findall(f"{space}image")
    assert len(drawn) == len(plan.thumbs)
    for element, (number, _) in zip(drawn, plan.thumbs, strict=True):
        raw = base64.b64decode(element.attrib["href"].removeprefix("data:image/jpeg;base64,"))
        mean = np.asarray(Image.open(io.BytesIO(raw))).reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(mean, [8 * scene.thumbs[number].point, 90, 200], atol=4)


def test_names_that_are_no_text_do_not_break_a_file() -> None:
    names = ("/a/\x01\x1b[31m.jpg", "/a/\udcff\u202e.jpg", "/a/\U0001f600.jpg")
    scene = Scene("odd", np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.0]]), names, 3)
    text = ElementTree.fromstring(draw_svg(scene, SIZE))
    titles = [one.text for one in text.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert titles == ["/a/\\x01\\x1b[31m.jpg", "/a/\\xff\\u202e.jpg", "/a/\U0001f600.jpg"]
    data = json.loads(Elements(draw_page(scene).decode()).scripts[0])
    assert data["names"] == ["\\x01\\x1b[31m.jpg", "\\xff\\u202e.jpg", "\U0001f600.jpg"]


def test_page_holds_no_element_of_a_file_name_and_loads_nothing() -> None:
    page = draw_page(make_scene()).decode()
    elements = Elements(page)
    names = [tag for tag, _ in elements.tags]
    assert names.count("script") == 2
    assert "img" not in names
    assert "b" not in names
    assert "://" not in page
    policy = next(a["content"] for t, a in elements.tags if "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_page_gives_back_the_scene() -> None:
    scene = make_scene()
    data = json.loads(Elements(draw_page(scene).decode()).scripts[0])
    names = [
        data["folders"][folder] + name
        for folder, name in zip(data["folder"], data["names"], strict=False)
    ]
    assert (*names, *data["names"][30:]) == scene.names
    places = np.frombuffer(base64.b64decode(data["places"]), "<u2").reshape(-1, 2) / 65535
    np.testing.assert_allclose(places, scene.places, atol=0.5 / 65535)
    raw = base64.b64decode(data["sheets"][0].partition(",")[2])
    sheet = np.asarray(Image.open(io.BytesIO(raw))).astype(float)
    for (point, number, x, y, w, h), thumb in zip(data["thumbs"], scene.thumbs, strict=True):
        assert (point, number, (w, h)) == (thumb.point, 0, thumb.image.size)
        cut = sheet[y + 8 : y + h - 8, x + 8 : x + w - 8].reshape(-1, 3)
        np.testing.assert_allclose(cut.mean(axis=0), [8 * point, 90, 200], atol=4)


def test_more_small_pictures_than_one_large_one_holds() -> None:
    most = (SHEET // THUMB) ** 2
    image = Image.new("RGB", (THUMB, THUMB), "red")
    places = np.random.default_rng(0).random((most + 1, 2))
    names = tuple(f"/{number}.jpg" for number in range(most + 1))
    thumbs = tuple(Thumb(point, image) for point in range(most + 1))
    scene = Scene("many", places, names, most + 1, thumbs)
    data = json.loads(Elements(draw_page(scene).decode()).scripts[0])
    assert len(data["sheets"]) == 2
    spots = {tuple(spot[1:4]) for spot in data["thumbs"]}
    assert len(spots) == most + 1
    assert data["thumbs"][-1] == [most, 1, 0, 0, THUMB, THUMB]


@pytest.mark.parametrize(
    ("name", "form"), [("a.PNG", "png"), ("b.svg", "svg"), ("c.htm", "html"), ("d.html", "html")]
)
def test_suffix_decides_on_the_form_unless_told(name: str, form: str) -> None:
    assert form_of(name) == form
    assert form_of(name, "svg") == "svg"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "map.html"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        write(str(target), b"new")
    assert sorted(os.listdir(tmp_path)) == ["map.html"]


def test_a_write_replaces_and_heeds_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "map.svg"
    target.write_bytes(b"old")
    before = os.umask(0o027)
    try:
        write(str(target), b"new")
    finally:
        os.umask(before)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["map.svg"]


def test_map_of_a_library_puts_words_among_their_pictures(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(2)
    for name, colour in COLOURS.items():
        for number in range(4):
            noise = rng.integers(-12, 13, (16, 16, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(photos / f"{name}-{number}.png")
    os.rename(photos / "red-0.png", photos / EVIL)
    encoder = ColourEncoder()
    catalog = Catalog(open_database(tmp_path / "library", create=True))
    index_images(str(photos), catalog, encoder, executor=Serial())
    os.unlink(photos / "blue-0.png")
    scene = map_pictures(catalog, encoder, catalog.present(), method="pca", landmarks=20)
    catalog.close()
    assert scene.pictures == 4 * len(COLOURS)
    words = {scene.names[point]: scene.places[point] for point in scene.words}
    assert set(words) <= set(COLOURS)
    for word in ("red", "blue", "yellow", "green"):
        far = np.linalg.norm(scene.places[: scene.pictures] - words[word], axis=1)
        nearest = os.path.basename(scene.names[int(far.argmin())])
        assert nearest.startswith(word) or (nearest == EVIL and word == "red")
    scene, failures = with_thumbs(scene, 1000, Serial())
    assert len(scene.thumbs) == scene.pictures - 1
    assert re.search(r"blue-0\.png: cannot be read \(No such file", failures[0])
    for thumb in scene.thumbs:
        name = os.path.basename(scene.names[thumb.point]).partition("-")[0]
        if name != EVIL:
            mean = np.asarray(thumb.image).reshape(-1, 3).mean(axis=0)
            np.testing.assert_allclose(mean, COLOURS[name], atol=14)


def run(*arguments: str, library: Path) -> Result:
    return CliRunner().invoke(main, [*arguments, "--library", str(library)])


def test_words_map_draws_the_words_that_are_known(tmp_path: Path) -> None:
    out = tmp_path / "words.svg"
    words = ("dog", "cat", "wolf", "apple", "zzqqx", "dog")
    ran = run("words", "map", *words, "-o", str(out), "--json", library=tmp_path / "none")
    assert ran.exit_code == 0, ran.output
    assert "'zzqqx' is not known and is not drawn" in ran.stderr
    told = json.loads(ran.stdout)
    assert (told["words"], told["pictures"], told["bytes"]) == (4, 0, out.stat().st_size)
    tree = ElementTree.fromstring(out.read_bytes())
    texts = [one.text for one in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["dog", "cat", "wolf", "apple"]


def test_words_near_one_and_frequent_words(tmp_path: Path) -> None:
    found = {}
    for name, options in {
        "near": ("--near", "dog"),
        "frequent": ("--frequent",),
        "tags": (),
    }.items():
        out = tmp_path / f"{name}.html"
        ran = run("words", "map", *options, "-k", "25", "-o", str(out), library=tmp_path / "none")
        assert ran.exit_code == 0, ran.output
        found[name] = json.loads(Elements(out.read_text(encoding="utf-8")).scripts[0])["names"]
        assert len(set(found[name])) == 25
    assert found["near"][0] == "dog"
    assert {"dogs", "puppy"} <= set(found["near"])
    assert {"the", "of", "and"} <= set(found["frequent"])
    assert not {"the", "of", "and"} & set(found["tags"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("words", "map", "dog", "cat", "wolf", "-o", "x.gif"), 2, "a map is a .png, .svg or"),
        (("words", "map", "dog", "cat", "-o", "x.png"), 2, "at least 3 points; there are 2"),
        (("words", "map", "dog", "zzqqx", "yyqqx", "-o", "x.png"), 2, "at least 3 points"),
        (("words", "map", "--near", "zzqqx", "-o", "x.png"), 2, "no word of the query is known"),
        (("words", "map", "dog", "--frequent", "-o", "x.png"), 2, "or none of them"),
        (("words", "map", "-o", "none/x.png"), 2, "there is no folder"),
        (("map", "-o", "."), 2, "a map is a .png, .svg or .html file"),
        (("map", "-o", ".", "--format", "png"), 2, "is a folder; name a file in it"),
        (("map", "-o", "x.png"), 3, "nothing is indexed here yet"),
        (("map", "-o", "x.png", "--size", "10x10"), 2, "each side has 100 to 10000 pixels"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_written(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments, library=tmp_path / "none")
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert message in ran.stderr
    assert os.listdir(tmp_path) == []
