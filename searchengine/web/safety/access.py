"""Who may ask: checks of Host, Origin and token, and the headers that every answer has.

A server on one's own machine is reached by every page that the browser shows. Three checks keep
such pages out. The name that was asked for must be one of this server's, so that a stranger's name
that was made to point here (DNS rebinding) gets no answer. A request that another site started is
refused unless it opens a page (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/), and one with
a body must be of a type for which a stranger's form would need permission. And where a token is
set, it must be given.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchengine.errors import ConfigError
from searchengine.web.safety.limits import Limited, Limits
from searchengine.web.safety.problems import problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What needs no token: whoever watches over servers has none, and these tell nothing."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "via")
"""Headers by which a proxy says that it is one."""
SHORTEST_TOKEN = 16
"""Characters; what is shorter can be guessed by trying."""
COOKIE_SECONDS = 30 * 24 * 3600

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with it, browsers say "Origin: null" where a form is sent.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Headers of every answer that does not set them itself."""


@dataclass(frozen=True, slots=True)
class Safety:
    """What a server answers to.

    Attributes:
        names: Names that it may be asked by, without port, in lower case.
        any_address: Answer to every numeric address too: one cannot be made to point elsewhere.
        token: What a client must know; None asks for nothing.
        limits: How much clients may ask for.
    """

    names: frozenset[str] = LOOPBACK_NAMES
    any_address: bool = False
    token: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is None:
            return
        if (
            not self.token.isascii()
            or set(self.token) & set(" \"'&#%+;,\\")
            or not (self.token.isprintable())
        ):
            raise ConfigError("--token: give letters, digits and - . _ only, so that it fits a URL")
        if len(self.token) < SHORTEST_TOKEN:
            raise ConfigError(
                f"--token: {len(self.token)} characters can be guessed; give at least "
                f"{SHORTEST_TOKEN}, or leave it out and one is made"
            )


def new_token() -> str:
    """Return a token that nobody guesses, fit for a URL."""
    return secrets.token_urlsafe(24)


def is_loopback(address: str) -> bool:
    """Tell whether a host name or address is this machine's own, reached by nobody else."""
    if address == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool(parsed.is_loopback or (mapped is not None and mapped.is_loopback))


def is_local(scope: Scope) -> bool:
    """Tell whether a request was made on this machine, and not passed on by a proxy on it."""
    client = scope.get("client")
    headers = Headers(scope=scope)
    forwarded = any(name in headers for name in FORWARDED)
    return client is not None and is_loopback(client[0]) and not forwarded


def install_safety(app: FastAPI, safety: Safety) -> None:
    """Put checks, limits and headers around an app.

    To be called after `install_problems` and before `install_metrics`.
    """
    app.add_middleware(Limited, limits=safety.limits)
    app.add_middleware(Guard, safety=safety)


class Guard:
    """Refuse what comes from strangers, and give every answer its headers."""

    def __init__(self, app: ASGIApp, safety: Safety) -> None:
        self.app, self.safety = app, safety
        token = (safety.token or "").encode()
        # Cookies go to every port of a machine: what stands in ours must not be the token itself.
        self._cookie_name = f"lexpix-{hashlib.sha256(token).hexdigest()[:8]}"
        self._cookie = hmac.new(token, b"lexpix cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":  # there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        await (refused or self.app)(scope, receive, _with_headers(send))

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        return (
            self._wrong_name(scope, headers)
            or _other_site(scope, headers)
            or _wrong_type(scope, headers)
            or self._no_token(scope, headers)
        )

    def _wrong_name(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None:
            return problem(scope, 400, "the request does not say whom it asks (Host)")
        if name in self.safety.names or (self.safety.any_address and _is_address(name)):
            return None
        return problem(
            scope,
            421,
            f"this server is not called {name!r}; open it by the address that lexpix serve "
            f"printed, or start it with --allow-host {name}",
            kind="host",
            title="The wrong server was asked",
        )

    def _no_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self.safety.token is None or scope["path"] in OPEN_PATHS:
            return None
        if self._is_known(headers):
            return self._welcome(scope) if _has_token(scope) else None
        token = dict(_query(scope)).get("token", "")
        if scope["method"] == "GET" and token and self._is_token(token):
            return self._welcome(scope)
        return problem(
            scope,
            401,
            "this library asks for its token: open the address that lexpix serve printed, or send "
            "the header Authorization: Bearer TOKEN",
            kind="token",
            title="The token is missing or wrong",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(token.strip()):
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie_name, "")
        return hmac.compare_digest(cookie.encode(), self._cookie.encode())

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), (self.safety.token or "").encode())

    def _welcome(self, scope: Scope) -> Response:
        """Set the cookie and go on to the same address without the token.

        A page that goes on by itself and no redirect: a browser that came from elsewhere would not
        send a strict cookie along a chain of redirects.
        """
        rest = urlencode([pair for pair in _query(scope) if pair[0] != "token"])
        # Two slashes at the start would name another server.
        target = "/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else "")
        escaped = html.escape(target, quote=True)
        page = HTMLResponse(
            "<!doctype html><html lang=en><meta charset=utf-8><title>lexpix</title>"
            f'<meta http-equiv="refresh" content="0; url={escaped}">'
            f'<a href="{escaped}">Go on to lexpix</a></html>'
        )
        page.set_cookie(
            self._cookie_name,
            self._cookie,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return page


def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without port; None if it is no name."""
    host = host.strip().lower()
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") else port
        usable = bool(bracket) and _is_address(name) and (not port or port.isdecimal())
        return name if usable else None
    name, colon, port = host.partition(":")
    name = name.removesuffix(".")
    usable = bool(name) and (not colon or port.isdecimal())
    return name if usable and not set(name) & set("/\\@?# \t\"'<>") else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _other_site(scope: Scope, headers: Headers) -> Response | None:
    """Refuse what a page of another site asks for, unless the user follows a link to a page."""
    site = headers.get("sec-fetch-site", "same-origin")
    opens_page = (
        scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    origin = headers.get("origin")
    is_foreign = site not in ("same-origin", "none") and not opens_page
    if origin is not None:
        is_foreign |= not _is_own(origin, scope, headers)
    if not is_foreign:
        return None
    return problem(
        scope,
        403,
        "another site asks this; lexpix answers its own page and programs, and nobody else's page",
        kind="origin",
        title="Asked by another site",
    )


def _is_own(origin: str, scope: Scope, headers: Headers) -> bool:
    """Tell whether an origin is this server, asked in clear or through a proxy with TLS.

    Another scheme is another site. Only a proxy, which says so, or the browser itself knows that
    what was asked for by https arrives here by http; no page can make either of them say so.
    """
    parts = urlsplit(origin)
    if parts.netloc.lower() != headers.get("host", "").lower():
        return False
    return (
        parts.scheme == scope.get("scheme", "http")
        or headers.get("sec-fetch-site") == "same-origin"
        or any(name in headers for name in FORWARDED)
    )


def _wrong_type(scope: Scope, headers: Headers) -> Response | None:
    """Refuse bodies that a form of any page could send without asking."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not has_body or kind in ("application/json", "multipart/form-data"):
        return None
    return problem(
        scope,
        415,
        f"a body of type {kind or 'none'!r} is not taken; send application/json, or "
        "multipart/form-data for files",
        headers={"Connection": "close"},  # the body is not read
    )


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _has_token(scope: Scope) -> bool:
    """Tell whether a page was opened with the token in its address, which must not stay there."""
    is_page = scope["method"] == "GET" and not scope["path"].startswith("/api/")
    return is_page and any(name == "token" for name, _ in _query(scope))


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
