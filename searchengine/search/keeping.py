"""Which picture of a group of duplicates to keep, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from searchengine.catalog.rows import Appearance

Reason = Literal[
    "undamaged", "resolution", "format", "metadata", "sharpness", "size", "tags", "oldest", "path"
]
"""What a picture is better in: it is whole, has more pixels, is RAW or of a format without losses,
says when it was taken and by what, is sharper, has more bytes, has more tags of the user, is the
older file, or (if nothing else tells) has the shorter path."""

REASONS: tuple[Reason, ...] = get_args(Reason)
TOLD: Mapping[Reason, str] = {
    "undamaged": "whole",
    "resolution": "more pixels",
    "format": "RAW",
    "metadata": "says when it was taken",
    "sharpness": "sharper",
    "size": "more bytes",
    "tags": "your tags",
    "oldest": "oldest file",
    "path": "shortest path",
}
"""The reasons in words."""

Kind = Literal["exact", "near", "burst"]
Merits: TypeAlias = dict[Reason, float]

_CLEARLY = 1.1  # times as sharp: less is noise


def merits(picture: Appearance, tags: int) -> Merits:
    """Return how good a picture is in everything, more being better."""
    return {
        "undamaged": picture.damage is None,
        "resolution": picture.pixels,
        "format": picture.format == "raw",
        "metadata": (picture.taken_at is not None) + (picture.camera is not None),
        "sharpness": picture.sharpness or 0.0,
        "size": picture.size,
        "tags": tags,
        "oldest": -picture.mtime_ns,
        "path": -len(os.fsencode(picture.path)),
    }


def order_of(kind: Kind) -> tuple[Reason, ...]:
    """Return what decides, the weightiest first.

    Of files with the same bytes only what is said of them can differ. Pictures of a burst are of
    one size, and the sharper one is wanted whatever its bytes.
    """
    if kind == "exact":
        return ("tags", "oldest", "path")
    if kind == "burst":
        return ("undamaged", "resolution", "format", "sharpness", "tags", "size", "oldest", "path")
    return ("undamaged", "resolution", "format", "metadata", "size", "tags", "oldest", "path")


def preferred(
    pictures: Sequence[Appearance], tags: Mapping[int, Sequence[str]], kind: Kind
) -> list[Appearance]:
    """Return pictures in the order in which they would be kept; the last word has the id."""

    def key(picture: Appearance) -> tuple[float, ...]:
        own = merits(picture, len(tags.get(picture.id, ())))
        return (*(-own[reason] for reason in order_of(kind)), picture.id)

    return sorted(pictures, key=key)


def reasons(
    keeper: Appearance,
    others: Sequence[Appearance],
    tags: Mapping[int, Sequence[str]],
    kind: Kind,
) -> tuple[Reason, ...]:
    """Return in what a picture is as good as every other one, and better than one at least.

    The path is a reason only where there is no other.
    """
    own = merits(keeper, len(tags.get(keeper.id, ())))
    theirs = [merits(one, len(tags.get(one.id, ()))) for one in others]
    found = tuple(reason for reason in order_of(kind) if _is_best(reason, own, theirs))
    decisive = tuple(reason for reason in found if reason not in ("oldest", "path"))
    return decisive or found[:1] or ("path",)


def _is_best(reason: Reason, own: Merits, theirs: Sequence[Merits]) -> bool:
    values = [one[reason] for one in theirs]
    margin = _CLEARLY if reason == "sharpness" else 1.0
    return own[reason] >= max(values) and own[reason] > margin * min(values)
