"""The whole app against its own OpenAPI: schemathesis asks whatever the contract allows, and more.

All checks of schemathesis apply; no answer may be a failure of the server. The same library is
served a second time for others than this machine, who need a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests.exceptions import ConnectionError
from schemathesis import Case, GenerationMode
from schemathesis.config import ChecksConfig, PositiveDataAcceptanceConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response

import indexer
from searchengine.config import Settings
from searchengine.search.engine import Engine
from searchengine.web.app import create_app
from searchengine.web.safety.access import Safety
from tests.support.plain_pictures import draw_many
from tests.support.web_server import PATIENCE, Served, get, served

EXAMPLES = 12
"""Requests of each kind to each operation; about a minute in all."""
LOCKED_EXAMPLES = 3
"""The same with a token, and again without the one that is asked for."""
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def chosen(colour_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("contract")
    chosen = Settings(library=folder / "library", model=str(colour_model), workers=2)
    with Engine.open(chosen, create=True) as engine:
        indexer.index(engine, draw_many(folder / "photos", 12))
    return chosen


@pytest.fixture(scope="module")
def server(chosen: Settings) -> Iterator[Served]:
    with served(create_app(chosen)) as running:
        yield running


@pytest.fixture(scope="module")
def locked(chosen: Settings) -> Iterator[Served]:
    with served(create_app(chosen, safety=Safety(any_address=True, token=TOKEN))) as running:
        yield running


@pytest.fixture(scope="module")
def described(server: Served) -> schemathesis.schemas.BaseSchema:
    # What fits the schema may still be no query, name no picture of the library, or say two things.
    refused = [200, 202, 206, 304, 400, 401, 403, 404, 409, 413, 416, 422]
    acceptance = PositiveDataAcceptanceConfig(expected_statuses=[str(one) for one in refused])
    config = SchemathesisConfig()
    config.projects.default.checks = ChecksConfig(positive_data_acceptance=acceptance)
    return schemathesis.openapi.from_url(
        f"{server.url}/api/openapi.json", config=config, timeout=PATIENCE
    )


def _ask_everything(
    described: schemathesis.schemas.BaseSchema,
    mode: GenerationMode,
    examples: int,
    check: Callable[[Case[Any]], None],
) -> None:
    """Check made-up requests to each operation, and tell of all that are answered wrongly."""
    wrong: list[str] = []
    for result in described.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            phases=[
                Phase.explicit,
                Phase.reuse,
                Phase.generate,
            ],  # smaller cases take many requests
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case[Any]) -> None:
            if case.path == "/api/v1/jobs" and case.method == "POST":
                # Whatever folder of this machine it hits upon would be indexed.
                case.body = {"kind": "index", "folder": "/no/such/folder"}
            check(case)

        try:
            ask()
        except Unsatisfiable:  # nothing can be wrong with a request that has no parameters
            continue
        except (Exception, BaseExceptionGroup) as error:  # all of them are wanted
            wrong.append(f"{operation.method} {operation.path}: {error}")
    assert not wrong, "\n\n".join(wrong)


def _call(case: Case[Any], **options: Any) -> Response:
    try:
        return case.call(timeout=PATIENCE, **options)
    except ConnectionError:
        # A server may refuse a request before it has read all of it, and close (RFC 9112).
        return case.call(timeout=PATIENCE, **options)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_what_the_contract_says(
    described: schemathesis.schemas.BaseSchema, mode: GenerationMode
) -> None:
    def check(case: Case[Any]) -> None:
        response = _call(case)
        assert response.status_code < 500
        case.validate_response(response)

    _ask_everything(described, mode, EXAMPLES, check)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_to_who_knows_the_token_are_the_same_and_nobody_else_gets_any(
    described: schemathesis.schemas.BaseSchema, locked: Served, mode: GenerationMode
) -> None:
    def check(case: Case[Any]) -> None:
        known = _call(case, base_url=locked.url, headers={"Authorization": f"Bearer {TOKEN}"})
        assert known.status_code < 500
        assert known.status_code != 401
        case.validate_response(known)
        for headers in ({}, {"Authorization": "Bearer wrong-horse-battery"}):
            unknown = _call(case, base_url=locked.url, headers=headers)
            # What comes before the token: whom the request names, and of what type its body is.
            assert unknown.status_code in (401, 400, 403, 415, 421), unknown.status_code
            assert unknown.headers["content-type"] == ["application/problem+json"]
            if unknown.status_code != 401:
                assert known.status_code == unknown.status_code
            case.validate_response(unknown)

    _ask_everything(described, mode, LOCKED_EXAMPLES, check)


def test_description_names_every_route_of_the_api(server: Served) -> None:
    paths = get(f"{server.url}/api/openapi.json").json()["paths"]
    assert {"/api/v1/search", "/api/v1/images/{id}", "/api/v1/jobs", "/api/v1/map"} <= set(paths)
    assert all(path.startswith("/api/v1/") for path in paths)


def test_description_tells_of_watching(server: Served) -> None:
    job = get(f"{server.url}/api/openapi.json").json()["components"]["schemas"]["JobOut"]
    assert "watch" in json.dumps(job["properties"]["kind"])
    assert "watching" in json.dumps(job["properties"]["state"])
