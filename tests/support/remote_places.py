"""Real places that are no folders: an S3 server, a web server, memory, an address of this disk."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import fsspec


class RemotePlace(Protocol):
    """A place that can be made equal to a folder."""

    @property
    def address(self) -> str:
        """What lexpix is told."""
        ...

    def mirror(self, folder: Path) -> None:
        """Have just what is in a folder."""
        ...


class Store:
    """A place that fsspec writes to."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._system, self._path = fsspec.core.url_to_fs(address, use_listings_cache=False)

    @property
    def address(self) -> str:
        """What lexpix is told."""
        return self._address

    def mirror(self, folder: Path) -> None:
        """Write what has changed, remove what is gone."""
        wanted = {
            f"{self._path}/{one.relative_to(folder).as_posix()}": one.read_bytes()
            for one in folder.rglob("*")
            if one.is_file()
        }
        there = set(self._system.find(self._path)) if self._system.exists(self._path) else set()
        for path in there - wanted.keys():
            self._system.rm_file(path)
        for path, content in wanted.items():
            if path not in there or self._system.cat_file(path) != content:
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.pipe_file(path, content)


class Website:
    """A web server of this process over a folder, with pages that list what is in it.

    Args:
        folder: Made for it.

    Attributes:
        asked: What was asked for.
        ranges: Whether parts of files can be asked for.
        refused: What is refused, by the beginning of its path.
        is_silent: Whether it tells neither sizes nor times of files.
        most: After so many questions it is out of order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.asked: list[str] = []
        self.ranges = True
        self.refused: str | None = None
        self.is_silent = False
        self.most: int | None = None
        self._port = 0
        self.start()

    @property
    def address(self) -> str:
        """Where its pictures are."""
        return f"http://127.0.0.1:{self._port}/photos"

    def start(self) -> None:
        """Answer, at the port of before."""
        handler = functools.partial(_Handler, self, directory=self.folder)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody."""
        self._server.shutdown()
        self._server.server_close()

    def mirror(self, folder: Path) -> None:
        """Have what is in a folder, with its times."""
        shutil.rmtree(self.folder / "photos", ignore_errors=True)
        shutil.copytree(folder, self.folder / "photos")


class _Handler(http.server.SimpleHTTPRequestHandler):
    """The web server of Python, with parts of files."""

    def __init__(self, site: Website, *arguments: Any, **options: Any) -> None:
        self._site = site
        super().__init__(*arguments, **options)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def send_header(self, keyword: str, value: str) -> None:
        """Send a header, if the site is one that tells of files."""
        if not (self._site.is_silent and keyword in ("Content-Length", "Last-Modified", "ETag")):
            super().send_header(keyword, value)

    def end_headers(self) -> None:
        """Add a mark of the bytes: times are told to the second only."""
        file = Path(self.translate_path(self.path))
        if file.is_file():
            self.send_header("ETag", f'"{hashlib.md5(file.read_bytes()).hexdigest()}"')
        super().end_headers()

    def do_GET(self) -> None:
        """Answer with a file, a part of it, or a page."""
        self._site.asked.append(self.path)
        file = Path(self.translate_path(self.path))
        if self._site.most is not None and len(self._site.asked) > self._site.most:
            self.send_error(503)
        elif self._site.refused is not None and self.path.startswith(self._site.refused):
            self.send_error(403)
        elif self._site.ranges and "Range" in self.headers and file.is_file():
            content = file.read_bytes()
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            part = content[int(first) : int(last) + 1]
            self.send_response(206)
            where = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            self.send_header("Content-Range", where)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)
        else:
            super().do_GET()


@contextlib.contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Run an S3 server in a process of its own; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def as_client_of(endpoint: str) -> dict[str, str]:
    """Return the environment in which s3:// is a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
