"""The template of the route that answers a request, such as /api/v1/images/{id}."""

from __future__ import annotations

from starlette.types import Scope


def template_of(scope: Scope) -> str:
    """Return the template, "none" where no route answers."""
    route = scope.get("route")
    template: str | None = getattr(route, "path", None)
    pattern = getattr(route, "path_regex", None)
    if template is None or pattern is None:
        return "none"
    # The route of a router may not know the prefix that the router has; the request does.
    path: str = scope["path"]
    cuts = [place for place, letter in enumerate(path) if letter == "/"]
    prefix = next((path[:cut] for cut in cuts if pattern.match(path[cut:])), "")
    return prefix + template
