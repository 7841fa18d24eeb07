"""Parse the ingredient lines of a file of recipes: how many give a name, and how fast.

    python benchmarks/ingredients.py recipes.jsonl.gz --lines 2000 --seed 1 --json

Prints `named`, the share of lines with a name that is not empty; `start_s`, seconds of processor
time to load the parser and its models; `lines_s`, lines per second of processor time, on one core,
and `lines_wall_s`, per second by the clock, which says less on a busy machine. `groups` are the
shares of the lines that are (`is`), or may contain (`may`), foods that people avoid.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from machine import describe, publish

from indexer.readers.documents import read_documents
from searchengine.documents import Document
from searchengine.recipes.foods import matches
from searchengine.recipes.ingredients import parse_ingredients

GROUPS = ("nuts", "dairy", "eggs", "gluten", "fish", "meat")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipes", type=Path, help="whatever `lexpix texts add` takes")
    parser.add_argument("--lines", type=int, default=2000, help="how many lines to draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    every = [
        line
        for document in read_documents(options.recipes, "recipe")
        if isinstance(document, Document)
        for line in document.ingredients
    ]
    lines = random.Random(options.seed).sample(every, min(options.lines, len(every)))
    started = time.process_time()
    parse_ingredients(["1 cup of flour"])
    start = time.process_time() - started
    clock, started = time.perf_counter(), time.process_time()
    parsed = parse_ingredients(lines)
    took, wall = time.process_time() - started, time.perf_counter() - clock
    started = time.process_time()
    shares = {
        group: {
            "is": round(sum(matches(one.names, group) for one in parsed) / len(parsed), 4),
            "may": round(
                sum(matches([one.line], group, wary=True) for one in parsed) / len(parsed), 4
            ),
        }
        for group in GROUPS
    }
    matching = time.process_time() - started
    result = {
        "lines": len(lines),
        "of": len(every),
        "named": round(sum(bool(one.names) for one in parsed) / len(parsed), 4),
        "start_s": round(start, 2),
        "lines_s": round(len(lines) / took),
        "lines_wall_s": round(len(lines) / wall),
        "matches_s": round(2 * len(GROUPS) * len(lines) / matching),
        "groups": shares,
        **describe(["ingredient-parser-nlp", "nltk"]),
    }
    table = "\n".join(
        f"{name:<14}{result[name]:>8}"
        for name in ("lines", "of", "named", "start_s", "lines_s", "lines_wall_s", "matches_s")
    )
    publish(result, table=table, as_json=options.json, out=options.out)


if __name__ == "__main__":
    main()
