"""Errors become RFC 9457 problems."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from searchengine import errors
from searchengine.language import query
from searchengine.web.safety.problems import STATUSES, install_problems
from tests.support.web_server import Served, get, post, request, served


class Wish(BaseModel):
    limit: int


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        if name == "UnknownWords":
            raise errors.UnknownWords(["dgo", "qqq"], ["dog", None])
        if name == "bytes":
            raise errors.ImageError("caf\udce9.jpg: not a readable image")
        raise getattr(errors, name)(f"it was {name}")

    @app.get("/parse")
    def parse(q: str) -> None:
        query.parse(q, exists=lambda _: False)

    @app.post("/wish")
    def wish(wanted: Wish) -> Wish:
        return wanted

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError("a secret\nof two lines")

    @app.get("/half")
    def half() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"first half"
            raise RuntimeError("no second half")

        return StreamingResponse(parts())

    install_problems(app)
    return app


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(_app()) as running:
        yield running


def _get(server: Served, path: str) -> tuple[int, dict[str, object]]:
    answer = get(server.url + path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == answer.status_code
    assert problem["instance"] == path.partition("?")[0]
    return answer.status_code, problem


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("QueryError", 400),
        ("CancelledQuery", 400),
        ("UnknownPicture", 404),
        ("UnknownText", 404),
        ("NothingIndexed", 409),
        ("ConfigError", 400),
        ("ImageError", 422),
        ("ChangedFile", 409),
        ("RootError", 400),
        ("LibraryError", 503),
        ("ModelError", 409),
        ("MissingPlugin", 503),
        ("TrainingDataError", 500),
    ],
)
def test_error_has_its_status_and_the_words_of_the_command_line(
    server: Served, name: str, status: int
) -> None:
    found, problem = _get(server, f"/raise/{name}")
    assert found == status
    assert problem["detail"] == f"it was {name}"
    assert str(problem["type"]).startswith("urn:lexpix:")


def test_every_error_is_in_the_table_below_none_of_its_bases() -> None:
    kinds = [row[0] for row in STATUSES]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[place + 1 :]), kind
    assert kinds[-1] is errors.LexpixError


def test_unknown_words_come_with_suggestions(server: Served) -> None:
    status, problem = _get(server, "/raise/UnknownWords")
    assert status == 400
    assert problem["unknown_words"] == [
        {"word": "dgo", "suggestion": "dog"},
        {"word": "qqq", "suggestion": None},
    ]


def test_message_that_names_a_file_of_any_bytes_arrives(server: Served) -> None:
    answer = get(f"{server.url}/raise/bytes")
    assert answer.status_code == 422
    assert b"caf\\udce9.jpg" in answer.content


def test_syntax_error_is_told_as_the_parser_tells_it(server: Served) -> None:
    with pytest.raises(errors.QuerySyntaxError) as raised:
        query.parse("dog -cat", exists=lambda _: False)
    status, problem = _get(server, "/parse?q=dog+-cat")
    assert status == 400
    assert problem["detail"] == str(raised.value)
    assert problem["type"] == "urn:lexpix:query-syntax"


def test_request_that_does_not_fit_names_the_field(server: Served) -> None:
    answer = post(f"{server.url}/wish", json={"limit": "many"})
    problem = answer.json()
    assert answer.status_code == problem["status"] == 422
    assert problem["errors"][0]["where"] == "body.limit"
    assert "body.limit" in problem["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/no", 404), ("PUT", "/wish", 405)])
def test_what_the_framework_refuses_is_a_problem_too(
    server: Served, method: str, path: str, status: int
) -> None:
    answer = request(method, server.url + path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.json()["type"] == "about:blank"
    assert answer.json()["detail"] != answer.json()["title"]
    assert status != 405 or answer.headers["allow"] == "POST"


def test_bug_tells_the_client_nothing_and_the_log_one_line(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    status, problem = _get(server, "/bug")
    assert status == 500
    assert "secret" not in str(problem)
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "RuntimeError: a secret of two lines (test_problems.py:" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None


def test_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        get(f"{server.url}/half")
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "no second half" in record.getMessage()


def test_description_says_that_every_operation_may_answer_with_a_problem() -> None:
    app = _app()
    schema = app.openapi()
    assert schema is app.openapi()
    for path in schema["paths"].values():
        for operation in path.values():
            content = operation["responses"]["default"]["content"]
            assert list(content) == ["application/problem+json"]
    assert "HTTPValidationError" not in str(schema)
    assert "Problem" in schema["components"]["schemas"]
