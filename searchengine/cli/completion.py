"""Completion in shells: the command that prints a script, and what parameters suggest.

What is suggested is the same as at the prompt of `lexpix search -i`: `search.suggestions`. Whatever
goes wrong, a completion prints nothing, and it never writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import click

from searchengine.errors import LexpixError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from searchengine.search.suggestions import Suggestion, Suggestions
    from searchengine.types import FilterKind

Items: TypeAlias = "list[CompletionItem[str]]"
Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], Items]

T = TypeVar("T")

VARIABLE = "_LEXPIX_COMPLETE"
"""What a script sets, to the name of the shell and what it wants."""
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print a script that completes commands, words, tags and folders in your shell.

    \b
      eval "$(lexpix completion bash)"      # in ~/.bashrc
      eval "$(lexpix completion zsh)"       # in ~/.zshrc, behind compinit
      lexpix completion fish > ~/.config/fish/completions/lexpix.fish

    If no shell is named, it is that of SHELL. Then "lexpix search dog - gr" and Tab offers words;
    "tag:" and Tab the tags of your library; so with folders, cameras, lenses and places.
    """
    from searchengine.cli import shells

    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in SHELLS:
        raise click.UsageError(f"name a shell: {', '.join(SHELLS)}")
    root = ctx.find_root().command
    click.echo(shells.SHELLS[name](root, {}, "lexpix", VARIABLE).source(), nl=False)


# What parameters suggest


def queries(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a query, of which other arguments may be the beginning."""
    given = ctx.params.get(param.name or "") if param.nargs == -1 else None
    before = "".join(f"{part.strip()} " for part in given or ())
    text = before + incomplete
    # An argument that is complete cannot be changed any more.
    return [
        _item((text[: one.start] + one.text)[len(before) :], one)
        for one in _asked(ctx, lambda known: known.suggest(text))
        if one.start >= len(before)
    ]


def words(ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete one word."""
    return _items(_asked(ctx, lambda known: known.words(incomplete)))


def values_of(key: FilterKind) -> Completer:
    """Return what completes the value of a filter."""
    return lambda ctx, _param, incomplete: _items(
        _asked(ctx, lambda known: known.values(key, incomplete))
    )


def taught(ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete a word that was taught."""
    return _items(_asked(ctx, lambda known: known.taught(incomplete)))


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete a file of the disk."""
    return _items([incomplete], "file")


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete a folder of the disk."""
    return _items([incomplete], "dir")


def folders_within(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a folder of the library, else one of the disk."""
    return values_of("in")(ctx, param, incomplete) or folders(ctx, param, incomplete)


def languages(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete the code of a language that words can be in."""
    from searchengine.config import known_languages

    return _items(code for code in known_languages() if code.startswith(incomplete))


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a bundled model, else the folder of another."""
    from searchengine.models.files import bundled

    found = [name for name in bundled() if name.startswith(incomplete)]
    return _items(found) or folders(ctx, param, incomplete)


def indexes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Items:
    """Complete the name of an index."""
    from searchengine.plugins import names

    return _items(name for name in names("lexpix.indexes") if name.startswith(incomplete))


def _asked(ctx: click.Context, ask: Callable[[Suggestions], list[T]]) -> list[T]:
    from searchengine.config import load_settings
    from searchengine.search.suggestions import Suggestions

    # Whoever presses Tab has not asked what is wrong with a setting.
    with contextlib.suppress(LexpixError, OSError):
        return ask(Suggestions(load_settings(ctx.find_object(dict) or {})))
    return []


def _item(value: str, one: Suggestion) -> CompletionItem[str]:
    from click.shell_completion import CompletionItem

    from searchengine.cli.shells import GOES_ON

    kind = GOES_ON if one.goes_on else "plain"
    return CompletionItem(value, kind, one.about or None)


def _items(values: Iterable[str], kind: str = "plain") -> Items:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, kind) for value in values]
