"""Who may ask, and that strangers, slow ones and many cannot shut others out."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
from fastapi import Body, FastAPI, Request, UploadFile
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from searchengine.errors import ConfigError
from searchengine.web.metrics import install_metrics
from searchengine.web.safety.access import (
    Safety,
    host_name,
    install_safety,
    is_local,
    is_loopback,
    new_token,
)
from searchengine.web.safety.connections import ConnectionLimits
from searchengine.web.safety.limits import Limits, leave_place
from searchengine.web.safety.problems import install_problems
from searchengine.web.serving import Serving
from tests.support.web_server import PATIENCE, Served, get, post, read_all, request, served

TOKEN = "correct-horse-battery"
SMALL = Limits(
    json_bytes=1000,
    upload_bytes=200_000,
    body_seconds=2,
    pause_seconds=0.5,
    running=2,
    waiting=3,
    queue_seconds=5,
)


class Gate:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)

    def pass_through(self) -> None:
        self.entered.release()
        assert self.open.wait(PATIENCE)


def _app(safety: Safety, gate: Gate | None = None) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def page(q: str = "") -> dict[str, str]:
        return {"page": q}

    @app.get("/api/v1/thing")
    def thing(request: Request) -> dict[str, bool]:
        return {"local": is_local(request.scope)}

    @app.post("/api/v1/echo")
    def echo(value: object = Body()) -> object:
        return value

    @app.post("/api/v1/uploads")
    async def upload(file: UploadFile) -> dict[str, int]:
        return {"bytes": len(await file.read())}

    @app.get("/api/v1/work")
    def work() -> dict[str, str]:
        assert gate is not None
        gate.pass_through()
        return {"work": "done"}

    @app.get("/api/v1/wait")
    async def wait(request: Request) -> dict[str, str]:
        assert gate is not None
        leave_place(request.scope)
        await asyncio.to_thread(gate.pass_through)
        return {"wait": "over"}

    @app.get("/api/v1/large")
    def large() -> StreamingResponse:
        return StreamingResponse(bytes(1 << 16) for _ in range(1000))

    install_problems(app)
    install_safety(app, safety)
    install_metrics(app, {})
    return app


@pytest.fixture(scope="module")
def plain() -> Iterator[Served]:
    with served(_app(Safety())) as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[Served]:
    with served(_app(Safety(any_address=True, token=TOKEN))) as running:
        yield running


# Names


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost."])
def test_own_names_are_answered(plain: Served, name: str) -> None:
    for host in (name, f"{name}:{plain.port}"):
        answer = get(f"{plain.url}/api/v1/thing", headers={"Host": host})
        assert answer.status_code == 200, host


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost.evil.example", "192.168.1.7", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/thing", "/metrics", "/healthz", "/no"])
def test_strangers_name_that_points_here_is_not_answered(
    plain: Served, name: str, path: str
) -> None:
    answer = get(plain.url + path, headers={"Host": f"{name}:{plain.port}"})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:lexpix:host"
    assert "--allow-host" in answer.json()["detail"]


def test_any_address_but_no_other_name_where_others_are_served(locked: Served) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for host, status in (("192.168.1.7:8765", 200), ("[fe80::1]", 200), ("evil.example", 421)):
        answer = get(f"{locked.url}/api/v1/thing", headers={"Host": host} | bearer)
        assert answer.status_code == status, host


def test_request_without_or_with_two_names_is_refused(plain: Served) -> None:
    assert plain.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400")
    twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert plain.raw(twice).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Photos.LAN:80", "photos.lan"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("[::1]x", None),
        ("[photos]", None),
        ("::1", None),
        ("photos:", None),
        ("photos:80:80", None),
        ("user@photos", None),
        ("", None),
        (":80", None),
    ],
)
def test_name_of_a_host(host: str, name: str | None) -> None:
    assert host_name(host) == name


@given(st.text())
def test_name_of_any_host_has_nothing_that_ends_a_name(host: str) -> None:
    name = host_name(host)
    assert name is None or (name and not set(name) & set("/@\\ <>"))


# Other sites


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_other_site_gets_nothing(plain: Served, site: str, method: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    answer = request(method, f"{plain.url}/api/v1/thing", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:lexpix:origin"


def test_link_on_another_site_opens_the_page_but_not_in_a_frame(plain: Served) -> None:
    for dest, status in (("document", 200), ("iframe", 403), ("object", 403)):
        headers = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": dest,
        }
        assert get(plain.url, headers=headers).status_code == status, dest
        assert post(f"{plain.url}/api/v1/echo", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://HOST",
        "ftp://HOST",
        "null",
        "http://localhost:1",
        "http://127.0.0.1",
        "http://[::1]",
        "",
    ],
)
def test_request_of_another_origin_is_refused(plain: Served, origin: str) -> None:
    origin = origin.replace("HOST", plain.url.removeprefix("http://"))
    answer = post(f"{plain.url}/api/v1/echo", json=1, headers={"Origin": origin})
    assert answer.status_code == 403


def test_own_page_and_programs_may_ask(plain: Served) -> None:
    own = {"Origin": plain.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    secure = own | {"Origin": plain.url.replace("http:", "https:")}  # behind a proxy with TLS
    passed_on = {"Origin": secure["Origin"], "X-Forwarded-Proto": "https"}  # of an old browser
    for headers in (own, secure, passed_on, {}):
        assert post(f"{plain.url}/api/v1/echo", json=[1], headers=headers).json() == [1]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]
)
def test_body_that_any_form_could_send_is_not_taken(plain: Served, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = post(f"{plain.url}/api/v1/echo", content=b"1", headers=headers)
    assert answer.status_code == 415


# Token


@pytest.mark.parametrize("path", ["/", "/api/v1/thing", "/metrics", "/no", "/openapi.json"])
def test_without_token_there_is_nothing(locked: Served, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = get(locked.url + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "set-cookie" not in answer.headers


def test_health_needs_no_token(locked: Served) -> None:
    assert get(f"{locked.url}/healthz").json() == {"status": "ok"}


def test_program_gives_the_token_in_a_header(locked: Served) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert get(f"{locked.url}/api/v1/thing", headers=headers).status_code == 200


def test_browser_gets_a_cookie_and_an_address_without_the_token(locked: Served) -> None:
    with httpx.Client(base_url=locked.url, timeout=PATIENCE) as browser:
        page = browser.get("/", params={"q": 'a "dog" <b>', "token": TOKEN})
        assert page.status_code == 200
        assert TOKEN not in page.text
        assert TOKEN not in page.headers["set-cookie"]
        assert "<b>" not in page.text
        attributes = page.headers["set-cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=strict" in attributes
        target = page.text.partition("url=")[2].partition('"')[0]
        assert browser.get(target).json() == {"page": 'a "dog" <b>'}
        assert browser.get("/api/v1/thing").status_code == 200


def test_page_that_goes_on_stays_on_this_server(locked: Served) -> None:
    answer = locked.raw(
        f"GET //evil.example/%22%3e?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    assert b"url=/evil.example/&quot;&gt;" in answer


def test_wrong_token_in_the_address_is_refused(locked: Served) -> None:
    assert get(locked.url, params={"token": "wrong"}).status_code == 401
    assert get(locked.url, params={"token": ""}).status_code == 401
    answer = post(f"{locked.url}/api/v1/echo", params={"token": TOKEN}, json=1)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "token", ["short", "", "a" * 15, "with a space in it", "ümläutümläutümläut"]
)
def test_token_that_is_no_good_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="--token"):
        Safety(token=token)


def test_tokens_are_long_and_differ() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(Safety(token=token) for token in tokens)


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("localhost", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.7", True),
        ("localhost.example", True),
        ("127.0.0.1.example", True),
    ],
)
def test_only_the_own_machine_is_served_without_a_token(host: str, is_public: bool) -> None:
    safety = Serving(host).safety()
    assert is_loopback(host) is not is_public
    assert (safety.token is not None) is is_public
    assert safety.any_address is is_public


def test_request_that_a_proxy_passed_on_is_not_local(plain: Served) -> None:
    url = f"{plain.url}/api/v1/thing"
    assert get(url).json() == {"local": True}
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"):
        assert get(url, headers={name: "127.0.0.1"}).json() == {"local": False}


# Headers


@pytest.mark.parametrize("path", ["/", "/api/v1/thing", "/no", "/metrics", "/api/v1/echo"])
def test_every_answer_has_the_headers(plain: Served, path: str) -> None:
    answer = get(plain.url + path)
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not any("unsafe" in rule or "*" in rule for rule in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


# Bodies


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    with served(_app(Safety(limits=SMALL))) as running:
        yield running


def test_body_that_says_it_is_too_large_is_refused_unread(small: Served) -> None:
    head = (
        b"POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1001\r\n\r\n"
    )
    answer = small.raw(head)  # and nothing of the body
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"1,000 bytes" in answer


@pytest.mark.parametrize("path", ["/api/v1/echo", "/api/v1/uploads"])
def test_body_that_does_not_say_its_length_is_cut(small: Served, path: str) -> None:
    sent = 0
    kind = "multipart/form-data; boundary=x" if path.endswith("uploads") else "application/json"
    most = SMALL.upload_bytes if path.endswith("uploads") else SMALL.json_bytes

    def parts() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        while True:
            sent += 500
            yield b" " * 500

    answer: httpx.Response | None = None
    with suppress(httpx.WriteError):  # the server closed before all was sent, as it should
        answer = post(small.url + path, content=parts(), headers={"Content-Type": kind})
    assert answer is None or answer.status_code == 413
    assert sent < most + 20_000_000  # buffers of the system, not all there is


def test_body_within_limits_is_taken(small: Served) -> None:
    assert post(f"{small.url}/api/v1/echo", json="x" * 900).json() == "x" * 900
    answer = post(f"{small.url}/api/v1/uploads", files={"file": bytes(199_000)})
    assert answer.json() == {"bytes": 199_000}


def test_body_that_stops_coming_is_given_up(small: Served) -> None:
    with small.connect() as connection:
        connection.sendall(
            b"POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n["
        )
        assert read_all(connection).startswith(b"HTTP/1.1 408")


def test_body_that_drips_is_given_up(small: Served) -> None:
    with small.connect() as connection:
        connection.sendall(
            b"POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n"
        )
        answer = _drip(connection, b" ")
    assert answer.startswith(b"HTTP/1.1 408")


def test_body_that_comes_in_crumbs_is_given_up_long_before_its_time_is_over() -> None:
    limits = Limits(body_seconds=1000, pause_seconds=1000, grace_seconds=0.3, least_rate=1000)
    with served(_app(Safety(limits=limits))) as server:
        with server.connect() as connection:
            connection.sendall(
                b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 50000\r\n\r\n"
            )
            answer = _drip(connection, b"\r\n")
        assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400"))
        large = b"[" + b"1," * 50_000 + b"1]"  # at once, as it should be
        kind = {"Content-Type": "application/json"}
        assert post(f"{server.url}/api/v1/echo", content=large, headers=kind).status_code == 200


def _drip(connection: socket.socket, part: bytes) -> bytes:
    """Send a part now and then until the server says something or hangs up."""
    connection.settimeout(0.1)
    for _ in range(200):
        try:
            connection.sendall(part)
            return connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""
    raise AssertionError("the server listens for ever")


# Many


def test_more_than_there_are_places_for_wait_and_more_than_that_are_sent_away() -> None:
    gate = Gate()
    with served(_app(Safety(limits=SMALL), gate)) as server, ThreadPoolExecutor(16) as pool:
        url = f"{server.url}/api/v1/work"
        asked = [pool.submit(get, url) for _ in range(SMALL.running)]
        for _ in asked:
            assert gate.entered.acquire(timeout=PATIENCE)
        more = [pool.submit(get, url) for _ in range(10)]
        away = [one for one in more if _is_done(one, SMALL.waiting, more)]
        assert len(away) == 10 - SMALL.waiting
        for one in away:
            answer = one.result()
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["status"] == 503
        # Neither the page nor who watches over it has to wait.
        assert get(server.url).status_code == 200
        assert get(f"{server.url}/healthz").status_code == 200
        gate.open.set()
        rest = [one for one in (*asked, *more) if one not in away]
        assert {one.result().status_code for one in rest} == {200}
        assert get(f"{server.url}/api/v1/thing").status_code == 200


def _is_done(one: Future[Any], left: int, all_of_them: Sequence[Future[Any]]) -> bool:
    """Tell whether a request was answered, once all but `left` are."""
    deadline = time.monotonic() + PATIENCE
    while sum(each.done() for each in all_of_them) < len(all_of_them) - left:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return one.done()


def test_who_waits_too_long_is_sent_away_and_places_are_not_lost() -> None:
    gate = Gate()
    limits = Limits(running=1, waiting=5, queue_seconds=0.3)
    with served(_app(Safety(limits=limits), gate)) as server, ThreadPoolExecutor(8) as pool:
        first = pool.submit(get, f"{server.url}/api/v1/work")
        assert gate.entered.acquire(timeout=PATIENCE)
        body = {"value": 1}
        for answer in (
            get(f"{server.url}/api/v1/thing"),
            post(f"{server.url}/api/v1/echo", json=body),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
        gate.open.set()
        assert first.result().status_code == 200
        for _ in range(3):
            assert post(f"{server.url}/api/v1/echo", json=body).json() == body


def test_work_that_many_wait_for_holds_no_places() -> None:
    gate = Gate()
    with served(_app(Safety(limits=SMALL), gate)) as server, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(get, f"{server.url}/api/v1/wait") for _ in range(SMALL.running + 2)]
        for _ in waiting:
            assert gate.entered.acquire(timeout=PATIENCE)
        assert get(f"{server.url}/api/v1/thing").status_code == 200
        gate.open.set()
        assert {one.result().status_code for one in waiting} == {200}


def test_slow_bodies_and_slow_readers_hold_no_places(small: Served) -> None:
    head = (
        b"POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(4 * SMALL.running):
            writer = stack.enter_context(small.connect())
            writer.sendall(head)
            reader = stack.enter_context(small.connect())
            reader.sendall(b"GET /api/v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reader.recv(15) == b"HTTP/1.1 200 OK"  # and no more
        for _ in range(3):
            assert post(f"{small.url}/api/v1/echo", json=1).json() == 1


# Connections


def test_head_that_never_ends_is_given_up() -> None:
    quick = ConnectionLimits(head_seconds=0.5)
    with served(_app(Safety()), quick) as server:
        with server.connect() as silent:
            assert read_all(silent).startswith(b"HTTP/1.1 408")
        with server.connect() as dripping:
            dripping.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            assert _drip(dripping, b"X-A: b\r\n").startswith(b"HTTP/1.1 408")
        # The next request of a connection has the same time.
        with server.connect() as second:
            second.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert second.recv(15) == b"HTTP/1.1 200 OK"
            second.sendall(b"GET / HTTP/1.1\r\n")
            assert read_all(second).endswith(
                b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )


def test_rest_of_a_body_that_nobody_wants_does_not_hold_a_connection() -> None:
    quick = ConnectionLimits(head_seconds=0.5)
    with served(_app(Safety()), quick) as server, server.connect() as connection:
        connection.sendall(
            b"POST /no HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n"
        )
        assert b" 404 " in connection.recv(65536)
        connection.settimeout(0.1)
        for _ in range(100):
            try:
                connection.sendall(b" ")
                if not connection.recv(65536):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        raise AssertionError("the server listens for ever")


def test_answer_that_nobody_reads_is_given_up() -> None:
    quick = ConnectionLimits(read_seconds=0.5)
    with served(_app(Safety()), quick) as server, server.connect() as connection:
        connection.sendall(b"GET /api/v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(2)
        assert len(read_all(connection)) < 1000 << 16


def test_thousand_idle_connections_shut_nobody_out() -> None:
    few = ConnectionLimits(most=20)
    with served(_app(Safety()), few) as server, ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(100)]
        for one in silent[::2]:
            with suppress(ConnectionError):
                one.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(5):
            assert get(f"{server.url}/api/v1/thing").status_code == 200


def test_connections_that_are_all_at_work_send_others_away() -> None:
    gate = Gate()
    few = ConnectionLimits(most=3)
    with served(_app(Safety(), gate), few) as server, ThreadPoolExecutor(4) as pool:
        working = [pool.submit(get, f"{server.url}/api/v1/work") for _ in range(3)]
        for _ in working:
            assert gate.entered.acquire(timeout=PATIENCE)
        answer = server.raw(b"")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in answer
        gate.open.set()
        assert {one.result().status_code for one in working} == {200}


def test_connection_is_kept_for_the_next_request(plain: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=PATIENCE)
    connection.connect()
    used = connection.sock
    for _ in range(3):
        connection.request("GET", "/api/v1/thing")
        assert connection.getresponse().read() == b'{"local":true}'
        assert connection.sock is used
    connection.close()


@pytest.mark.slow
def test_connection_is_kept_for_longer_than_clients_keep_theirs(plain: Served) -> None:
    """Who closes first while the other asks breaks a request off: httpx closes after 5 s."""
    connection = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=PATIENCE)
    connection.connect()
    used = connection.sock
    for pause in (0, 7):
        time.sleep(pause)
        connection.request("GET", "/api/v1/thing")
        assert connection.getresponse().read() == b'{"local":true}'
        assert connection.sock is used
    connection.close()


def test_requests_that_come_at_once_are_answered_in_order(plain: Served) -> None:
    one = b"GET /?q=%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answer = plain.raw(one % (1, b"") + one % (2, b"Connection: close\r\n"))
    assert answer.index(b'{"page":"1"}') < answer.index(b'{"page":"2"}')
