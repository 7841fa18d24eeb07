"""Give the site the pages that stand at the top of the repository: a hook of mkdocs.

README.md is its front. Links are made to fit where a page stands there, so that one text reads well
in both places.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "NOTICE": "NOTICE.md",
}
"""Files at the top of the repository, and what they are called in the site."""

_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    from mkdocs.structure.files import File

    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=page(source, text)))
    return files


def page(source: str, text: str) -> str:
    """Return a file of the repository's top as a page of the site."""
    if not source.endswith(".md"):
        return f"# {source.capitalize()}\n\n```text\n{text}```\n"
    return _LINK.sub(lambda link: PAGES.get(link[1], link[1].removeprefix("docs/")), text)
