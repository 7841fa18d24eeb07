"""Workers: processes that decode what a broken file could take this process down with.

HEIC, AVIF, JPEG 2000, JPEG XL, RAW and films are read by large decoders that are compiled. A worker
gets the open file and hands back pixels in memory of the system. One that dies, or is not heard of
for too long, is replaced, and its file cannot be read, for that reason. A worker is started when
there is work and none is idle; it ends by itself when it has been idle, or has read many files.

What is said on the way is JSON, of which nothing is executed. Systems that cannot hand an open file
to another process (Windows) have no workers.
"""

from __future__ import annotations

import atexit
import datetime as dt
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from PIL import Image

from searchengine.bounds import TooLarge, budget, limits, too_slow
from searchengine.errors import ImageError, NotNow
from searchengine.reader import Photo, Reader, message, unreadable
from searchengine.types import Exif
from searchengine.workers.channel import Channel, Message, images_in, memory_file

AVAILABLE = hasattr(socket, "send_fds") and bool(sys.executable)
"""Whether this system can have workers."""

MOST = max(2, os.cpu_count() or 1)
"""Workers at a time."""

IDLE = 30.0
"""Seconds after which a worker that has nothing to do ends."""

FILES = 500
"""After so many a worker ends: what decoders leak goes with it."""

START = 120.0
"""Seconds that a worker has to start."""

PATIENCE = 6
"""How many times `file_seconds` may pass on the clock without a sign of a worker."""

