"""Duplicates: the same bytes, the same picture saved anew, and bursts of one scene.

Two files hold the same picture if their perceptual hashes differ in few bits and their vectors are
near. Whoever cuts or resizes a picture changes its size in pixels, whereas a camera takes one
moment after the other in one size: pictures of one size must agree more, and those that were taken
at different times are never the same.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searchengine.catalog.rows import Appearance
from searchengine.indexes.hashes import near_hashes
from searchengine.search.keeping import Kind, Reason, preferred, reasons
from searchengine.search.ranking import nearest
from searchengine.types import Picture, Vector, VectorIndex

if TYPE_CHECKING:
    from searchengine.catalog.store import Catalog

KINDS: tuple[Kind, ...] = ("exact", "near", "burst")

SAME_BITS, SAME_COSINE = 4, 0.75
"""Up to so many bits, and from this cosine on, it is the same picture. Small copies are what the
model sees otherwise: its cosine goes down to 0.79 where the hashes differ in two bits."""
CUT_BITS, CUT_COSINE = 16, 0.94
"""The same for pictures of different sizes, of which one may be cut out of the other."""
FLAT, FLAT_COSINE = 4.0, 0.97
"""Up to this sharpness a picture shows so little that its hash says nothing."""

BURST_SECONDS, BURST_COSINE = 3.0, 0.75
"""Pictures of one camera, each taken at most so long after the one before and like it."""
BURST_STEPS = 3
"""How many pictures before it a picture is compared with: two people may have one camera."""

_ZONE = 900.0  # clocks are set, and zones differ, by quarters of an hour
_DAY = 86_400.0
_VECTORS = 20_000  # pairs that are compared at a time

Flags = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that are the same, or of one burst.

    Attributes:
        kind: What they have in common.
        keeper: The one to keep.
        others: The others, the better ones first.
        reasons: In what the keeper is best.
        tags: The user's tags by id.
    """

    kind: Kind
    keeper: Appearance
    others: tuple[Appearance, ...]
    reasons: tuple[Reason, ...]
    tags: Mapping[int, Sequence[str]]

    @property
    def bytes(self) -> int:
        """What the others take on the disk."""
        return sum(one.size for one in self.others)


def find_groups(
    catalog: Catalog,
    fingerprint: str,
    kinds: Collection[Kind] = KINDS,
    ids: Iterable[int] | None = None,
) -> dict[Kind, list[Group]]:
    """Return the groups of each kind, those with most bytes to spare first.

    Copies stand for each other: a picture of a group of near duplicates or of a burst is the one to
    keep of its copies, and one of a burst that of its near duplicates. So no picture is to be kept
    in one group and to go in another.

    Args:
        catalog: The library's.
        fingerprint: The model whose vectors are compared.
        kinds: Which to look for.
        ids: Only among these pictures; all if None.
    """
    pictures = catalog.looks.appearances(ids)
    tags = catalog.looks.own_tags(one.id for one in pictures)
    found: dict[Kind, list[Group]] = {}
    left = pictures
    for kind, grouped in (
        ("exact", _copies),
        ("near", lambda some: _near(catalog, fingerprint, some, tags)),
        ("burst", lambda some: _bursts(catalog, fingerprint, some)),
    ):
        assert kind in KINDS
        if not any(KINDS.index(one) >= KINDS.index(kind) for one in kinds):
            break
        groups = [_group(kind, members, tags) for members in grouped(left)]
        found[kind] = sorted(groups, key=lambda one: (-one.bytes, one.keeper.id))
        gone = {one.id for group in groups for one in group.others}
        left = [one for one in left if one.id not in gone]
    return {kind: found[kind] for kind in KINDS if kind in kinds}


def _group(kind: Kind, members: Sequence[Appearance], tags: Mapping[int, list[str]]) -> Group:
    keeper, *others = preferred(members, tags, kind)
    own = {one.id: tags[one.id] for one in members if one.id in tags}
    return Group(kind, keeper, tuple(others), reasons(keeper, others, tags, kind), own)


# The kinds


def _copies(pictures: Sequence[Appearance]) -> list[list[Appearance]]:
    """Return the pictures that have their bytes in common."""
    by_content: dict[str, list[Appearance]] = {}
    for one in pictures:
        if one.sha256 is not None:
            by_content.setdefault(one.sha256, []).append(one)
    return [group for group in by_content.values() if len(group) > 1]


