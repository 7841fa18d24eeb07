"""The executor `ray`: items in batches on the workers of a Ray cluster, each done until it is done.

Ray's own retries are off. A batch whose machine dies is handed out again. One whose worker dies is
too, but item by item: an item that takes a second worker down, alone by then, is told to the caller
and not tried again. So a result is taken once, in the order of the items, whatever dies.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Generic, TypeVar

import ray
from ray import cloudpickle, exceptions
from ray._private import worker as ray_worker

from indexer.executors import Portable
from searchengine.errors import ExecutorUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

BATCH = 16
"""Items of a task."""

LOOK_AHEAD = 2
"""Batches per processor of the cluster that are handed out before the first is done."""

ANSWER = 5.0
"""Seconds in which a cluster has to answer when it is joined."""

PATIENCE = 30.0
"""Seconds after which somebody looks whether there is still a processor to wait for."""

_MACHINE_DIED = (exceptions.NodeDiedError, exceptions.ObjectLostError)
_WORKER_DIED = (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError)

_LOST = "the worker of Ray that read it died, and so did the next one"


class Ray:
    """Work on a Ray cluster; a function is sent to each worker once.

    A `Portable` function is done there as far as it says; any other has to be one that can be
    pickled. Closing the generator cancels what is under way.

    Args:
        workers: Processors of the cluster that is started if there is none to join.
        address: HOST:PORT of a cluster that this machine is a node of, or //HOST:PORT of its server
            for clients; None joins the cluster of this machine, or else starts one on it that ends
            with the process.
    """

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self._workers = workers
        self._address = f"ray:{address}" if address and address.startswith("//") else address

    def imap(self, function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
        """Yield function(item) for each item; items are drawn in the caller's thread.

        Raises:
            ExecutorUnavailable: The cluster cannot be joined or has no processor left, or lexpix
                or the function cannot be brought to its workers.
        """
        _join(self._address, self._workers)
        portable = function if isinstance(function, Portable) else _Plain(function)
        source = iter(items)
        pending: deque[_Task[T]] = deque()
        sent: Any = None
        try:
            while True:
                most = LOOK_AHEAD * _processors()
                while len(pending) < most and (batch := list(islice(source, BATCH))):
                    sent = sent or _send(portable.remote())
                    pending.append(_Task(sent, batch))
                if not pending:
                    return
                task = pending[0]
                try:
                    done, error = task.outcome()
                except _MACHINE_DIED:
                    pending[0] = _Task(sent, task.items, is_second=task.is_second)
                    continue
                except _WORKER_DIED:
                    pending.popleft()
                    if task.is_second:
                        yield portable.lost(task.items[0], _LOST)
                    else:
                        again = [_Task(sent, [item], is_second=True) for item in task.items]
                        pending.extendleft(reversed(again))
                    continue
                pending.popleft()
                for item, result in zip(task.items, done, strict=False):
                    yield portable.finish(item, result)
                if error is not None:  # of the item behind those
                    raise error
        finally:
            for task in pending:
                ray.cancel(task.ref)


class _Task(Generic[T]):
    """Some items on their way.

    Args:
        sent: What is done to them, as `_send` returns it.
        items: One or more.
        is_second: A worker has died over it before, maybe of another item.
    """

    def __init__(self, sent: Any, items: Sequence[T], *, is_second: bool = False) -> None:
        self.items, self.is_second = items, is_second
        self.ref = _do.remote([sent], items)

    def outcome(self) -> tuple[list[Any], Exception | None]:
        """Wait for the results, and the error of the item behind the last of them."""
        while not ray.wait([self.ref], timeout=PATIENCE)[0]:
            _processors()
        try:
            outcome: tuple[list[Any], Exception | None] = ray.get(self.ref)
        except exceptions.RayTaskError as error:  # errors of items are results
            raise ExecutorUnavailable(
                f"executor ray: a worker cannot run lexpix ({error.cause}); install the same "
                "versions of lexpix and Python on each machine of the cluster"
            ) from error
        return outcome


class _Plain(Generic[T, R]):
    """A function that knows nothing of other machines, as a `Portable`."""

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function

    def __call__(self, item: T) -> R:
        return self._function(item)

    def remote(self) -> Callable[[Sequence[T]], Iterable[R]]:
        return partial(map, self._function)

    def finish(self, _item: T, result: R) -> R:
        return result

    def lost(self, item: T, reason: str) -> R:
        raise ExecutorUnavailable(f"executor ray: {item}: {reason}; leave it out, or try again")


@ray.remote(num_cpus=1, max_retries=0)
def _do(sent: list[Any], items: Sequence[Any]) -> tuple[list[Any], Exception | None]:
    """Return the results of items, up to the first that raises an error, and that error."""
    results: list[Any] = []
    try:
        for result in _received(sent[0])(items):
            results.append(result)
    except Exception as error:
        return results, error
    return results, None


@lru_cache(maxsize=1)
def _received(sent: Any) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Return what was sent, with its model; a worker keeps it from one task to the next."""
    received: Callable[[Sequence[Any]], Iterable[Any]] = cloudpickle.loads(ray.get(sent))
    return received


