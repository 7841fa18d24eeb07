"""Pictures in the rows of a Parquet file, as `datasets` of Hugging Face lays them out.

They stand in a column of bytes, or of structs with `bytes` and `path`. A row is called by its
number, with the name in `path` behind it; a column of captions counts as files NAME.txt beside.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

CAPTIONS = ("caption", "text", "description", "captions")
"""Names of columns, the likeliest first, that say what is to be seen."""

IMAGES = ("image", "img", "picture", "jpg", "jpeg", "png", "webp")
"""Names of columns that have pictures, the likeliest first; else the first one that may."""

ROWS = 64
"""Rows that are looked through at a time."""

GROUPS = 2
"""Groups of rows whose pictures are kept, for the next ones that are read of them."""

_ENDINGS = ((b"\x89PNG", ".png"), (b"RIFF", ".webp"), (b"GIF8", ".gif"), (b"II", ".tif"))

Row = tuple[str, int, tuple[int, int] | None]
"""A file that a row stands for: its name, its size, and the row with that."""


class NoPictures(ValueError):
    """Say that a file is no Parquet, or has no column of pictures."""


def rows_in(file: Any) -> Iterator[Row]:
    """Yield what the rows of an open file hold: a picture, and its caption if there is one.

    Raises:
        NoPictures: It has no column of pictures, or pyarrow is missing.
    """
    opened = _opened(file)
    image, caption = _columns(opened.schema_arrow)
    names = [image] if caption is None else [image, caption]
    number = -1
    for batch in opened.iter_batches(batch_size=ROWS, columns=names):
        pictures, paths = _parts(batch.column(batch.schema.get_field_index(image)))
        captions = None if caption is None else batch.column(caption)
        for place in range(batch.num_rows):
            number += 1
            content = pictures[place].as_buffer() if pictures[place].is_valid else None
            if content is None:
                continue
            given = None if paths is None else paths[place].as_py()
            name = _name(number, given, bytes(content[:4]))
            yield name, content.size, (number, content.size)
            said = None if captions is None else _said(captions[place].as_py())
            if said:
                yield f"{os.path.splitext(name)[0]}.txt", len(said), (number, -1)


def row(open_file: Any, key: tuple[Any, ...], number: int, *, caption: bool) -> bytes:
    """Return what one row of a file holds.

    Args:
        open_file: Opens the file; called only if its group of rows is not kept.
        key: Names the file as it is now.
        number: That of the row.
        caption: Return the caption instead of the picture.

    Raises:
        OSError: There is no such row.
    """
    with _lock:
        known = next(((own, group) for own, group in _kept.items() if _has(own, key, number)), None)
        if known is None:
            with open_file() as file:
                known = _group(file, key, number)
            _kept[known[0]] = known[1]
            while len(_kept) > GROUPS:
                _kept.popitem(last=False)
        (_, start, _), (pictures, captions) = known
    if caption:
        return (_said(captions[number - start].as_py()) or b"") if captions is not None else b""
    found = pictures[number - start]
    if not found.is_valid:
        raise FileNotFoundError(errno.ENOENT, "the row has no picture")
    return bytes(found.as_buffer())


_lock = threading.Lock()
_kept: OrderedDict[tuple[Any, int, int], tuple[Any, Any]] = OrderedDict()


def _has(own: tuple[Any, int, int], key: tuple[Any, ...], number: int) -> bool:
    return own[0] == key and own[1] <= number < own[2]


def _group(
    file: Any, key: tuple[Any, ...], number: int
) -> tuple[tuple[Any, int, int], tuple[Any, Any]]:
    """Read the group of rows that a row is in."""
    opened = _opened(file)
    image, caption = _columns(opened.schema_arrow)
    start = 0
    for group in range(opened.num_row_groups):
        end = start + opened.metadata.row_group(group).num_rows
        if number < end:
            names = [image] if caption is None else [image, caption]
            table = opened.read_row_group(group, columns=names)
            pictures, _ = _parts(table.column(image))
            return (key, start, end), (pictures, None if caption is None else table.column(caption))
        start = end
    raise FileNotFoundError(errno.ENOENT, "no such row")


def _opened(file: Any) -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise NoPictures("needs: pip install 'lexpix[parquet]'") from error
    return pyarrow.parquet.ParquetFile(file)


def _columns(schema: Any) -> tuple[str, str | None]:
    """Return the names of the column of pictures and of that of captions."""
    fields = {field.name: field.type for field in schema}
    may = [name for name, kind in fields.items() if _is_bytes(kind) or _is_struct(kind)]
    ranked = [name for name in IMAGES if name in may] + may
    if not ranked:
        raise NoPictures("no column has pictures, as bytes or with a field 'bytes'")
    said = (name for name in CAPTIONS if name in fields and str(fields[name]) in _TEXTS)
    return ranked[0], next(said, None)


_TEXTS = ("string", "large_string", "list<item: string>", "list<element: string>")


def _is_bytes(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary")


def _is_struct(kind: Any) -> bool:
    import pyarrow.types

    return bool(pyarrow.types.is_struct(kind)) and any(
        field.name == "bytes" and _is_bytes(field.type) for field in kind
    )


def _parts(column: Any) -> tuple[Any, Any]:
    """Return the bytes of a column, and its names if it has any."""
    if not _is_struct(column.type):
        return column, None
    import pyarrow.compute as pc

    has_names = any(field.name == "path" for field in column.type)
    names = pc.struct_field(column, "path") if has_names else None
    return pc.struct_field(column, "bytes"), names


def _said(value: Any) -> bytes | None:
    """Return a caption, the first one of several."""
    first = value[0] if isinstance(value, list) and value else value
    return first.encode() if isinstance(first, str) and first.strip() else None


def _name(number: int, path: str | None, head: bytes) -> str:
    name = os.path.basename((path or "").replace("\\", "/")).replace("\0", "")
    if name not in ("", ".", ".."):
        return f"{number:08}-{name}"
    return f"{number:08}" + next((end for begin, end in _ENDINGS if head.startswith(begin)), ".jpg")
