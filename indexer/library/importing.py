"""Make keywords that other programs gave to pictures the user's tags: XMP, IPTC, Google Takeout."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Literal

from indexer.executors import Executor, executor_of
from indexer.library.indexing import Library
from indexer.library.keywords import Keywords, keywords_in, keywords_of
from indexer.library.running import running
from indexer.library.takeout import (
    MOST_JSON,
    TakeoutError,
    is_named_as_takeout,
    read_takeout,
    takeouts_of,
)
from indexer.library.xmp import XmpError
from searchengine.catalog.store import Catalog
from searchengine.catalog.tags import Told
from searchengine.errors import ImageError, UnknownPicture
from searchengine.formats import ending_of, sidecars_of
from searchengine.language.tag_vocabulary import TagVocabulary, tag_name
from searchengine.metadata import MOST_XMP
from searchengine.search.status import ids_within
from searchengine.sources.addresses import absolute, is_remote
from searchengine.sources.opening import names_in, open_stored
from searchengine.types import Failure, PathLike, Picture

Place = Literal["xmp", "file", "takeout"]
"""Where keywords are looked for: in XMP beside a picture, in its file, in Takeout's JSON."""

PLACES: tuple[Place, ...] = ("xmp", "file", "takeout")

FAVOURITE = "favourite"
"""The tag of favourites, which the page gives too."""

BATCH = 256
"""Pictures whose tags are written at a time."""


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do.

    Attributes:
        pictures: How many were looked at.
        tagged: How many of them got a tag.
        names: New tags, with how many pictures got each.
        removed: Tags of the user's that another program took out of XMP, and that are gone now.
        kept_away: Keywords that are no tags because the user took these away.
        failed: What could not be read, and why.
        strangers: Sidecars beside no picture of the library.
    """

    pictures: int = 0
    tagged: int = 0
    names: Counter[str] = field(default_factory=Counter)
    removed: int = 0
    kept_away: int = 0
    failed: list[Failure] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def add(self, new: Iterable[Told]) -> None:
        """Count what is new of pictures."""
        for one in new:
            self.tagged += bool(one.names)
            self.names.update(one.names)
            self.removed += len(one.gone)
            self.kept_away += len(one.kept_away)


def import_tags(
    library: Library,
    *pictures: PathLike | int,
    places: Collection[Place] = PLACES,
    faces: bool = False,
    dry_run: bool = False,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Make keywords that other programs gave to pictures the user's tags.

    Nothing comes twice, and what the user took away stays away. What was written before an error or
    an interruption stays, and the next import does the rest. While another process imports into
    the library, this one waits.

    Args:
        library: As `searchengine.open()` returns it.
        pictures: Paths of pictures and folders ("~" is a home), and numbers of the library; the
            whole library if there are none.
        places: Where to look.
        faces: Take names of people whose faces XMP marks as well.
        dry_run: Write nothing; the report says what would be done.
        executor: Reads files; the one of the settings if None.
        progress: Is told how many pictures are done, and how many there are.

    Raises:
        NothingIndexed: There is nothing of the library at or under a path.
        UnknownPicture: No picture of the library has a number.
    """
    catalog = library.catalog
    with running(library.settings.library, "import"):
        return import_keywords(
            catalog,
            list(catalog.get(_ids(catalog, pictures)).values()),
            executor or executor_of(library.settings),
            places=places,
            faces=faces,
            dry_run=dry_run,
            whole=all(_is_folder(catalog, one) for one in pictures),
            progress=progress,
        )


def _is_folder(catalog: Catalog, picture: PathLike | int) -> bool:
    """Tell whether this names all that the library has below a folder, an address or an archive."""
    if isinstance(picture, int):
        return False
    path = absolute(picture)
    # At an address nobody but the library need be asked: what is no picture of it has some below.
    return not catalog.by_paths([path]) if is_remote(path) else os.path.isdir(path)


def _ids(catalog: Catalog, pictures: Sequence[PathLike | int]) -> list[int]:
    """Return the present pictures that paths and numbers name, of the library if there are none."""
    if not pictures:
        return [int(one) for one in catalog.present()]
    ids: list[int] = []
    for picture in pictures:
        if not isinstance(picture, int):
            ids += map(int, ids_within(catalog, picture))
        elif picture in catalog.get([picture]):
            ids.append(picture)
        else:
            raise UnknownPicture(f"#{picture}: no picture of the library has this number")
    return list(dict.fromkeys(ids))


