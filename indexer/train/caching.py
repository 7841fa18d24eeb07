"""Files of what takes long to compute, beside the model that is being trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path


def cached(cache: Path, write: Callable[[Path], object]) -> Path:
    """Return a file; if it is not there, have it written, under another name until it is whole."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_suffix(f".new{cache.suffix}")
        write(fresh)
        os.replace(fresh, cache)
    return cache


def key_of(parts: Iterable[bytes], files: Iterable[Path]) -> str:
    """Return a short name for parts and files; a file of another size or time gives another."""
    key = sha256()
    for part in parts:
        key.update(part)
    for path in files:
        stat = path.stat() if path.exists() else None
        state = (stat.st_size, stat.st_mtime_ns) if stat else 0
        key.update(os.fsencode(path) + str(state).encode())
    return key.hexdigest()[:16]