def _near(
    catalog: Catalog,
    fingerprint: str,
    pictures: Sequence[Appearance],
    tags: Mapping[int, list[str]],
) -> list[list[Appearance]]:
    """Return the pictures that are the same, each the same as one of its group.

    That is the one that most others are like. So no chain leads on from picture to picture, and the
    one to keep, which may have been edited most, does not decide who belongs to a group.
    """
    ordered = preferred(pictures, tags, "near")
    pairs = _alike(ordered, catalog, fingerprint).tolist()
    degrees = Counter(place for pair in pairs for place in pair)
    centres = sorted(degrees, key=lambda place: (-degrees[place], place))
    return [[ordered[place] for place in group] for group in _stars(ordered, pairs, centres)]


def _bursts(
    catalog: Catalog, fingerprint: str, pictures: Sequence[Appearance]
) -> list[list[Appearance]]:
    """Return the pictures that one camera took in quick succession, each like the one before."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    dated = [one for one in pictures if one.taken_at is not None]
    dated.sort(key=lambda one: (one.camera or "", one.taken_at, one.path))
    if len(dated) < 2:
        return []
    cameras = np.array([one.camera or "" for one in dated])
    times = _seconds(dated)
    soon: list[Pairs] = []
    for step in range(1, min(BURST_STEPS, len(dated) - 1) + 1):
        after = (times[step:] - times[:-step] <= BURST_SECONDS) & (
            cameras[step:] == cameras[:-step]
        )
        soon.append(np.column_stack((after.nonzero()[0], after.nonzero()[0] + step)))
    pairs = np.concatenate(soon)
    cosines = _Vectors(catalog, fingerprint).cosines(dated, pairs)
    pairs = pairs[(cosines >= BURST_COSINE) & ~_are_two(dated, pairs)]
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(dated), len(dated)))
    _, labels = connected_components(links, directed=False)
    order = np.argsort(labels, kind="stable").tolist()
    groups = [list(group) for _, group in groupby(order, key=lambda place: labels[place])]
    return [[dated[place] for place in group] for group in groups if len(group) > 1]


# What is the same


def _alike(pictures: Sequence[Appearance], catalog: Catalog, fingerprint: str) -> Pairs:
    """Return the pairs of places of near duplicates, the lower one first, shape (n, 2)."""
    places = np.array(
        [place for place, one in enumerate(pictures) if one.phash is not None], dtype=np.int64
    )
    known = [pictures[place] for place in places.tolist()]
    hashes = np.array([one.phash for one in known], dtype=np.int64)
    pairs, bits = near_hashes(hashes, max(SAME_BITS, CUT_BITS))
    pairs = pairs[same_pictures(known, pairs, bits, _Vectors(catalog, fingerprint))]
    alike: Pairs = places[pairs]
    return alike


def _stars(
    pictures: Sequence[Appearance], pairs: Iterable[Sequence[int]], centres: Iterable[int]
) -> list[list[int]]:
    """Return groups of places: each centre, if no other took it, and what it takes of its pairs.

    What is like an undated picture may be of two moments: the first one, in order of places, stays.
    """
    others: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        others[one].add(other)
        others[other].add(one)
    times = _seconds(pictures)
    taken: set[int] = set()
    groups: list[list[int]] = []
    for first in centres:
        if first in taken or not others.get(first):
            continue
        members, moment = [first], times[first]
        for other in sorted(others[first] - taken):
            if bool(_one_moment(moment, times[other])):
                members.append(other)
                moment = times[other] if np.isnan(moment) else moment
        if len(members) > 1:
            taken.update(members)
            groups.append(members)
    return groups


class _Vectors:
    """Cosines of pairs of pictures by a model; NaN where there is no vector."""

    def __init__(self, catalog: Catalog, fingerprint: str) -> None:
        self._catalog, self._fingerprint = catalog, fingerprint

    def cosines(self, pictures: Sequence[Appearance], pairs: Pairs) -> npt.NDArray[np.float32]:
        """Return the cosine of each pair of places, shape (n,)."""
        cosines = np.full(len(pairs), np.nan, dtype=np.float32)
        for start in range(0, len(pairs), _VECTORS):
            some = pairs[start : start + _VECTORS]
            places = np.unique(some)
            ids = [pictures[place].id for place in places.tolist()]
            vectors = self._catalog.vectors(ids, self._fingerprint)
            if not vectors:
                continue
            none = np.full_like(next(iter(vectors.values())), np.nan)
            rows = np.stack([vectors.get(id_, none) for id_ in ids])
            ones, others = (rows[np.searchsorted(places, some[:, side])] for side in (0, 1))
            cosines[start : start + _VECTORS] = np.einsum("ij,ij->i", ones, others)
        return cosines


def same_pictures(
    pictures: Sequence[Appearance], pairs: Pairs, bits: npt.NDArray[np.int32], vectors: _Vectors
) -> Flags:
    """Tell which pairs of pictures, of which the hashes are known, are the same picture.

    Args:
        pictures: Any.
        pairs: Places among them, shape (n, 2).
        bits: In how many bits the hashes of each pair differ.
        vectors: Know the cosines.
    """
    ones, others = pairs[:, 0], pairs[:, 1]
    sizes = np.array([(one.width or 0, one.height or 0) for one in pictures]).reshape(-1, 2)
    one_size = (sizes[ones] == sizes[others]).all(axis=1)
    times = _seconds(pictures)
    may_be = _one_moment(times[ones], times[others]) & (
        (bits <= SAME_BITS) | ((bits <= CUT_BITS) & ~one_size)
    )
    may_be[may_be] = ~_are_two(pictures, pairs[may_be])
    cosines = np.full(len(pairs), np.nan, dtype=np.float32)
    cosines[may_be] = vectors.cosines(pictures, pairs[may_be])
    enough = np.where(bits <= SAME_BITS, SAME_COSINE, CUT_COSINE)
    sharpness = np.array([one.sharpness or 0.0 for one in pictures])
    flat = np.maximum(sharpness[ones], sharpness[others]) <= FLAT
    same: Flags = may_be & (cosines >= np.where(flat, np.maximum(enough, FLAT_COSINE), enough))
    return same


def _one_moment(ones: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> Flags:
    """Tell whether pictures may have been taken at one time, by clocks of whatever zones."""
    apart = np.abs(ones - others)
    off_zone = np.abs(apart - _ZONE * np.round(apart / _ZONE))
    same: Flags = ~((off_zone >= 1.0) | (apart > _DAY))  # NaN: nobody knows
    return same


def _seconds(pictures: Sequence[Appearance]) -> npt.NDArray[np.float64]:
    """Return by the camera's clock when pictures were taken; NaN where nobody knows."""
    times = np.array([one.taken_at for one in pictures], dtype="datetime64[us]")
    return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)


