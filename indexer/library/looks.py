"""What pictures look like that were indexed before anybody asked."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing

from indexer.executors import Executor
from searchengine.catalog.looks import Seen
from searchengine.catalog.rows import Appearance
from searchengine.catalog.store import Catalog
from searchengine.errors import ImageError
from searchengine.look import Look, read_look
from searchengine.sources.addresses import is_remote
from searchengine.sources.opening import open_stored, stat_stored
from searchengine.types import Failure, Picture

CHUNK = 500
"""Pictures that are read from the catalog, and written to it, at a time."""


def look_at_all(
    catalog: Catalog,
    *,
    executor: Executor,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_failure: Callable[[Failure], None] = lambda _failure: None,
) -> int:
    """Measure the present pictures of which nobody knows the look; return how many are known now.

    Each chunk is a transaction, so a run that is
    killed anywhere goes on where it was.

    Args:
        catalog: The library's.
        executor: Decodes the pictures.
        progress: Called with the numbers of pictures done and to do.
        on_failure: Called with each picture that cannot be measured, and why.
    """
    ids = catalog.looks.unseen().tolist()
    done = added = 0
    for start in range(0, len(ids), CHUNK):
        rows = catalog.get(ids[start : start + CHUNK])
        looks: dict[int, Seen] = {}
        with closing(executor.imap(_look, iter(rows.values()))) as results:
            for row, look in results:
                done += 1
                progress(done, len(ids))
                if isinstance(look, Look):
                    assert row.sha256 is not None, "it is present"
                    looks[row.id] = Seen(row.sha256, look)
                else:
                    on_failure(Failure(row.path, look))
        added += len(catalog.looks.add(looks))
    return added


def _look(row: Picture) -> tuple[Picture, Look | str]:
    """Measure a picture whose file is as it was when it was indexed, or say why not."""
    try:
        if changed(row):
            return row, "changed since it was indexed; run: lexpix index"
        if not is_remote(row.path):
            return row, read_look(row.path)
        with open_stored(row.path, size=row.size) as file:
            return row, read_look(file)
    except OSError as error:
        return row, f"cannot be read ({error.strerror or error})"
    except ImageError as error:
        return row, str(error).removeprefix(f"{row.path}: ")


def changed(row: Picture | Appearance) -> bool:
    """Tell whether a file has another size or time than its row says.

    Raises:
        OSError: It is not there.
    """
    if is_remote(row.path):
        now = stat_stored(row.path)
        if now is None:
            raise FileNotFoundError(errno.ENOENT, "not there", row.path)
        return (now.size, now.mtime_ns) != (row.size, row.mtime_ns)
    stat = os.stat(row.path)
    return (stat.st_size, stat.st_mtime_ns) != (row.size, row.mtime_ns)
