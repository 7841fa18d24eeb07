"""What a terminal may be shown: file names and messages can hold anything."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return one line that a terminal shows and does not obey.

    Control characters become escapes such as ``\\x1b``, and so do the bytes of file names that are
    no text in the file system's encoding.
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def printable_lines(text: str) -> str:
    """Return text of several lines, each printable."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _escape(char: str) -> str:
    code = ord(char)
    is_byte = 0xDC80 <= code <= 0xDCFF  # how Python carries a byte that it cannot decode
    return f"\\x{code - 0xDC00:02x}" if is_byte else char.encode("unicode_escape").decode()
