"""Which pictures are of a kind: WordNet's hypernyms over the synsets of labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from indexer.vocabulary.wordnet import WordNet

LEAST = 3
"""Pictures that a hypernym must have to be asked for."""
MOST = 0.25
"""Share of the pictures that it may have: "entity" and "artifact" find nothing in particular."""

Flags = npt.NDArray[np.bool_]


class Kinds:
    """The meanings that pictures are kinds of, themselves included."""

    def __init__(self, wordnet: WordNet, synsets: Sequence[str | None]) -> None:
        """Take the synset of each picture, such as "n01443537"; None where nobody says."""
        self._wordnet = wordnet
        self._offsets = [_offset_of(synset, wordnet) for synset in synsets]
        self.known: Flags = np.array([offset is not None for offset in self._offsets], dtype=bool)
        self.unknown = tuple(
            sorted({s for s, known in zip(synsets, self.known, strict=True) if s and not known})
        )
        """Synsets that are no nouns of WordNet."""
        self._kinds = {
            offset: wordnet.ancestors(offset) | {offset}
            for offset in dict.fromkeys(self._offsets)
            if offset is not None
        }

    def showing(self, meaning: str) -> Flags:
        """Return the pictures of a meaning, by its offset, or of a kind of it, shape (n,)."""
        return np.array([o is not None and meaning in self._kinds[o] for o in self._offsets])

    def hypernyms(self, least: int = LEAST, most: float = MOST) -> dict[str, Flags]:
        """Return which pictures each hypernym worth asking for has, by name.

        A hypernym is called by the first of its words. Of hypernyms with the same name, all
        pictures are right. It is worth asking for if it has `least` pictures, and no more than the
        share `most` of those with a synset.
        """
        limit = most * self.known.sum()
        pictures = {
            name: np.logical_or.reduce([self.showing(meaning) for meaning in meanings])
            for name, meanings in self._called.items()
        }
        return {n: showing for n, showing in pictures.items() if least <= showing.sum() <= limit}

    def called(self, name: str) -> frozenset[str]:
        """Return the offsets of the meanings that a name from `hypernyms` stands for."""
        return frozenset(self._called[name])

    @cached_property
    def _called(self) -> dict[str, list[str]]:
        """What pictures are kinds of, by the first of its words, in alphabetical order."""
        named: dict[str, list[str]] = {}
        for meaning in sorted({kind for kinds in self._kinds.values() for kind in kinds}):
            named.setdefault(self._wordnet.nouns[meaning].lemmas[0].lower(), []).append(meaning)
        return dict(sorted(named.items()))


def _offset_of(synset: str | None, wordnet: WordNet) -> str | None:
    if synset is None or synset[:1] != "n" or synset[1:] not in wordnet.nouns:
        return None
    return synset[1:]
