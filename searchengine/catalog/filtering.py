"""The pictures that pass filters on what files say of them; exact, and by the columns of SQL.

Numbers and dates are compared by the database. Names, which match without capitals and accents,
are compared here, each different one once, among the rows that the database leaves.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Engine, select

from searchengine.catalog.changes import Store
from searchengine.catalog.statements import AnySelect, select_in
from searchengine.catalog.tables import ImageRow
from searchengine.formats import format_of
from searchengine.language import filters as meaning
from searchengine.language.filters import Span
from searchengine.sources.addresses import absolute, is_remote
from searchengine.types import Filter, FilterKind, Ids

REMEMBERED = 8
"""Most answers that are remembered."""

DATES: frozenset[FilterKind] = frozenset({"after", "before", "year"})
"""Filters that only those pass of which it is known when they were taken."""

ABOUT = 0.5
"""A single number of megapixels or millimetres means all that is rounded to it."""


@dataclass(frozen=True, slots=True)
class _Check:
    """What decides on values of columns, here; rows without any value in them do not pass."""

    columns: tuple[Any, ...]
    passes: Callable[..., bool]


@dataclass(frozen=True, slots=True)
class _Passing:
    """Who passes: sorted ids, and the seconds of each if they were read on the way."""

    ids: Ids
    taken: npt.NDArray[np.float64] | None = None


class FilterCatalog(Store):
    """Find pictures by what their files say; `Catalog.filters` is one."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        super().__init__(reader, writer)
        self._remembered: dict[tuple[str | None, frozenset[Filter]], _Passing] = {}

    def passing(self, filters: Sequence[Filter]) -> Ids:
        """Return the sorted ids of the present pictures that pass all of these filters.

        The last answers are remembered until the next write of pictures: a server is asked the same
        again for every page.

        Args:
            filters: Of any kinds but tags and captions.
        """
        if any(one.kind == "place" for one in filters):  # its names are written without a number
            return self._passing(filters).ids
        key = self.meta("seq"), frozenset(filters)
        known = self._remembered.get(key)
        if known is None:
            known = self._passing(filters)
            if len(self._remembered) >= REMEMBERED:
                self._remembered = {}
            self._remembered[key] = known
        return known.ids

    def taken(self, among: Ids) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Return when pictures were taken, as seconds since 1970 by the camera's clock.

        Args:
            among: Sorted ids of the pictures; those that are not present are left out.

        Returns:
            Sorted ids, and the seconds of each, NaN where nobody knows; both (n,).
        """
        for known in list(self._remembered.values()):
            if known.ids is among and known.taken is not None:
                return known.ids, known.taken
        with self._reader.begin() as connection:
            rows = [
                row
                for row in select_in(connection, _TAKEN, ImageRow.id, among.tolist())
                if row.state == "ok"
            ]
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        seconds = np.floor(np.array([row[1] for row in rows], dtype=np.float64))  # None is NaN
        order = np.argsort(ids)
        return ids[order], seconds[order]

    def _passing(self, filters: Sequence[Filter]) -> _Passing:
        query = select(ImageRow.id).where(ImageRow.state == "ok")
        checks: list[tuple[_Check, bool]] = []
        for one in filters:
            test = _TESTS[one.kind](one.name)
            if isinstance(test, _Check):
                checks.append((test, one.excluded))
            elif one.excluded:
                # A row that has no value does not pass, so it does pass the opposite.
                query = query.where(sa.not_(sa.func.coalesce(test, sa.false())))
            else:
                query = query.where(test)
        if not checks:
            dates = [one.kind in DATES and not one.excluded for one in filters]
            by_date = bool(dates) and all(dates)
            return self._joined(query, with_dates=by_date)
        for check, _ in checks:
            query = query.add_columns(*check.columns)
        with self._reader.begin() as connection:
            rows: Sequence[Any] = connection.execute(query).all()
        start = 1
        for check, excluded in checks:
            end = start + len(check.columns)
            known: dict[Hashable, bool] = {}
            kept = []
            for row in rows:
                values = tuple(row[start:end])
                if values not in known:
                    known[values] = check.passes(*values)
                if known[values] != excluded:
                    kept.append(row)
            rows, start = kept, end
        return _Passing(np.sort(np.array([row[0] for row in rows], dtype=np.int64)))

    def _joined(self, query: AnySelect, *, with_dates: bool) -> _Passing:
        """Return the ids of a query, and if an index that it follows has them, their dates.

        All come as two texts: Python would take ten times as long to be handed each row.
        """
        if not with_dates:
            return _Passing(self._sorted_ids(query))
        joined = (
            # SQLite does not know the second of every date, and leaves out what it does not know.
            sa.func.aggregate_strings(sa.func.coalesce(sa.cast(column, sa.Text), "nan"), ",")
            for column in (ImageRow.id, _SECONDS)
        )
        with self._reader.begin() as connection:
            texts = connection.execute(query.with_only_columns(*joined)).one()
        ids = np.fromstring(texts[0] or "", dtype=np.int64, sep=",")
        seconds = np.floor(np.fromstring(texts[1] or "", dtype=np.float64, sep=","))
        order = np.argsort(ids)
        return _Passing(ids[order], seconds[order])


_SECONDS: ColumnElement[int] = sa.extract("epoch", ImageRow.taken_at)
_TAKEN: AnySelect = select(ImageRow.id, _SECONDS.label("taken"), ImageRow.state)


def _after(value: str) -> ColumnElement[bool]:
    return ImageRow.taken_at >= meaning.moment(value)


def _before(value: str) -> ColumnElement[bool]:
    return ImageRow.taken_at < meaning.moment(value)


def _in_spans(column: ColumnElement[Any], spans: Sequence[Span]) -> ColumnElement[bool]:
    return sa.or_(*(_in_span(column, span) for span in spans))


def _in_span(column: ColumnElement[Any], span: Span) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [column.is_not(None)]
    if span.low > -math.inf:
        bounds.append(column > span.low if span.low_open else column >= span.low)
    if span.high < math.inf:
        bounds.append(column < span.high if span.high_open else column <= span.high)
    return sa.and_(*bounds)


def _years(value: str) -> ColumnElement[bool]:
    """Compare dates, which an index knows, in place of their years."""
    return sa.or_(*(_in_years(span) for span in meaning.spans(value)))


def _in_years(span: Span) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [ImageRow.taken_at.is_not(None)]
    # The first year that is meant, and the first one behind: dates know those from 1 to 9999.
    first = math.floor(span.low) + 1 if span.low_open else math.ceil(max(span.low, 0))
    behind = math.ceil(span.high) if span.high_open else math.floor(min(span.high, 9999)) + 1
    if first > dt.MAXYEAR or behind <= dt.MINYEAR:
        return sa.false()
    if first > dt.MINYEAR:
        bounds.append(ImageRow.taken_at >= dt.datetime(first, 1, 1))
    if behind <= dt.MAXYEAR:
        bounds.append(ImageRow.taken_at < dt.datetime(behind, 1, 1))
    return sa.and_(*bounds)


def _numbers(column: Any, *, about: float = 0.0) -> Callable[[str], ColumnElement[bool]]:
    return lambda value: _in_spans(column, meaning.spans(value, about=about))


def _part_of(column: Any) -> Callable[[str], _Check]:
    return lambda value: _Check((column,), meaning.parts_matching(value))


def _folder(value: str) -> _Check:
    if is_remote(value) or value.startswith(("/", "~", "./", "../")) or os.path.isabs(value):
        top = (value if is_remote(value) else absolute(value)).rstrip(os.sep)
        inside = top + os.sep
        return _Check((ImageRow.path,), lambda path: path == top or path.startswith(inside))
    matches = meaning.folders_matching(value)
    known: dict[str, bool] = {}

    def passes(path: str) -> bool:
        folder = os.path.dirname(path)
        if folder not in known:
            known[folder] = matches(folder)
        return known[folder]

    return _Check((ImageRow.path,), passes)


def _name(value: str) -> _Check:
    matches = meaning.names_matching(value)
    return _Check((ImageRow.path,), lambda path: matches(os.path.basename(path)))


def _type(value: str) -> _Check:
    formats = set(meaning.formats(value))
    # The path only where the file was not read since formats are stored.
    path = sa.case((ImageRow.format.is_(None), ImageRow.path))
    return _Check(
        (ImageRow.format, path), lambda name, path: (name or format_of(path or "")) in formats
    )


def _shape(value: str) -> _Check:
    shapes = set(meaning.shapes(value))
    return _Check(
        (ImageRow.width, ImageRow.height),
        lambda width, height: meaning.shape_of(width, height) in shapes,
    )


def _keyword(value: str) -> _Check:
    matches = meaning.keywords_matching(value)
    return _Check((ImageRow.keywords,), lambda keywords: matches(keywords or ()))


def _near(value: str) -> _Check:
    where = meaning.circle(value)

    def passes(lat: float | None, lon: float | None) -> bool:
        if lat is None or lon is None:
            return False
        return meaning.distance_km(where.lat, where.lon, lat, lon) <= where.km

    return _Check((ImageRow.lat, ImageRow.lon), passes)


_PIXELS = sa.cast(ImageRow.width, sa.BigInteger) * ImageRow.height / 1e6

_TESTS: dict[FilterKind, Callable[[str], ColumnElement[bool] | _Check]] = {
    "keyword": _keyword,
    "in": _folder,
    "name": _name,
    "type": _type,
    "shape": _shape,
    "after": _after,
    "before": _before,
    "year": _years,
    "month": _numbers(sa.extract("month", ImageRow.taken_at)),
    "camera": _part_of(ImageRow.camera),
    "lens": _part_of(ImageRow.lens),
    "mm": _numbers(ImageRow.focal, about=ABOUT),
    "iso": _numbers(ImageRow.iso),
    "mp": _numbers(_PIXELS, about=ABOUT),
    "rating": _numbers(ImageRow.rating),
    "near": _near,
    "place": _part_of(ImageRow.place),
}
