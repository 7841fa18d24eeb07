"""Draw the layers in docs/architecture.md: `python docs/generate_layers.py`.

They are those of `tests/project/test_layers.py`, which holds the imports to them.
"""

from __future__ import annotations

import runpy
import textwrap
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- layers: python docs/generate_layers.py -->\n"
END = "<!-- end of layers -->\n"
WIDTH = 100


def layers() -> tuple[tuple[str, ...], ...]:
    """Return the modules of each layer, the lowest first."""
    test = ROOT / "tests" / "project" / "test_layers.py"
    found: tuple[tuple[str, ...], ...] = runpy.run_path(str(test))["LAYERS"]
    return found


def drawing(layers: Sequence[Sequence[str]]) -> str:
    """Return the layers as text, one below the other, the lowest first."""
    lines: list[str] = []
    for number, layer in enumerate(layers):
        before = "  < " if number else ""
        names = "  ".join(_shown(name) for name in layer)
        # Two spaces part names, a single one is within a name.
        text = textwrap.wrap(
            names.replace("  ", "\n").replace(" ", "\0").replace("\n", "  "),
            WIDTH,
            initial_indent=before,
            subsequent_indent="    " if number else "",
            break_on_hyphens=False,
        )
        lines += [line.replace("\0", " ") for line in text]
    return "\n".join(lines)


def render(page: str) -> str:
    """Return the page with the drawing of now."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: lacks the marks {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}```text\n{drawing(layers())}\n```\n{end}{after}"


def _shown(name: str) -> str:
    if name == "searchengine":
        return "searchengine (the public names)"
    path = name.removeprefix("searchengine.").replace(".", "/")
    return f"{path}/*" if (ROOT / name.replace(".", "/")).is_dir() else path


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
