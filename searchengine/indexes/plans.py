"""When a guide is asked and how hard it looks, and when all rows that pass are compared instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from searchengine.indexes.guides import KINDS, GuideKind
from searchengine.types import SearchPlan

GUIDED = 100
"""Most rows that a guide is asked for; beyond, every row is compared.

What counts all matches, or goes far down the ranking, asks for more, and must not miss any.
"""

MEASURED = 10
"""Best rows that recall is measured at; who wants more has to look harder."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured of a guide when it was made.

    Attributes:
        kind: What it is.
        efforts: Shares of rows that pass a filter, falling from 1, and the effort that finds enough
            among so many.
        scanned: Where no more rows pass, to compare each takes no longer than to ask the guide.
    """

    kind: GuideKind
    efforts: Sequence[tuple[float, int]]
    scanned: int

    @classmethod
    def parse(cls, about: Mapping[str, Any]) -> Tuning:
        """Read what stands in a file; raises ValueError, TypeError or KeyError."""
        kind = about["kind"]
        efforts = tuple((float(share), int(effort)) for share, effort in about["efforts"])
        if kind not in KINDS or not efforts or min(effort for _, effort in efforts) < 1:
            raise ValueError(f"a guide of the kind {kind!r} with efforts {efforts}")
        return cls(kind, efforts, int(about["scanned"]))

    def entries(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    def effort(self, share: float) -> int:
        """Return how hard to look where this share of rows passes; rarer ones lie farther off."""
        enough = [effort for least, effort in self.efforts if share >= least]
        if enough:
            return enough[0]
        rarest, effort = self.efforts[-1]
        return round(effort * rarest / max(share, 1e-9))


def planned(k: int, passing: int, mapped: int, recent: int, tuning: Tuning | None) -> SearchPlan:
    """Return how the k best are found.

    Args:
        k: How many are wanted.
        passing: Rows of the file that pass the filters and are not gone.
        mapped: Rows of the file.
        recent: Rows beside it that pass, which are always compared.
        tuning: Of the guide; None if there is none.
    """
    rows = mapped + recent
    kind = "flat" if tuning is None else tuning.kind

    def exact(why: str) -> SearchPlan:
        return SearchPlan(kind, None, rows, passing + recent, why)

    if tuning is None:
        return exact("the index is flat: every row that passes is compared")
    if k > GUIDED:
        return exact(f"{k} are wanted, and from {GUIDED + 1} on none may be missed")
    if passing <= max(tuning.scanned, k):
        return exact(f"{passing:,} of {mapped:,} pass: to compare each takes no longer")
    effort = round(tuning.effort(passing / mapped) * max(1.0, k / MEASURED) ** 0.5)
    why = f"{passing:,} of {mapped:,} pass: to ask the guide is faster than to compare each"
    return SearchPlan(kind, effort, rows, passing + recent, why)
