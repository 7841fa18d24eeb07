"""Groups of duplicates: `/duplicates`. Nothing here moves or deletes a file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from searchengine.search.answers import group_entry
from searchengine.search.duplicates import Group
from searchengine.search.keeping import Kind
from searchengine.search.ranking import Cursor
from searchengine.types import Picture
from searchengine.web import answers, schemas
from searchengine.web.answers import AsciiJSON, GroupsDep, LiveDep

router = APIRouter(default_response_class=AsciiJSON)


@router.get("/duplicates", operation_id="list_duplicates", response_model=schemas.DuplicatesAnswer)
def duplicates(
    live: LiveDep,
    groups: GroupsDep,
    kind: Kind = "near",
    limit: Annotated[int, Query(ge=1, le=schemas.MAX_LIMIT)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """List groups of pictures with the same bytes, that are the same picture, or of one burst.

    The first request after a change of the library compares all of its pictures.
    """
    after = answers.decoded_cursor(cursor, kind)
    found = groups.of(kind)
    rest = [one for one in found if after is None or _place(one) > (after.key, after.tie)]
    page = rest[:limit]
    catalog = live.engine.catalog
    pictures = catalog.get(one.id for group in page for one in (group.keeper, *group.others))
    entries = [_entry(group, pictures) for group in page]
    last = Cursor(*_place(page[-1]), 0) if len(rest) > limit else None
    return AsciiJSON(
        {
            "groups": entries,
            "total": len(found),
            "spare": sum(len(group.others) for group in found),
            "bytes": sum(group.bytes for group in found),
            "unmeasured": len(catalog.looks.unseen()),
            "next_cursor": answers.encoded_cursor(last, kind),
        }
    )


def _place(group: Group) -> tuple[float, int]:
    """Return where a group stands among those of its kind."""
    return float(-group.bytes), group.keeper.id


def _entry(group: Group, pictures: dict[int, Picture]) -> dict[str, Any]:
    entry = group_entry(group)
    for member in (entry["keep"], *entry["others"]):
        picture = pictures.get(member["id"])
        if picture is not None:
            member.update(answers.brief(picture))
        else:  # forgotten since the groups were made
            member["thumb"] = f"{answers.API}/images/{member['id']}/thumb?size={answers.THUMB}"
    return entry
