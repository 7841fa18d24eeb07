"""The commands `service`: have the system start `watch` or `serve` when a user logs in."""

from __future__ import annotations

import os
import sys

import click

from indexer.cli.output import library_option, model_option


@click.group()
def service() -> None:
    """Have the system watch your folders, or serve the page, from login on."""


@service.command()
@click.option(
    "--watch", "command", flag_value="watch", default=True, help="Follow all folders (the default)."
)
@click.option(
    "--serve", "command", flag_value="serve", help="Serve the page, and follow all folders."
)
@click.option("--now", is_flag=True, help="Start it too, and at every login.")
@library_option
@model_option
def install(command: str, now: bool, library: str | None, model: str | None) -> None:
    """Write a unit of systemd, or an agent of launchd, for this user.

    Says what was written and how it is started; --now starts it.
    """
    from indexer.library.services import Service, manager
    from searchengine.config import load_settings
    from searchengine.errors import ConfigError, LexpixError

    flags = {"library": library, "model": model}
    settings = load_settings({key: value for key, value in flags.items() if value is not None})
    arguments = [_own_command(), command]
    if command == "serve":
        arguments.append("--watch")
    arguments += ["--library", str(settings.library.absolute())]
    if model is not None:
        arguments += ["--model", os.path.abspath(model) if os.path.isdir(model) else model]
    chosen = manager(sys.platform)
    path = chosen.write(Service(command, tuple(arguments)))
    click.echo(path)
    if now:
        try:
            chosen.start(command)
        except ConfigError as error:
            later = chosen.start_line(command)
            message = f"{error}; the file is written, but nothing runs yet; start it with: {later}"
            raise LexpixError(message) from error
        click.echo("lexpix: started; it starts again whenever you log in", err=True)
    else:
        click.echo(f"lexpix: start it with: {chosen.start_line(command)}", err=True)


@service.command()
@click.option("--watch", "command", flag_value="watch", default=True, help="The default.")
@click.option("--serve", "command", flag_value="serve", help="That of the page.")
def remove(command: str) -> None:
    """Stop what `install` set up, and remove what it wrote."""
    from indexer.library.services import manager
    from searchengine.errors import ConfigError

    path = manager(sys.platform).remove(command)
    if path is None:
        raise ConfigError(f"no service for {command} is installed; nothing was done")
    click.echo(f"removed {path}")


def _own_command() -> str:
    """Return the path of `lexpix` beside the Python that runs this."""
    beside = os.path.join(os.path.dirname(sys.executable), "lexpix")
    return beside if os.path.exists(beside) else os.path.abspath(sys.argv[0])
