"""What requests and answers of the REST API look like.

Requests are checked by these models. Answers are plain dictionaries, which the models describe in
the OpenAPI: file names may hold bytes that are no text in UTF-8, which the models would refuse.
"""

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

from searchengine.search.facets import FACETS, Facet
from searchengine.search.paging import Sort

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
Month = Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
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
    """A request: a member that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid")


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
    """A filter of a query: `tag:NAME` or `caption:WORDS`."""

    kind: Literal["tag", "caption"]
    name: Annotated[str, Field(min_length=1, max_length=MAX_QUERY, pattern=r"\S")]
    excluded: bool = False


class Filters(Strict):
    """Values of facets; null stands for the pictures that have none."""

    folder: Annotated[list[FileName], Field(max_length=MAX_VALUES)] = []
    year: Annotated[list[int | None], Field(max_length=MAX_VALUES)] = []
    month: Annotated[list[Month | None], Field(max_length=MAX_VALUES)] = []
    camera: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []
    tag: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []
    shape: Annotated[
        list[Literal["landscape", "portrait", "square", "panorama"] | None],
        Field(max_length=MAX_VALUES),
    ] = []
    format: Annotated[list[str | None], Field(max_length=MAX_VALUES)] = []

    def chosen(self) -> dict[Facet, list[Any]]:
        """Return the values that were chosen of each facet."""
        named: dict[Facet, list[Any]] = {
            "folder": self.folder,
            "year": self.year,
            "month": self.month,
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
        default=[], description="with terms: the filters of the query that they came from"
    )
    filters: Filters = Filters()
    sort: Sort = "match"
    unlikely: bool = Field(default=False, description="keep unlikely matches")


class Paging(Strict):
    """Which page of the answer, and what comes with it."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 60
    cursor: Annotated[str, Field(max_length=200)] | None = None
    with_: list[Literal["explain", "facets"]] = Field(default=[], alias="with")


class SearchRequest(Question, Paging):
    """A question for a page of pictures."""


class FacetsRequest(Question):
    """A question for the values of the pictures that `/search` would find."""

    tag_prefix: TagPrefix = ""


class AskedByAddress(Filters):
    """A `Question` as an address has it: an empty value of a facet stands for null."""

    q: Annotated[str, Field(max_length=MAX_QUERY)] = ""
    sort: Sort = "match"
    unlikely: bool = Field(default=False, description="keep unlikely matches")

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


class SearchAddress(AskedByAddress, Paging):
    """A `SearchRequest` as an address has it."""


class FacetsAddress(AskedByAddress):
    """A `FacetsRequest` as an address has it."""

    tag_prefix: TagPrefix = ""


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
    taken_at: str | None


class HitOut(Brief):
    """A hit; of pictures that were not searched for score, match and band are null."""

    score: float | None
    match: float | None
    band: Literal["likely", "maybe", "unlikely"] | None
    explain: list[Dimension] | None = None


class TermOut(BaseModel):
    """A summand of the query."""

    text: str | None = None
    image_id: int | None = None
    upload: str | None = None
    weight: float
    thumb: str | None = None


class FilterOut(BaseModel):
    """A filter of the query."""

    kind: Literal["tag", "caption"]
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
    camera: int
    tag: int
    shape: int
    format: int


class FacetsOut(BaseModel):
    """The values of the facets, and how many of each there are in all."""

    folder: list[CountOut]
    year: list[CountOut]
    month: list[CountOut]
    camera: list[CountOut]
    tag: list[CountOut]
    shape: list[CountOut]
    format: list[CountOut]
    in_all: InAll = Field(description="a list above has the 200 with most pictures, own tags first")


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
    hits: list[HitOut]
    facets: FacetsOut | None = None
    total: int | None = Field(description="pictures on all pages, if that is known")
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]
    nothing_like_that: bool
    next_cursor: str | None
    took_ms: float


class ParseAnswer(BaseModel):
    """What a query was read as."""

    query: str
    terms: list[TermOut]
    filters: list[FilterOut]
    unknown_words: list[UnknownWordOut]
    translated: list[TranslatedOut]


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
    taken_at: str | None
    camera: str | None
    lens: str | None
    lat: float | None
    lon: float | None
    format: str | None
    state: Literal["ok", "missing", "bad"]
    thumb: str
    file: str
    tags: list[TagOut]
    copies: list[int]
    near_duplicates: list[Near]


class TagsRequest(Strict):
    """The user's word on tags."""

    add: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []
    remove: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []
    accept: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []


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


class RootOut(BaseModel):
    """An indexed folder."""

    path: str
    scanned_at: str


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
    local: bool


class ExportRequest(Strict):
    """Which pictures to export, and how."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=100_000)]
    form: Literal["json", "csv", "zip"]
