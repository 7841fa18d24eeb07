"""Parameters of an address that nobody knows are a mistake, not to be passed over."""

from __future__ import annotations

import difflib

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from searchengine.web.safety.templates import template_of


async def refuse_unknown(request: Request) -> None:
    """Raise RequestValidationError for a parameter that the OpenAPI of an operation does not name.

    Paths that are not in the OpenAPI, such as those of the page, take any.
    """
    if not request.query_params:
        return
    operations = request.app.openapi()["paths"].get(template_of(request.scope), {})
    operation = operations.get(request.method.lower())
    if operation is None:
        return
    declared = operation.get("parameters", ())
    known = sorted(one["name"] for one in declared if one["in"] == "query")
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": _said(name, known)}
                for name in unknown
            ]
        )


def _said(name: str, known: list[str]) -> str:
    if not known:
        return "there is no such parameter; this takes none"
    near = [one for one in known if name.lower().startswith(one) or one.startswith(name.lower())]
    near = near or difflib.get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no such parameter; {hint}this takes {', '.join(known)}"
