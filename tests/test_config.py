"""Settings: which source wins, how paths are read, and what is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from searchengine.config import KEYS, Settings, load_settings, store_settings
from searchengine.errors import ConfigError

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test folders of its own, on every platform."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder / name))
    return folder


def _writer(folder: Path) -> Write:
    def write(text: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def user_file(home: Path) -> Write:
    return _writer(platformdirs.user_config_path("lexpix", appauthor=False))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def library_file(library: Path) -> Write:
    return _writer(library)


def test_defaults() -> None:
    assert load_settings(environ={}) == Settings(
        library=platformdirs.user_data_path("lexpix", appauthor=False),
        model="default",
        index="faiss",
        executor="threads",
        workers=os.cpu_count() or 1,
        limit=20,
    )


def test_each_source_wins_over_the_ones_below(
    user_file: Write, library_file: Write, library: Path
) -> None:
    user_file("limit = 2\nworkers = 2\nindex = 'two'\nexecutor = 'two'")
    library_file("limit = 3\nworkers = 3\nindex = 'three'")
    environ = {"LEXPIX_LIBRARY": str(library), "LEXPIX_LIMIT": "4", "LEXPIX_WORKERS": "4"}
    assert load_settings({"limit": 5}, environ) == Settings(
        library=library, model="default", executor="two", index="three", workers=4, limit=5
    )


def test_library_is_taken_from_the_strongest_source(user_file: Write, tmp_path: Path) -> None:
    user_file(f"library = '{tmp_path}/a'")
    environ = {"LEXPIX_LIBRARY": f"{tmp_path}/b"}
    assert load_settings(environ={}).library == tmp_path / "a"
    assert load_settings(environ=environ).library == tmp_path / "b"
    assert load_settings({"library": tmp_path / "c"}, environ).library == tmp_path / "c"


def test_settings_come_from_the_library_that_was_chosen(
    user_file: Write, library_file: Write, library: Path, tmp_path: Path
) -> None:
    user_file(f"library = '{tmp_path}/other'")
    library_file("limit = 3")
    assert load_settings(environ={}).limit == 20
    assert load_settings({"library": library}, {}).limit == 3


def test_flag_that_was_not_given_and_empty_variable_leave_the_default() -> None:
    settings = load_settings({"limit": None, "library": None}, {"LEXPIX_MODEL": ""})
    assert (settings.limit, settings.model) == (20, "default")


def test_other_variables_are_no_business_of_ours() -> None:
    load_settings(environ={"LEXPI": "1", "_LEXPIX_COMPLETE": "bash_source", "PATH": "/bin"})


def test_what_no_flag_and_no_variable_gave_yields_to_the_library(
    user_file: Write, library_file: Write, library: Path
) -> None:
    user_file("index = 'two'")
    library_file("model = 'mine'")
    flags, environ = {"limit": 5, "library": library}, {"LEXPIX_WORKERS": "4"}
    settings = load_settings(flags, environ)
    assert settings.model == "mine"
    budget = {"index_memory", "latency", "recall"}
    always = {
        "index",
        "inference",
        "executor",
        "memory",
        "file_size",
        "file_seconds",
        "backups",
        "lang",
        "catalog",
    } | budget
    assert settings.yielding == {"model"} | always
    assert load_settings({**flags, "model": "x"}, environ).yielding == always
    others = {"workers"} | always
    assert load_settings(flags, {"LEXPIX_MODEL": "x"}).yielding == others
    assert Settings(library=library).yielding == set()


def test_paths_start_from_where_they_were_written(
    user_file: Write, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = user_file("library = '../photos'\nmodel = './models/mine'")
    settings = load_settings(environ={})
    assert settings.library == file.parent.parent / "photos"
    assert settings.model == str(file.parent / "models" / "mine")
    assert load_settings({"library": "here"}, {}).library == tmp_path / "here"
    assert load_settings({"library": "~/there"}, {}).library == home / "there"
    assert load_settings(environ={"LEXPIX_MODEL": "./mine"}).model == str(tmp_path / "mine")
    assert load_settings(environ={"LEXPIX_MODEL": "mine"}).model == "mine"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("limit = '4'", "limit: '4' is not a whole number of at least 1"),
        ("limit = 4.0", "limit: 4.0 is not a whole number of at least 1"),
        ("limit = 0", "limit: 0 is not a whole number of at least 1"),
        ("backups = -1", "backups: -1 is not a whole number of at least 0"),
        ("workers = true", "workers: True is not a whole number of at least 1"),
        ("index = 1", "index: 1 is not a text"),
        ("model = ''", "model: '' is not a text"),
        ("library = ['a']", "library: ['a'] is not a text"),
    ],
)
def test_wrong_type_in_a_file_is_refused_with_its_place(
    user_file: Write, line: str, complaint: str
) -> None:
    file = user_file(line)
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={})
    assert str(caught.value) == f"{file}: {complaint}"


@pytest.mark.parametrize("text", ["many", "2.5", "-1"])
def test_wrong_type_in_a_variable_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^LEXPIX_WORKERS: .* whole number of at least 1"):
        load_settings(environ={"LEXPIX_WORKERS": text})


def test_wrong_flag_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigError, match=r"^--limit: 0 is not a whole number"):
        load_settings({"limit": 0}, {})


@pytest.mark.parametrize("text", ["xx", "zxx", "und", "klingon", "5"])
def test_a_language_that_is_not_read_is_refused_with_those_that_are(
    user_file: Write, text: str
) -> None:
    for settings in ({"lang": text}, {}):
        with pytest.raises(ConfigError, match=rf"'{text}' is no language .* de, .* ko, ") as caught:
            load_settings(settings, {"LEXPIX_LANG": text})
        place = "--lang" if settings else "LEXPIX_LANG"
        assert str(caught.value).startswith(place)
    file = user_file(f"lang = '{text}'")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: "):
        load_settings(environ={})


@pytest.mark.parametrize(
    ("text", "language"), [("de-AT", "de"), ("pt_BR.UTF-8", "pt"), ("KO", "ko"), ("en", "en")]
)
def test_a_language_is_named_by_any_tag_of_it(text: str, language: str) -> None:
    assert load_settings({"lang": text}, {}).lang == language


def test_unknown_names_are_refused_with_the_known_ones(user_file: Write) -> None:
    known = ", ".join(KEYS)
    with pytest.raises(ConfigError) as caught:
        load_settings({"limits": 3}, {})
    assert str(caught.value) == f"flags: 'limits' cannot be set here; choose from {known}"
    with pytest.raises(ConfigError, match=r"environment: 'LEXPIX_K' .* LEXPIX_LIMIT"):
        load_settings(environ={"LEXPIX_K": "3"})
    file = user_file("k = 3")
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={})
    assert str(caught.value) == f"{file}: 'k' cannot be set here; choose from {known}"


def test_library_cannot_name_another_library(library_file: Write, library: Path) -> None:
    file = library_file("library = '/elsewhere'")
    with pytest.raises(ConfigError) as caught:
        load_settings({"library": library}, {})
    assert str(caught.value).startswith(f"{file}: 'library' cannot be set here; choose from model")


@pytest.mark.parametrize("content", [b"limit = ", b"limit = 3\nlimit = 4", b"\xff\xfe", b"\x00"])
def test_file_that_is_no_toml_is_refused(
    library_file: Write, library: Path, content: bytes
) -> None:
    file = library_file("")
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings({"library": library}, {})
    assert str(caught.value).startswith(f"{file}: cannot be read (")


def test_folder_in_place_of_the_file_is_refused(library: Path) -> None:
    (library / "config.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({"library": library}, {})


def test_library_that_is_a_file_is_left_to_the_catalog(library: Path) -> None:
    library.touch()
    assert load_settings({"library": library}, {}).library == library


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("index_memory", "2GB", 2_000_000_000),
        ("index_memory", "1.5 mb", 1_500_000),
        ("latency", "10ms", 10.0),
        ("latency", "0.5s", 500.0),
        ("recall", "0.9", 0.9),
    ],
)
def test_a_budget_is_read_with_its_unit_and_kept_beside_other_settings(
    key: str, text: str, value: float, library: Path
) -> None:
    library.mkdir(exist_ok=True)
    file = library / "config.toml"
    file.write_text(f"# mine\nlimit = 7\n{key} = '1'\n")
    store_settings(library, {key: text})
    settings = load_settings({"library": library}, {})
    assert getattr(settings, key) == value
    assert settings.limit == 7
    assert "# mine" in file.read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [("index_memory", "2 elephants"), ("latency", "-1ms"), ("recall", "97%"), ("recall", "1.2")],
)
def test_a_budget_that_means_nothing_is_refused_with_an_example(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"--{key.replace('_', '-')}: .*write it as|such as"):
        load_settings({key: value}, {})
