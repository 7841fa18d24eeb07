"""Completion: what real shells insert on a real terminal, and that nothing is written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from searchengine.cli.shells import words_of
from searchengine.config import Settings
from searchengine.language.filters import KEYS
from searchengine.language.query import parse
from searchengine.search.suggestions import Suggestions
from tests.support.command import LEXPIX, environment, lexpix
from tests.support.screen import Screen, on_screen

COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "--no-rcs", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
BEFORE = {"zsh": "autoload -U compinit; compinit -u; PS1='$ '; "}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with tags, cameras and dates, and a library of them beside."""
    folder = tmp_path_factory.mktemp("completion")
    for name, camera in (
        ("2024/Summer/IMG_1.jpg", "X-T3"),
        ("2024/Summer/IMG_2.jpg", "X-T3"),
        ("2024/My trip/IMG_3.jpg", "Pixel 8 Pro"),
    ):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[ExifTags.Base.Model], exif[ExifTags.Base.DateTime] = camera, "2024:07:01 10:00:00"
        Image.effect_noise((60, 40), len(path.name)).convert("RGB").save(path, exif=exif.tobytes())
    lexpix("index", folder / "photos", library=folder / "library")
    with closing(sqlite3.connect(folder / "library/catalog.sqlite")) as catalog:
        rows = [(1, "zoo", "user"), (2, "zoo", "guess"), (3, "zoo keeper", "user")]
        rows += [(3, "zebra", "no"), (1, "quagga", "user")]
        catalog.executemany("INSERT INTO tags (image_id, name, source) VALUES (?, ?, ?)", rows)
        catalog.commit()
    return folder


@pytest.fixture(scope="module")
def known(folder: Path) -> Suggestions:
    return Suggestions(Settings(library=folder / "library"))


def written(known: Suggestions, text: str) -> list[str]:
    """Return the texts that a text may become."""
    return [text[: one.start] + one.text for one in known.suggest(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tag:zo", ["tag:zoo", 'tag:"zoo keeper"']),
        ("dog -tag:ZO", ["dog -tag:zoo", 'dog -tag:"zoo keeper"']),
        ('dog - tag:"zoo k', ['dog - tag:"zoo keeper"']),
        ("tag:", ["tag:zoo", "tag:quagga", 'tag:"zoo keeper"']),
        ("tag:zebra", []),  # the user said no
        ("camera:x-", ["camera:X-T3"]),
        ("camera:X-T3|pix", ['camera:"X-T3|Pixel 8 Pro"']),
        ("tag:quagga|zoo", ["tag:quagga|zoo", 'tag:"quagga|zoo keeper"']),
        ("camera:pro", ['camera:"Pixel 8 Pro"']),
        ("in:2024/su", ["in:2024/Summer"]),
        ("in:my", ['in:"My trip"']),
        ("year:", ["year:2024"]),
        ("type:he", ["type:heic"]),
        ("shape:p", ["shape:portrait", "shape:panorama"]),
        ("portrait:n", ["portrait:no"]),
        ("beach cam", ["beach camera:"]),
        ("  cam", ["  camera:"]),
        ("beach -cam", ["beach -camera:"]),
    ],
)
def test_query_goes_on_with_what_the_library_has(
    known: Suggestions, text: str, expected: list[str]
) -> None:
    found = written(known, text)
    # Words and filters come together; here filters are asked for.
    assert [one for one in found if ":" in one] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("umbrel", "umbrella"),
        ("dog - umbrel", "dog - umbrella"),
        ("2*umbrel", "2*umbrella"),
        ("dog + 0.5*umbrel", "dog + 0.5*umbrella"),
        ("tag:zoo umbrel", "tag:zoo umbrella"),
        ("Umbrel", "umbrella"),
        ("-umbrel", "-umbrella"),
    ],
)
def test_words_of_the_model_complete_a_term(known: Suggestions, text: str, expected: str) -> None:
    assert written(known, text)[0] == expected


