"""The command `lexpix`: the root of all commands, which says how they end and what all can be told.

Commands of `indexer.cli` and of third parties join through the entry points of the group
`lexpix.commands`. Standard output carries answers only.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

from searchengine.cli.care import backup, doctor, restore
from searchengine.cli.completion import (
    VARIABLE,
    completion,
    folders,
    indexes,
    languages,
    models,
)
from searchengine.cli.export import export
from searchengine.cli.library import forget, index_info, status
from searchengine.cli.search import explain, search, similar
from searchengine.errors import (
    ConfigError,
    LexpixError,
    MissingPlugin,
    NothingIndexed,
    QueryError,
)
from searchengine.terminal import printable_lines

COMMANDS = "lexpix.commands"
ORDER = (
    "index",
    "watch",
    "service",
    "search",
    "similar",
    "explain",
    "export",
    "tag",
    "caption",
    "teach",
    "map",
    "serve",
    "status",
    "index-info",
    "failures",
    "dupes",
    "undo",
    "forget",
    "doctor",
    "backup",
    "restore",
    "texts",
    "recipes",
    "reembed",
    "demo",
    "words",
    "eval",
    "train",
    "import",
    "completion",
)
EXIT_CODES: tuple[tuple[type[LexpixError], int], ...] = (
    (QueryError, 2),
    (ConfigError, 2),
    (NothingIndexed, 3),
    (LexpixError, 1),
)
"""The first class that an error belongs to decides; 0 is answered; click itself exits with 2."""
SHARED = (
    (
        "--library",
        "FOLDER",
        "Folder of the library; else LEXPIX_LIBRARY, config.toml, or one in your home.",
    ),
    (
        "--catalog",
        "URL",
        "postgresql+psycopg://USER@HOST/DB for a catalog on a server; else a file.",
    ),
    ("--model", "MODEL", "A bundled model by name, or the folder of a model."),
    (
        "--index",
        "INDEX",
        "faiss, exact, or milvus:URL for one on a server (docs/many-machines.md).",
    ),
    ("--lang", "CODE", "Language that words are read in first, such as de or ko; else English."),
)
"""Options of every command: flag, metavar and help."""
ONE_ANSWER = frozenset({"search", "similar", "explain", "status", "failures"})
"""Commands that multiply so little that threads of BLAS would only be started, and wait."""
COMPLETERS = {"--library": folders, "--model": models, "--index": indexes, "--lang": languages}


class Commands(click.Group):
    """A group that loads commands when they are asked for and gives each the shared options."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, or answer a shell that asks how a line may go on."""
        if os.environ.get(VARIABLE):
            from searchengine.cli import shells

            shells.register()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order they are met, those of third parties last."""
        from searchengine.plugins import names

        known = {*self.commands, *names(COMMANDS)}
        return [*(name for name in ORDER if name in known), *sorted(known.difference(ORDER))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command by name, None if there is none."""
        from searchengine.plugins import load, names

        if cmd_name in ONE_ANSWER:  # before NumPy is imported, which reads it then
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        command = self.commands.get(cmd_name)
        if command is None and cmd_name in names(COMMANDS):
            try:
                command = load(COMMANDS, cmd_name)
            except MissingPlugin as error:  # one broken plugin must not take the others' help away
                return _unavailable(cmd_name, error)
            # The shared options are added once; another context asks for the same command again.
            self.add_command(command, cmd_name)
        if command is None or any(param.name == "library" for param in command.params):
            return command
        if not isinstance(command, click.Group):
            command.params.extend(_shared_options())
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn what it raises on purpose into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except LexpixError as error:
            click.echo(f"lexpix: {printable_lines(str(error))}", err=True)
            ctx.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
        except BrokenPipeError:  # whoever read the answer has enough; click ends quietly
            raise
        except OSError as error:  # such as a full disk that standard output goes to
            click.echo(f"lexpix: {printable_lines(str(error))}", err=True)
            ctx.exit(1)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            message = _damage_behind(ctx, error)
            if message is None:
                raise
            click.echo(f"lexpix: {printable_lines(message)}", err=True)
            ctx.exit(1)


def _damage_behind(ctx: click.Context, error: Exception) -> str | None:
    """Return what to say of an error that nobody foresaw, if the catalog is damaged.

    A byte that has flipped can make anything of a value: a date that is none, a vector too short.
    """
    from searchengine.catalog.database import FILE_NAME
    from searchengine.catalog.health import damage_in
    from searchengine.config import load_settings

    settings = load_settings(ctx.obj or {})
    if settings.catalog:  # a server looks after its own files
        return None
    path = settings.library / FILE_NAME
    damage = damage_in(path)
    if damage is None:
        return None
    return (
        f"{path}: damaged ({damage.message}), which led to {type(error).__name__}; "
        f"see: lexpix doctor; then: {damage.remedy}"
    )


def _unavailable(name: str, error: MissingPlugin) -> click.Command:
    def explain(**_: object) -> None:
        raise error

    anything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(
        name,
        params=[anything],
        callback=explain,
        help=f"Not available: {error}",
        context_settings={"ignore_unknown_options": True},
    )


def _shared_options() -> list[click.Parameter]:
    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        flags = ctx.ensure_object(dict)
        if value is not None:
            flags[param.name] = value

    return [
        click.Option(
            [flag],
            metavar=metavar,
            expose_value=False,
            callback=remember,
            help=text,
            shell_complete=COMPLETERS.get(flag),
        )
        for flag, metavar, text in SHARED
    ]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lexpix", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Search your photos by words, sentences, pictures and arithmetic on them, offline.

    \b
      lexpix index ~/Pictures
      lexpix search "a dog running on the beach"
      lexpix search ./dog.jpg - dog + cat
    """
    import logging
    import warnings

    # A name that the terminal's encoding lacks is shown with escapes; it must not end the answer.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="lexpix: %(message)s", level=logging.WARNING)
    # Pillow warns of every odd tag; a file that it cannot read is an error and is reported as one.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")
    ctx.ensure_object(dict)


for command in (
    search,
    similar,
    explain,
    export,
    status,
    index_info,
    forget,
    doctor,
    backup,
    restore,
    completion,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
