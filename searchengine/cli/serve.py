"""The command `serve`: the page and the API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from searchengine.errors import MissingPlugin
from searchengine.terminal import printable

if TYPE_CHECKING:
    import socket

    from searchengine.web.serving import Serving

TOKEN_VARIABLE = "LEXPIX_TOKEN"
_NEEDED = (
    *("fastapi", "fastapi_offline", "jinja2", "prometheus_client", "python_multipart"),
    *("sse_starlette", "threadpoolctl", "uvicorn"),
)


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Name or address to listen at; 0.0.0.0 for all that this machine has.",
)
@click.option(
    "--port",
    default=8765,
    show_default=True,
    metavar="N",
    type=click.IntRange(0, 65535),
    help="Port to listen at; 0 for any that is free.",
)
@click.option("--open", "opens", is_flag=True, help="Show the page in the browser.")
@click.option(
    "--token",
    metavar="TOKEN",
    help=f"What clients must know; else {TOKEN_VARIABLE}. One is made if others can reach this.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name that clients may use for this server; can be repeated.",
)
@click.option("--watch", "watches", is_flag=True, help="Follow what changes in all folders.")
@click.pass_obj
def serve(
    flags: dict[str, str],
    host: str,
    port: int,
    opens: bool,
    token: str | None,
    names: tuple[str, ...],
    watches: bool,
) -> None:
    """Serve a web page and a REST API for the library.

    Only this machine can reach them, unless --host names another address; then clients must know a
    token, which is part of the address that is printed. The API is described at /docs, and for
    programs at /api/openapi.json.
    """
    _require()
    from searchengine.config import load_settings
    from searchengine.web.serving import Serving, listen

    settings = load_settings(flags)
    serving = Serving(host, port, token or os.environ.get(TOKEN_VARIABLE) or None, names)
    safety = serving.safety()
    with listen(host, port) as listener:  # before the library: a wrong port is told at once
        from searchengine.search.engine import Engine
        from searchengine.web.app import create_app
        from searchengine.web.serving import open_browser, serve, url_of

        # A new library is made: the page can fill it.
        app = create_app(settings, Engine.open(settings, create=True), safety, watches=watches)
        url = url_of(listener, host, safety.token)

        def tell() -> None:
            _tell(listener, serving, url)
            if opens:
                open_browser(url)

        try:
            serve(app, listener, serving, tell)
        except KeyboardInterrupt:
            click.echo("lexpix: stopped", err=True)


def _tell(listener: socket.socket, serving: Serving, url: str) -> None:
    click.echo(url)
    if serving.is_public:
        click.echo(
            f"lexpix: others can reach this at {printable(serving.host)}, port "
            f"{listener.getsockname()[1]}; whoever has the address above sees all pictures of the "
            "library. It is not encrypted: use it in a network that you trust, or behind a proxy "
            "with TLS",
            err=True,
        )
    click.echo("lexpix: Ctrl+C stops the server", err=True)


def _require() -> None:
    """Say what to install where the extra is missing."""
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingPlugin(f"serve needs: pip install 'lexpix[web]' (no {', '.join(missing)})")
