"""Words for what a CNN already knows: names of its classes, of their kinds, and of their likes.

A CNN that was trained to tell classes apart holds a direction for each: the row w_c of its
classifier. In the joint space, where pictures arrive through a linear map W, the same direction is
the t_c that solves W' t = w_c - mean(w) in the least squares sense. So a name needs no picture:

* a **class** is called by its names, whose vector is t_c;
* a **kind** ("bear", "dessert") is the mean of its classes' t_c, by WordNet;
* **any other meaning** is placed by kernel ridge regression from what a sentence model reads in
  its gloss to the t_c of the classes, and of names that a few photographs have, which count less.
  How near these are says how far to trust it.

A word means each of its senses as often as people use it so. All of this is a matrix from classes
(and names of photographs) to words, which is made once; where the words lie follows from W.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from scipy import sparse

from indexer.train.joint.pictured import Pictured
from indexer.vocabulary.classes import Class
from indexer.vocabulary.wordnet import Synset, WordNet
from searchengine.errors import TrainingDataError
from searchengine.language.words import normalise
from searchengine.vectors import unit_rows

Floats = npt.NDArray[np.float32]
NONE = Pictured()
Sentences = Callable[[Sequence[str]], Floats]
"""From texts to vectors of a sentence model, shape (texts, anything)."""

MOST = 0.25
"""A kind of more of the classes than this share means nothing in particular ("artifact")."""
FREQUENT = 66_000
"""Words of the table that are frequent enough to be placed by their gloss."""
PHRASES = 1_200
"""Phrases that are no names of classes or kinds ("living room"), those of the commonest words."""
COMMON = 6_000
"""The rarest word that such a phrase may have."""
USUAL = 0.25
"""A word is placed by its gloss if it is a noun in at least this share of its uses, and if senses
that can be seen have at least this share of those."""
FAR = 0.15
"""Support below which a meaning is too far from all classes to say anything about it."""
NEAR = 0.4
"""The same for meanings that are no things ("wedding", "dictionary"): some of them have a look."""
WIDELY_KNOWN = 12_000
"""Words of the table that are frequent enough to be placed by such a meaning."""
BANDWIDTH, RIDGE = 1.0, 0.03
"""Of the kernel exp(-b |x - y|^2) on unit vectors, and of the regression; by held-out classes."""
NOISE = 1.0
"""The ridge of a name that one photograph has; with n it is 1 / sqrt(n) of that."""


@dataclass(frozen=True)
class Lexicon:
    """Words and phrases with the meanings that they have.

    Attributes:
        texts: As `tokenize` writes them, each once.
        senses: (texts, meanings), how much of each meaning a text has; rows sum to at most 1.
        mixing: (meanings, classes), how a meaning is mixed from the directions of classes, and of
            names of photographs after them.
        support: (texts,), 1 where classes say all about a text, 0 where they say nothing.
        named: (texts,), whether a text is the name of a class, or of a kind of classes.
    """

    texts: tuple[str, ...]
    senses: sparse.csr_matrix
    mixing: Floats
    support: Floats
    named: npt.NDArray[np.bool_]

    def vectors(self, directions: Floats) -> Floats:
        """Return where the texts lie, unit rows (texts, dim), from directions (classes, dim)."""
        meanings = unit_rows(self.mixing @ directions)
        placed: Floats = unit_rows(np.asarray(self.senses @ meanings, dtype=np.float32))
        return placed


def directions(projection: Floats, classifier: Floats, further: Floats | None = None) -> Floats:
    """Return the direction of each class in the joint space, unit rows (classes, dim).

    Args:
        projection: W of the image branch, (dim, channels).
        classifier: Rows of the CNN's classifier, (classes, channels).
        further: Rows of further classes, less their mean.
    """
    centred = (classifier - classifier.mean(axis=0)).astype(np.float64)
    if further is not None:
        centred = np.concatenate([centred, further])
    solution, *_ = np.linalg.lstsq(projection.T.astype(np.float64), centred.T, rcond=None)
    return unit_rows(solution.T.astype(np.float32))


def build_lexicon(
    classes: Sequence[Class],
    wordnet: WordNet | None,
    words: Sequence[str],
    sentences: Sentences | None,
    left_out: Collection[int] = (),
    pictured: Pictured = NONE,
) -> Lexicon:
    """Name what the classes know.

    Args:
        classes: In the order of the classifier's rows.
        wordnet: Names kinds and other meanings; without it only the classes have names.
        words: Of the table, the most frequent first; they decide which others are placed.
        sentences: Reads glosses; without it nothing is placed by its gloss.
        left_out: Classes that are treated as if the classifier did not know them, to measure how
            well the others place them.
        pictured: Names of photographs. They are columns of the mixture behind the classes, and
            help to place what is placed by its gloss.

    Raises:
        TrainingDataError: WordNet does not know the synset of a class.
    """
    named = _Named(classes, wordnet, left_out)
    usage = _Usage(wordnet) if wordnet else None
    others = _Others(usage, words, named, pictured.names) if usage and sentences else None
    meanings = [*named.rows, *(others.meanings if others else [])]
    place = {meaning: number for number, meaning in enumerate(meanings)}
    mixing = np.zeros((len(meanings), len(classes) + len(pictured.names)), dtype=np.float32)
    trust = np.ones(len(meanings), dtype=np.float32)
    for meaning, members in named.rows.items():
        mixing[place[meaning], members] = 1 / len(members)
    if others and sentences and others.meanings:
        start = len(named.rows)
        known = [(each.names[:3], each.gloss) for each in map(classes.__getitem__, named.known)]
        mixed, trust[start:] = _by_gloss(
            [_described(names, "", gloss) for names, gloss in known],
            [others.described(name) for name in pictured.names],
            [NOISE / np.sqrt(count) for count in pictured.counts],
            [others.gloss(meaning) for meaning in others.meanings],
            sentences,
        )
        mixing[start:, named.known] = mixed[:, : len(known)]
        mixing[start:, len(classes) :] = mixed[:, len(known) :]

    def is_thing(meaning: str) -> bool:
        return wordnet is None or meaning in named.rows or meaning in wordnet.synsets

    texts: list[str] = []
    shares: list[dict[int, float]] = []
    support: list[float] = []
    is_named: list[bool] = []
    for text, own in _texts(named, others):
        used = usage.shares(text) if usage else {}
        # A sense counts as often as people mean it, and as far as classes say where it lies.
        weights = {
            place[m]: used.get(m, _UNUSED) * float(trust[place[m]])
            for m in own
            if trust[place[m]] > (FAR if is_thing(m) else NEAR)
        }
        if not weights:
            continue
        is_class = bool(named.classes_of.get(text))
        texts.append(text)
        shares.append(weights)
        support.append(1.0 if is_class else float(np.sqrt(min(1.0, sum(weights.values())))))
        is_named.append(text in named.texts)
    matrix = sparse.lil_matrix((len(texts), len(meanings)), dtype=np.float32)
    for row, weights_of in enumerate(shares):
        total = max(1.0, sum(weights_of.values()))
        for column, share in weights_of.items():
            matrix[row, column] = share / total
    return Lexicon(
        tuple(texts),
        matrix.tocsr(),
        mixing,
        np.array(support, dtype=np.float32),
        np.array(is_named, dtype=bool),
    )


_UNUSED = 0.3
"""Share of a sense that WordNet does not tell, as of a name that only a class has."""


def _texts(named: _Named, others: _Others | None) -> Iterator[tuple[str, list[str]]]:
    """Yield each text with the meanings it has, those of classes and kinds first."""
    meanings_of = {text: list(meanings) for text, meanings in named.texts.items()}
    if others:
        for text, meanings in others.texts.items():
            meanings_of[text] = list(dict.fromkeys([*meanings_of.get(text, []), *meanings]))
    yield from meanings_of.items()


class _Named:
    """Names of classes and kinds: text -> meanings, meaning -> classes."""

    def __init__(
        self, classes: Sequence[Class], wordnet: WordNet | None, left_out: Collection[int]
    ) -> None:
        self.known = [number for number in range(len(classes)) if number not in set(left_out)]
        self.rows: dict[str, list[int]] = {}
        self.texts: dict[str, list[str]] = {}
        self.classes_of: dict[str, list[int]] = {}
        members: dict[str, list[int]] = {}
        for number in self.known:
            meaning = classes[number].synset[1:]
            self.rows.setdefault(meaning, []).append(number)
            for name in classes[number].names:
                self._call(name, meaning)
                self.classes_of.setdefault(normalise(name), []).append(number)
            if wordnet is not None:
                if meaning not in wordnet.nouns:
                    raise TrainingDataError(
                        f"class {number} ({classes[number].name}): WordNet has no synset "
                        f"{classes[number].synset}; this is WordNet 3.0's numbering"
                    )
                for kind in wordnet.ancestors(meaning):
                    members.setdefault(kind, []).append(number)
        for kind, below in members.items():
            if wordnet and 2 <= len(below) <= MOST * len(classes) and kind not in self.rows:
                self.rows[kind] = below
                for name in wordnet.nouns[kind].lemmas:
                    self._call(name, kind)

    def _call(self, name: str, meaning: str) -> None:
        text = normalise(name)
        if text and meaning not in self.texts.setdefault(text, []):
            self.texts[text].append(meaning)


class _Others:
    """Frequent words, and phrases, whose senses are no classes but can be seen."""

    def __init__(
        self,
        usage: _Usage,
        words: Sequence[str],
        named: _Named,
        pictured: Collection[str],
    ) -> None:
        self._wordnet, self._usage, self._named = usage.wordnet, usage, named
        pictured_texts = {normalise(name) for name in pictured}
        self.texts: dict[str, list[str]] = {}
        ranks = {word: rank for rank, word in enumerate(words)}
        phrases: list[tuple[int, str]] = []
        for lemma, offsets in self._wordnet.senses.items():
            text = normalise(lemma)
            seen = [offset for offset in offsets if offset in self._wordnet.synsets]
            if not text:
                continue
            parts = text.split()
            rarest = FREQUENT if seen else WIDELY_KNOWN
            is_frequent = len(parts) == 1 and ranks.get(text, FREQUENT) < rarest
            if is_frequent or (text in pictured_texts and (len(parts) > 1 or not seen)):
                self._place(text)
            elif seen[:1] == [offsets[0]] and len(parts) > 1 and text not in named.texts:
                phrases.append((max(ranks.get(part, COMMON) for part in parts), text))
        common = [text for rank, text in sorted(phrases) if rank < COMMON]
        for text in list(dict.fromkeys(common))[:PHRASES]:
            self._place(text)
        for text in [*self.texts, *named.texts]:
            for plural in _plurals(text, self._wordnet):
                if plural in ranks and plural not in self.texts and plural not in named.texts:
                    self.texts[plural] = self.texts.get(text) or named.texts[text]
        every = dict.fromkeys(m for meanings in self.texts.values() for m in meanings)
        self.meanings = [meaning for meaning in every if meaning not in named.rows]

    def _place(self, text: str) -> None:
        shares = self._usage.shares(text)
        seen = {
            m: s for m, s in shares.items() if m in self._wordnet.synsets or m in self._named.rows
        }
        if sum(seen.values()) < USUAL:
            seen = dict([max(shares.items(), key=itemgetter(1))])  # no thing: what it mostly is
        if text in self._named.texts or self._usage.is_noun(text):
            self.texts[text] = [m for m, share in seen.items() if share >= _RARE_SENSE]

    def described(self, name: str) -> str:
        """Return what the name of a photograph says, by the commonest sense that can be seen."""
        text = re.sub(r"\(.*?\)", "", name)
        base = next(
            (one for one in self._singular(normalise(text)) if self._usage.knows(one)), None
        )
        shares = self._usage.shares(base) if base else {}
        seen = {m: share for m, share in shares.items() if m in self._wordnet.synsets} or shares
        return self.gloss(max(seen, key=seen.__getitem__)) if seen else name

    def _singular(self, text: str) -> Iterator[str]:
        yield text
        *before, last = text.split() or [""]
        for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
            if last.endswith(ending):
                yield " ".join([*before, last.removesuffix(ending) + instead])

    def gloss(self, meaning: str) -> str:
        """Return what a meaning is, in words for a sentence model."""
        synset = self._wordnet.nouns[meaning]
        return _described(synset.lemmas, self._kind(synset), synset.gloss)

    def _kind(self, synset: Synset) -> str:
        return self._wordnet.nouns[synset.hypernyms[0]].lemmas[0] if synset.hypernyms else ""


_RARE_SENSE = 0.1


class _Usage:
    """How often people mean a sense by a noun. Verbs do not count: nobody looks for "to bear"."""

    def __init__(self, wordnet: WordNet) -> None:
        self.wordnet = wordnet
        self._lemmas: Mapping[str, str] = {normalise(lemma): lemma for lemma in wordnet.senses}

    def shares(self, text: str) -> dict[str, float]:
        """Return the share of each sense of a text, by offset; they sum to 1."""
        lemma = self._lemmas.get(text)
        if lemma is None:
            return {}
        offsets = self.wordnet.senses[lemma]
        counts = [
            self.wordnet.counts.get((lemma, str(number)), 0)
            for number in range(1, 1 + len(offsets))
        ]
        # Senses that were never met are rarer the later they come (Zipf).
        smooth = [count + 1 / number**2 for number, count in enumerate(counts, 1)]
        return {offset: s / sum(smooth) for offset, s in zip(offsets, smooth, strict=True)}

    def knows(self, text: str) -> bool:
        """Return whether a text is a noun of WordNet."""
        return text in self._lemmas

    def is_noun(self, text: str) -> bool:
        """Return whether people use a text as a noun at all often ("bear"; hardly "run")."""
        lemma = self._lemmas[text]
        places = range(1, 1 + len(self.wordnet.senses[lemma]))
        met = sum(self.wordnet.counts.get((lemma, str(number)), 0) for number in places)
        return met >= USUAL * self.wordnet.uses[lemma]


def _by_gloss(
    classes: Sequence[str],
    pictured: Sequence[str],
    noise: Sequence[float],
    glosses: Sequence[str],
    sentences: Sentences,
) -> tuple[Floats, Floats]:
    """Return how meanings are mixed from classes and pictured names, and how far to trust that.

    Kernel ridge regression is linear in its targets, so its weights are the mixture. What is
    trusted is the share of a meaning's variance that these explain, were it a Gaussian process of
    that kernel.

    Args:
        classes: What they are, in words.
        pictured: The same of names of photographs.
        noise: The ridge of each pictured name.
        glosses: What the meanings are, in words.
        sentences: Reads words.

    Returns:
        Weights, (meanings, classes + pictured), and trust (meanings,) in 0..1.
    """
    read = sentences([*classes, *pictured, *glosses])
    centred = unit_rows(read - read[: len(classes)].mean(axis=0))
    count = len(classes) + len(pictured)
    x, y = centred[:count], centred[count:]
    kernel = _kernel(x, x) + np.diag([RIDGE] * len(classes) + list(noise))
    across = _kernel(y, x)  # (meanings, classes + pictured)
    weights = np.linalg.solve(kernel, across.T).T
    trust = (weights * across).sum(axis=1).clip(0, 1)
    # The regression is on targets less the mean of classes, which comes back with all its weight.
    weights[:, : len(classes)] += (1 - weights.sum(axis=1, keepdims=True)) / len(classes)
    return weights.astype(np.float32), trust.astype(np.float32)


def _kernel(x: Floats, y: Floats) -> npt.NDArray[np.float64]:
    """Return exp(-b |x - y|^2) of unit rows, shape (len(x), len(y))."""
    return np.asarray(np.exp(-BANDWIDTH * (2 - 2 * (x @ y.T)).astype(np.float64)))


def _described(names: Sequence[str], kind: str, gloss: str) -> str:
    called = ", ".join(names[:3]) + (f", a kind of {kind}" if kind else "")
    return f"{called}: {gloss}"


def _plurals(text: str, wordnet: WordNet) -> list[str]:
    """Return the plurals of a single word; the table finds those of phrases by itself."""
    return [] if " " in text or text.endswith("s") else wordnet.plurals_of(text)
