"""Libraries whose facets are kept in a file, and all that these tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from searchengine.catalog.records import PictureRecord
from searchengine.catalog.store import Catalog
from searchengine.language.tag_vocabulary import TagVocabulary
from searchengine.search.columns import Columns
from searchengine.search.facets import Facets
from searchengine.search.kept_facets import KeptFacets
from searchengine.search.tag_table import TagTable
from searchengine.search.values import COLUMNS
from searchengine.types import Exif, FileStat

MODEL = "f" * 64
VOCABULARY = TagVocabulary.load()


def kept_of(catalog: Catalog, folder: Path) -> KeptFacets:
    return KeptFacets(catalog, MODEL, folder / "index")


def read_anew(catalog: Catalog) -> Facets:
    tags = TagTable.of(catalog.tags, VOCABULARY, MODEL)
    return Facets(Columns.of(catalog), tags, ("/p",), VOCABULARY)


def told(facets: Facets) -> dict[str, Any]:
    """Return all that facets tell, in whatever order values were numbered."""
    columns = facets.columns
    pictures = [
        [
            int(id_),
            *(columns.numbering[facet].values[columns.codes[facet][row]] for facet in COLUMNS),
            str(columns.taken[row]),
            str(columns.where[row]),
        ]
        for row, id_ in enumerate(columns.ids)
    ]
    holders = {name: facets.tags.holders([name]) for name in facets.tags.names}
    some = np.arange(len(facets.ids)) % 3 == 0
    return {
        "pictures": pictures,
        "seq": columns.seq,
        "tags": {
            name: list(zip(one.ids.tolist(), one.confidence.tolist(), strict=True))
            for name, one in holders.items()
            if len(one)
        },
        **{
            f"counts {number}": {
                facet: {(one.value, one.own): one.count for one in each.values}
                for facet, each in facets.counts(base, {}).items()
            }
            for number, base in enumerate((None, some, ~some))
        },
    }


def write(catalog: Catalog, paths: dict[str, int], run: int = 0) -> list[int]:
    """Write pictures: what is in the file at each path."""
    records = [
        PictureRecord(
            FileStat(path, 1, content, content),
            "/p",
            f"{content:064x}",
            40 + content,
            30,
            Exif(camera=f"Camera {content % 3}", lat=1.0, lon=content),
        )
        for path, content in paths.items()
    ]
    scan = catalog.begin_scan("/p", 1)
    return catalog.write(records, fingerprint=MODEL, model_name="none", dim=4, scan=scan, run=run)
