"""Settings: flags > LEXPIX_* variables > the library's choice > config.toml > defaults.

A `config.toml` may stand in the user's configuration folder and in the library; the library's wins.
Relative paths in it start from its own folder, those of flags and variables from the current one.
What a library has chosen, its model (`lexpix reembed`), stands in its catalog, which is not read
here: `Settings.yielding` says whether that choice holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from searchengine import bounds
from searchengine.errors import ConfigError
from searchengine.language.aliases import EMOJI, ENGLISH, SMALL, Aliases

PREFIX = "LEXPIX_"
FILE = "config.toml"
INFERENCE = ("auto", "onnxruntime", "openvino", "cuda", "tensorrt")
"""What may embed pictures; what each means is in `searchengine/models/inference.py`."""
NO_SETTINGS = frozenset({"LEXPIX_TOKEN"})
"""Variables that belong to one command only: a secret has no place in a file of settings."""


def _cpu_count() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set.

    Attributes:
        library: Folder of the catalog and the index files, absolute.
        model: Name of a model, or the absolute path of its folder; a value with a slash is a path.
        index: Name of an index plugin, and behind a colon the address that it is made with; a file
            in it is absolute.
        inference: What embeds pictures, one of `INFERENCE`; "auto" takes what is fastest here.
        executor: Name of an executor plugin, and behind a colon the address of its machines.
        workers: Pictures decoded at the same time, at least 1.
        limit: Hits of an answer, at least 1.
        memory: Megabytes of pictures that are decoded at a time, at least 50; one that needs more
            is decoded alone, up to twice as many.
        file_size: Megabytes that the file of a picture may have, at least 1; of a film as many as
            it has.
        file_seconds: Seconds of processor time that reading one file may take, at least 1.
        backups: Copies of the catalog that are kept, one made a week; none is made with 0.
        index_memory: Bytes that searches may touch again and again; any number with 0.
        latency: Milliseconds that the index may take for a query; what pays with 0.
        recall: Least share of the ten best that an index must find, above 0, at most 1.
        lang: Language in which words are read first, as BCP 47 names it ("de"); English if empty.
        catalog: Address of a PostgreSQL database that has the catalog; if empty, an SQLite file in
            the library has it.
        yielding: Names of settings that no flag and no variable gave; what the library itself has
            chosen comes before these. Settings made by hand do not yield.
    """

    library: Path
    model: str = "default"
    index: str = "faiss"
    inference: str = "auto"
    executor: str = "threads"
    workers: int = field(default_factory=_cpu_count)
    limit: int = 20
    memory: int = bounds.MEMORY
    file_size: int = bounds.FILE_SIZE
    file_seconds: int = bounds.FILE_SECONDS
    backups: int = 3
    index_memory: int = 0
    latency: float = 0.0
    recall: float = 0.97
    lang: str = ""
    catalog: str = field(default="", repr=False)  # it may hold a password
    yielding: frozenset[str] = field(default=frozenset(), compare=False)