def test_what_can_be_seen_comes_before_what_is_only_frequent(known: Suggestions) -> None:
    found = known.words("gr")
    assert found.index("grass") < found.index("great")
    assert known.words("d", before="hot")[0] == "dog"


def test_words_of_a_language_are_known(folder: Path) -> None:
    german = Suggestions(Settings(library=folder / "library", lang="de"))
    assert german.words("regensch")[0] == "regenschirm"


def test_paths_complete_behind_a_sign_and_in_quotes(
    known: Suggestions, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "photos")
    assert written(known, "./2") == ["./2024/"]
    assert written(known, "dog - ./2024/My trip/I") == ["dog - ./2024/My trip/IMG_3.jpg"]
    assert written(known, '2*@"2024/My') == ['2*@"2024/My trip/']
    assert written(known, '@"2024/My trip/') == ['@"2024/My trip/IMG_3.jpg"']
    assert written(known, f"{folder}/photos/2024/S") == [f"{folder}/photos/2024/Summer/"]
    assert written(known, f"in:{folder}/photos/2024/S") == [f"in:{folder}/photos/2024/Summer"]


@settings(deadline=None)  # the first reads the vocabulary
@given(
    st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from([f"{k}:" for k in KEYS])
)
def test_every_text_is_answered_with_texts_that_begin_like_it(text: str) -> None:
    nothing = Suggestions(Settings(library=Path("/nowhere")))
    for one in nothing.suggest(text):
        assert one.start <= len(text)
        assert one.text.isprintable()
        if not one.goes_on and not text[: one.start].strip() and "/" not in one.text:
            assert parse(one.text, exists=lambda _: False).terms or ":" in one.text


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
)
def test_line_is_cut_as_a_shell_cuts_it(words: list[str], last: str) -> None:
    import shlex

    line = " ".join(["lexpix", *map(shlex.quote, words), shlex.quote(last)])
    assert words_of(line)[0] == ["lexpix", *words, last]


# In shells


def answered(shell: str, line: str, library: Path, **more: str) -> list[str]:
    """Return what `lexpix` answers to a script of a shell, and see that it says nothing else."""
    env = environment(library) | {"_LEXPIX_COMPLETE": f"{shell}_complete"} | more
    names = ("COMP_LINE",) if shell == "bash" else ("COMP_WORDS",)
    ran = subprocess.run(
        [LEXPIX], env=env | dict.fromkeys(names, line), capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    return [line for line in ran.stdout.splitlines() if line]


def test_scripts_are_answered_in_the_form_that_each_reads(folder: Path) -> None:
    library = folder / "library"
    assert answered("bash", "lexpix search tag:qua", library, COMP_WORDBREAKS=":") == [
        "plain,quagga"
    ]
    assert answered("zsh", "lexpix search tag:qua", library) == [
        "plain",
        r"tag\:quagga",
        "1 picture",
    ]
    assert answered("fish", "lexpix search tag:qua", library) == ["plain,tag:quagga\t1 picture"]
    assert answered("bash", "lexpix search dog --lang d", library) == ["plain,da", "plain,de"]
    assert answered("bash", "lexpix search dog --camera Pix", library) == [r"plain,Pixel\ 8\ Pro"]
    assert answered("bash", "lexpix texts list --kind r", library) == ["plain,recipe"]
    assert answered("bash", "lexpix tag --add qua", library) == ["plain,quagga"]
    assert answered("bash", "lexpix search dog -tag:qua", library) == ["plain,-tag:quagga"]
    assert answered("bash", "lexpix similar ", library) == ["file,"]


def states(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.mark.parametrize("revision", ["0009", "0003", "9999"])
def test_completion_leaves_a_library_of_any_schema_as_it_is(
    folder: Path, tmp_path: Path, revision: str
) -> None:
    copy = tmp_path / "catalog.sqlite"
    with (
        closing(sqlite3.connect(folder / "library/catalog.sqlite")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        target.commit()
    before = states(tmp_path)
    assert answered("bash", "lexpix search tag:qua", tmp_path, COMP_WORDBREAKS=":") == [
        "plain,quagga"
    ]
    assert states(tmp_path) == before


def test_completion_sees_what_a_writer_has_just_written(folder: Path, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(folder / "library/catalog.sqlite")) as source,
        closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as writer,
    ):
        source.backup(writer)
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO tags (image_id, name, source) VALUES (1, 'xylophone', 'user')")
        writer.commit()
        known = Suggestions(Settings(library=tmp_path))
        assert written(known, "tag:xy") == ["tag:xylophone"]
        writer.execute("BEGIN IMMEDIATE")  # nor does it wait for one that is at it
        assert written(known, "tag:xy") == ["tag:xylophone"]


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100])
def test_completion_without_a_library_has_words_and_says_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "catalog.sqlite").write_bytes(content)
    before = states(tmp_path)
    assert answered("bash", "lexpix search umbrel", tmp_path)[0] == "plain,umbrella"
    assert answered("bash", "lexpix search tag:z", tmp_path) == []
    assert states(tmp_path) == before


