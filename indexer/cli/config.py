"""`--config FILE.toml`: options of a command and fields of its configuration, from a file.

A configuration class (`indexer.train.*.config`) says what there is, what it is by default and what
it may be; options are made from its fields. The command line wins over the file, the file over
defaults.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import click

from searchengine.errors import ConfigError

C = TypeVar("C")
Command = TypeVar("Command", bound=Callable[..., None])

_FROM_FILE = "lexpix.config"
"""Key in the context's `meta` of the fields that a file gave and no option stands for."""


def config_option(config: type[Any] | None = None) -> Callable[[Command], Command]:
    """Return the option `--config`, for a command with or without a configuration class."""

    def read(context: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path is not None:
            _read(context, path, config)

    return click.option(
        "--config",
        is_eager=True,
        expose_value=False,
        callback=read,
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="Read options from a file, by their names with _ for -"
        + (", and what else decides the training." if config else "."),
    )


def field_option(
    config: type[Any], name: str, help_text: str, metavar: str | None = None
) -> Callable[[Command], Command]:
    """Return the option of a field: its type, range and default are those of the field."""
    default = getattr(config(), name)
    option = f"--{name.replace('_', '-')}"
    return click.option(
        f"{option}/--no-{option[2:]}" if default is True else option,
        type=_click_type(_hints(config)[name]),
        is_flag=isinstance(default, bool),
        default=default,
        show_default=default is not False,
        metavar=metavar,
        help=help_text,
    )


def configured(config: type[C], **defaults: Any) -> C:
    """Return the configuration that options and file of the running command ask for.

    Args:
        config: The class.
        defaults: What stands for the class's own defaults where neither says anything.
    """
    context = click.get_current_context()
    names = _hints(config)
    options = {k: v for k, v in context.params.items() if k in names and v is not None}
    return config(**{**defaults, **context.meta.get(_FROM_FILE, {}), **options})


def _read(context: click.Context, path: Path, config: type[Any] | None) -> None:
    """Take a file's options as defaults of the command's, and keep its other fields."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: neither TOML nor UTF-8
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    options = {
        max(option.opts, key=len).lstrip("-").replace("-", "_"): option
        for option in context.command.params
        if isinstance(option, click.Option) and option.name != "config"
    }
    hints = _hints(config) if config else {}
    _require_known(str(path), entries, {*options, *hints})
    of_options: dict[str, Any] = {}
    of_fields: dict[str, Any] = {}
    for key, value in entries.items():
        where = f"{path}: {key}"
        if (option := options.get(key)) is None:
            of_fields[key] = _field_value(where, config, key, value)
        else:
            read = _each if option.multiple else _value
            of_options[option.name or key] = read(where, option.type, value)
    context.default_map = of_options
    context.meta[_FROM_FILE] = of_fields


def _require_known(where: str, keys: Iterable[str], known: Collection[str]) -> None:
    for key in keys:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}")


def _hints(config: type[Any]) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


def _click_type(hint: Any) -> click.ParamType[Any]:
    """Return what reads a field of a type, which may have a range."""
    if get_origin(hint) is Literal:
        return click.Choice(get_args(hint))
    if get_origin(hint) is not Annotated:
        return {bool: click.BOOL, int: click.INT}[hint]
    number, bounds = get_args(hint)
    return (click.IntRange if number is int else click.FloatRange)(
        bounds.least, bounds.most, bounds.open_least, bounds.open_most
    )


def _field_value(where: str, config: Any, name: str, value: Any) -> Any:
    hint = _hints(config)[name]
    if get_origin(hint) is not Mapping:
        return _value(where, _click_type(hint), value)
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: {value!r} is not a table")
    default = getattr(config(), name)
    _require_known(where, value, default)
    kind = _click_type(get_args(hint)[1])
    return default | {key: _value(f"{where}.{key}", kind, one) for key, one in value.items()}


def _each(where: str, kind: click.ParamType[Any], value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where}: {value!r} is not a list")
    return [_value(where, kind, one) for one in value]


def _value(where: str, kind: click.ParamType[Any], value: Any) -> Any:
    """Return a value of a file as a type of click has it; TOML's own types are not converted."""
    if isinstance(kind, type(click.BOOL)):
        fits, what = isinstance(value, bool), "true or false"
    elif isinstance(kind, type(click.INT)):
        fits, what = type(value) is int, "a whole number"
    elif isinstance(kind, type(click.FLOAT)):
        fits, what = type(value) in (int, float) and math.isfinite(value), "a number"
    else:
        fits, what = isinstance(value, str), "a text"
    if not fits:
        raise ConfigError(f"{where}: {value!r} is not {what}")
    try:
        return kind.convert(value, None, None)
    except click.BadParameter as error:
        raise ConfigError(f"{where}: {error.message}") from error
