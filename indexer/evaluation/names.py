"""Questions about pictures that have names: the names themselves, and the hypernyms of them.

========  =======================================  ==============================================
question  a picture is right if                    it may be, so that it is in neither library, if
========  =======================================  ==============================================
name      it has the name, or its synset is a      its meaning is broader or narrower than the
          kind of a synset that the name has       name's, or its own names say the name
hypernym  its synset is a kind of the hypernym     the same; pictures without a synset are not asked
========  =======================================  ==============================================

The meaning of a picture is its synset. Where it has none, it is every one that WordNet gives for
its names, and a word in common with the name that is asked is enough for a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np

from indexer.evaluation.concepts import FUNCTION_WORDS, stem
from indexer.evaluation.encode import is_known
from indexer.evaluation.questions import Question
from indexer.readers.labelled import Labelled
from indexer.vocabulary.kinds import Flags, Kinds
from indexer.vocabulary.wordnet import WordNet
from searchengine.language.words import normalise, tokenize
from searchengine.types import Encoder

Meanings = frozenset[str]
"""Offsets of synsets."""


class NameWriter:
    """Write questions over pictures that have names."""

    def __init__(self, labelled: Sequence[Labelled], encoder: Encoder, wordnet: WordNet) -> None:
        """Take pictures, the model that is asked, and what is a kind of what."""
        self._labelled, self._encoder, self._wordnet = labelled, encoder, wordnet
        self._kinds = Kinds(wordnet, [entry.synset for entry in labelled])
        self._stems = [[stems_of(name) for name in entry.names] for entry in labelled]
        self._named = [{normalise(name) for name in entry.names} for entry in labelled]
        self._closures: dict[str, Meanings] = {}
        self.unknown: list[str] = []
        """Names and hypernyms that were not asked, because the model knows no word of them."""

    @property
    def known(self) -> Flags:
        """The pictures whose synset WordNet has, shape (n,)."""
        return self._kinds.known

    @property
    def synsets(self) -> tuple[int, tuple[str, ...]]:
        """How many pictures name no synset, and which synsets are not in WordNet."""
        return sum(entry.synset is None for entry in self._labelled), self._kinds.unknown

    def names(self) -> list[Question]:
        """Return a question per name."""
        every = sorted({name for named in self._named for name in named if name})
        return self._ask(every, self._name)

    def hypernyms(self) -> list[Question]:
        """Return a question per hypernym of the pictures, which all need a synset for that."""
        pictures = self._kinds.hypernyms()
        return self._ask(pictures, lambda name: self._hypernym(name, pictures[name]))

    def _ask(
        self, texts: Iterable[str], judge: Callable[[str], tuple[Flags, Flags]]
    ) -> list[Question]:
        none = np.zeros(len(self._labelled), dtype=bool)
        questions = []
        for text in texts:
            if not is_known(text, self._encoder):
                self.unknown.append(text)
                continue
            right, maybe = judge(text)
            vector = self._encoder.encode_texts([text])[0]
            questions.append(Question("words", text, vector, right, right, maybe, none, 1))
        return questions

    def _name(self, name: str) -> tuple[Flags, Flags]:
        """Return the pictures that are right for a name, and those that may be."""
        right = np.array([name in named for named in self._named])
        synsets = {
            entry.synset[1:]
            for entry, known in zip(self._labelled, self._kinds.known & right, strict=True)
            if known and entry.synset
        }
        for synset in synsets:
            right |= self._kinds.showing(synset)
        meanings = frozenset(synsets) or self._senses(name)
        return right, right | self._may_show(name, meanings, certain=bool(synsets))

    def _hypernym(self, name: str, right: Flags) -> tuple[Flags, Flags]:
        return right, right | self._may_show(name, self._kinds.called(name), certain=True)

    def _may_show(self, name: str, meanings: Meanings, *, certain: bool) -> Flags:
        """Return the pictures whose meaning or names are near to those asked for."""
        query = stems_of(name)
        ours = self._with_ancestors(meanings)
        flags = np.zeros(len(self._labelled), dtype=bool)
        for row, (theirs, closure) in enumerate(self._meanings):
            related = bool(meanings & closure) or bool(theirs & ours)
            if certain and self._kinds.known[row]:
                named = any(query and query <= stems for stems in self._stems[row])
            else:
                named = any(query & stems for stems in self._stems[row])
            flags[row] = related or named
        return flags

    @cached_property
    def _meanings(self) -> list[tuple[Meanings, Meanings]]:
        """What each picture may mean, and the same with all that is broader."""
        rows = []
        for entry, names, known in zip(self._labelled, self._named, self._kinds.known, strict=True):
            meanings = (
                frozenset({entry.synset[1:]})
                if known and entry.synset
                else frozenset[str]().union(*map(self._senses, names))
            )
            rows.append((meanings, self._with_ancestors(meanings)))
        return rows

    def _senses(self, name: str) -> Meanings:
        """Return everything that a name may mean."""
        return frozenset(self._wordnet.senses.get(name, ()))

    def _with_ancestors(self, meanings: Meanings) -> Meanings:
        for offset in meanings - self._closures.keys():
            self._closures[offset] = self._wordnet.ancestors(offset) | {offset}
        return frozenset[str]().union(*(self._closures[offset] for offset in meanings))


def stems_of(name: str) -> frozenset[str]:
    """Return the stems of the words of a name, without those that only join others."""
    words = (part for word in tokenize(name) for part in word.split("-"))
    return frozenset(stem(word) for word in words if word not in FUNCTION_WORDS)