KEYS = tuple(setting.name for setting in fields(Settings) if setting.name != "yielding")
_LEAST = {
    "workers": 1,
    "limit": 1,
    "memory": 50,
    "file_size": 1,
    "file_seconds": 1,
    "backups": 0,
}
"""The settings that are numbers, and the least that each may be."""
_MEASURE = re.compile(r"\s*+(\d+(?:\.\d+)?)\s*+([A-Za-z]*)\s*+")
_MEASURES: dict[str, tuple[dict[str, float], str]] = {
    "index_memory": ({"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}, "500MB or 2GB"),
    "latency": ({"": 1, "ms": 1, "s": 1000}, "10ms or 0.5s"),
    "recall": ({"": 1}, "a number above 0 and at most 1, such as 0.97"),
}
"""The settings with a unit: what each unit is worth, and how a value is written."""


def load_settings(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Merge the sources of settings.

    Args:
        flags: Values by name of the setting; None stands for a flag that was not given.
        environ: Environment variables; an empty one counts as not set.

    Raises:
        ConfigError: An unknown name, a value that cannot be used, or an unreadable file.
    """
    import platformdirs

    options = _read_flags(flags or {})
    variables = _read_variables(environ)
    user = _read_file(Path(platformdirs.user_config_dir("lexpix", appauthor=False)) / FILE, KEYS)
    default = {"library": Path(platformdirs.user_data_dir("lexpix", appauthor=False))}
    library: Path = (default | user | variables | options)["library"]
    # A library that named another library would leave open whose settings hold.
    own = _read_file(library / FILE, tuple(key for key in KEYS if key != "library"))
    explicit = variables | options
    yielding = frozenset(KEYS) - explicit.keys()
    return Settings(**(default | user | own | explicit), yielding=yielding)


def history_file() -> Path:
    """Return the file of what was typed at a prompt, in the user's folder for such things."""
    import platformdirs

    return Path(platformdirs.user_state_dir("lexpix", appauthor=False)) / "history"


def store_settings(library: Path, values: Mapping[str, str]) -> None:
    """Write settings into the `config.toml` of a library; its other lines stay as they are.

    Args:
        library: Its folder, which exists.
        values: Texts by name of the setting, as `load_settings` takes them.

    Raises:
        ConfigError: The file cannot be read or written.
    """
    if not values:
        return
    file = library / FILE
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for key, value in values.items():
            kept = [line for line in lines if not re.match(rf"\s*{key}\s*=", line)]
            lines = [*kept, f'{key} = "{value}"']
        temporary = file.with_name(f"{FILE}.new")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(temporary, file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be changed ({error}); write it by hand") from error


def _read_flags(flags: Mapping[str, object]) -> dict[str, Any]:
    options = {key: value for key, value in flags.items() if value is not None}
    _check_names("flags", options, KEYS)
    return {
        key: _usable(key, value, f"--{key.replace('_', '-')}", Path())
        for key, value in options.items()
    }


def _read_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    keys = {PREFIX + key.upper(): key for key in KEYS}
    texts = {
        name: text
        for name, text in environ.items()
        if name.startswith(PREFIX) and text and name not in NO_SETTINGS
    }
    _check_names("environment", texts, keys)
    return {
        keys[name]: _usable(keys[name], _typed(keys[name], text), name, Path())
        for name, text in texts.items()
    }


def _read_file(file: Path, allowed: Collection[str]) -> dict[str, Any]:
    import tomllib

    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # ValueError: neither TOML nor UTF-8
        raise ConfigError(f"{file}: cannot be read ({error}); correct or remove it") from error
    _check_names(str(file), settings, allowed)
    return {
        key: _usable(key, value, f"{file}: {key}", file.parent) for key, value in settings.items()
    }


def _check_names(where: str, names: Iterable[str], allowed: Collection[str]) -> None:
    for name in names:
        if name not in allowed:
            known = ", ".join(allowed)
            raise ConfigError(f"{where}: {name!r} cannot be set here; choose from {known}")


def _typed(key: str, text: str) -> object:
    """Turn the text of a variable into a number where the setting is one and the text fits."""
    if key not in _LEAST:
        return text
    try:
        return int(text)
    except ValueError:
        return text  # refused by `_usable`, with every other value of a wrong type


def _usable(key: str, value: object, where: str, folder: Path) -> object:
    """Return a value as `Settings` holds it, or say what it should have been."""
    if key in _LEAST:
        # A bool is an int to Python, but "workers = true" is a mistake.
        if isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST[key]:
            return value
        raise ConfigError(f"{where}: {value!r} is not a whole number of at least {_LEAST[key]}")
    if key in _MEASURES:
        return _measured(key, value, where)
    if key == "library" and isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: {value!r} is not a text")
    if key == "library":
        return _absolute(value, folder)
    if key == "lang":
        return _language(value, where)
    if key == "inference" and value not in INFERENCE:
        raise ConfigError(f"{where}: {value!r} is none of {', '.join(INFERENCE)}")
    return _located(key, value, folder)


def _located(key: str, value: str, folder: Path) -> str:
    """Return a text with the path in it made absolute, if there may be one."""
    if key == "index":
        name, colon, address = value.partition(":")
        is_file = address.startswith((".", "~", "/"))
        return f"{name}{colon}{_absolute(address, folder) if is_file else address}"
    if key == "model" and (value.startswith("~") or {"/", os.sep} & set(value)):
        return str(_absolute(value, folder))
    return value


def _measured(key: str, value: object, where: str) -> float | int:
    """Return a number of bytes, milliseconds or a share, of a number or a text such as "2GB"."""
    units, example = _MEASURES[key]
    number, unit = None, ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str) and (parts := _MEASURE.fullmatch(value)):
        number, unit = float(parts[1]), parts[2].lower()
    if number is None or unit not in units or (key == "recall" and not 0 < number <= 1):
        raise ConfigError(f"{where}: {value!r} cannot be used; write it as {example}")
    return int(number * units[unit]) if key == "index_memory" else number * units[unit]


def _language(value: str, where: str) -> str:
    """Return the language of a tag such as de-AT or de_DE.UTF-8, one that queries can be in."""
    language = re.split(r"[-_.]", value.lower(), maxsplit=1)[0]
    known = known_languages()
    if language not in known:
        raise ConfigError(
            f"{where}: {value!r} is no language that lexpix reads; it reads {', '.join(known)}"
        )
    return language


def known_languages() -> list[str]:
    """Return the codes of the languages that words of a query can be in."""
    return sorted({ENGLISH, *Aliases.open().languages} - {EMOJI, SMALL})


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / os.path.expanduser(path)))
