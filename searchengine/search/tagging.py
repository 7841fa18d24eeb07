"""What a model calls a picture: the words of a vocabulary that fit, with a probability.

A cosine alone prefers rare words, of which some fit anything. So the evidence for a tag, the logit
of the model's own calibration, is put on a prior: words that people hardly use, and names of two
words, must fit better than plain ones, unless they are classes of the CNN, which it knows from
pictures. Constants were chosen on captioned pictures (`lexpix eval tags`, docs/models.md). A kind
of something is that as well: the broader tag is as probable as the surest of its kinds. Of tags
that say the same thing only the best is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from searchengine.language.tag_vocabulary import Entry, TagVocabulary
from searchengine.models.calibration import matcher_of
from searchengine.types import Encoder, Explainable, Tag, Vector, Vectors, Vocabulary
from searchengine.vectors import sigmoid, unit_rows

COMMON = 3000
"""Words that are more frequent than this have no better prior than others: frequent in texts is not
frequent in pictures."""
RARITY, COMPOUND = 1.0, 2.0
"""Logits that a word loses when it is e times as rare, and that a name of two words loses."""
KNOWN = 15_000
"""A class of the CNN is at most as rare as this, and may have two words: rare in texts it is often
the very thing in the picture."""
BROADER = 0.01
"""Logits by which a kind comes before its broader tag where nothing else speaks for that."""
SLOPE, OFFSET = 0.63, 0.0
"""Fitted so that of tags shown with a confidence of p, a share of p is right (Platt 1999): the best
of thousands of guesses look better than they are."""
SCALE = 13.0
"""Logits per unit of cosine, where a model has no calibration to say it."""
ALIKE = 0.7
"""Tags whose vectors have this cosine say the same."""
_LOOK_AHEAD = 4


class Tagger:
    """Propose tags for pictures.

    Args:
        encoder: The model; tags of which it does not know every word are left out.
        vocabulary: The words to choose from.
        taught: Vectors of taught words by name; each is a tag as well.
    """

    def __init__(
        self, encoder: Encoder, vocabulary: TagVocabulary, taught: Mapping[str, Vector]
    ) -> None:
        self._matcher = matcher_of(encoder)
        known = [
            entry
            for entry in vocabulary.entries
            if entry.name not in taught and _is_known(entry.name, encoder)
        ]
        self.names = (*(entry.name for entry in known), *taught)
        rows = [
            encoder.encode_texts([entry.name for entry in known]),
            *(v[None] for v in taught.values()),
        ]
        self.vectors = unit_rows(np.concatenate(rows), encoder.dim)
        is_class = np.array([entry.kind == "class" for entry in known] + [False] * len(taught))
        ranks = np.array([entry.rank for entry in known] + [0] * len(taught))
        ranks = np.where(is_class, ranks.clip(max=KNOWN), ranks)
        compound = np.array([" " in e.name or "-" in e.name for e in known] + [False] * len(taught))
        compound &= ~is_class
        self._prior = -RARITY * np.log(ranks.clip(COMMON) / COMMON) - COMPOUND * compound
        places = {name: place for place, name in enumerate(self.names)}
        self._kinds = {
            (places[name], places[broader]): None
            for name, broader in _kinds_first(known)
            if broader in places
        }
        self._sources = f"{vocabulary.version}\n{taught.keys()}".encode()

    @property
    def is_calibrated(self) -> bool:
        """Whether its tags have a confidence."""
        return self._matcher is not None

    @cached_property
    def version(self) -> str:
        """Name of all that decides on tags beside the model: words, taught ones and calibration."""
        digest = hashlib.sha256(self._sources)
        digest.update(self.confidences(self.vectors[:: len(self.vectors) // 16]).round(4).tobytes())
        digest.update(self.vectors[-16:].round(3).tobytes())
        return digest.hexdigest()

    def tag(self, pictures: Vectors, limit: int) -> list[list[Tag]]:
        """Return the best tags of each picture, the surest first.

        Args:
            pictures: Unit rows, shape (n, dim).
            limit: Most tags of a picture.
        """
        scores = self.confidences(pictures)
        count = min(limit * _LOOK_AHEAD, len(self.names))
        candidates = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        return [
            [
                Tag(self.names[column], "guess", float(line[column]) if self._matcher else None)
                for column in self._distinct(row[np.argsort(-line[row], kind="stable")], limit)
            ]
            for line, row in zip(scores, candidates, strict=True)
        ]

    def confidences(self, pictures: Vectors) -> npt.NDArray[np.float32]:
        """Return how probable each tag of `names` is, shape (pictures, tags).

        Without a calibration the numbers only rank.
        """
        if self._matcher is None:
            logits = SCALE * (pictures @ self.vectors.T)
        else:
            kinds = ["words"] * len(self.names)
            match = self._matcher.match(self.vectors, pictures, kinds).T.astype(np.float64)  # type: ignore[arg-type]
            match = match.clip(1e-7, 1 - 1e-7)
            logits = np.log(match / (1 - match))
        logits = SLOPE * (logits + self._prior) + OFFSET
        for kind, broader in self._kinds:
            np.maximum(logits[:, broader], logits[:, kind] - BROADER, out=logits[:, broader])
        result: npt.NDArray[np.float32] = sigmoid(logits).astype(np.float32)
        return result

    def _distinct(self, columns: npt.NDArray[np.int64], limit: int) -> list[int]:
        """Return the first columns that do not repeat what an earlier one said."""
        kept: list[int] = []
        for column in columns.tolist():
            others = [one for one in kept if (one, column) not in self._kinds]
            words = set(self.names[column].split())
            if any(_includes(words, set(self.names[other].split())) for other in others):
                continue
            if others and (self.vectors[others] @ self.vectors[column]).max() > ALIKE:
                continue
            kept.append(column)
            if len(kept) == limit:
                break
        return kept


def taught_vector(pictures: Vectors, words: Vectors) -> Vector:
    """Return a vector that stands for what pictures have in common.

    It is half the mean of the pictures and half the words that fit them all, which takes the
    accidental out of a few pictures and brings the vector to where words are (docs/models.md has
    what that gains).

    Args:
        pictures: Unit rows, shape (n, dim).
        words: Vectors of a vocabulary, shape (m, dim).
    """
    middle = unit_rows(pictures.mean(axis=0))
    cosines = middle @ words.T
    standard = (cosines - cosines.mean()) / cosines.std()
    weights = np.exp(_SHARPNESS * (standard - standard.max()))
    vector: Vector = unit_rows(middle + unit_rows(weights @ words))[0]
    return vector


_SHARPNESS = 4.0


def _is_known(name: str, encoder: Encoder) -> bool:
    if isinstance(encoder, Explainable):  # cheap: it looks for no other spelling
        words = encoder.encode_words(name)[0]  # a phrase is one word of several
        return sum(len(word.split()) for word in words) >= len(name.split())
    return not (isinstance(encoder, Vocabulary) and encoder.unknown_words(name))


def _kinds_first(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return pairs of a tag and the broader one, a tag before what it is broader than never."""
    broader = {entry.name: entry.broader for entry in entries}

    def depth(name: str) -> int:
        return 1 + depth(broader[name]) if broader.get(name) else 0

    return sorted(
        ((entry.name, entry.broader) for entry in entries if entry.broader),
        key=lambda pair: (-depth(pair[0]), pair),
    )


def _includes(words: set[str], others: set[str]) -> bool:
    return words <= others or others <= words
