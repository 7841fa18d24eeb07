"""The page: one shell for all its views, and the scripts, styles and icons it loads.

The shell is the same for all of them, but for the answer that it preloads; what is shown follows
from the address, in `static/state.js`. Everything else stands below a folder whose name is a hash
of its contents, so that browsers keep it for good and a new version is never mixed with an old one.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import urlencode

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from fastapi.templating import Jinja2Templates
from starlette.datastructures import QueryParams

from searchengine.search.facets import FACETS
from searchengine.web.answers import API
from searchengine.web.page.locale import ENGLISH, NAMES, language_of, texts
from searchengine.web.page.reference import install_reference
from searchengine.web.safety.access import is_local
from searchengine.web.safety.problems import http_problem

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
"""What the browser loads."""
VIEWS = {"/": "Pictures", "/map": "Map", "/recipes": "Recipes", "/duplicates": "Duplicates"}
"""The addresses of the shell that the page leads to first, and what each view is called."""
INNER = {"/world": "Map of the world"}
"""Those that one of these leads to."""
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
_LAZY = {  # loaded before all others, when needed, or after the first answer
    "theme.js",
    *("duplicates.js", "map.js", "world.js", "land.js", "steering.js", "recipes.js"),
    "timeline.js",
    *("detail.js", "facts.js", "heat.js", "tags.js", "viewer.js", "why.js"),
    *("failures.js", "folders.js", "help.js", "jobs.js", "live.js"),
    "reference.js",
}


def install_pages(app: FastAPI) -> None:
    """Serve the page at the addresses of its views, and its files below `/static`."""
    version = fingerprint(STATIC)
    base = f"/static/{version}"
    modules = sorted(p.name for p in STATIC.glob("*.js") if p.name not in _LAZY)
    templates = Jinja2Templates(_HERE / "templates")

    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}

    def shell(request: Request) -> Response:
        language = language_of(request)
        told = texts(language)
        context = {
            "language": language,
            "languages": NAMES,
            "t": lambda text: told[text],
            # English stands in the scripts themselves.
            "texts": {} if language == ENGLISH else told,
            "base": base,
            "modules": modules,
            "views": VIEWS,
            "title": (VIEWS | INNER)[request.url.path],
            "tab": "/map" if request.url.path in INNER else request.url.path,
            "local": is_local(request.scope),
            "first": first_search(request.query_params),
        }
        return templates.TemplateResponse(request, "page.html", context, headers=headers)

    for path in VIEWS | INNER:
        app.add_api_route(path, shell, methods=["GET"], include_in_schema=False)

    async def nowhere(request: Request, error: Exception) -> Response:
        if not opens_page(request):
            return await http_problem(request, error)
        language = language_of(request)
        context = {"language": language, "t": lambda text: texts(language)[text], "base": base}
        return templates.TemplateResponse(
            request, "nowhere.html", context, status_code=404, headers=headers
        )

    app.add_exception_handler(404, nowhere)

    def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", headers={"Cache-Control": "max-age=86400"})

    app.add_api_route("/favicon.ico", icon, methods=["GET"], include_in_schema=False)
    # Small, and asked for a dozen at a time while somebody waits: they are kept in memory.
    kept = {file.name: file.read_bytes() for file in STATIC.iterdir() if file.is_file()}

    async def static(name: str) -> Response:
        if name not in kept:
            raise HTTPException(404, f"{name}: no file of the page")
        media_type = MEDIA_TYPES[os.path.splitext(name)[1]]
        return Response(kept[name], media_type=media_type, headers={"Cache-Control": FOREVER})

    app.add_api_route(f"{base}/{{name}}", static, methods=["GET"], include_in_schema=False)
    install_reference(app, templates, base, {"Cache-Control": FOREVER})


def opens_page(request: Request) -> bool:
    """Tell whether a browser asks for a page, not a program or a script for an answer."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted.lower() and not request.url.path.startswith("/api/")


def first_search(params: QueryParams) -> str:
    """Return the address of the answer that the page will ask for first.

    The browser fetches it beside the scripts, which else would have to run before they can ask.

    Args:
        params: Of the page's address, as `static/state.js` writes them.
    """
    # As the script reads them: the first of two, and whatever stands at "unlikely" is a yes.
    asked = [(n, value) for n in ("q", "sort") for value in params.getlist(n)[:1] if value]
    asked += [("unlikely", "1")] if "unlikely" in params else []
    asked += [(f, value) for f in FACETS for value in params.getlist(f"f.{f}")]
    return f"{API}/search?{urlencode([*asked, ('with', 'facets'), ('collapse', 'true')])}"


def fingerprint(folder: Path) -> str:
    """Return a short name for the contents of a folder of files."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
