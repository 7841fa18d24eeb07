"""What jobs look like, in requests and answers of the REST API."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from indexer.library.importing import PLACES, Place
from indexer.web.indexing import LONGEST_TAG, MOST_TAGS, Kind, Order
from searchengine.web.schemas import FailureOut, FileName

State = Literal["running", "watching", "done", "failed", "cancelled"]


class ImportOptions(BaseModel):
    """How keywords are imported."""

    model_config = ConfigDict(extra="forbid", strict=True)

    places: list[Place] = Field(
        default=list(PLACES),
        min_length=1,
        max_length=len(PLACES),
        description="where to look: in XMP beside a picture, in its file, in Takeout's JSON",
    )
    faces: bool = Field(default=False, description="names of faces that XMP marks as well")
    dry_run: bool = Field(default=False, description="write nothing, say what would be done")


class JobRequest(BaseModel):
    """What is to be done."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = Field(
        default="index",
        description="retry reads again what could not be read, and nothing else; import makes "
        "keywords that other programs gave to pictures the user's tags",
    )
    folder: Annotated[FileName, Field(description="absolute, on this machine")] | None = Field(
        default=None, description="what is indexed; of other kinds, where, everywhere if null"
    )
    options: ImportOptions | None = Field(default=None, description="of an import only")

    @model_validator(mode="after")
    def _fits(self) -> JobRequest:
        if self.kind == "index" and self.folder is None:
            raise ValueError("say which folder is to be indexed")
        if self.kind != "import" and self.options is not None:
            raise ValueError("options are those of an import")
        return self


class Report(BaseModel):
    """What a run did, in numbers of files."""

    added: int
    updated: int
    moved: int
    restored: int
    missing: int
    unchanged: int
    failed: int
    damaged: int = Field(description="can be seen in part; added or updated too")
    skipped: int = Field(description="no pictures, or of formats that nothing installed reads")
    ignored: int = Field(description="passed over, as .nomedia or .lexpixignore says")
    unconfirmed: int = Field(
        description="gone, but so many of their folder that none was marked as missing"
    )


class Imported(BaseModel):
    """What an import did, or would do."""

    pictures: int = Field(description="looked at")
    tagged: int = Field(description="pictures that got a tag")
    keywords: int = Field(description="tags that pictures got, in all")
    tags: dict[str, int] = Field(
        description=f"pictures that got a tag, by its name; at most {MOST_TAGS} tags, the most "
        f"common, of up to {LONGEST_TAG} letters"
    )
    removed: int = Field(description="tags that another program took out of XMP")
    kept_away: int = Field(description="keywords that are no tags as the user took these away")
    strangers: int = Field(description="sidecars beside no picture of the library")


class JobOut(BaseModel):
    """A job; done and total count files, and total is what is known so far."""

    id: str
    kind: Order
    folder: FileName | None
    state: State
    done: int
    total: int
    started_at: dt.datetime
    ended_at: dt.datetime | None
    failures: list[FailureOut]
    failed: int = Field(description="files that could not be read")
    report: Report | None = Field(
        description="at the end, as that of lexpix index --json; of a watch, the last one"
    )
    imported: Imported | None = Field(description="of an import, at the end")
    error: str | None


class JobsAnswer(BaseModel):
    """The jobs, the latest first."""

    jobs: list[JobOut]
    local: bool = Field(description="whether this client may start and cancel jobs")
