"""The reference of the API at `/docs`: Swagger UI, whose files fastapi-offline ships.

Its page is our own, because that of FastAPI has a script in it, which the policy of the server does
not let run.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

PACKAGE = "fastapi_offline"
MEDIA_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""The files that are served."""


def install_reference(
    app: FastAPI, templates: Jinja2Templates, base: str, cached: dict[str, str]
) -> None:
    """Serve the reference.

    Args:
        app: What it is of.
        templates: Have `reference.html`.
        base: Where the files of the page are, `reference.js` among them.
        cached: Headers of files that never change.
    """
    folder = f"/static/{PACKAGE}-{version(PACKAGE)}"

    def reference(request: Request) -> Response:
        context = {"base": base, "files": folder}
        return templates.TemplateResponse(
            request, "reference.html", context, headers={"Cache-Control": "no-cache"}
        )

    def file(name: str) -> Response:
        if name not in MEDIA_TYPES:
            raise HTTPException(404, f"{name}: no file of the reference")
        data = (files(PACKAGE) / "static" / name).read_bytes()
        return Response(data, media_type=MEDIA_TYPES[name], headers=cached)

    app.add_api_route("/docs", reference, methods=["GET"], include_in_schema=False)
    app.add_api_route(f"{folder}/{{name}}", file, methods=["GET"], include_in_schema=False)
