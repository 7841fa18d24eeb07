"""What answers of the REST API look like, for the OpenAPI.

Answers are plain dictionaries, which these models describe: file names may hold bytes that are no
text in UTF-8, which the models would refuse.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from searchengine.types import FilterKind
from searchengine.web.schemas.requests import (
    Grid,
    Share,
)

BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
"""How the OpenAPI describes a body that is a file."""

TakenAt = Annotated[
    dt.datetime,
    Field(description="by the clock of the camera, without an offset even where that is known"),
]


def sent_as(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return what an operation that sends a file says of its answers, for the OpenAPI.

    Whoever accepts nothing but application/octet-stream gets the same bytes as that; generators of
    clients know of it.
    """
    return {200: {"content": dict.fromkeys(("application/octet-stream", *media_types), BYTES)}}


class Dimension(BaseModel):
    """A part of the score of a hit."""

    label: str
    share: Share


class Brief(BaseModel):
    """A picture as a grid shows it."""

    id: int
    path: str
    thumb: str
    width: int | None
    height: int | None
    taken_at: TakenAt | None


class HitOut(Brief):
    """A hit; of pictures that were not searched for score, match and band are null."""

    score: float | None
    match: float | None
    band: Literal["likely", "maybe", "unlikely"] | None
    at: float | None = Field(
        default=None, description="of a film, the time of the frame that answers, seconds"
    )
    explain: list[Dimension] | None = None
    duplicates: list[Brief] = Field(
        default=[], description="the same picture, for which this one stands, if asked to collapse"
    )


class TermOut(BaseModel):
    """A summand of the query."""

    text: str | None = None
    image_id: int | None = None
    upload: str | None = None
    weight: float
    thumb: str | None = None


class FilterOut(BaseModel):
    """A filter of the query."""

    kind: FilterKind
    name: str
    excluded: bool


class CountOut(BaseModel):
    """How many pictures choosing a value leaves."""

    value: str | int | None
    label: str
    count: int
    own: bool | None = Field(default=None, description="of tags: whether the user has given it")


class UnknownWordOut(BaseModel):
    """A word that did not count."""

    word: str
    suggestion: str | None


class InAll(BaseModel):
    """How many values of each facet the pictures have."""

    folder: int
    year: int
    month: int
    place: int
    camera: int
    tag: int
    shape: int
    format: int


class FacetsOut(BaseModel):
    """The values of the facets, and how many of each there are in all."""

    folder: list[CountOut]
    year: list[CountOut]
    month: list[CountOut]
    place: list[CountOut]
    camera: list[CountOut]
    tag: list[CountOut]
    shape: list[CountOut]
    format: list[CountOut]
    in_all: InAll = Field(
        description="a list above has 200 at most, those with most pictures, own tags first"
    )


class MonthOut(BaseModel):
    """How many pictures were taken in a month."""

    month: str = Field(description="such as 2024-06")
    count: int


class TimelineAnswer(BaseModel):
    """When the pictures of a question were taken."""

    months: list[MonthOut] = Field(description="those with a picture, the newest first")
    undated: int = Field(description="pictures without a date")


class PlacesAnswer(BaseModel):
    """Where the pictures of a question were taken."""

    points: list[list[int | float]] = Field(
        description="id, degrees north, degrees east, and the number of its name in names"
    )
    names: list[str | None] = Field(
        description="from the town to the country; null where no name is known"
    )
    elsewhere: int = Field(description="pictures that do not say where they were taken")


class TranslatedOut(BaseModel):
    """A word of another language, or an emoji, as the query was read."""

    word: str = Field(description="as the user wrote it, in lower case")
    english: str
    language: str = Field(description='code such as "ko"; "und" for an emoji')


class SearchAnswer(BaseModel):
    """A page of pictures."""

    query: str = Field(description="canonical text, which a search reads back")
    terms: list[TermOut]
    filters_in_query: list[FilterOut]
    copies: list[Brief] = Field(
        description="pictures with the very bytes of an upload that is asked by; no hits"
    )
    hits: list[HitOut]
    facets: FacetsOut | None = None
    total: int | None = Field(description="pictures on all pages, if that is known")
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]
    nothing_like_that: bool
    hints: list[str] = Field(description="what may have been meant otherwise than it was read")
    next_cursor: str | None
    took_ms: float


