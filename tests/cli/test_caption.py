"""`lexpix caption`, its store and filter, attention drawn, and descriptions in XMP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.library import xmp
from searchengine.catalog.captions import Waiting, caption_keys
from searchengine.catalog.database import open_database
from searchengine.catalog.store import Catalog
from searchengine.cli.main import main
from searchengine.config import Settings
from searchengine.language import query
from searchengine.models.captioner.captioner import Captioner
from searchengine.models.joint import JointEncoder
from searchengine.search.engine import Engine
from searchengine.types import Caption, Filter, Query
from tests.support.drawn_captions import GRID, draw


@pytest.fixture
def options(colour_encoder: JointEncoder, drawn_captioner: Path) -> list[str]:
    return ["--model", str(colour_encoder.folder), "--captioner", str(drawn_captioner)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    draw("red", "blue", 1).save(folder / "a.png")
    draw("green", "green", 2).save(folder / "b.png")
    Image.new("RGB", (40, 40)).save(folder / "black.png")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def expected(encoder: JointEncoder, folder: Path, picture: Path) -> Caption:
    return Captioner(folder, encoder).caption([picture])[0]


def test_the_bundled_captioner_writes_without_any_option(tmp_path: Path) -> None:
    import skimage.data

    shipped = Path(skimage.data.__file__).parent
    answer = json.loads(run("caption", shipped / "motorcycle_left.png", "--json").stdout)
    [said] = answer["pictures"]
    assert "motorcycle" in said["caption"].split()
    assert [np.array(word["attention"]).shape for word in said["words"]][:1] == [(8, 8)]
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    result = run("caption", tmp_path / "dot.png")
    assert (result.exit_code, result.stdout[:9]) == (0, "not sure:")


def test_one_picture_gets_its_sentence_on_stdout(
    options: list[str], photos: Path, colour_encoder: JointEncoder, drawn_captioner: Path
) -> None:
    one = expected(colour_encoder, drawn_captioner, photos / "a.png")
    result = run("caption", photos / "a.png", *options)
    assert (result.exit_code, result.stdout) == (0, f"{one.text}\n")
    answer = json.loads(run("caption", photos / "a.png", *options, "--json").stdout)
    [entry] = answer["pictures"]
    assert (entry["caption"], entry["picture"]) == (one.text, str(photos / "a.png"))
    assert entry["logprob"] == pytest.approx(one.logprob, abs=1e-5)
    assert one.attention is not None
    for word, grid, logprob in zip(entry["words"], one.attention, one.logprobs, strict=True):
        assert word["logprob"] == pytest.approx(logprob, abs=1e-5)
        np.testing.assert_allclose(word["attention"], grid, atol=1e-5)


def test_the_engine_says_what_the_captioner_says(
    photos: Path, library: Path, colour_encoder: JointEncoder, drawn_captioner: Path
) -> None:
    settings = Settings(library, model=str(colour_encoder.folder))
    with Engine.open(settings) as engine:
        for picture in (photos / "a.png", 1):
            one = engine.caption(picture, captioner=str(drawn_captioner))
            path = photos / "a.png" if picture != 1 else engine.catalog.get([1])[1].path
            assert one.words == expected(colour_encoder, drawn_captioner, Path(path)).words


def test_explain_shows_each_word_with_its_probability(
    options: list[str], photos: Path, colour_encoder: JointEncoder, drawn_captioner: Path
) -> None:
    one = expected(colour_encoder, drawn_captioner, photos / "a.png")
    lines = run("caption", photos / "a.png", *options, "--explain").stdout.splitlines()
    assert [line.split()[2] for line in lines[1:-1]] == [*one.words, "(end)"]
    shown = [float(line.split()[0]) for line in lines[1:-1]]
    np.testing.assert_allclose(shown, [*one.logprobs, one.end], atol=0.006)
    assert float(lines[-1].split()[0]) == pytest.approx(np.mean(shown), abs=0.01)


def test_attention_is_drawn_where_it_was(
    options: list[str], photos: Path, tmp_path: Path, colour_encoder: JointEncoder,
    drawn_captioner: Path,
) -> None:  # fmt: skip
    one = expected(colour_encoder, drawn_captioner, photos / "a.png")
    result = run("caption", photos / "a.png", *options, "--attention", tmp_path / "heat.png")
    assert result.exit_code == 0, result.output
    sheet = np.asarray(Image.open(tmp_path / "heat.png").convert("RGB")).astype(int)
    red = sheet[..., 0] - sheet[..., 2]
    assert one.attention is not None
    for number, grid in enumerate(one.attention):
        left, top = 12 + number % 3 * 332, 12 + number // 3 * 356 + 24
        panel = red[top : top + 320, left : left + 320]
        cells = panel.reshape(GRID, 80, GRID, 80).mean(axis=(1, 3))
        assert cells.flat[int(grid.argmax())] >= cells.max() - 25
    assert run("caption", "a", "b", *options, "--attention", "x.png").exit_code == 2
    assert run("caption", photos / "a.png", *options, "--attention", "x.what").exit_code == 2


def test_what_shows_nothing_is_not_sure_and_can_be_left_out(
    options: list[str], photos: Path
) -> None:
    result = run("caption", photos / "black.png", *options)
    assert result.exit_code == 0
    assert result.stdout.startswith("not sure: ")
    result = run("caption", photos / "black.png", *options, "--min-confidence", "0.2")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 left out, less sure than 0.2" in result.stderr


def test_a_bad_file_does_not_stop_the_others(options: list[str], photos: Path) -> None:
    (photos / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    result = run("caption", photos / "torn.jpg", photos / "b.png", *options)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{photos / 'b.png'}: ")
    assert "torn.jpg" in result.stderr
    alone = run("caption", photos / "torn.jpg", *options)
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert "torn.jpg: not a readable image" in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name pictures, or pass --all"),
        (["x.jpg", "--all"], "name pictures, or pass --all"),
        (["x.jpg", "--embed"], "--embed goes with --write-xmp"),
        (["--all", "--explain"], "are for pictures that are named"),
    ],
)
def test_a_wrong_call_says_so(options: list[str], arguments: list[str], message: str) -> None:
    result = run("caption", *arguments, *options)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.fixture
def library(options: list[str], photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    result = run("index", photos, "--library", folder, *options[:2])
    assert result.exit_code == 0, result.output
    return folder


def stored(library: Path) -> dict[str, tuple[str, bool]]:
    catalog = Catalog(open_database(library, create=False))
    found = catalog.captions.get(catalog.present().tolist())
    paths = catalog.get(found)
    catalog.close()
    return {Path(paths[id_].path).name: (one.text, one.sure) for id_, one in found.items()}


def test_a_library_is_captioned_once_and_searched_by_words_of_captions(
    options: list[str], photos: Path, library: Path
) -> None:
    everything = ["caption", "--all", "--library", library, *options]
    report = json.loads(run(*everything, "--json").stdout)
    assert report == {"captioned": 3, "unsure": 1, "captions": 3, "failed": []}
    said = stored(library)
    assert (said["a.png"][1], said["black.png"][1]) == (True, False)
    assert "nothing to do; 3 captions" in run(*everything).stdout

    def hits(asked: str) -> list[str]:
        result = run("search", asked, "--library", library, *options[:2], "--paths", "--all")
        assert result.exit_code == 0, result.output
        return sorted(Path(line).name for line in result.stdout.splitlines())

    sure = {name: set(text.split()) for name, (text, is_sure) in said.items() if is_sure}
    for word in ("red", "green", "square", "a"):
        wanted = sorted(name for name, words in sure.items() if word in words)
        assert hits(f"caption:{word}") == wanted
        assert hits(f"wall - caption:{word}") == sorted({*said} - {*wanted})
    assert hits('caption:"reds and blue"') == hits("caption:red caption:blue")

    # An edited file loses its caption with the next scan, and gets another by the next run.
    draw("white", "white", 5).save(photos / "a.png")
    assert run("index", photos, "--library", library, *options[:2]).exit_code == 0
    assert set(stored(library)) == {"b.png", "black.png"}
    assert json.loads(run(*everything, "--json").stdout)["captioned"] == 1
    assert stored(library)["a.png"] != said["a.png"]


def test_a_picture_that_cannot_be_read_now_is_reported_and_the_rest_is_captioned(
    options: list[str], photos: Path, library: Path
) -> None:
    (photos / "b.png").write_bytes(b"no picture")
    result = run("caption", "--all", "--library", library, *options, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["captioned"], report["failed"][0]["path"]) == (2, str(photos / "b.png"))
    by_number = run("caption", "#1", "--library", library, *options)
    assert by_number.exit_code == 0
    missing = run("caption", "#99", "--library", library, *options)
    assert "#99: no picture of the library has this number" in missing.stderr


def test_captions_of_what_was_forgotten_or_edited_meanwhile_are_not_stored(library: Path) -> None:
    catalog = Catalog(open_database(library, create=False))
    store = catalog.captions
    first, second, third = store.waiting("f")
    gone, edited = Waiting(99, "/x.png", "aa"), Waiting(second.id, second.path, "other bytes")
    one = Caption("two men run", ("two", "men", "run"), (-0.5, -1.0, -1.5), -0.2)
    store.write(dict.fromkeys((first, edited, gone), one), "f")
    assert [waiting.id for waiting in store.waiting("f")] == [second.id, third.id]
    assert len(store.waiting("another captioner")) == 3
    assert store.get([first.id])[first.id].logprob == pytest.approx(-0.8)
    assert store.holders("man") == store.holders("MEN two") == {first.id: 1.0}
    assert store.holders("man dog") == {}
    assert store.count() == 1
    catalog.close()


def test_words_of_captions_are_looked_for_in_the_singular() -> None:
    assert caption_keys("Two men and a dog with dogs") == ("two", "man", "and", "a", "dog", "with")
    assert caption_keys("women's children") == caption_keys("woman child")


def test_a_filter_of_captions_is_read_and_written() -> None:
    asked = query.parse('beach caption:dog - caption:"two men" tag:sea')
    assert asked.filters == (
        Filter("dog", kind="caption"),
        Filter("two men", True, "caption"),
        Filter("sea"),
    )
    assert query.parse(query.format(asked)) == asked


@given(st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool), st.booleans())
def test_any_filter_of_captions_survives_writing(name: str, excluded: bool) -> None:
    asked = Query((), (Filter(name, excluded, "caption"),))
    assert query.parse(query.format(asked)) == asked


# XMP


def description(packet: bytes) -> list[str]:
    path = f".//{{{xmp.DC}}}description//{{{xmp.RDF}}}li"
    return [element.text or "" for element in ElementTree.fromstring(packet).findall(path)]


PERSON = (
    f'<x:xmpmeta xmlns:x="{xmp.META}"><rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description rdf:about=""'
    f' xmlns:dc="{xmp.DC}" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"'
    ' crs:Exposure="+0.50">%s</rdf:Description></rdf:RDF></x:xmpmeta>'
)
MINE = (
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Mum</rdf:li></rdf:Alt></dc:description>'
)


def test_a_sidecar_is_written_and_the_picture_stays_as_it_is(photos: Path) -> None:
    picture = photos / "a.png"
    before = picture.read_bytes()
    assert xmp.write_sidecar(str(picture), 'a "red" & blue wall') == "written"
    sidecar = photos / "a.png.xmp"
    assert description(sidecar.read_bytes()) == ['a "red" & blue wall']
    assert xmp.write_sidecar(str(picture), 'a "red" & blue wall') == "unchanged"
    assert xmp.write_sidecar(str(picture), "a better one") == "written"
    assert description(sidecar.read_bytes()) == ["a better one"]
    assert picture.read_bytes() == before
    assert sorted(path.name for path in photos.glob("a*")) == ["a.png", "a.png.xmp"]


def test_what_a_person_wrote_is_never_replaced(photos: Path) -> None:
    picture, sidecar = photos / "a.png", photos / "a.xmp"
    sidecar.write_text(PERSON % MINE)
    assert xmp.write_sidecar(str(picture), "a red wall") == "kept"
    assert sidecar.read_text() == PERSON % MINE
    assert not (photos / "a.png.xmp").exists()
    # Somebody corrects what lexpix wrote.
    xmp.write_sidecar(str(photos / "b.png"), "a red wall")
    own = photos / "b.png.xmp"
    own.write_text(own.read_text().replace(">a red wall<", ">our kitchen wall<"))
    assert xmp.write_sidecar(str(photos / "b.png"), "a green wall") == "kept"
    assert description(own.read_bytes()) == ["our kitchen wall"]


def test_other_settings_of_a_sidecar_survive(photos: Path) -> None:
    (photos / "a.xmp").write_text(PERSON % "")
    assert xmp.write_sidecar(str(photos / "a.png"), "a wall") == "written"
    content = (photos / "a.xmp").read_text()
    assert 'crs:Exposure="+0.50"' in content
    assert description(content.encode()) == ["a wall"]


@pytest.mark.parametrize(
    "content", ["", "no xml", "<a/>", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
)
def test_a_sidecar_that_is_no_xmp_is_left_alone(photos: Path, content: str) -> None:
    (photos / "a.xmp").write_text(content)
    with pytest.raises(xmp.XmpError, match="not an XMP packet"):
        xmp.write_sidecar(str(photos / "a.png"), "a wall")
    assert (photos / "a.xmp").read_text() == content


def test_embedding_changes_neither_pixels_nor_exif(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    draw("red", "blue", 1).save(picture, quality=90, exif=exif)
    before = np.asarray(Image.open(picture)).copy()
    for text in ("a red wall", "a longer sentence about it"):
        assert xmp.embed(str(picture), text) == "written"
        with Image.open(picture) as image:
            assert description(image.info["xmp"]) == [text]
            assert image.getexif()[0x010F] == "Camera"
            np.testing.assert_array_equal(np.asarray(image), before)
    assert xmp.embed(str(picture), "a longer sentence about it") == "unchanged"
    assert picture.read_bytes().count(b"http://ns.adobe.com/xap/1.0/") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_description_inside_the_picture_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Mum in Rome"
    draw("red", "blue", 1).save(tmp_path / "exif.jpg", exif=exif)
    draw("red", "blue", 1).save(tmp_path / "xmp.jpg", xmp=(PERSON % MINE).encode())
    for name in ("exif.jpg", "xmp.jpg"):
        before = (tmp_path / name).read_bytes()
        assert xmp.embed(str(tmp_path / name), "a wall") == "kept"
        assert xmp.write_sidecar(str(tmp_path / name), "a wall") == "kept"
        assert (tmp_path / name).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
    shutil.copy(tmp_path / "xmp.jpg", tmp_path / "torn.jpg")
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "xmp.jpg").read_bytes()[:60])
    with pytest.raises(xmp.XmpError, match="segments are damaged"):
        xmp.embed(str(tmp_path / "torn.jpg"), "a wall")
    draw("red", "blue", 1).save(tmp_path / "a.png")
    with pytest.raises(xmp.XmpError, match="not a JPEG"):
        xmp.embed(str(tmp_path / "a.png"), "a wall")


def test_the_command_writes_sidecars_for_what_is_sure(
    options: list[str], photos: Path, library: Path
) -> None:
    result = run("caption", "--all", "--write-xmp", "--library", library, *options)
    assert result.exit_code == 0, result.output
    assert "2 descriptions written, 0 as they were, 0 of other people kept, 0 failed" in (
        result.stderr
    )
    texts = {name: text for name, (text, is_sure) in stored(library).items() if is_sure}
    written = {
        p.name.removesuffix(".xmp"): description(p.read_bytes()) for p in photos.glob("*.xmp")
    }
    assert written == {name: [text] for name, text in texts.items()}
