"""What requests of the REST API look like; they are checked by these models."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from searchengine.search.facets import FACETS, MOST, Facet
from searchengine.search.pages import Sort
from searchengine.types import FilterKind

_FACETS: set[str] = set(FACETS)

MAX_LIMIT = 500
"""Most hits of a page."""
MAX_QUERY = 10_000
"""Most characters of a query."""
MAX_TERMS = 100
MAX_VALUES = 200
"""Most values of one facet that may be chosen."""
MAX_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Weight = Annotated[float, Field(allow_inf_nan=False, description="not 0")]
Match = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MinMatch = Annotated[
    Match | Literal["likely", "maybe"] | None,
    Field(description="only pictures with at least this match, or band; not with unlikely"),
]
Month = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
Shape = Literal["landscape", "portrait", "square", "panorama"]
Nothing = Annotated[None, WithJsonSchema({"const": ""})]
"""Null as an address has it."""
Share = Annotated[float, Field(description="of the score; negative if it spoke against")]
Grid = list[list[float]]


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a name is a string")
    return value


FileName = Annotated[str, PlainValidator(_name), WithJsonSchema({"type": "string"})]
"""A path; other than a plain string it may have halves of surrogate pairs, which stand for bytes
that are no text."""


def _countable(weight: float) -> float:
    if weight == 0 or not math.isfinite(weight):
        raise ValueError("a weight is a finite number other than 0")
    return weight


class Strict(BaseModel):
    """A request: a member that nobody knows is a mistake, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


TagPrefix = Annotated[
    str,
    Field(
        max_length=200,
        description="count only tags of which a word begins so, and those that are chosen",
    ),
]


class TermIn(Strict):
    """One summand of a query: words, a picture of the library, or an upload."""

    text: Annotated[str, Field(max_length=MAX_QUERY)] | None = None
    image_id: Id | None = None
    upload: Annotated[str, Field(max_length=100)] | None = None
    weight: Annotated[Weight, AfterValidator(_countable)] = 1.0

    @model_validator(mode="after")
    def _one_kind(self) -> TermIn:
        if sum(value is not None for value in (self.text, self.image_id, self.upload)) != 1:
            raise ValueError("a term has one of text, image_id and upload")
        if self.text is not None and not self.text.strip():
            raise ValueError("the text of a term is empty")
        return self


class FilterIn(Strict):
    """A filter of a query, `kind:name`: what it takes stands in the documentation of filters."""

    kind: FilterKind
    name: Annotated[str, Field(min_length=1, max_length=MAX_QUERY, pattern=r"\S")]
    excluded: bool = False


class Filters(Strict):
    """Values of facets; null stands for the pictures that have none."""

    folder: Annotated[list[FileName], Field(max_length=MAX_VALUES)] = []
    year: Annotated[list[int | None], Field(max_length=MAX_VALUES)] = []
    month: Annotated[list[Month | None], Field(max_length=MAX_VALUES)] = []
    place: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []
    camera: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []
    tag: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []
    shape: Annotated[list[Shape | None], Field(max_length=MAX_VALUES)] = []
    format: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []

    def chosen(self) -> dict[Facet, list[Any]]:
        """Return the values that were chosen of each facet."""
        named: dict[Facet, list[Any]] = {
            "folder": self.folder,
            "year": self.year,
            "month": self.month,
            "place": self.place,
            "camera": self.camera,
            "tag": self.tag,
            "shape": self.shape,
            "format": self.format,
        }
        return {facet: values for facet, values in named.items() if values}


class Question(Strict):
    """What pictures are asked for: by a query, or its terms, or neither for all pictures."""

    query: Annotated[str, Field(max_length=MAX_QUERY)] | None = None
    terms: Annotated[list[TermIn], Field(max_length=MAX_TERMS)] | None = None
    filters_in_query: Annotated[list[FilterIn], Field(max_length=MAX_TERMS)] = Field(
        default=[], description="as if they stood in the query, or in the one that terms came from"
    )
    filters: Filters = Filters()
    sort: Sort = "match"
    unlikely: bool = Field(default=False, description="keep unlikely matches")
    min_match: MinMatch = None


class Paging(Strict):
    """Which page of the answer, and what comes with it."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 60
    cursor: Annotated[str, Field(max_length=200)] | None = None
    with_: list[Literal["explain", "facets"]] = Field(default=[], alias="with")
    facet_values: int = Field(
        default=MOST,
        ge=1,
        le=MOST,
        description="most values of each facet that are listed, beside those that are chosen: "
        "those with most pictures, of tags your own first",
    )
    collapse: bool = Field(
        default=False,
        description="have one picture stand for those that are the same, where a page has both; "
        "limit counts what is left, and total and facets count all",
    )


class SearchRequest(Question, Paging):
    """A question for a page of pictures."""


class FacetsRequest(Question):
    """A question for the values of the pictures that `/search` would find."""

    tag_prefix: TagPrefix = ""


_OF_TEXT = ConfigDict(strict=False)
"""All values of an address are text."""


class QueryParams(Filters):
    """A `Question` as an address has it: an empty value of a facet stands for null."""

    model_config = _OF_TEXT

    year: Annotated[list[int | Nothing], Field(max_length=MAX_VALUES)] = []
    month: Annotated[list[Month | Nothing], Field(max_length=MAX_VALUES)] = []
    shape: Annotated[list[Shape | Nothing], Field(max_length=MAX_VALUES)] = []
    q: Annotated[str, Field(max_length=MAX_QUERY)] = ""
    sort: Sort = "match"
    unlikely: bool = Field(default=False, description="keep unlikely matches")
    min_match: MinMatch = None

    @model_validator(mode="before")
    @classmethod
    def _null(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {
            name: [None if one == "" else one for one in value] if name in _FACETS else value
            for name, value in values.items()
        }

    def question(self) -> dict[str, Any]:
        """Return the members of the question as a body has them."""
        others = self.model_dump(by_alias=True, exclude={"q"} | _FACETS)
        return others | {"query": self.q, "filters": self.model_dump(include=_FACETS)}


class SearchParams(QueryParams, Paging):
    """A `SearchRequest` as an address has it."""

    model_config = _OF_TEXT


class FacetsParams(QueryParams):
    """A `FacetsRequest` as an address has it."""

    tag_prefix: TagPrefix = ""


class TagsRequest(Strict):
    """The user's word on tags."""

    add: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []
    remove: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []
    accept: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []


class ExportRequest(Strict):
    """Which pictures to export, and how."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=100_000)]
    form: Literal["json", "csv", "zip"]
    matches: Annotated[list[Match | None], Field(max_length=100_000)] = Field(
        default=[], description="of the search that found them, in the order of ids: written beside"
    )

    @model_validator(mode="after")
    def _each_or_none(self) -> ExportRequest:
        if self.matches and len(self.matches) != len(self.ids):
            raise ValueError("give a match for each of the ids, or none at all")
        return self
