"""Inverted lists of 4-bit codes, laid out for FAISS's fast scan, in a file that can be mapped.

Fast scan compares a query with 32 rows at a time, by shuffling bytes in registers (André, Kermarrec
and Le Scouarnec, arXiv 1704.07355), in a fraction of the time that 8-bit rows take, and a filter is
only asked about rows that are among the best so far. FAISS keeps such lists in blocks of 32,
which it reads whole into memory. Filled up to whole blocks they are plain lists, which it maps.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

ABREAST = 32
"""Rows that are compared at a time."""


def packed(index: Any) -> Any:
    """Return an inverted file of a 4-bit product quantiser as one for fast scan.

    Lists are filled up with rows of the number -1, which only a selector keeps out of an answer.
    """
    fast = faiss.IndexIVFPQFastScan(index, ABREAST)
    blocks = faiss.downcast_InvertedLists(fast.invlists)
    size = blocks.block_size // ABREAST
    lists = faiss.ArrayInvertedLists(fast.nlist, size)
    for number in range(fast.nlist):
        count = blocks.list_size(number)
        if not count:
            continue
        full = -(-count // ABREAST) * ABREAST
        ids = np.full(full, -1, dtype=np.int64)
        ids[:count] = faiss.rev_swig_ptr(blocks.get_ids(number), count)
        codes = faiss.rev_swig_ptr(blocks.get_codes(number), full * size)
        lists.add_entries(number, full, faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    lists.this.disown()
    fast.replace_invlists(lists, True)
    index.own_fields, fast.own_fields = False, True  # it lives on with the quantiser of lists
    return fast
