"""Weigh what the browser fetches before the first picture, in each view and language.

    python benchmarks/page_weight.py [--library FOLDER] [--language de ...] [--parts] [--json]

The library holds simulated pictures (`simulated.py`) with tags, or is one of your own. `lexpix
serve` runs in a process of its own. Bytes are those of documents, styles, scripts and answers, not
compressed; of a view without pictures all that it fetches. Ends with 1 if a view takes more than
200 kB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import describe, publish
from simulated import TAGS, make_library, save_photos

from tests.support.browser import launched
from tests.support.served import serving
from tests.support.weight import MOST, VIEWS, weigh


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Weigh the views of the page.")
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--library", type=Path, help="one that is there, instead of pictures")
    parser.add_argument("--language", nargs="+", default=["en", "de", "ja"])
    parser.add_argument("--parts", action="store_true", help="print what each view is made of")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    default = Path(__file__).parent / "results" / "page_weight.json"
    parser.add_argument("--out", type=Path, default=default, help="file for the JSON")
    options = parser.parse_args()
    found: dict[str, dict[str, int]] = {view: {} for view in VIEWS}
    lines = [f"{'bytes':12}" + "".join(f"{name:>10}" for name in options.language)]
    with tempfile.TemporaryDirectory() as folder:
        library = options.library or simulated(Path(folder), options.pictures)
        with serving(library) as url, launched() as browser:
            version = browser.version
            for view, address in VIEWS.items():
                for language in options.language:
                    weights = weigh(browser, url + address, locale=language)
                    found[view][language] = sum(weights.values())
                values = "".join(f"{one:>10,}" for one in found[view].values())
                lines.append(f"{view:12}{values}")
                if options.parts:
                    lines += [f"  {size:>8,} {part}" for part, size in weights.items()]
    result: dict[str, Any] = describe(["fastapi", "playwright"])
    pictures = None if options.library else options.pictures
    result |= {"pictures": pictures, "chromium": version, "bytes": found}
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)
    if any(size > MOST for sizes in found.values() for size in sizes.values()):
        sys.exit(1)


def simulated(folder: Path, pictures: int) -> Path:
    """Make a library, and return its folder."""
    save_photos(folder / "photos", pictures)
    make_library(folder / "library", pictures, str(folder / "photos"), TAGS)
    return folder / "library"


if __name__ == "__main__":
    main()