def _are_two(pictures: Sequence[Appearance], pairs: Pairs) -> Flags:
    """Tell which pairs are no copies, however alike: a film and a still, a RAW and its JPEG."""

    def are(one: Appearance, other: Appearance) -> bool:
        kinds = {one.format, other.format}
        stems = {os.path.splitext(picture.path)[0] for picture in (one, other)}
        return len(kinds) == 2 and ("video" in kinds or ("raw" in kinds and len(stems) == 1))

    return np.array(
        [are(pictures[one], pictures[other]) for one, other in pairs.tolist()], dtype=np.bool_
    )


# Of one picture


def copies(catalog: Catalog, picture: Picture) -> list[Picture]:
    """Return the other present pictures with the same bytes, by rising id."""
    same = catalog.by_sha256(picture.sha256) if picture.sha256 else []
    return [one for one in same if one.id != picture.id and one.state == "ok"]


def near_duplicates(
    catalog: Catalog,
    fingerprint: str,
    index: VectorIndex,
    id_: int,
    vector: Vector,
    limit: int = 20,
) -> list[tuple[int, float]]:
    """Return ids and scores of the present pictures that are the same one, the nearest first.

    Args:
        catalog: The library's.
        fingerprint: The model of the vectors.
        index: Where to look.
        id_: The picture; its copies are left out.
        vector: Its own.
        limit: Most that are looked at.
    """
    if not len(index):
        return []
    rows = [row for row in nearest(index, vector, limit, without={id_}) if row[1] >= SAME_COSINE]
    pictures = catalog.get([id_, *(other for other, _ in rows)])
    if id_ not in pictures:
        return []
    known = [pictures[one] for one in (id_, *(other for other, _ in rows)) if one in pictures]
    same = same_as(catalog, fingerprint, known).get(id_, [])
    own = pictures[id_].sha256
    return [row for row in rows if row[0] in same and pictures[row[0]].sha256 != own]


def same_as(
    catalog: Catalog, fingerprint: str, pictures: Sequence[Picture]
) -> dict[int, list[int]]:
    """Tell which pictures of a list are the same as one that comes before them.

    Args:
        catalog: Has the vectors.
        fingerprint: The model whose vectors are compared.
        pictures: Any.

    Returns:
        By ids of pictures the ids of those later in the list with the same bytes, or of which they
        are near duplicates; nothing stands for a picture that stands behind another one.
    """
    shown = [Appearance.of(one) for one in pictures]
    contents: dict[str, list[int]] = {}
    for place, one in enumerate(shown):
        if one.sha256 is not None:
            contents.setdefault(one.sha256, []).append(place)
    pairs = list(_alike(shown, catalog, fingerprint).tolist())
    for places in contents.values():
        pairs += combinations(places, 2)
    stars = _stars(shown, pairs, range(len(shown)))
    return {shown[first].id: [shown[place].id for place in others] for first, *others in stars}
