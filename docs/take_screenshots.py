"""Take the pictures of the page for docs/web.md: `python docs/take_screenshots.py`.

They show the photographs that scikit-image and scikit-learn ship, in Chromium, named by CHROMIUM or
on the path, over a server of their own.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import skimage.data
from PIL import Image

from tests.support.browser import launched
from tests.support.served import run, serving

FOLDER = Path(__file__).with_name("screenshots")
RECIPES = """\
{"title": "Flat white", "ingredients": ["1 double espresso", "150 ml milk"], "instructions": ["Pull the espresso.", "Steam the milk until it is silky.", "Pour it over the espresso, slowly."]}
{"title": "Lentil soup", "ingredients": ["200 g red lentils", "1 onion", "1 lemon"], "instructions": ["Fry the onion.", "Boil the lentils with it.", "Season with the lemon."]}
{"title": "Iced latte", "ingredients": ["ice", "200 ml milk", "1 espresso"], "instructions": ["Fill a glass with ice and milk.", "Pour the espresso on top."]}
"""  # noqa: E501 - a recipe is a line
ALBUMS = {"Flowers": "flower - grass", "Cats": "cat", "Space": "rocket + stars"}
AT_HOME = """
for (const node of document.querySelectorAll(".path, .source"))
  node.textContent = node.textContent.replace(/^.*[/\\\\](?=[^/\\\\]+$)/, "/home/me/Pictures/");
"""
"""Where the pictures lie on the machine that draws this says nothing to anybody."""
CITIES = {
    **{(47.4, 8.5): 14, (48.9, 2.3): 8, (41.9, 12.5): 5, (64.1, -21.9): 2, (40.7, -74.0): 9},
    **{(-22.9, -43.2): 4, (35.7, 139.7): 11, (-33.9, 151.2): 3, (-1.3, 36.8): 2},
}
"""Degrees north and east, and how many pictures were taken there."""
WIDE, PHONE = (1280, 800), (390, 844)


def main() -> None:
    """Make a library, serve it, and save every view."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        run(library, "demo", "--library", str(library))
        recipes = Path(folder) / "recipes.jsonl"
        recipes.write_text(RECIPES, encoding="utf-8")
        run(library, "texts", "add", str(recipes), "--kind", "recipe")
        with serving(library) as url, launched() as browser:
            take(browser, url)
        trips = Path(folder) / "trips"
        run(trips, "index", str(travelled(Path(folder) / "photos")))
        with (
            serving(trips) as url,
            launched() as browser,
            opened(browser, f"{url}/world", ".dot", WIDE) as tab,
        ):
            save(tab, "world")


def take(browser: Any, url: str) -> None:
    """Save every view."""
    cat, coffee = nearest(url, "cat"), nearest(url, "coffee")
    for name, asked in ALBUMS.items():
        album = {"name": name, "query": asked}
        httpx.put(f"{url}/api/v1/albums", json=album, timeout=60).raise_for_status()
    query = "/?q=flower+%2B+1.5*temple+-+moon&unlikely=1"
    with opened(browser, url + query, ".cell img", WIDE) as tab:
        save(tab, "search")
    with opened(browser, f"{url}/?q=cat&open={cat}", ".part", WIDE, "dark") as tab:
        tab.locator(".part", has_text="cat").click()
        tab.wait_for_selector(".seen")
        save(tab, "detail")
    with opened(browser, f"{url}/map?q=animal", "canvas[data-drawn]", WIDE) as tab:
        save(tab, "map")
    with opened(browser, f"{url}/recipes?dish={coffee}", ".card", WIDE) as tab:
        tab.locator(".card").first.click()
        tab.wait_for_selector(".dishes img")
        save(tab, "recipes")
    with opened(browser, f"{url}/?q=cat+-+dog&unlikely=1", ".cell img", PHONE, "dark") as tab:
        save(tab, "phone")


def travelled(folder: Path) -> Path:
    """Save photographs as if they were taken in several places, and return their folder."""
    rng = np.random.default_rng(1)
    shipped = Path(skimage.data.__file__).parent
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
    folder.mkdir()
    for city, (spot, pictures) in enumerate(CITIES.items()):
        for number in range(pictures):
            north, east = np.array(spot) + rng.normal(0, 0.4, 2)
            exif = Image.Exif()
            where = {1: "NS"[int(north < 0)], 2: (abs(north), 0, 0), 3: "EW"[int(east < 0)]}
            exif.get_ifd(0x8825).update(where | {4: (abs(east), 0, 0)})
            with Image.open(shipped / names[number % len(names)]) as photo:
                left = 2 * city + number  # no two are the same
                photo.convert("RGB").crop((left, 0, *photo.size)).save(
                    folder / f"{city}-{number}.jpg", exif=exif
                )
    return folder


def nearest(url: str, words: str) -> int:
    """Return the id of the best picture for words."""
    answer = httpx.post(f"{url}/api/v1/search", json={"query": words}, timeout=60)
    return int(answer.json()["hits"][0]["id"])


def opened(
    browser: Any, address: str, selector: str, size: tuple[int, int], scheme: str = "light"
) -> Any:
    """Return a tab as soon as it shows something, to be closed by its block."""
    viewport = {"width": size[0], "height": size[1]}
    tab = browser.new_page(viewport=viewport, color_scheme=scheme, device_scale_factor=1)
    tab.goto(address)
    tab.wait_for_selector(selector)
    return tab


def save(tab: Any, name: str) -> None:
    """Save what a tab shows, once its pictures are there and nothing moves."""
    tab.wait_for_timeout(2000)
    tab.evaluate(AT_HOME)
    with Image.open(io.BytesIO(tab.screenshot())) as shot:
        shot.convert("RGB").save(FOLDER / f"{name}.webp", quality=88, method=6)


if __name__ == "__main__":
    main()
