"""A WordNet of a few nouns, in the files of its own format (wndb(5WN))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by ...\n"

Nouns = Mapping[str, tuple[Sequence[str], Sequence[str]]]


def write_wordnet(folder: Path, nouns: Nouns, *, lexname: int = 3) -> Path:
    """Write nouns: offset -> words, the usual first, and the offsets of what they are a kind of.

    `lexname` is the number of the file they stand in (lexnames(5WN)): 3 is of no use in pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [LICENCE]
    senses: dict[str, list[str]] = {}
    for offset, (words, hypernyms) in nouns.items():
        for word in words:
            senses.setdefault(word.lower().replace(" ", "_"), []).append(offset)
        written = " ".join(f"{word.replace(' ', '_')} 0" for word in words)
        pointers = " ".join(f"@ {other} n 0000" for other in hypernyms)
        counts = f"{len(hypernyms):03d} {pointers}".strip()
        lines.append(
            f"{offset} {lexname:02d} n {len(words):02x} {written} {counts} | a gloss; may say @\n"
        )
    (folder / "data.noun").write_text("".join(lines), encoding="utf-8")
    index = (f"{w} n {len(o)} 0 {len(o)} 0 {' '.join(o)}\n" for w, o in sorted(senses.items()))
    (folder / "index.noun").write_text(LICENCE + "".join(index), encoding="utf-8")
    for part in ("verb", "adj", "adv"):
        (folder / f"index.{part}").write_text(LICENCE, encoding="utf-8")
    for part in ("noun", "verb", "adj", "adv"):
        (folder / f"{part}.exc").write_text("", encoding="utf-8")
    (folder / "cntlist.rev").write_text("", encoding="utf-8")
    return folder
