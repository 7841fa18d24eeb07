"""Words: what is near, what is to what, and how a query may go on."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from searchengine.errors import ModelError, QueryError
from searchengine.language import query as grammar
from searchengine.language.neighbours import Neighbours, WordScore
from searchengine.language.words import WordVectors
from searchengine.types import Encoder, Filter
from searchengine.types import Query as Asked
from searchengine.web import schemas
from searchengine.web.answers import AsciiJSON, LiveDep
from searchengine.web.live import Live, View

router = APIRouter(default_response_class=AsciiJSON)

Count = Annotated[int, Query(ge=1, le=200)]
MOST = 8
"""Most suggestions of a kind."""

# Without the lookbehind and what never backs off, a long word would be tried from each letter on.
_LAST = re.compile(r'(?:(tag):"?([^"]*+)|(?<!\S)(\S*+))\Z')


@router.get("/words/near", operation_id="find_near_words", response_model=list[schemas.WordOut])
def near(live: LiveDep, word: Annotated[str, Query(max_length=200)], k: Count = 10) -> Response:
    """Find the words most like a word or phrase."""
    return _scores(_neighbours(live).near(word, k))


@router.get("/words/analogy", operation_id="find_analogy", response_model=list[schemas.WordOut])
def analogy(live: LiveDep, words: Annotated[str, Query(max_length=600)], k: Count = 10) -> Response:
    """Find what is to the third word as the second is to the first: `man,king,woman`."""
    asked = [one.strip() for one in words.split(",")]
    if len(asked) != 3 or not all(asked):
        raise QueryError("give three words with commas between, such as man,king,woman")
    one, other, third = asked
    return _scores(_neighbours(live).analogy(one, other, third, k))


@router.get("/suggest", response_model=schemas.Suggestions, response_model_exclude_unset=True)
def suggest(live: LiveDep, q: Annotated[str, Query(max_length=schemas.MAX_QUERY)]) -> Response:
    """Say how the word at the end of a query may go on: as a word, a tag or a folder."""
    last = _LAST.search(q)
    assert last is not None, "it matches nothing as well"
    is_tag, begun = last[1] is not None, (last[2] if last[1] else last[3]).casefold()
    with live.reading() as view:
        is_bare = bool(begun) and not is_tag
        found = _words(view, begun) if is_bare else []
        found += _tags(view, begun) if is_bare or is_tag else []
        found += _folders(view, begun) if is_bare else []
    return AsciiJSON({"suggestions": found})


def table_of(encoder: Encoder) -> WordVectors:
    """Return the word table of a model.

    Raises:
        ModelError: It has none.
    """
    table = getattr(encoder, "words", None)
    if not isinstance(table, WordVectors):
        raise ModelError(f"model {encoder.name!r}: has no table of words; use a joint model")
    return table


def _neighbours(live: Live) -> Neighbours:
    engine = live.engine
    return Neighbours(table_of(engine.encoder), engine.languages)


def _scores(found: list[WordScore]) -> Response:
    return AsciiJSON([{"word": one.word, "score": round(one.score, 4)} for one in found])


def _tags(view: View, begun: str) -> list[dict[str, Any]]:
    counts = view.facets.tag_counts
    fitting = [name for name in counts if name.startswith(begun)]
    best = sorted(fitting, key=lambda name: (-counts[name], name))[:MOST]
    return [
        {
            "kind": "tag",
            "text": name,
            "insert": grammar.format(Asked((), (Filter(name),))),
            "count": counts[name],
        }
        for name in best
    ]


def _words(view: View, begun: str) -> list[dict[str, Any]]:
    """Return taught words, then what can be seen in a picture, then all others.

    Of what can be seen, that of which the library has most pictures comes first.
    """
    counts = view.facets.tag_counts
    words = [word.name for word in view.engine.taught_words() if word.usable]
    seen = view.engine.tags.vocabulary.entries
    words += [e.name for e in sorted(seen, key=lambda e: (-counts.get(e.name, 0), e.rank))]
    fitting = [name for name in words if name.startswith(begun)][:MOST]
    encoder = view.engine.encoder
    if isinstance(getattr(encoder, "words", None), WordVectors):
        fitting += table_of(encoder).beginning(begun, MOST)
    found: list[dict[str, Any]] = [
        {"kind": "word", "text": alias, "insert": alias, "english": english}
        for alias, english in view.engine.languages.completions(begun, MOST)
    ]
    found += [{"kind": "word", "text": word, "insert": word} for word in dict.fromkeys(fitting)]
    return found[:MOST]


def _folders(view: View, begun: str) -> list[dict[str, Any]]:
    fitting = [
        one for one in view.facets.folder_counts if begun in one.label.casefold().split("/")[-1]
    ]
    best = sorted(fitting, key=lambda one: (-one.count, one.label))[:MOST]
    return [
        {"kind": "folder", "text": one.label, "insert": one.value, "count": one.count}
        for one in best
    ]
