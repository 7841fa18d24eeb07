"""Jobs that a page starts, follows and cancels, of indexing and of importing tags: `/jobs`.

A job is a process of its own (`indexing.py`), so that searches do not wait for the interpreter's
lock. There is one at a time, because two would only take the processors from each other. Only who
sits at this machine may start or cancel one: a job reads folders that the client names.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Path, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from indexer.web import folders
from indexer.web.indexing import GRACE, Kind, Order, settings_entry
from indexer.web.job_schemas import ImportOptions, JobOut, JobRequest, JobsAnswer, State
from searchengine.config import Settings
from searchengine.errors import RootError
from searchengine.sources.addresses import is_remote
from searchengine.web.answers import API, AsciiJSON
from searchengine.web.live import Live
from searchengine.web.safety.access import is_local
from searchengine.web.safety.limits import leave_place

log = logging.getLogger(__name__)

KEPT = 50
"""Jobs that are remembered after their end."""
FAILURES = 100
"""Files of a job that are named; further ones are counted."""
PING = 15
"""Seconds after which a stream says that it is alive."""
LINE = 1 << 20
"""Most bytes of a line that a job writes."""

OPEN = frozenset({"running", "watching"})
"""States of jobs that have not ended."""
JobId = Annotated[str, Path(max_length=64, pattern="^[0-9a-f]+$")]


@dataclass
class Job:
    """A run of the indexer, and what is known of it.

    Attributes:
        options: Of an import, as `indexer.import_tags` takes them.
        changed: Set, and replaced by a new one, whenever something changes.
    """

    id: str
    kind: Order
    folder: str | None
    options: dict[str, Any] = field(default_factory=dict)
    state: State = "running"
    done: int = 0
    total: int = 0
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    ended_at: dt.datetime | None = None
    failures: list[dict[str, str]] = field(default_factory=list)
    failed: int = 0
    report: dict[str, int] | None = None
    imported: dict[str, Any] | None = None
    error: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    watcher: asyncio.Task[None] | None = None
    is_cancelled: bool = False

    def entry(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "kind": self.kind,
            "folder": self.folder,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "started_at": self.started_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "failures": self.failures,
            "failed": self.failed,
            "report": self.report,
            "imported": self.imported,
            "error": self.error,
        }

    @property
    def activity(self) -> str:
        """What is done, in words."""
        if self.kind == "watch":
            return "folders are being watched"
        if self.kind == "index":
            return f"{self.folder} is being indexed"
        if self.kind == "import":
            return "keywords are being imported"
        return "what could not be read is being read again"

    def notify(self) -> None:
        """Wake whoever follows."""
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """The jobs of one server; all of it runs in the loop of the server."""

    def __init__(self, live: Live, settings: Settings) -> None:
        self._live, self._settings = live, settings
        self._jobs: dict[str, Job] = {}

    def all(self) -> list[Job]:
        """Return the jobs, the latest first."""
        return list(reversed(self._jobs.values()))

    def get(self, id_: str) -> Job:
        """Return a job, or raise 404."""
        if id_ not in self._jobs:
            raise HTTPException(404, f"{id_}: no such job, or one that ended long ago")
        return self._jobs[id_]

    def running(self) -> int:
        """Return how many jobs are running."""
        return sum(job.state == "running" for job in self._jobs.values())

    async def start(
        self, kind: Kind, folder: str | None, options: dict[str, Any] | None = None
    ) -> Job:
        """Begin what `Kind` names in a folder, or everywhere.

        Raises:
            RootError: It is no absolute path of a folder, nor an address that is indexed already.
            HTTPException: A job is running, 409.
        """
        if folder is not None and is_remote(folder):
            roots = {one.path for one in self._live.engine.catalog.roots()}
            if folder not in roots:
                raise RootError(
                    f"{folder}: an address that was not indexed before, which only the command may "
                    "do: lexpix index ADDRESS"
                )
        elif folder is not None:
            folder = _checked(folder)
        if self.running():
            (other,) = (job for job in self._jobs.values() if job.state == "running")
            raise HTTPException(409, f"{other.activity}; wait for that, or cancel it")
        return await self._begin(Job(secrets.token_hex(8), kind, folder, options or {}))

    async def watch(self) -> None:
        """Begin to follow all folders of the library; other jobs may run beside it."""
        await self._begin(Job(secrets.token_hex(8), "watch", None, state="watching"))

    async def _begin(self, job: Job) -> Job:
        self._jobs[job.id] = job  # at once: while the process starts, another request may come
        while len(self._jobs) > KEPT:
            del self._jobs[next(id_ for id_, one in self._jobs.items() if one.state not in OPEN)]
        try:
            job.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "indexer.web.indexing",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE,
                start_new_session=True,  # Ctrl+C is for the server, which ends it
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except OSError as error:
            self._end(job, "failed", f"a process cannot be started: {error.strerror}")
            raise HTTPException(503, job.error) from error
        job.watcher = asyncio.create_task(self._watch(job, job.process))
        job.notify()
        return job

    async def cancel(self, job: Job) -> None:
        """End a job, if it has not ended, and wait for it; what it has written stays."""
        while job.watcher is None:  # it is only being started
            if job.state not in OPEN:
                return
            await job.changed.wait()
        job.is_cancelled = True
        if job.process is not None and job.process.stdin is not None:
            job.process.stdin.close()
        try:
            async with asyncio.timeout(GRACE + 5):
                await asyncio.shield(job.watcher)
        except TimeoutError:
            if job.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    job.process.kill()
            await asyncio.shield(job.watcher)

    async def close(self) -> None:
        """End what is running."""
        for job in list(self._jobs.values()):
            if job.state in OPEN:
                await self.cancel(job)

    async def follow(self, job: Job) -> AsyncIterator[ServerSentEvent]:
        """Yield how far a job is whenever that changes, and its report at the end."""
        sent: tuple[int, int] | None = None
        while True:
            changed = job.changed  # before the look: what happens after it is not missed
            if job.state not in OPEN:
                yield _event("report", job.entry())
                return
            if (job.done, job.total) != sent:
                sent = job.done, job.total
                yield _event("progress", {"done": job.done, "total": job.total, "state": job.state})
            await changed.wait()

    async def _watch(self, job: Job, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        order = {
            "kind": job.kind,
            "folder": job.folder,
            "options": job.options,
            "settings": settings_entry(self._settings),
        }
        try:
            with contextlib.suppress(ConnectionError):  # it is gone already; its code says so
                process.stdin.write(json.dumps(order).encode("ascii") + b"\n")
                await process.stdin.drain()
            async for line in process.stdout:
                self._take(job, json.loads(line))
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            self._end(job, "failed", "its process could not be followed; see the log")
            raise
        finally:
            process.stdin.close()
        with contextlib.suppress(Exception):  # the next search tries again, and says what is wrong
            await asyncio.to_thread(self._live.refresh)
        if job.imported is not None or (job.report is not None and job.kind != "watch"):
            self._end(job, "done")
        elif job.is_cancelled:
            self._end(job, "cancelled")
        else:
            self._end(job, "failed", job.error or f"its process ended with code {code}")

    def _take(self, job: Job, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "progress":
            job.done, job.total = event["done"], event["total"]
        elif kind == "failure":
            job.failed += 1
            if len(job.failures) < FAILURES:
                job.failures.append(event)
        elif kind in ("report", "batch"):
            job.report = event
        elif kind == "imported":
            job.imported = event
        else:
            job.error = event["detail"]
        job.notify()

    def _end(self, job: Job, state: State, error: str | None = None) -> None:
        job.state, job.error, job.process = state, error, None
        job.ended_at = dt.datetime.now(dt.UTC)
        if error is not None:
            log.error("%s: %s", job.activity, error)
        job.notify()


def install(app: FastAPI, live: Live, settings: Settings) -> None:
    """Give an app the jobs."""
    jobs = Jobs(live, settings)
    app.state.jobs = jobs
    app.state.metrics.watch("lexpix_jobs_running", "Index jobs that are running", jobs.running)
    app.include_router(_router(jobs), prefix=API, tags=["jobs"])
    app.include_router(folders.router, prefix=API)
    lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def with_jobs(served: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(served) as state:
            if app.state.watches:
                await jobs.watch()
            try:
                yield state
            finally:
                await jobs.close()

    app.router.lifespan_context = with_jobs


def _router(jobs: Jobs) -> APIRouter:
    router = APIRouter(prefix="/jobs", default_response_class=AsciiJSON)

    @router.get("", response_model=JobsAnswer)
    async def list_jobs(request: Request) -> Response:
        """List the jobs of this server, those that ended too."""
        entries = [job.entry() for job in jobs.all()]
        return AsciiJSON({"jobs": entries, "local": is_local(request.scope)})

    @router.post("", response_model=JobOut, status_code=202)
    async def start_job(body: JobRequest, request: Request) -> Response:
        """Begin a job; clients of this machine only, one job at a time."""
        _require_local(request)
        options = ImportOptions() if body.options is None else body.options
        of_import = options.model_dump() if body.kind == "import" else None
        job = await jobs.start(body.kind, body.folder, of_import)
        return AsciiJSON(job.entry(), 202, {"Location": f"{API}/jobs/{job.id}"})

    @router.get("/{id}", response_model=JobOut)
    async def get_job(id: JobId) -> Response:
        """Return how far a job is."""
        return AsciiJSON(jobs.get(id).entry())

    @router.get(
        "/{id}/events",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def follow_job(id: JobId) -> Response:
        """Stream `progress` events, {done, total, state}, and at the end `report`, the job."""
        return EventSourceResponse(jobs.follow(jobs.get(id)), ping=PING)

    @router.delete("/{id}", response_model=JobOut)
    async def cancel_job(id: JobId, request: Request) -> Response:
        """Cancel a job; what it has written stays. One that has ended stays as it is."""
        _require_local(request)
        job = jobs.get(id)
        if job.state in OPEN:
            leave_place(request.scope)
            await jobs.cancel(job)
        return AsciiJSON(job.entry())

    return router


def _require_local(request: Request) -> None:
    if not is_local(request.scope):
        raise HTTPException(
            403, "indexing is started and cancelled on the machine of the library only"
        )


def _checked(folder: str) -> str:
    if not os.path.isabs(folder):
        raise RootError(f"{folder}: not an absolute path; begin at the root of the disk")
    if not os.path.isdir(folder):
        raise RootError(f"{folder}: no such folder; is its disk mounted?")
    return os.path.normpath(folder)


def _event(name: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data), event=name)
