"""Time the page in a browser: how long until an answer is on the screen.

    python benchmarks/page.py [--pictures 100000] [--json]

The library holds simulated pictures (`simulated.py`) with tags, and with files, so that thumbnails
are made while answers come. `lexpix serve` runs in a process of its own, and Chromium without a
GPU, named by CHROMIUM or on the path, on the same cores. `first` is a page that is opened with a
query: from the click on its address to the pictures' places on the screen, with an empty cache of
the browser. The others are steps of picture maths, from the event to the frame that shows the
answer: `slider` moves the weight of a word, `flip` turns the sign of a picture, `words` is a new
query and Enter.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, publish
from playwright.sync_api import Browser, Page
from simulated import TAGS, make_library, save_photos

from tests.support.browser import launched

WORDS = ("dog", "beach", "snow", "red car", "children", "sunset", "old house", "birds", "food")
ROUNDS = 20
ACT = """async ([kind, value]) => {
  const find = (name) => document.querySelector(name);
  const shown = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${kind} ${value}: no answer`)), 30000);
    const box = document.body.classList;
    let asked = false;
    const watch = new MutationObserver(() => {
      asked ||= box.contains("asking");
      if (asked && !box.contains("asking")) { watch.disconnect(); resolve(); }
    });
    watch.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });
  const started = performance.now();
  if (kind === "slider") {
    const slider = find(".chip input[type=range]");
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (kind === "flip") {
    [...document.querySelectorAll(".chip .sign")].at(-1).click();
  } else {
    find("#q").value = value;
    find("#q").form.requestSubmit();
  }
  await shown;
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));  // painted
  return performance.now() - started;
}"""
FIRST = """async () => {
  while (!document.querySelector(".cell")) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now();
}"""


def first(browser: Browser, url: str, word: str) -> float:
    """Return the milliseconds until a page that is opened with a query shows pictures."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.goto(f"{url}?q={word}&unlikely=1", wait_until="commit")
    took = float(tab.evaluate(FIRST))
    context.close()
    return took


def steps(tab: Page, url: str) -> dict[str, list[float]]:
    """Return the milliseconds of each step of picture maths, by kind."""
    times: dict[str, list[float]] = {"slider": [], "flip": [], "words": []}
    tab.goto(f"{url}?q=picture&unlikely=1")  # none of WORDS: the same query again asks nothing
    tab.wait_for_selector(".cell")
    for number in range(ROUNDS):
        times["words"].append(tab.evaluate(ACT, ["words", WORDS[number % len(WORDS)]]))
        tab.wait_for_timeout(300)
    tab.evaluate(ACT, ["words", "dog - #17"])
    tab.wait_for_selector(".chip input[type=range]")
    for number in range(ROUNDS):
        times["slider"].append(tab.evaluate(ACT, ["slider", 0.6 + number / 10]))
        times["flip"].append(tab.evaluate(ACT, ["flip", None]))
        tab.wait_for_timeout(300)
    return times


def measure(pictures: int, folder: Path) -> dict[str, Any]:
    """Return the times of every kind."""
    save_photos(folder / "photos", pictures)
    make_library(folder / "library", pictures, str(folder / "photos"), TAGS)
    command = [sys.executable, "-m", "searchengine.cli.main", "serve", "--port", "0"]
    command += ["--library", str(folder / "library")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        launched() as browser,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            times = {"first": [first(browser, url, word) for word in ("dog", "beach", "snow") * 4]}
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            times |= steps(tab, url)
            version = browser.version
        finally:
            server.terminate()
    return {
        "pictures": pictures,
        "chromium": version,
        "times_ms": {kind: spread(values) for kind, values in times.items()},
    }


def spread(times: list[float]) -> dict[str, float]:
    """Return count, median and 95th percentile."""
    return {
        "count": len(times),
        "p50": round(statistics.median(times), 1),
        "p95": round(float(np.percentile(times, 95)), 1),
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description="Time the page in a browser.")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    default = Path(__file__).parent / "results" / "page.json"
    parser.add_argument("--out", type=Path, default=default, help="file for the JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = describe(["fastapi", "faiss-cpu", "playwright"])
        result |= measure(options.pictures, Path(folder))
    lines = [f"{options.pictures:,} pictures, Chromium {result['chromium']}"]
    lines += [f"{'milliseconds':<12}" + "".join(f"{name:>8}" for name in ("count", "p50", "p95"))]
    for kind, found in result["times_ms"].items():
        lines.append(f"{kind:<12}" + "".join(f"{found[at]:>8}" for at in ("count", "p50", "p95")))
    publish(result, table="\n".join(lines), as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
