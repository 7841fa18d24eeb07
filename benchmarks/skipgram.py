"""Train word vectors with `train words` and with plain gensim, and compare words a second.

    python benchmarks/skipgram.py notes.txt.gz --words 300000 --json

Both train skip-grams with the same settings and workers. Plain gensim reads a file that is cut into
words already (LineSentence). `ratio` compares the training stages alone; `ratio_with_reading` lets
ours also read and cut the corpus, once, in its time. Rounds take turns, so that both see the same
machine; the figures are of each side's fastest round.
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
import time
from pathlib import Path

from machine import describe, publish

from indexer.train.words.config import SkipGramConfig
from indexer.train.words.skipgram import train_words
from searchengine.language.words import tokenize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path, help="plain text, or .gz of it")
    parser.add_argument("--words", type=int, default=300_000, help="words of it to train on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    config = SkipGramConfig(epochs=options.epochs, workers=options.workers, phrases=False)
    with tempfile.TemporaryDirectory() as folder:
        raw, cut = Path(folder, "raw.txt"), Path(folder, "cut.txt")
        words = prepare(options.corpus, raw, cut, options.words)
        ours, whole, plain = [], [], []
        for number in range(options.rounds):
            plain.append(plain_gensim(cut, config))
            training, everything = our_training(raw, Path(folder, f"out{number}"), config)
            ours.append(training)
            whole.append(everything)
    total = words * config.epochs
    result = {
        "words": words,
        "epochs": config.epochs,
        "workers": config.workers,
        "rounds": options.rounds,
        "gensim_words_s": round(total / min(plain)),
        "ours_words_s": round(total / min(ours)),
        "ours_with_reading_words_s": round(total / min(whole)),
        "ratio": round(min(plain) / min(ours), 2),
        "ratio_with_reading": round(min(plain) / min(whole), 2),
        **describe(["gensim", "numpy"]),
    }
    names = ("gensim_words_s", "ours_words_s", "ratio", "ratio_with_reading")
    table = "\n".join(f"{name:<20}{result[name]:>10}" for name in names)
    publish(result, table=table, as_json=options.json, out=options.out)


def prepare(corpus: Path, raw: Path, cut: Path, limit: int) -> int:
    """Write the first words of a corpus as they are and cut; return how many words there are."""
    words = 0
    with (
        corpus.open("rb") as file,
        gzip.open(file) if corpus.suffix == ".gz" else file as stored,
        raw.open("wb") as raw_lines,
        cut.open("w", encoding="utf-8") as cut_lines,
    ):
        for line in stored:
            found = tokenize(line.decode())
            raw_lines.write(line)
            cut_lines.write(" ".join(found) + "\n")
            words += len(found)
            if words >= limit:
                break
    return words


def plain_gensim(cut: Path, config: SkipGramConfig) -> float:
    """Return the seconds that gensim trains for, without those for its vocabulary."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    model = Word2Vec(
        vector_size=config.dim,
        window=config.window,
        min_count=config.min_count,
        negative=config.negative,
        sample=config.sample,
        sg=1,
        workers=config.workers,
        seed=config.seed,
    )
    model.build_vocab(LineSentence(str(cut)))
    started = time.perf_counter()
    model.train(LineSentence(str(cut)), total_examples=model.corpus_count, epochs=config.epochs)
    return time.perf_counter() - started


def our_training(raw: Path, out: Path, config: SkipGramConfig) -> tuple[float, float]:
    """Return the seconds of the training stage, and of the whole command's work."""
    begun: dict[str, float] = {}
    ended: dict[str, float] = {}

    def clock(stage: str, *_: object) -> None:
        now = time.perf_counter()
        begun.setdefault(stage, now)
        ended[stage] = now

    started = time.perf_counter()
    train_words([raw], out, config, progress=clock)
    return ended["training"] - begun["training"], time.perf_counter() - started


if __name__ == "__main__":
    main()
