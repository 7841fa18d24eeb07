"""Which pictures are of a kind: WordNet's hypernyms over the synsets of labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence

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
        broader = sorted({kind for kinds in self._kinds.values() for kind in kinds})
        named: dict[str, Flags] = {}
        for meaning in broader:
            name = self._wordnet.nouns[meaning].lemmas[0].lower()
            showing = self.showing(meaning)
            named[name] = named[name] | showing if name in named else showing
        limit = most * self.known.sum()
        return {
            name: showing
            for name, showing in sorted(named.items())
            if least <= showing.sum() <= limit
        }


def _offset_of(synset: str | None, wordnet: WordNet) -> str | None:
    if synset is None or synset[:1] != "n" or synset[1:] not in wordnet.nouns:
        return None
    return synset[1:]