def _send(function: Callable[[Sequence[Any]], Iterable[Any]]) -> Any:
    """Lay a function where every worker finds it."""
    try:
        # Pickled here, as Ray would lose the class of an error that comes up when it is opened.
        return ray.put(cloudpickle.dumps(function))
    except Exception as error:  # of whatever it consists of
        raise ExecutorUnavailable(
            f"executor ray: this cannot be sent to another machine ({error}); "
            "do it with executor = threads"
        ) from error


def _processors() -> int:
    """Return how many processors the cluster has now.

    Raises:
        ExecutorUnavailable: It has none.
    """
    processors = int(ray.cluster_resources().get("CPU", 0))
    if not processors:
        raise ExecutorUnavailable(
            f"executor ray: the cluster at {_where()} has no processor left; add a machine with "
            "'ray start --address=HOST:PORT', then run the same command again"
        )
    return processors


def _where() -> str:
    return str(ray.get_runtime_context().gcs_address)


def _join(address: str | None, workers: int | None) -> None:
    """Connect this process with a cluster, unless it is."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    _keep_standard_output()
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        try:
            ray.init("auto", **quiet)
        except ConnectionError:  # there is none on this machine
            ray.init("local", num_cpus=workers, include_dashboard=False, **quiet)
        return
    require_answer(address)
    try:
        ray.init(address, **quiet)
    except Exception as error:  # Ray's own have no common class
        raise ExecutorUnavailable(
            f"executor ray: cannot join {address} ({error}); with ray:HOST:PORT this machine must "
            "be a node of the cluster (ray start --address=HOST:PORT), with ray://HOST:PORT the "
            "port must be that for clients (10001); if it asks for a token: RAY_AUTH_MODE=token"
        ) from error


def _keep_standard_output() -> None:
    """Have Ray log that a worker died, which it prints among the answers; no option says so."""

    def tell(data: Mapping[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG001
        log.debug("%s", "\n".join(data["lines"]))

    if hasattr(ray_worker, "print_to_stdstream"):
        ray_worker.print_to_stdstream = tell


def require_answer(address: str) -> None:
    """Refuse an address that nobody answers at, for which Ray would wait long."""
    scheme, _, place = address.rpartition("//")
    host, _, port = place.rpartition(":")
    of = "ray-client-server-port" if scheme else "port"
    if not host or not port.isdecimal():
        raise ExecutorUnavailable(
            f"executor ray: {address!r} is no address; write ray:HOST:PORT or ray://HOST:PORT"
        )
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ExecutorUnavailable(
            f"executor ray: nothing answers at {host}:{port} ({error}); is the cluster running? "
            f"Start it there: ray start --head --{of}={port}"
        ) from error
