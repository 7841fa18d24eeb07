"""Mark what a scan did not find as missing, unless that is suspiciously much of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from indexer.library.planning import Scan
from searchengine.catalog.store import Catalog
from searchengine.types import Failure, IndexReport

FEW = 10
"""As many pictures may be gone at once without a question, whatever part of a folder they are."""

SHARE = 0.2
"""So may this part of a folder."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Pictures of a folder that a scan did not find: `missing` of the `known` that were there."""

    folder: str
    missing: int
    known: int

    @property
    def is_much(self) -> bool:
        """Whether somebody has to say yes before they are marked as missing."""
        return self.missing > FEW and self.missing > SHARE * self.known

    def __str__(self) -> str:
        return f"{self.missing:,} of {self.known:,} pictures of {self.folder} are gone"


Confirm: TypeAlias = Callable[[Gone], bool]
"""Says whether so many pictures are to be marked as missing."""


class Sweep:
    """What was known of each root when a scan began, and the marks that follow it.

    Args:
        catalog: As it is before the scan.
        scan: The pass, of a root.
        confirm: Is asked where much is gone; None says no.
    """

    def __init__(self, catalog: Catalog, scan: Scan, confirm: Confirm | None) -> None:
        self._catalog, self._scan, self._confirm = catalog, scan, confirm
        self._roots = {one.path: one for one in catalog.roots()}
        self._known = {path: catalog.listed_under(path) for path in self._roots}

    @property
    def root(self) -> str:
        """The root of the scan."""
        assert self._scan.root is not None, "it is a pass over a root"
        return self._scan.root

    def gone_roots(self) -> list[str]:
        """Return the other roots that are no more, though their disk is there."""
        return [] if self._scan.volumes is None else self._scan.volumes.gone_roots()

    def mark(self, root: str, *, agreed: bool = False) -> IndexReport:
        """Mark what a root has lost; return how many were marked, or not confirmed.

        Args:
            root: One of the roots.
            agreed: Somebody has said yes already.
        """
        missing = self._catalog.unseen(root, self._scan.number)
        gone = Gone(root, missing, max(self._known.get(root, 0), missing))
        asks = gone.is_much and not agreed
        if asks and not (self._confirm is not None and self._confirm(gone)):
            self._scan.tally.notify(
                Failure(
                    root,
                    f"{missing:,} of its {gone.known:,} pictures are gone; as that are so many, "
                    "none of it was marked as missing; if they are gone for good, pass --yes",
                )
            )
            return IndexReport(unconfirmed=missing)
        return IndexReport(missing=self._catalog.sweep(root, self._scan.number, self._scan.run))

    def mark_gone(self, root: str) -> IndexReport:
        """Mark all of a root that is no more; keep nothing of it once all of it is elsewhere."""
        report = self.mark(root)
        if not report.unconfirmed and not self._catalog.knows(root):
            if self._scan.run and root in self._roots:
                self._catalog.undo.note_root(self._roots[root], self._scan.run)
            self._catalog.forget(root)
        return report


class Sweeps:
    """The marks of a run over several roots, made when all of them are scanned.

    So what one root has lost and another found is moved, in whatever order they are scanned, and
    nobody is asked about it.

    Args:
        refresh: Called at the end, to bring an index up to the marks.
    """

    def __init__(self, refresh: Callable[[], None] | None = None) -> None:
        self._refresh = refresh
        self._sweeps: dict[str, Sweep] = {}
        self._agreed: set[str] = set()

    @property
    def given_up(self) -> frozenset[str]:
        """The roots that are gone, as somebody has said, whether their disk is there or not."""
        return frozenset(self._agreed)

    def add(self, sweep: Sweep, *, agreed: bool = False) -> None:
        """Take the marks of a scan; `agreed` if somebody has said yes to all of its root."""
        self._sweeps[sweep.root] = sweep
        if agreed:
            self._agreed.add(sweep.root)

    def finish(self) -> IndexReport:
        """Mark what is still not found as missing; return the counts of that."""
        reports = [
            sweep.mark(root, agreed=root in self._agreed) for root, sweep in self._sweeps.items()
        ]
        # Each root that is no more is asked about once, with what the first scan knew of it.
        gone: dict[str, Sweep] = {}
        for sweep in self._sweeps.values():
            gone = dict.fromkeys(sweep.gone_roots(), sweep) | gone
        reports += [sweep.mark_gone(root) for root, sweep in gone.items()]
        self._sweeps.clear()
        self._agreed.clear()
        if self._refresh is not None:
            self._refresh()
        return IndexReport(
            missing=sum(one.missing for one in reports),
            unconfirmed=sum(one.unconfirmed for one in reports),
        )
