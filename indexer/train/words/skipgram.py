"""Learn word vectors from a corpus: the skip-gram of word2vec (Mikolov et al., arXiv 1310.4546).

The corpus is read once. Its words, cut as queries are, wait in a file beside the result, so that
memory holds the vocabulary and not the corpus, and each epoch reads what is already cut. gensim
trains; after each epoch a checkpoint is written, from which the same command goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.readers.wordfiles import require_replaceable, save_table
from indexer.train.words.checkpoint import checkpoint, resume
from indexer.train.words.config import SkipGramConfig
from indexer.train.words.corpus import (
    Corpus,
    CorpusReport,
    corpus_files,
    corpus_size,
    read_corpus,
)
from searchengine.errors import MissingPlugin, TrainingDataError
from searchengine.language.words import JOINT, SMOOTHING, WordVectors

if TYPE_CHECKING:
    from gensim.models import Word2Vec
    from gensim.models.phrases import FrozenPhrases

Progress = Callable[[str, int, int, str], None]
"""Told stage, done, total, and a remark."""
Vectors = npt.NDArray[np.float32]

ALPHA, MIN_ALPHA = 0.025, 1e-4
"""The learning rate falls in a line from the first to the second, as word2vec's does."""
BIGRAMS = 4_000_000
"""Pairs of words that are counted at once to find phrases; beyond, the rarest are dropped."""
PHRASE_SCORE = 10.0
"""What a pair must score to be a phrase (gensim's, and Mikolov's, own score and default)."""


def train_words(
    paths: Sequence[Path],
    out: Path,
    config: SkipGramConfig,
    *,
    fields: Sequence[str] = (),
    progress: Progress = lambda *_: None,
) -> CorpusReport:
    """Learn word vectors and write them into the folder `out` as a word table.

    Args:
        paths: Text files, JSON lines, or folders of them.
        out: A word table there is replaced, anything else is not.
        config: How to learn.
        fields: Which fields of JSON lines hold text.
        progress: Told about words read, then about words trained on.

    Returns:
        What was read, and what had to be left out.

    Raises:
        TrainingDataError: There is nothing to train on, or `out` is something else.
        MissingPlugin: gensim is not installed.
    """
    require_replaceable(out)  # now, not after hours
    files = corpus_files(paths)
    work = out.with_name(out.name + ".work")
    signature = _signature(files, config, fields)
    state = work / "state.json"
    if _read(state).get("signature") != signature:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    corpus, report = _cut(files, work, config, fields, signature, progress)
    _require_words(paths, corpus, config)
    if config.engine == "torch":
        from indexer.train.words.skipgram_torch import train

        vectors = train(corpus, config, work, progress)
    else:
        vectors = _train(corpus, config, work, progress)
    words = [word.replace(JOINT, " ") for word in corpus.counts]
    notes = {
        "config": asdict(config),
        "corpus": [path.name for path in paths],
        "sentences": corpus.sentences,
        "words": corpus.words,
    }
    table = WordVectors.build(words, vectors, weights=weights_of(corpus))
    save_table(table, out, notes)
    shutil.rmtree(work)
    return report


def weights_of(corpus: Corpus) -> Vectors:
    """Return what each word of the vocabulary counts in a sum: a / (a + p(word)) (Arora, 2017)."""
    share = np.array(list(corpus.counts.values()), dtype=np.float64) / corpus.words
    return np.asarray(SMOOTHING / (SMOOTHING + share), dtype=np.float32)