def import_keywords(
    catalog: Catalog,
    pictures: Sequence[Picture],
    executor: Executor,
    *,
    places: Collection[Place] = PLACES,
    faces: bool = False,
    dry_run: bool = False,
    whole: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Make keywords of rows, in their files and beside them, the user's tags.

    Each batch is one transaction, so an interrupted import is finished by the next one.

    Args:
        catalog: The library.
        pictures: Rows of it.
        executor: Reads files.
        places: Where to look.
        faces: Take names of people whose faces XMP marks as well.
        dry_run: Write nothing.
        whole: The pictures are all that the library has of their folders, so that what stands
            beside none of them stands beside no picture of the library.
        progress: Is told how many pictures are done, and how many there are.
    """
    report = ImportReport()
    meaning = TagVocabulary.load().canonical

    def read(one: _Job) -> _Found:
        return _read(one, places, faces)

    strangers = report.strangers if whole else []
    found = executor.imap(read, _jobs(pictures, strangers, places))
    with closing(found):
        while batch := list(islice(found, BATCH)):
            told = {one.id: one.told for one in batch if one.told != Told()}
            report.add(catalog.tags.take_over(told, meaning, dry_run=dry_run).values())
            report.pictures += len(batch)
            report.failed += [failure for one in batch for failure in one.failed]
            if progress is not None:
                progress(report.pictures, len(pictures))
    return report


@dataclass(frozen=True, slots=True)
class _Job:
    """A picture and the files beside it that there are."""

    picture: Picture
    xmp: tuple[str, ...]
    takeout: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is said of a picture, and what could not be read."""

    id: int
    told: Told
    failed: tuple[Failure, ...]


def _jobs(
    pictures: Sequence[Picture], strangers: list[str], places: Collection[Place]
) -> Iterator[_Job]:
    """Yield what there is to read, folder by folder; add what is beside no picture to a list."""

    def place(one: Picture) -> tuple[str, str]:
        return os.path.dirname(one.path), one.path

    for folder, group in groupby(sorted(pictures, key=place), key=lambda one: place(one)[0]):
        try:
            there = names_in(folder)
        except OSError:  # then no picture of it can be read, which is told of each
            there = set()
        used: set[str] = set()
        for picture in group:
            name = os.path.basename(picture.path)
            xmp = tuple(one for one in sidecars_of(name) if one in there)
            takeout = next((one for one in takeouts_of(name) if one in there), None)
            used.update(xmp, [takeout] if takeout else [])
            yield _Job(
                picture,
                tuple(os.path.join(folder, one) for one in xmp),
                None if takeout is None else os.path.join(folder, takeout),
            )
        strangers += sorted(
            os.path.join(folder, one) for one in there - used if _is_sidecar(one, places)
        )


def _is_sidecar(name: str, places: Collection[Place]) -> bool:
    """Tell whether a file is one that stands beside a picture, by its name."""
    if name.startswith("."):
        return False
    is_takeout = "takeout" in places and is_named_as_takeout(name)
    return is_takeout or ("xmp" in places and ending_of(name) == ".xmp")


def _read(job: _Job, places: Collection[Place], faces: bool) -> _Found:
    """Read what is said of a picture: the first XMP with keywords hides what is in its file."""
    failed: list[Failure] = []
    beside = Keywords()
    for path in job.xmp if "xmp" in places else ():
        try:
            with open_stored(path, most=MOST_XMP + 1) as file:
                said = keywords_of(file.read(MOST_XMP + 1), faces=faces)
            names = beside.names or said.names
            beside = Keywords(names, beside.gone | said.gone, beside.hidden | said.hidden)
        except (XmpError, OSError) as error:
            failed.append(_failure(path, error))
    told = list(beside.names)
    if "file" in places and not told:
        try:
            with open_stored(job.picture.path, size=job.picture.size) as file:
                said = keywords_in(file, faces=faces)
            told += [one for one in said.names if one not in beside.hidden]
        except (XmpError, ImageError, OSError) as error:
            failed.append(_failure(job.picture.path, error))
    if "takeout" in places and job.takeout is not None:
        try:
            with open_stored(job.takeout, most=MOST_JSON + 1) as file:
                takeout = read_takeout(file.read(MOST_JSON + 1))
            if takeout is not None:
                told += filter(None, map(tag_name, takeout.people))
                told += [FAVOURITE] if takeout.is_favourite else []
        except (TakeoutError, OSError) as error:
            if is_named_as_takeout(os.path.basename(job.takeout)):  # a.json may be anybody's
                failed.append(_failure(job.takeout, error))
    said_of_it = Told(tuple(dict.fromkeys(told)), tuple(sorted(beside.gone)))
    return _Found(job.picture.id, said_of_it, tuple(failed))


def _failure(path: str, error: Exception) -> Failure:
    if isinstance(error, OSError):
        return Failure(path, f"cannot be read ({error.strerror or error})")
    return Failure(path, str(error))