def test_wrong_settings_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("nonsense = 1", encoding="utf-8")
    assert answered("bash", "lexpix search tag:z", tmp_path) == []


@contextmanager
def shell(name: str, folder: Path, tmp_path: Path) -> Iterator[Screen]:
    """A shell that has read the script, with its prompt on an empty screen."""
    script = lexpix("completion", name, library=folder / "library").stdout
    (tmp_path / "script").write_text(script, encoding="utf-8")
    env = environment(folder / "library") | {
        "PATH": f"{os.path.dirname(LEXPIX)}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "none"),
        "PS1": "$ ",
    }
    with on_screen(COMMANDS[name], env, cwd=folder / "photos") as screen:
        screen.wait_for(lambda screen: screen.text[-1:] in ("$", "#", ">"))
        screen.press(f"{BEFORE.get(name, '')}. {tmp_path}/script; echo rea''dy\r")
        yield screen.wait_for("\nready")


IN_QUOTES = {
    "bash": [
        ('tag:"zoo k', r'tag:"\"zoo keeper\""'),
        ("tag:'zoo k", "tag:'\"zoo keeper\"'"),
        ('tag:"quag"g', "tag:quagga"),
    ],
    "zsh": [
        ('tag:"zoo k', r"tag:\"zoo\ keeper\""),
        ("tag:'zoo k", r"tag:\"zoo\ keeper\""),
        ('tag:"quag"g', "tag:quagga"),
        ('camera:Pix"el', r"camera:\"Pixel\ 8\ Pro\""),
    ],
    "fish": [
        ('tag:"zoo k', r"tag:\"zoo\ keeper\""),
        ("tag:'zoo k", r"tag:\"zoo\ keeper\""),
        ('camera:Pix"el', r"camera:\"Pixel\ 8\ Pro\""),
    ],
}
"""What is made of a quote in mid-word: one of the shell, for which the query needs its own."""


@pytest.mark.parametrize("name", COMMANDS)
def test_shell_completes_the_line(name: str, folder: Path, tmp_path: Path) -> None:
    with shell(name, folder, tmp_path) as screen:
        for typed, shown in [
            ("comple", "completion"),
            ("search dog - saxophoni", "search dog - saxophonist"),
            ('search "dog - saxophoni', 'search "dog - saxophonist'),
            ("search dog -tag:qua", "search dog -tag:quagga"),
            ("search in:My", r"search in:\"My\ trip\""),
            ("search ./2024/Su", "search ./2024/Summer/"),
        ]:
            screen.press(f"lexpix {typed}\t")
            screen.wait_for(f"lexpix {shown}")
            screen.press("\x15")  # Ctrl+U takes the line away
        for typed, shown in IN_QUOTES[name]:
            screen.press(f"lexpix search {typed}\t")
            screen.wait_for(f"lexpix search {shown}")
            screen.press("\x15")
        screen.press("lexpix search tag:\t\t")
        screen.wait_for("keeper")