def _signature(files: Sequence[Path], config: SkipGramConfig, fields: Sequence[str]) -> str:
    """Return a hash over all that decides the result."""
    seen = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    settings = asdict(config) | {"workers": None}
    text = json.dumps([seen, settings, list(fields), _gensim_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _gensim_version() -> str:
    try:
        return version("gensim")
    except ImportError as error:
        raise MissingPlugin("train words needs: pip install 'lexpix[train]'") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries


def _cut(
    files: Sequence[Path],
    work: Path,
    config: SkipGramConfig,
    fields: Sequence[str],
    signature: str,
    progress: Progress,
) -> tuple[Corpus, CorpusReport]:
    """Cut a corpus into words, or take what an interrupted run has cut."""
    state, path = work / "state.json", work / "sentences.txt"
    entries = _read(state)
    if entries.get("signature") == signature and path.exists():
        return Corpus(path, entries["sentences"], entries["words"], entries["counts"]), (
            _report(entries["report"])
        )
    report = CorpusReport()
    plain = work / "plain.txt" if config.phrases else path
    counts: Counter[str] = Counter()
    total = corpus_size(files)
    with plain.open("w", encoding="utf-8") as lines:
        for number, (sentence, done) in enumerate(read_corpus(files, fields, report)):
            counts.update(sentence)
            lines.write(" ".join(sentence) + "\n")
            if number % 1000 == 0:  # how many words there will be is only known at the end
                progress("reading", report.words, report.words * total // max(done, 1), "")
    progress("reading", report.words, report.words, f"{report.files:,} files")
    if config.phrases and report.words:
        counts = _join_phrases(
            Corpus(plain, report.sentences, report.words, counts), path, config, progress
        )
        plain.unlink()
    frequent = {
        word: count
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= config.min_count
    }
    corpus = Corpus(path, report.sentences, sum(counts.values()), frequent)
    entries = {
        "signature": signature,
        "sentences": corpus.sentences,
        "words": corpus.words,
        "counts": frequent,
        "report": asdict(report),
    }
    fresh = state.with_suffix(".new")
    fresh.write_text(json.dumps(entries), encoding="utf-8")
    os.replace(fresh, state)
    return corpus, report


def _report(entries: dict[str, Any]) -> CorpusReport:
    from searchengine.types import Failure

    failures = [Failure(**failure) for failure in entries.pop("failures")]
    return CorpusReport(**entries, failures=failures)


def _require_words(paths: Sequence[Path], corpus: Corpus, config: SkipGramConfig) -> None:
    named = ", ".join(map(str, paths))
    if not corpus.words:
        raise TrainingDataError(f"{named}: no words in it; name text files or JSON lines")
    if len(corpus.counts) < 2:
        raise TrainingDataError(
            f"{named}: of {corpus.words:,} words fewer than two different ones occur "
            f"{config.min_count} times; lower --min-count, or add text"
        )


def _join_phrases(
    corpus: Corpus, path: Path, config: SkipGramConfig, progress: Progress
) -> Counter[str]:
    """Write the sentences with phrases as one word each; return how often each word occurs."""
    phrases = _phrases(corpus, config, progress)
    counts: Counter[str] = Counter()
    done = 0
    with path.open("w", encoding="utf-8") as lines:
        for number, sentence in enumerate(corpus):
            joined = phrases[sentence]
            counts.update(joined)
            lines.write(" ".join(joined) + "\n")
            done += len(sentence)
            if number % 1000 == 0:
                progress("joining phrases", done, corpus.words, "")
    progress("joining phrases", corpus.words, corpus.words, f"{len(phrases.phrasegrams):,} phrases")
    return counts


def _phrases(corpus: Corpus, config: SkipGramConfig, progress: Progress) -> FrozenPhrases:
    from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, Phrases

    def sentences() -> Iterator[list[str]]:
        done = 0
        for number, sentence in enumerate(corpus):
            done += len(sentence)
            if number % 1000 == 0:
                progress("finding phrases", done, corpus.words, "")
            yield sentence

    phrases = Phrases(
        sentences(),
        min_count=config.min_count,
        threshold=PHRASE_SCORE,
        max_vocab_size=BIGRAMS,
        delimiter=JOINT,
        connector_words=ENGLISH_CONNECTOR_WORDS,
    )
    return phrases.freeze()


def _train(corpus: Corpus, config: SkipGramConfig, work: Path, progress: Progress) -> Vectors:
    """Train with gensim; return vectors (words, dim) in the order of the vocabulary."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=config.dim,
        window=config.window,
        min_count=1,  # what is rarer has been left out already
        negative=config.negative,
        sample=config.sample,
        sg=1,
        workers=config.workers,
        seed=config.seed,
    )
    model.build_vocab_from_freq(dict(corpus.counts), corpus_count=corpus.sentences)
    first = resume(work, {"vectors": model.wv.vectors, "outputs": model.syn1neg})
    total = corpus.words * config.epochs
    for epoch in range(first, config.epochs):
        # Drawn anew in each epoch, so that a resumed run does what an unbroken one does.
        model.random = np.random.RandomState((config.seed * 10_007 + epoch) % 2**32)
        _train_epoch(model, corpus, config, epoch, total, progress)
        checkpoint(work, epoch + 1, {"vectors": model.wv.vectors, "outputs": model.syn1neg})
    progress("training", total, total, f"epoch {config.epochs}")
    order = [model.wv.key_to_index[word] for word in corpus.counts]
    vectors: Vectors = model.wv.vectors[order]
    return vectors


def _train_epoch(
    model: Word2Vec,
    corpus: Corpus,
    config: SkipGramConfig,
    epoch: int,
    total: int,
    progress: Progress,
) -> None:
    failed: list[BaseException] = []

    def sentences() -> Iterator[list[str]]:
        done = epoch * corpus.words
        try:
            for number, sentence in enumerate(corpus):
                done += len(sentence)
                if number % 1000 == 0:
                    progress("training", done, total, f"epoch {epoch + 1}")
                yield sentence
        except BaseException as error:  # gensim reads in a thread, and waits for ever if that dies
            failed.append(error)

    step = (ALPHA - MIN_ALPHA) / config.epochs
    model.train(
        sentences(),
        total_examples=corpus.sentences,
        epochs=1,
        start_alpha=ALPHA - epoch * step,
        end_alpha=ALPHA - (epoch + 1) * step,
    )
    if failed:
        raise failed[0]
