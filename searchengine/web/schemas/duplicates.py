"""What groups of duplicates look like, in answers of the REST API."""

from __future__ import annotations

from pydantic import BaseModel, Field

from searchengine.search.keeping import Kind, Reason
from searchengine.web.schemas.answers import Brief


class MemberOut(Brief):
    """A picture of a group."""

    size: int = Field(description="of its file, in bytes")
    format: str | None
    sharpness: float | None = Field(
        description="comparable among pictures of one size; null if nobody has measured it"
    )
    tags: list[str] = Field(description="those of the user")


class GroupOut(BaseModel):
    """Pictures that are the same, or of one burst."""

    kind: Kind
    reasons: list[Reason] = Field(description="in what the one to keep is best")
    bytes: int = Field(description="what the others take on the disk")
    keep: MemberOut
    others: list[MemberOut] = Field(description="the better ones first")


class DuplicatesAnswer(BaseModel):
    """A page of groups, those with most bytes to spare first."""

    groups: list[GroupOut]
    total: int = Field(description="groups on all pages")
    spare: int = Field(description="pictures of all groups that are not to keep")
    bytes: int = Field(description="what these take on the disk")
    unmeasured: int = Field(
        description="pictures indexed by an older lexpix, of which only the bytes are compared "
        "until `lexpix dupes` has looked at them"
    )
    next_cursor: str | None
