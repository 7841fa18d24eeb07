"""Mark what a scan did not find as missing, unless that is suspiciously much of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from indexer.library.planning import Scan
from searchengine.catalog.store import Catalog
from searchengine.types import Failure

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
    """What was known of each root when a run began, and the marks at its end.

    Args:
        confirm: Is asked where much is gone; None says no.
    """

    def __init__(
        self, catalog: Catalog, roots: Iterable[str], scan: Scan, confirm: Confirm | None
    ) -> None:
        self._catalog, self._scan, self._confirm = catalog, scan, confirm
        self._known = {root: catalog.listed_under(root) for root in roots}

    def mark(self, root: str, *, agreed: bool = False) -> bool:
        """Mark what a root has lost; tell whether that was done.

        Args:
            root: One of the roots.
            agreed: Somebody has said yes already.
        """
        missing = self._catalog.unseen(root, self._scan.number)
        gone = Gone(root, missing, max(self._known.get(root, 0), missing))
        asks = gone.is_much and not agreed
        if asks and not (self._confirm is not None and self._confirm(gone)):
            self._scan.tally.counts["unconfirmed"] += missing
            self._scan.tally.notify(
                Failure(
                    root,
                    f"{missing:,} of its {gone.known:,} pictures are gone; as that are so many, "
                    "none of it was marked as missing; if they are gone for good, pass --yes",
                )
            )
            return False
        swept = self._catalog.sweep(root, self._scan.number, self._scan.run)
        self._scan.tally.counts["missing"] += swept
        return True
