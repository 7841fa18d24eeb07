"""Errors as RFC 9457 problems: the one place that maps what is raised to what a client gets.

A problem has `type`, `title`, `status`, `detail` (the text the command line prints) and `instance`,
the path of the request. Some have more: `position` of a syntax error, `unknown_words`, and `errors`
of a request that does not fit the contract.
"""

from __future__ import annotations

import http
import json
import logging
import os
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchengine.errors import (
    CancelledQuery,
    ChangedFile,
    ConfigError,
    ImageError,
    IndexFileError,
    LexpixError,
    LibraryError,
    MissingPlugin,
    ModelError,
    NothingIndexed,
    QueryError,
    QuerySyntaxError,
    RootError,
    UnknownPicture,
    UnknownText,
    UnknownWords,
)
from searchengine.web.safety.methods import allowed

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUSES: tuple[tuple[type[LexpixError], int, str, str], ...] = (
    (QuerySyntaxError, 400, "query-syntax", "The query does not parse"),
    (UnknownWords, 400, "unknown-words", "No word of the query is known"),
    (UnknownPicture, 404, "unknown-picture", "There is no such picture"),
    (UnknownText, 404, "unknown-text", "There is no such text"),
    (CancelledQuery, 400, "cancelled-query", "The terms add up to nothing"),
    (QueryError, 400, "query", "The question cannot be answered"),
    (NothingIndexed, 409, "nothing-indexed", "Nothing is indexed"),
    (ConfigError, 400, "setting", "A value cannot be used"),
    (ImageError, 422, "image", "Not a readable picture"),
    (ChangedFile, 409, "changed-file", "The file is not what was indexed"),
    (RootError, 400, "folder", "The folder cannot be used"),
    (MissingPlugin, 503, "missing-plugin", "Something is not installed"),
    (ModelError, 409, "model", "The model cannot do that"),
    (LibraryError, 503, "library", "The library cannot be used"),
    (IndexFileError, 503, "index", "The index cannot be used"),
    (LexpixError, 500, "error", "That failed"),
)
"""Error, status, last part of `type`, title; the first class that an error belongs to counts."""

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "about:blank, or urn:lexpix:KIND"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what is wrong, and what to do"},
        "instance": {"type": "string", "description": "the path of the request"},
        "position": {"type": "integer", "description": "where a query stops making sense"},
        "unknown_words": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["word", "suggestion"],
                "properties": {
                    "word": {"type": "string"},
                    "suggestion": {"type": ["string", "null"]},
                },
            },
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "message"],
                "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
"""What a problem looks like, in the OpenAPI."""


class ProblemResponse(JSONResponse):
    """A problem, in ASCII, because messages name files and file names may hold any bytes."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> ProblemResponse:
    """Return the answer that reports a problem.

    Args:
        scope: The request's.
        status: Of HTTP.
        detail: What is wrong, and what to do.
        kind: Last part of `type`; without one the problem is what its status says.
        title: Of the kind; the phrase of the status if None.
        headers: Further headers.
        more: Further members of the problem.
    """
    content = {
        "type": f"urn:lexpix:{kind}" if kind else "about:blank",
        "title": title or _phrase(status),
        "status": status,
        "detail": detail,
        "instance": scope.get("path", ""),
    }
    return ProblemResponse(content | more, status, dict(headers or {}))


def problem_of(scope: Scope, error: LexpixError) -> ProblemResponse:
    """Return the answer for an error that was raised on purpose."""
    status, kind, title = next(row[1:] for row in STATUSES if isinstance(error, row[0]))
    more: dict[str, Any] = {}
    if isinstance(error, UnknownWords):
        pairs = zip(error.words, error.suggestions, strict=True)
        more["unknown_words"] = [{"word": word, "suggestion": near} for word, near in pairs]
    position = getattr(error, "position", None)
    if position is not None:
        more["position"] = position
    if status >= 500:
        log.error("%s %s: %s", scope.get("method"), scope.get("path"), error)
    return problem(scope, status, str(error), kind=kind, title=title, **more)


async def http_problem(request: Request, error: Exception) -> ProblemResponse:
    """Return the answer for what the framework refuses, or what was raised as such."""
    assert isinstance(error, HTTPException)
    detail, headers = error.detail, dict(error.headers or {})
    if detail == _phrase(error.status_code):  # what the framework raises says no more than that
        detail = _DETAILS.get(error.status_code, detail)
    if error.status_code == 405:  # it names the methods of one route only
        headers["Allow"] = ", ".join(allowed(request.app.routes, request.scope))
    return problem(request.scope, error.status_code, detail, headers=headers)


def install_problems(app: FastAPI) -> None:
    """Make an app answer every error with a problem, and say so in its OpenAPI.

    To be called before `install_safety` and `install_metrics`, which go around it.
    """

    async def on_lexpix(request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, LexpixError)
        return problem_of(request.scope, error)

    async def on_invalid(request: Request, error: Exception) -> ProblemResponse:
        assert isinstance(error, RequestValidationError | ValidationError)
        errors = [
            {"where": ".".join(map(str, one["loc"])), "message": str(one["msg"])}
            for one in error.errors()
        ]
        detail = "; ".join(f"{one['where']}: {one['message']}" for one in errors)
        return problem(
            request.scope,
            422,
            detail,
            kind="request",
            title="The request does not fit the contract",
            errors=errors,
        )

    app.add_exception_handler(LexpixError, on_lexpix)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(ValidationError, on_invalid)  # of an address, read as a body is
    app.add_middleware(Unexpected)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe(described())
        return described()

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it


_DETAILS = {
    404: "there is nothing at this path",
    405: "this path does not take that method",
}


class Unexpected:
    """Answer a bug with a problem that tells the client nothing, and log it in one line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            return  # whoever asked is gone; there is nobody to tell
        except Exception as error:
            log.error("%s %s: %s", scope["method"], scope["path"], one_line(error))
            log.debug("the whole of it", exc_info=error)
            if started:
                raise AbortedResponse from error
            detail = "lexpix failed at this; its log says more"
            await problem(scope, 500, detail)(scope, receive, send)


class AbortedResponse(Exception):
    """End a connection in the middle of an answer, so that nobody takes the half for the whole."""


def one_line(error: BaseException) -> str:
    """Return kind, message and origin of an error."""
    message = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    origin = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {message}{origin}"


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _describe(schema: dict[str, Any]) -> None:
    """Say of every operation that it may answer with a problem."""
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    answer = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in schema.get("paths", {}).values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in json.dumps(responses.get("422", {})):
                del responses["422"]
            responses.setdefault("default", answer)
