"""The page: one shell for all its views, and the scripts, styles and icons it loads.

The shell is the same for `/`, `/map` and `/recipes`; what is shown follows from the address, in
`static/state.js`. Everything else stands below a folder whose name is a hash of its contents, so
that browsers keep it for good and a new version is never mixed with an old one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from searchengine.web.safety import is_local

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
"""What the browser loads."""
VIEWS = {"/": "Pictures", "/map": "Map", "/recipes": "Recipes"}
"""The addresses of the shell, and what each view is called."""
FOREVER = "public, max-age=31536000, immutable"
_LAZY = {"map.js", "recipes.js", "theme.js"}  # loaded when needed, or before all others


def install_pages(app: FastAPI) -> None:
    """Serve the page at `/`, `/map` and `/recipes`, and its files below `/static`."""
    version = fingerprint(STATIC)
    base = f"/static/{version}"
    modules = sorted(p.name for p in STATIC.glob("*.js") if p.name not in _LAZY)
    templates = Jinja2Templates(_HERE / "templates")

    def shell(request: Request) -> Response:
        context = {
            "base": base,
            "modules": modules,
            "views": VIEWS,
            "here": request.url.path,
            "local": is_local(request.scope),
        }
        return templates.TemplateResponse(
            request, "page.html", context, headers={"Cache-Control": "no-cache"}
        )

    for path in VIEWS:
        app.add_api_route(path, shell, methods=["GET"], include_in_schema=False)

    def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", headers={"Cache-Control": "max-age=86400"})

    app.add_api_route("/favicon.ico", icon, methods=["GET"], include_in_schema=False)
    app.mount(base, _Kept(directory=STATIC), name="static")


def fingerprint(folder: Path) -> str:
    """Return a short name for the contents of a folder of files."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class _Kept(StaticFiles):
    """Files that a browser need never ask for again."""

    def file_response(self, *args: object, **options: object) -> Response:
        response: Response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = FOREVER
        return response
