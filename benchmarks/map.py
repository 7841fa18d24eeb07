"""Time maps: the layout, the file, and a browser that pans and zooms in it.

    python benchmarks/map.py --points 50000 --json

Pictures are vectors around 40 centres, a thousand with small pictures; 60 words stand among them.
Prints seconds of layout and of writing, the size of the file, and milliseconds that a Chromium
without a GPU takes: `load_ms` until the first frame is drawn, `draw_ms` for a frame's own work
while panning and zooming, `frame_ms` between two frames while panning over all points; medians, and
the 95th percentiles. `draw_cpu_ms` is the mean processor time of the page's thread for a frame,
which a busy machine does not change. `--umap` lays out by UMAP as well. Chromium is the one on the
path, or CHROMIUM names it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, publish
from PIL import Image
from playwright.sync_api import CDPSession

from indexer.maps.layout import centred, layout, spread
from indexer.maps.output import render, write
from indexer.maps.scene import LANDMARKS, THUMB, Scene, Thumb
from tests.support.browser import launched

DIM = 512
THUMBS = 1000
PAN_AND_ZOOM = """async () => {
  const map = window.lexpixMap, home = map.home(), draws = [];
  const scales = [1, 1, 1.5, 4, 12, 40];
  for (const scale of scales) {
    map.move(0.5, 0.5, home * scale);
    await new Promise(requestAnimationFrame);
    for (let step = 0; step < 20; step++) {
      map.pan(7, 5);
      const started = performance.now();
      map.draw();
      draws.push(performance.now() - started);
      await new Promise(requestAnimationFrame);
    }
  }
  return draws;
}"""
PAN = """async () => {
  const map = window.lexpixMap, frames = [];
  map.move(0.5, 0.5, map.home());
  let last = performance.now();
  for (let step = 0; step < 60; step++) {
    map.pan(step % 2 ? 9 : -7, 3);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--umap", action="store_true", help="also time UMAP, minutes")
    parser.add_argument("--keep", type=Path, help="also write the page here")
    parser.add_argument("--shot", type=Path, help="also write a screenshot here")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    result: dict[str, Any] = {"points": options.points, "thumbs": THUMBS, "words": LANDMARKS}
    vectors = simulate(options.points - LANDMARKS), simulate(LANDMARKS)
    started = time.perf_counter()
    clouds = np.concatenate([centred(cloud) for cloud in vectors])
    places = layout(clouds)
    result["layout_s"] = round(time.perf_counter() - started, 2)
    if options.umap:
        started = time.perf_counter()
        layout(clouds, "umap")
        result["umap_s"] = round(time.perf_counter() - started, 2)
    pictures = options.points - LANDMARKS
    names = [f"/photos/{n // 1000:04}/IMG_{n:07}.jpg" for n in range(pictures)]
    words = [f"word{n}" for n in range(LANDMARKS)]
    thumbs = tuple(
        Thumb(int(p), small_picture(int(p))) for p in spread(places)[:THUMBS] if p < pictures
    )
    scene = Scene(f"{options.points:,} points", places, (*names, *words), pictures, thumbs)
    started = time.perf_counter()
    content = render(scene, "html", (0, 0))
    result["write_s"] = round(time.perf_counter() - started, 2)
    result["file_mb"] = round(len(content) / 1e6, 2)
    with tempfile.TemporaryDirectory() as folder:
        page = options.keep or Path(folder) / "map.html"
        write(str(page), content)
        result |= browse(page.resolve(), options.shot)
    result |= describe(["numpy", "pillow", "playwright"])
    fields = ["layout_s", "umap_s", "write_s", "file_mb", "load_ms", "draw_cpu_ms", "draw_ms"]
    fields += ["draw_p95_ms", "frame_ms", "frame_p95_ms", "chromium"]
    table = "\n".join(f"{name:<14}{result[name]:>16}" for name in fields if name in result)
    publish(result, table=table, as_json=options.json, out=options.out)


def simulate(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return vectors, shape (count, DIM), around 40 centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, DIM))
    return np.asarray(
        centres[rng.integers(0, 40, count)] + rng.normal(size=(count, DIM)), dtype=np.float32
    )


def small_picture(number: int) -> Image.Image:
    """Return a small picture that compresses about as badly as a photograph."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    return coarse.resize((THUMB, THUMB * 3 // 4), Image.Resampling.BICUBIC)


def browse(page: Path, shot: Path | None) -> dict[str, Any]:
    """Open a map in Chromium, move about in it, and return what that takes."""
    problems: list[str] = []
    with launched() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        started = time.perf_counter()
        tab.goto(page.as_uri())
        # Its policy forbids eval, so wait_for_function cannot ask.
        while not tab.evaluate("lexpixMap.ready() && lexpixMap.boxes().length > 0"):
            tab.wait_for_timeout(5)
        load = (time.perf_counter() - started) * 1000
        if shot is not None:
            tab.screenshot(path=shot)
        session = tab.context.new_cdp_session(tab)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = busy_seconds(session)
        draws = tab.evaluate(PAN_AND_ZOOM)
        # Each step draws twice, once timed and once because the map was moved.
        cpu = (busy_seconds(session) - before) * 1000 / (2 * len(draws))
        frames = tab.evaluate(PAN)
        version = browser.version
    if problems:
        raise SystemExit(f"the page complains: {problems}")
    return {
        "load_ms": round(load),
        "draw_cpu_ms": round(cpu, 1),
        "draw_ms": round(statistics.median(draws), 1),
        "draw_p95_ms": round(float(np.percentile(draws, 95)), 1),
        "frame_ms": round(statistics.median(frames), 1),
        "frame_p95_ms": round(float(np.percentile(frames, 95)), 1),
        "chromium": version,
    }


def busy_seconds(session: CDPSession) -> float:
    """Return the seconds of processor time that the page's thread has taken."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


if __name__ == "__main__":
    main()
