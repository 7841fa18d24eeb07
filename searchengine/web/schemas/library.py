"""What the API answers of the library itself: its state, and what could not be read."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field


class RootOut(BaseModel):
    """An indexed folder."""

    path: str
    scanned_at: dt.datetime


class StatusAnswer(BaseModel):
    """What a library holds; `local`: whoever asks sits at this machine."""

    library: str
    counts: dict[str, int]
    roots: list[RootOut]
    model: str
    fingerprint: str
    dim: int
    index: str
    indexed: int
    texts: dict[str, int]
    failures: int
    damaged: int = Field(description="pictures of which only a part can be seen")
    skipped: dict[str, int] = Field(
        description="files that the last scans passed over, by the endings of their names"
    )
    remedies: dict[str, str] = Field(
        description="what would have files of an ending read: a command"
    )
    inference: str = Field(description="what embeds pictures on the server's machine, and why")
    local: bool


class Revision(BaseModel):
    """Which state of the library searches answer from, and by which server."""

    revision: int = Field(description="rises with every change of the pictures")
    pictures: int = Field(description="how many can be found")
    server: str = Field(description="another one after every start of the server")


class FailureOut(BaseModel):
    """A file that could not be read, or only in part."""

    path: str
    reason: str
    partial: bool = Field(description="a part of it can be seen, by which it is found")


class FailuresAnswer(BaseModel):
    """Files that could not be read, or only in part, by path."""

    failures: list[FailureOut]
    total: int = Field(description="on all pages")
    next_cursor: int | None
