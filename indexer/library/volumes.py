"""Tell a volume that is not mounted from one whose pictures were deleted.

A disk that is not there looks like an empty folder, or like no folder at all. So the device number
of every volume that a scan meets is recorded, and the pictures of a volume that is another one now
are left alone, unless half of them turn up unchanged: numbers also change when a machine restarts.
Only pictures that were known before count for that, so that what is found on a wrong disk never
vouches for it, however often it is scanned.
"""

from __future__ import annotations

import json
import os

from indexer.library.scan import Volume, device_of, is_under
from searchengine.catalog.rows import KnownFile
from searchengine.catalog.store import Catalog
from searchengine.sources.addresses import is_remote
from searchengine.types import Picture

_META = "mounts"  # in the catalog: JSON, path -> device, of the volumes below the roots
_AWAY = "away"  # likewise, path -> highest id of a picture known when the volume became another


class Volumes:
    """Follow the volumes of a root through one scan.

    Args:
        root: An absolute path; `begin` records it.
    """

    def __init__(self, catalog: Catalog, root: str) -> None:
        self._catalog = catalog
        self._root = root
        roots = {one.path: one.device for one in catalog.roots() if one.device is not None}
        self._recorded = _read(catalog, _META) | roots
        self._devices: dict[str, int] = {}
        self._device = _device(root)
        changed = [
            path
            for path, device in self._recorded.items()
            # Of a root that is gone, and was vouched for, nothing is held back.
            if self._device is not None and is_under(path, root) and _device(path) != device
        ]
        away = _read(catalog, _AWAY)
        ids = {path: catalog.ids_under(path) for path in changed}
        self._newest = {
            path: away.get(path, int(known.max(initial=0))) for path, known in ids.items()
        }
        self._known = {path: int((ids[path] <= self._newest[path]).sum()) for path in changed}
        self._unchanged = dict.fromkeys(changed, 0)

    def begin(self) -> int:
        """Record the root and return the number of the scan."""
        # Before anything is written: an interrupted scan may leave pictures of a wrong disk, too.
        self._record_away(self._newest)
        changed = self._root in self._known
        device = self._recorded[self._root] if changed else self._device
        return self._catalog.begin_scan(self._root, device)

    def entered(self, volume: Volume) -> None:
        """Note a volume that the scan entered."""
        self._devices[volume.path] = volume.device

    def unchanged(self, picture: Picture | KnownFile) -> None:
        """Note that a known picture is where it was and as it was."""
        for volume, newest in self._newest.items():
            if picture.id <= newest and is_under(picture.path, volume):
                self._unchanged[volume] += 1

    def absent(self) -> list[str]:
        """Return the volumes at or below the root about whose pictures the scan says nothing.

        They were others from the start, and not even half of their pictures were found; or they
        were unmounted while the scan was running.
        """
        lost = [path for path, device in self._devices.items() if _device(path) != device]
        return sorted({*self._others(), *lost})

    def mounted(self, path: str) -> bool:
        """Tell whether the volume that a path was recorded on is there.

        It also is if its folder is gone, but not the disk of the folder above: then it was renamed.
        """
        enclosing = [volume for volume in self._recorded if is_under(path, volume)]
        if not enclosing:
            return True
        nearest = max(enclosing, key=len)
        return _device(_existing(nearest)) == self._recorded[nearest]

    def gone_roots(self) -> list[str]:
        """Return the other roots that are no more, though their disk is there; no addresses."""
        others = (one.path for one in self._catalog.roots() if not is_under(one.path, self._root))
        return [
            path
            for path in others
            if not is_remote(path) and not os.path.lexists(path) and self.mounted(path)
        ]

    def record(self) -> None:
        """Remember the devices that this scan found, for the next; absent volumes keep theirs."""
        others = self._others()
        self._record_away({path: self._newest[path] for path in others})
        before = _read(
            self._catalog, _META
        )  # read again: a scan of another root may have written it
        mounts = {
            path: device
            for path, device in before.items()
            if path in others or not is_under(path, self._root)
        }
        for path, device in self._devices.items():
            if path != self._root and path not in others:
                mounts[path] = device
        if mounts != before:
            self._catalog.set_meta(_META, json.dumps(mounts))
        if self._root in self._known and self._root not in others:
            self._catalog.begin_scan(self._root, self._device)

    def _record_away(self, newest: dict[str, int]) -> None:
        """Remember up to which picture each volume below the root that is another one was known."""
        before = _read(self._catalog, _AWAY)
        elsewhere = {path: id_ for path, id_ in before.items() if not is_under(path, self._root)}
        if elsewhere | newest != before:
            self._catalog.set_meta(_AWAY, json.dumps(elsewhere | newest))

    def _others(self) -> set[str]:
        """Return the volumes with another number than before and less than half of the pictures."""
        return {path for path, known in self._known.items() if 2 * self._unchanged[path] < known}


def _read(catalog: Catalog, key: str) -> dict[str, int]:
    numbers: dict[str, int] = json.loads(catalog.meta(key) or "{}")
    return numbers


def _existing(path: str) -> str:
    """Return the path, or the nearest folder above it that exists."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _device(path: str) -> int | None:
    try:
        return device_of(os.stat(path))
    except OSError:
        return None