_TRIES = 3  # to meet a worker that was not about to end by itself
_FROM_OUTSIDE = frozenset(
    {getattr(signal, name, None) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")}
)
"""No decoder ends by these: the system lacks memory, or somebody ended it."""

# With the path of this process; -I keeps what the environment says of Python out of it.
_START = "import sys; sys.path[:] = {!r}; from searchengine.workers.process import main; main()"


class _Worker:
    """A process, and the way to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START.format(sys.path)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        self.channel = Channel(ours)
        ours.settimeout(START)
        try:
            self.channel.receive()  # that it is there: a busy machine takes its time for that
        except (EOFError, ValueError, OSError):
            raise OSError(f"a process of Python did not start, code {self.end()}") from None

    def end(self) -> int:
        """End the process, if it has not ended; return the code that it ended with."""
        self.channel.socket.close()
        try:
            return self.process.wait(0.2)  # an end of its own tells more than ours
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class _Retired(Exception):
    """Say that a worker ended by itself before it took the file."""


class _Pool:
    """The workers of this process; any thread may borrow one."""

    def __init__(self) -> None:
        self._begin()

    @contextmanager
    def borrowed(self) -> Iterator[_Worker]:
        """Wait for a worker, and hold it; whatever is raised meanwhile ends it."""
        with self._places:
            worker = self._alive() or _Worker()
            try:
                yield worker
            except BaseException:
                worker.end()
                raise
            with self._lock:
                self._idle.append(worker)

    def _alive(self) -> _Worker | None:
        """Return an idle worker that has not ended; the one that was used last has most ready."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                worker = self._idle.pop()
            if worker.process.poll() is None:
                return worker
            worker.end()

    def forget(self) -> None:
        """Leave the workers to the process that this one is a copy of."""
        for worker in self._idle:
            worker.channel.socket.close()
            worker.process.returncode = 0  # it is no child of this process
        self._begin()

    def _begin(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST)

    def end(self) -> None:
        """End those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.channel.socket.close()  # at which they end, all at the same time
        for worker in idle:
            worker.end()


_pool = _Pool()
if AVAILABLE:
    os.register_at_fork(after_in_child=_pool.forget)
    atexit.register(_pool.end)


def read(asked: Reader, file: BinaryIO, path: str) -> Photo:
    """Have a worker read a picture.

    Args:
        asked: What is wanted of it.
        file: The picture, at its beginning.
        path: What errors call it.

    Raises:
        ImageError: As `Reader.read`; also if the worker died, or gave no sign of life.
    """
    order: Message = {
        "path": path,
        "size": asked.size,
        "unscaled": asked.prepare is not None,
        "max_pixels": asked.max_pixels,
        "decode": asked.decode,
        "sidecar": None if asked.sidecar is None else b64encode(asked.sidecar).decode("ascii"),
        "at": asked.at,
        "stills": asked.stills,
    }
    with ExitStack() as held:
        answer, images = _ask("read", order, file, path, held)
        try:
            if asked.prepare is not None:
                # The stills come before the one that stands for all: `prepare` may remember it.
                images = [asked.prepare(image) for image in reversed(images)][::-1]
            return _photo(answer, images)
        except Exception as error:
            raise unreadable(path, error) from error


def name_in(file: BinaryIO) -> str | None:
    """Return what `reader.name_in` does."""
    answer = _answer_of("name_in", file)
    return None if answer is None else answer["name"]


def exposure_in(file: BinaryIO) -> tuple[float | None, float | None]:
    """Return what `reader.exposure_in` does."""
    answer = _answer_of("exposure_in", file)
    return (None, None) if answer is None else (answer["aperture"], answer["seconds"])


def keywords_in(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """Return what `reader.keywords_in` does."""
    answer = _answer_of("keywords_in", file)
    if answer is None:
        return None, ()
    packet = answer["packet"]
    return None if packet is None else b64decode(packet), tuple(answer["keywords"])


def _answer_of(call: str, file: BinaryIO) -> Message | None:
    try:
        with ExitStack() as held:
            return _ask(call, {}, file, "picture", held)[0]
    except ImageError:
        return None


def _photo(answer: Message, images: list[Image.Image]) -> Photo:
    said = answer["exif"]
    taken = said["taken_at"]
    said["taken_at"] = None if taken is None else dt.datetime.fromisoformat(taken)
    exif = Exif(**{**said, "keywords": tuple(said["keywords"])})
    pixels = images[0] if answer["decoded"] else None
    stills = tuple(zip(answer["moments"], images[1:], strict=True)) if images else ()
    whole = (answer["width"], answer["height"], exif, pixels, answer["format"])
    return Photo(*whole, answer["damage"], answer["at"], stills)


def _ask(
    call: str, order: Message, file: BinaryIO, path: str, held: ExitStack
) -> tuple[Message, list[Image.Image]]:
    """Have a worker do something with a file.

    Args:
        call: What.
        order: How.
        file: At its beginning.
        path: What errors call it.
        held: Gets what the budget lends; whoever has done with the pixels closes it.

    Returns:
        What it says, and pictures.

    Raises:
        ImageError: It says that the file is broken, it died, or it was not heard of.
    """
    order = {**order, "call": call, "limits": [limits.file_size, limits.file_seconds]}
    with _descriptor_of(file) as descriptor:
        for _ in range(_TRIES):
            try:
                with _pool.borrowed() as worker:
                    answer, images = _conversation(worker, order, descriptor, path, held)
            except _Retired:
                continue
            except OSError as error:  # no process can be started
                raise NotNow(message(path, f"no process to decode it in: {error}")) from error
            if "error" in answer:
                raise (NotNow if answer["again"] else ImageError)(answer["error"])
            return answer, images
    raise NotNow(message(path, "the processes that decode it end at once"))


def _conversation(
    worker: _Worker, order: Message, descriptor: int, path: str, held: ExitStack
) -> tuple[Message, list[Image.Image]]:
    channel, seconds = worker.channel, PATIENCE * limits.file_seconds
    channel.socket.settimeout(seconds)
    try:
        channel.send(order, descriptor)
        while True:
            answer, descriptors = channel.receive()
            if "needed" in answer:
                held.close()  # what it had before it has given back
                channel.send(_lent(int(answer["needed"]), held))
            else:
                return answer, images_in(answer.get("sizes", ()), descriptors)
    except TimeoutError:
        worker.process.kill()
        raise ImageError(
            message(path, f"its decoder gave no sign for {seconds} s; lexpix failures --retry")
        ) from None
    except (EOFError, ConnectionError, ValueError, KeyError, TypeError):
        raise _end_of(worker, path) from None


def _lent(needed: int, held: ExitStack) -> Message:
    """Take from the budget what a worker needs, and return the answer to it."""
    try:
        held.enter_context(budget.taken(needed))
    except TooLarge as error:
        return {"refused": str(error)}
    return {"lent": needed}


def _end_of(worker: _Worker, path: str) -> Exception:
    """Return what is raised of a file whose worker has ended, or talks nonsense."""
    code = worker.end()
    if code == 0:
        return _Retired()
    if code == -getattr(signal, "SIGXCPU", 0):
        return ImageError(message(path, too_slow(limits.file_seconds)))
    if code > 0:
        return NotNow(message(path, f"the process that decodes it ended with code {code}"))
    name = signal.Signals(-code).name
    reason = f"its decoder was ended by {name} ({signal.strsignal(-code)})"
    if -code in _FROM_OUTSIDE:
        return NotNow(message(path, f"{reason}, as a system does that lacks memory"))
    return ImageError(message(path, reason))


@contextmanager
def _descriptor_of(file: BinaryIO) -> Iterator[int]:
    """Give the descriptor of an open file, or of a copy of what is no file of the system."""
    if isinstance(file, io.BufferedReader | io.BufferedRandom | io.FileIO):
        descriptor = file.fileno()
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            yield descriptor
        finally:  # the worker moves it
            os.lseek(descriptor, place, os.SEEK_SET)
        return
    with memory_file() as copy:
        while part := file.read(1 << 20):
            copy.write(part)
        yield copy.fileno()