class ParseAnswer(BaseModel):
    """What a query was read as."""

    query: str
    terms: list[TermOut]
    filters: list[FilterOut]
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]
    hints: list[str]


class UploadAnswer(BaseModel):
    """A picture that was taken in."""

    upload: str = Field(description="names it in a query: @upload:TOKEN")
    width: int
    height: int
    thumb: str


class TagOut(BaseModel):
    """A tag of a picture; a guess has a confidence if the model is calibrated."""

    name: str
    source: Literal["user", "guess"]
    confidence: float | None


class Near(BaseModel):
    """A picture that is nearly the same."""

    id: int
    score: float
    thumb: str


class ImageAnswer(BaseModel):
    """All that is known of a picture."""

    id: int
    path: str
    folder: str
    name: str
    size: int
    width: int | None
    height: int | None
    taken_at: TakenAt | None
    taken_offset: int | None = Field(
        description="minutes that the clock of taken_at is ahead of UTC; null if the file says none"
    )
    camera: str | None
    lens: str | None
    lat: float | None
    lon: float | None
    format: str | None
    aperture: float | None = Field(description="f-number; null if the file is not there")
    shutter: float | None = Field(description="seconds that it was open; null likewise")
    focal: float | None = Field(description="focal length in millimetres")
    iso: int | None
    rating: int | None
    description: str | None = Field(description="what somebody wrote into the file or its XMP")
    keywords: list[str]
    place: str | None = Field(description="the nearest town")
    damage: str | None = Field(description="what is wrong with a file of which a part can be seen")
    state: Literal["ok", "missing", "bad"]
    thumb: str
    file: str
    tags: list[TagOut]
    copies: list[int]
    near_duplicates: list[Near]


class TagsAnswer(BaseModel):
    """The tags of a picture, the user's first."""

    tags: list[TagOut]


class PartOut(BaseModel):
    """What a part of a query gave to a score, and which places of the picture gave it."""

    label: str
    share: Share
    grid: Grid = Field(description="row by row; adds up to the share")


class ExplainAnswer(BaseModel):
    """A score and the parts that add up to it."""

    score: float
    at: float | None = Field(description="of a film with scenes, the time of the frame, seconds")
    rows: int
    columns: int
    parts: list[PartOut]
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]


class CaptionWord(BaseModel):
    """A word of a caption: how probable it was, and how much each place counted for it."""

    word: str
    logprob: float
    attention: Grid | None


class CaptionAnswer(BaseModel):
    """A sentence about a picture."""

    text: str
    sure: bool
    confidence: float | None
    logprob: float
    words: list[CaptionWord]


class Suggestion(BaseModel):
    """What the word at the end of a query may become."""

    kind: Literal["word", "tag", "folder"]
    text: str
    insert: str = Field(description="takes the place of that word; of a folder its path")
    count: int | None = Field(default=None, description="pictures, of tags and folders")
    english: str | None = Field(default=None, description="of words of other languages")


class Suggestions(BaseModel):
    """Ways to go on with a query."""

    suggestions: list[Suggestion]


class TextHitOut(BaseModel):
    """A text; of one that was not searched for the score is null."""

    id: int
    kind: Literal["text", "recipe"]
    title: str
    score: float | None
    source: str


class TextsAnswer(BaseModel):
    """Texts, the nearest first."""

    query: str
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]
    hits: list[TextHitOut]
    nothing_like_that: bool = Field(
        description="the picture that was asked by shows no dish, so no recipe is an answer"
    )
    took_ms: float


class TextOut(BaseModel):
    """A text as it was added."""

    id: int
    kind: Literal["text", "recipe"]
    title: str
    source: str
    body: list[str]
    ingredients: list[str]
    ingredient_names: list[str]
    key: str


class PicturesOfText(BaseModel):
    """Pictures, the nearest first; a text as a question gets no match."""

    query: str
    unknown_words: list[UnknownWordOut]
    hits: list[HitOut]
    nothing_like_that: bool
    took_ms: float


class WordOut(BaseModel):
    """A word and its cosine to what was asked."""

    word: str
    score: float
