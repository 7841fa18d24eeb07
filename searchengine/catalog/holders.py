"""Which pictures have a tag: gathered by the database, which holds up no thread of a server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, select

from searchengine.catalog.selection import GUESSED, Selection
from searchengine.catalog.statements import AnySelect
from searchengine.catalog.tables import TagRow
from searchengine.types import Ids


def of_model(fingerprint: str | sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    """Match what the user said, and the guesses of one model."""
    return (TagRow.source != "guess") | (TagRow.fingerprint == fingerprint)


def holders_of(connection: Connection, fingerprint: str, name: str) -> Selection:
    """Return the pictures with a tag, of guesses those of a model; nothing is sorted by SQL."""
    told = {"name": name, "fingerprint": fingerprint}
    joined, sure = connection.execute(_HOLDERS, told).one()
    ids, confidence = _ids_in(joined or ""), np.fromstring(sure or "", sep=",")
    order = np.argsort(ids)
    ids, confidence = ids[order], confidence[order]
    own, refused = ids[confidence == OWN], ids[confidence == REFUSED]
    if not len(own) and not len(refused):
        return Selection(ids, confidence.clip(max=GUESSED))
    is_guess = (confidence != OWN) & (confidence != REFUSED)
    guesses = Selection(ids[is_guess], confidence[is_guess].clip(max=GUESSED))
    return Selection.union([Selection.certain(own), guesses.difference(refused)])


def every_holder(connection: Connection, fingerprint: str) -> Iterator[tuple[str, Selection]]:
    """Yield all tags with the pictures that have them, of guesses those of a model, by name."""
    # An expression for the name makes a database read the table from end to end and sort, which is
    # three times as fast as following the index of names to a million rows.
    name = (TagRow.name + "").label("name")
    gathered = sa.func.aggregate_strings
    ids = gathered(sa.cast(TagRow.image_id, sa.Text), ",")
    confidence = gathered(sa.cast(sa.func.coalesce(TagRow.confidence, 0.0), sa.Text), ",")
    query = select(name, TagRow.source, ids, confidence).where(of_model(fingerprint))
    rows = connection.execute(query.group_by(name, TagRow.source).order_by(name))
    for tag, sources in groupby(rows, key=lambda row: row[0]):
        by_source = {row[1]: row for row in sources}
        own, refused = (
            _ids_in(by_source[source][2] if source in by_source else "")
            for source in ("user", "no")
        )
        parts = [Selection.certain(np.sort(own))]
        if "guess" in by_source:
            _, _, pictures, confidences = by_source["guess"]
            guessed = np.fromstring(confidences, sep=",").clip(max=GUESSED)
            guesses = Selection(_ids_in(pictures), guessed)
            parts.append(guesses.difference(refused))
        yield tag, Selection.union(parts)


OWN, REFUSED = 2, -1
"""What stands for a confidence where the user has given a tag, or taken it away."""

_SURE = sa.case(
    (TagRow.source == "guess", sa.func.coalesce(TagRow.confidence, 0.0)),
    (TagRow.source == "user", OWN),
    else_=REFUSED,
)
_HOLDERS: AnySelect = select(
    sa.func.aggregate_strings(sa.cast(TagRow.image_id, sa.Text), ","),
    sa.func.aggregate_strings(sa.cast(_SURE, sa.Text), ","),
).where(TagRow.name == sa.bindparam("name"), of_model(sa.bindparam("fingerprint")))


def _ids_in(text: str) -> Ids:
    return np.fromstring(text, dtype=np.int64, sep=",") if text else np.empty(0, dtype=np.int64)
