"""Questions whose query is a picture that has names: which others are the like of it?

========================================================  ========================================
a picture is right if                                     it may be, so that it is not searched, if
========================================================  ========================================
it has a name of the query's, one of them means a kind    other senses of the names are kinds of
of what the other does ("spaniel", "dog"), or both are    each other, or they have a word in
kinds of something narrow                                 common ("rock", "rock climbing")
========================================================  ========================================

Something is narrow if no more than the share `NARROW` of all pictures are of it. The meaning of a
picture is its synset; without one it is what WordNet gives first for each of its names, or for the
last word of a name that it lacks ("beet salad"). Names say little of a photo, so that what is
counted as wrong is at times right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from indexer.evaluation.names import stems_of
from indexer.evaluation.questions import SAMPLE, Question
from indexer.readers.labelled import Labelled
from indexer.vocabulary.kinds import Flags
from indexer.vocabulary.wordnet import WordNet
from searchengine.language.words import normalise
from searchengine.types import Vectors

NARROW = 0.12

Words = frozenset[str]
"""Names, stems, or offsets of synsets."""


def alike(
    labelled: Sequence[Labelled], pictures: Vectors, wordnet: WordNet, *, seed: int = 1
) -> list[Question]:
    """Return a question per picture, of `SAMPLE` of them at most.

    Args:
        labelled: The pictures.
        pictures: Their unit rows, shape (n, dim).
        wordnet: What is a kind of what.
        seed: Decides which pictures ask.
    """
    right, maybe = _judged(labelled, wordnet)
    count = len(labelled)
    asking = np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False)
    questions = []
    for row in np.sort(asking).tolist():
        own = np.zeros(count, dtype=bool)
        own[row] = True
        name = ", ".join(labelled[row].names)
        ours, doubtful = right[row], maybe[row]
        questions.append(Question("picture", name, pictures[row], ours, ours, doubtful, own, 1))
    return questions


def _judged(labelled: Sequence[Labelled], wordnet: WordNet) -> tuple[Flags, Flags]:
    """Return which pictures are the like of each other, and which may be, both (n, n)."""
    named = [frozenset(map(normalise, entry.names)) for entry in labelled]
    senses = [_senses(entry, names, wordnet) for entry, names in zip(labelled, named, strict=True)]
    first = [_union(meant[:1] for meant in each) for each in senses]
    every = [_union(each) for each in senses]
    closures = {
        offset: wordnet.ancestors(offset) | {offset} for meanings in every for offset in meanings
    }
    broad = [_union(closures[offset] for offset in meanings) for meanings in first]
    broadest = [_union(closures[offset] for offset in meanings) for meanings in every]
    counts = Counter(offset for meanings in broad for offset in meanings)
    narrow = {offset for offset, count in counts.items() if count <= NARROW * len(labelled)}
    kin, near = _share(first, broad), _share(every, broadest)
    right = _share(named, named) | kin | kin.T
    right |= _share([meanings & narrow for meanings in broad], broad)
    stems = [_union(map(stems_of, names)) for names in named]
    return right, right | near | near.T | _share(stems, stems)


def _senses(entry: Labelled, names: Words, wordnet: WordNet) -> list[tuple[str, ...]]:
    """Return the meanings of each name of a picture, the most usual first."""
    if entry.synset and entry.synset[1:] in wordnet.nouns:
        return [(entry.synset[1:],)]
    known = wordnet.senses
    return [known.get(name) or known.get(name.rpartition(" ")[2], ()) for name in sorted(names)]


def _union(parts: Iterable[Iterable[str]]) -> Words:
    return frozenset(one for part in parts for one in part)


def _share(ones: Sequence[Words], others: Sequence[Words]) -> Flags:
    """Return which of the first have something in common with which of the second, (n, m)."""
    places = {word: place for place, word in enumerate(sorted(_union(ones)))}
    counts = _incidence(ones, places) @ _incidence(others, places).T
    shared: Flags = counts > 0
    return shared


def _incidence(rows: Sequence[Words], places: dict[str, int]) -> np.ndarray:
    table = np.zeros((len(rows), len(places)), dtype=np.float32)
    for row, words in enumerate(rows):
        table[row, [places[word] for word in words if word in places]] = 1
    return table
