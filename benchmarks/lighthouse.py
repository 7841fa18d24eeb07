"""Have Lighthouse look at the page: accessibility and best practices must be 100 everywhere.

    python benchmarks/lighthouse.py [--view NAME ...] [--json]

The library is that of the tests of the page; `lexpix serve` runs in a process of its own.
Lighthouse comes from npm, in the version named here, by `npx`, into the cache of npm; it drives
Chromium, named by CHROMIUM or on the path. Every view is looked at as on a desktop and as on a
phone. Ends with 1 if a score is below 100, and names what is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import describe, publish

from tests.support.browser import CHROMIUM
from tests.support.served import make_library, serving

VERSION = "12.2.3"
VIEWS = {
    "pictures": "/",
    "answer": "/?q=dog+-+cat&unlikely=1",
    "picture": "/?open=1",
    "map": "/map",
    "world": "/world",
    "recipes": "/recipes",
    "duplicates": "/duplicates",
}
CATEGORIES = ("accessibility", "best-practices")


def main() -> None:
    """Serve a library, look at each view, and write the scores."""
    parser = argparse.ArgumentParser(description="Have Lighthouse look at the page.")
    parser.add_argument("--view", nargs="+", choices=VIEWS, default=[*VIEWS], help="only these")
    parser.add_argument("--lighthouse", nargs="+", help="a command instead of that of npx")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    default = Path(__file__).parent / "results" / "lighthouse.json"
    parser.add_argument("--out", type=Path, default=default, help="file for the JSON")
    asked = parser.parse_args()
    command = asked.lighthouse or ["npx", "--yes", f"lighthouse@{VERSION}"]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, serving(make_library(Path(folder))) as url:
        for name in asked.view:
            for device in ("desktop", "mobile"):
                scores = look(command, url + VIEWS[name], device)
                rows.append({"view": name, "device": device, **scores})
    lines = [f"{'view':12}{'device':10}{'accessibility':>15}{'best practices':>16}"]
    for row in rows:
        lines.append(
            f"{row['view']:12}{row['device']:10}{row['accessibility']:15}{row['best-practices']:16}"
        )
        lines += [f"    {one}" for one in row["wrong"]]
    result = describe(["fastapi"]) | {"lighthouse": VERSION, "rows": rows}
    publish(result, table="\n".join(lines), as_json=asked.json, out=asked.out)
    if any(row[name] < 100 for row in rows for name in CATEGORIES):
        sys.exit(1)


def look(command: list[str], address: str, device: str) -> dict[str, Any]:
    """Return the scores of one page, 0 to 100, and what is wrong with it."""
    options = [
        *("--quiet", "--output=json", f"--only-categories={','.join(CATEGORIES)}"),
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        *(["--preset=desktop"] if device == "desktop" else []),
    ]
    environment = os.environ | ({"CHROME_PATH": str(CHROMIUM)} if CHROMIUM else {})
    ran = subprocess.run(
        [*command, address, *options], capture_output=True, env=environment, check=False
    )
    if ran.returncode:
        sys.exit(f"{address}: Lighthouse failed: {ran.stderr.decode(errors='replace')[-2000:]}")
    report = json.loads(ran.stdout)
    if "runtimeError" in report:
        sys.exit(f"{address}: {report['runtimeError']['message']}")
    wrong = []
    for name in CATEGORIES:
        for part in report["categories"][name]["auditRefs"]:
            audit = report["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 1:
                wrong.append(f"{part['id']}: {audit['title']}")
                nodes = [one.get("node", {}) for one in audit.get("details", {}).get("items", [])]
                wrong += [f"    {node.get('snippet', '')[:120]}" for node in nodes]
    scores = {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}
    return {**scores, "wrong": wrong}


if __name__ == "__main__":
    main()
