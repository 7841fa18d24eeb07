"""`Tags`: the tags of a library, the user's and the model's, and the filters made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np

from searchengine.catalog.selection import Selection
from searchengine.errors import ModelError, QueryError
from searchengine.language.query import format
from searchengine.language.tag_vocabulary import TagVocabulary, tag_name
from searchengine.models.calibration import matcher_of
from searchengine.search.kept_facets import KeptFacets
from searchengine.search.tag_table import TagTable
from searchengine.search.tagging import Tagger
from searchengine.search.taught import TaughtWords
from searchengine.types import Encoder, Filter, FilterKind, Ids, Polyglot, Query, Tag, Vector

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog
    from searchengine.catalog.tags import TagCount

STORED = 20
"""Most guesses that are kept of a picture."""
UNSURE: frozenset[FilterKind] = frozenset({"tag", "caption"})
"""Kinds of filters that a model's guesses may pass; the others are exact."""
BATCH = 256
"""Pictures that are tagged and written at a time."""


class Tags:
    """Tag pictures, take the user's word on tags, and find pictures by them."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: Encoder,
        taught: TaughtWords,
        polyglot: Polyglot,
        kept: KeptFacets,
    ) -> None:
        self._catalog, self._encoder, self._kept = catalog, encoder, kept
        self._taught, self._polyglot = taught, polyglot
        self._store, self._captions = catalog.tags, catalog.captions

    @cached_property
    def vocabulary(self) -> TagVocabulary:
        """The words that the model may propose."""
        return TagVocabulary.load()

    def for_picture(self, vector: Vector, ids: Iterable[int], limit: int) -> list[Tag]:
        """Return the user's tags of a picture, then the model's that the user has not denied.

        Args:
            vector: The picture.
            ids: Its rows in the library, none if it has none.
            limit: Most guesses.
        """
        stored = self._store.get(ids, self._encoder.fingerprint)
        own = sorted({tag.name for tag in stored if tag.source == "user"})
        settled = {self.vocabulary.canonical(tag.name) for tag in stored if tag.source != "guess"}
        [guesses] = self._tagger.tag(vector[None], limit + len(settled))
        kept = [tag for tag in guesses if self.vocabulary.canonical(tag.name) not in settled]
        return [*(Tag(name, "user") for name in own), *kept[:limit]]

    def tag_all(self, progress: Callable[[int, int], None] | None = None) -> tuple[int, int]:
        """Store guesses for the pictures that have none of this model and vocabulary yet.

        Each batch is one transaction, so an interrupted run goes on where it was.

        Returns:
            How many pictures were looked at, and how many tags they got.

        Raises:
            ModelError: The model has no calibration, so nobody can say which guess to believe.
        """
        matcher = matcher_of(self._encoder)
        if matcher is None:
            raise ModelError(
                f"model {self._encoder.name!r}: has no calibration, so its guesses have no "
                f"confidence and none can be kept; {CALIBRATE}"
            )
        self._taught.renew_all()
        tagger, fingerprint = self._tagger, self._encoder.fingerprint
        waiting = self._store.without_guesses(fingerprint, tagger.version)
        least = matcher.bands["words"]["maybe"]
        count = 0
        for start in range(0, len(waiting), BATCH):
            ids = waiting[start : start + BATCH]
            vectors = self._catalog.vectors(ids, fingerprint)
            ids = [one for one in ids if one in vectors]  # some may have been forgotten meanwhile
            if ids:
                tags = tagger.tag(np.stack([vectors[one] for one in ids]), STORED)
                believed = {
                    one: [
                        (tag.name, tag.confidence)
                        for tag in guesses
                        if tag.confidence is not None and tag.confidence >= least
                    ]
                    for one, guesses in zip(ids, tags, strict=True)
                }
                self._store.write_guesses(believed, fingerprint, tagger.version)
                count += sum(map(len, believed.values()))
            if progress is not None:
                progress(min(start + BATCH, len(waiting)), len(waiting))
        return len(waiting), count

    def add(self, ids: Sequence[int], name: str) -> None:
        """Give pictures a tag of the user's.

        Raises:
            QueryError: The name is empty.
        """
        self._store.set_tag(ids, _checked(name), "user")

    def remove(self, ids: Sequence[int], name: str) -> None:
        """Take a tag away, for good: the model will not bring it back.

        Raises:
            QueryError: No picture has the tag, nor could the model guess it.
        """
        tag = _checked(name)
        has = {stored.name for stored in self._store.get(ids, self._encoder.fingerprint)}
        synonyms = sorted(has.intersection(self.vocabulary.same(tag))) or [tag]
        if tag not in has and tag not in self.vocabulary and synonyms == [tag]:
            known = ", ".join(sorted(has)) or "none"
            raise QueryError(f"{name!r}: not a tag of this picture; its tags are: {known}")
        for one in {*synonyms, self.vocabulary.canonical(tag)}:
            self._store.set_tag(ids, one, "no")

    def accept(self, vector: Vector, ids: Sequence[int], name: str) -> None:
        """Make a guess of the model the user's own tag.

        Raises:
            QueryError: The model does not guess that; the user's own words are added.
        """
        tag = self.vocabulary.canonical(_checked(name))
        stored = {known.name for known in self._store.get(ids, self._encoder.fingerprint)}
        guesses = {guess.name for guess in self._tagger.tag(vector[None], STORED)[0]} | stored
        if tag not in guesses:
            raise QueryError(f"{name!r}: not a guess for this picture; to add it anyway: --add")
        self._store.set_tag(ids, tag, "user")

    def counts(self) -> list[TagCount]:
        """Return the tags of the library with how many pictures have them."""
        return self._store.counts(self._encoder.fingerprint)

    def select(
        self,
        filters: Sequence[Filter],
        among: Ids | None = None,
        table: TagTable | None = None,
    ) -> Selection:
        """Return the pictures that pass all filters; the least sure filter counts.

        Args:
            filters: What to filter by.
            among: Sorted ids of the pictures to choose from; all present ones if None.
            table: The tags of the library; those that the filters name are read if None.
        """
        if table is None:
            names = [name for one in filters if one.kind == "tag" for name in self._meanings(one)]
            table = self.table(names) if names else TagTable.empty()
        exact = [one for one in filters if one.kind not in UNSURE]
        parts = [] if among is None else [Selection.certain(among)]
        if exact:
            parts.append(Selection.certain(self._catalog.filters.passing(exact)))
        holders = [(one, self._holders(one, table)) for one in filters if one.kind in UNSURE]
        parts += [holding for one, holding in holders if not one.excluded]
        if not parts:  # only now are the numbers of all pictures of use
            parts = [Selection.certain(self._catalog.present())]
        selected = reduce(Selection.intersection, parts)
        for one, holding in holders:
            selected = selected.difference(holding.ids) if one.excluded else selected
        if among is None and not exact and len(selected):
            present = Selection.certain(self._catalog.present(selected.ids))
            selected = selected.intersection(present)
        return selected

    def hints(self, query: Query, passing: Selection | None) -> Iterator[str]:
        """Yield why nothing passes, if so, and what may have been meant by tags of no picture."""
        if passing is None or len(passing) or not query.filters:
            return
        yield "no picture passes the filters"
        words = [term.value for term in query.terms if term.kind == "words"]
        for one in query.filters:
            if one.kind != "tag" or one.excluded or len(self.select([one])):
                continue
            longer = replace(one, name=f"{one.name} {words[0].split()[0]}") if words else one
            hint = f"no picture is tagged {one.name!r}"
            if words and len(self.select([longer])):
                hint += f"; a name with spaces stands in quotes: {format(Query((), (longer,)))}"
            yield hint

    def table(self, names: Iterable[str] | None = None) -> TagTable:
        """Read which pictures have which tag, only of these tags unless None.

        Where they are kept, more tags may be in it.
        """
        if names is not None and (kept := self._kept.tags(self.vocabulary)) is not None:
            return kept
        return TagTable.of(self._store, self.vocabulary, self._encoder.fingerprint, names)

    def _holders(self, one: Filter, table: TagTable) -> Selection:
        """Return the pictures with a tag or words of a caption."""
        names = self._meanings(one)
        if one.kind == "tag":
            return table.holders(map(self.vocabulary.canonical, names))
        return Selection.union(Selection.of(self._captions.holders(name)) for name in names)

    def _meanings(self, one: Filter) -> tuple[str, ...]:
        """Return the names of which a picture must have one, as they stand and in English.

        The user's tags may be in any language, and have a bar in their names, which else stands
        between alternatives.
        """
        parts = [part for part in map(str.strip, one.name.split("|")) if part]
        names = dict.fromkeys([one.name, *parts])
        return tuple(dict.fromkeys(form for n in names for form in (n, self._polyglot.english(n))))

    def invalidate(self) -> None:
        """Take note that the taught words have changed."""
        self.__dict__.pop("_tagger", None)

    @cached_property
    def _tagger(self) -> Tagger:
        return Tagger(self._encoder, self.vocabulary, self._taught.vectors)


CALIBRATE = "run: lexpix train match --model DIR --pairs captions.jsonl"


def _checked(name: str) -> str:
    plain = tag_name(name)
    if not plain:
        raise QueryError("a tag needs a name; this one is empty")
    return plain
