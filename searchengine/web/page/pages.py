"""The page: one shell for all its views, and the scripts, styles and icons it loads.

The shell is the same for all of them, but for the answer that it preloads; what is shown follows
from the address, in `static/state.js`. Everything else stands below a folder whose name is a hash
of its contents, so that browsers keep it for good and a new version is never mixed with an old one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from functools import cache
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
MODULES = {
    "/": ("pictures.js",),
    "/map": ("map.js",),
    "/world": ("world.js",),
    "/recipes": ("recipes.js",),
    "/duplicates": ("duplicates.js",),
}
"""The modules of the views, as `static/main.js` loads them."""
FILTERS = ("albums.js", "facets.js")
"""What stands beside the pictures, unless one of them is opened: that comes first."""
DETAIL = ("detail.js",)
"""A picture that is opened, in any view."""
FEW_VALUES = 12
"""Of each facet in the first answer, as in `static/search.js`."""
_IMPORT = re.compile(r'^import (?:.* from )?"\./([\w-]+\.js)";$', re.MULTILINE)


def install_pages(app: FastAPI) -> None:
    """Serve the page at the addresses of its views, and its files below `/static`."""
    version = fingerprint(STATIC)
    base = f"/static/{version}"
    beside = {"/": FILTERS}
    early = {p: modules_of("main.js", *m, *beside.get(p, ())) for p, m in MODULES.items()}
    opened = {path: modules_of("main.js", *names, *DETAIL) for path, names in MODULES.items()}
    templates = Jinja2Templates(_HERE / "templates")
    # As UTF-8, half as long as escapes where letters are not Latin.
    templates.env.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    scripts = "".join(file.read_text(encoding="utf-8") for file in sorted(STATIC.glob("*.js")))

    @cache
    def carried(language: str) -> dict[str, str]:
        """Return the texts that scripts have; the others stand in the shell already."""
        return {text: said for text, said in texts(language).items() if text in scripts}

    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}

    def shell(request: Request) -> Response:
        language = language_of(request)
        told = texts(language)
        path, opens = request.url.path, "open" in request.query_params
        context = {
            "language": language,
            "languages": NAMES,
            "t": lambda text: told[text],
            # English stands in the scripts themselves.
            "texts": {} if language == ENGLISH else carried(language),
            "base": base,
            "modules": (opened if opens else early)[path],
            "styles": styles_of(path, opens=opens),
            "views": VIEWS,
            "title": (VIEWS | INNER)[path],
            "tab": "/map" if path in INNER else path,
            "local": is_local(request.scope),
            "first": first_search(path, request.query_params),
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


def modules_of(*names: str) -> list[str]:
    """Return scripts and all that they import before they run, by name."""
    found: set[str] = set()
    waiting: Iterable[str] = names
    while waiting := set(waiting) - found:
        found |= waiting
        sources = ((STATIC / name).read_text(encoding="utf-8") for name in waiting)
        waiting = [other for source in sources for other in _IMPORT.findall(source)]
    return sorted(found)


def styles_of(path: str, *, opens: bool) -> list[str]:
    """Return the style sheets that a view needs, and a picture that is open in it."""
    others = [] if path == "/" else ["views.css"]
    return ["style.css", *others, *(["picture.css"] if opens else [])]


def first_search(path: str, params: QueryParams) -> str:
    """Return the address of the answer that the page will ask for first.

    The browser fetches it beside the scripts, which else would have to run before they can ask.

    Args:
        path: Of the view.
        params: Of the page's address, as `static/state.js` writes them.
    """
    # As the script reads them: the first of two, and whatever stands at "unlikely" is a yes.
    asked = [(n, value) for n in ("q", "sort") for value in params.getlist(n)[:1] if value]
    asked += [("unlikely", "1")] if "unlikely" in params else []
    asked += [(f, value) for f in FACETS for value in params.getlist(f"f.{f}")]
    if path == "/":
        asked += [("with", "facets"), ("facet_values", str(FEW_VALUES))]
    elif path != "/map" or not any(n in {"q", *FACETS} and value.strip() for n, value in asked):
        asked += [("limit", "1")]  # what the query is made of is all that the view needs
    return f"{API}/search?{urlencode([*asked, ('collapse', 'true')])}"


def fingerprint(folder: Path) -> str:
    """Return a short name for the contents of a folder of files."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
