"""The command `train words`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import click

from indexer.cli.output import entries_of, json_option, print_json, warn


@click.command("words")
@click.argument(
    "corpus", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CORPUS..."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the word table; checkpoints are kept beside it in OUT.work.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="Field of JSON lines that holds text, or a list of texts. Repeatable.",
)
@click.option(
    "--dim",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Length of a vector.",
)
@click.option(
    "--window",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Words to each side that a word predicts.",
)
@click.option(
    "--min-count",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rarer words get no vector.",
)
@click.option(
    "--negative",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Noise words for each pair; 0 is the full softmax (--engine torch).",
)
@click.option(
    "--epochs",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="How often the corpus is read.",
)
@click.option(
    "--sample",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(min=0, max=1),
    help="Words more frequent than this share are read less often; 0 reads all.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads; one for each core. Only one gives the same vectors again.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Decides the draws."
)
@click.option(
    "--engine",
    default="gensim",
    show_default=True,
    type=click.Choice(["gensim", "torch"]),
    help="torch is the textbook model: to read and to try, slow.",
)
@click.option(
    "--positional", is_flag=True, help="An output matrix for each relative position (torch)."
)
@click.option(
    "--phrases/--no-phrases",
    default=True,
    show_default=True,
    help='Make one word of words that belong together ("ice cream").',
)
@json_option
def train_word_vectors(
    corpus: tuple[Path, ...],
    out: Path,
    fields: tuple[str, ...],
    dim: int,
    window: int,
    min_count: int,
    negative: int,
    epochs: int,
    sample: float,
    workers: int | None,
    seed: int,
    engine: Literal["gensim", "torch"],
    positional: bool,
    phrases: bool,
    as_json: bool,
) -> None:
    """Learn word vectors from text: the skip-gram of word2vec.

    \b
      lexpix train words notes.txt.gz recipes.jsonl --field title --field instructions --out words
      lexpix words near "ice cream" --words words
      lexpix train joint --pairs captions.jsonl --words words --out model

    A corpus is a text file, JSON lines (.jsonl, .ndjson, .json), one of these with .gz, or a folder
    of them. Words are cut as those of queries. What is no text is left out and reported. An
    interrupted training goes on after its last epoch when the same command is given again.
    """
    if engine == "gensim" and (positional or not negative):
        raise click.UsageError("--positional and --negative 0 need --engine torch")
    from indexer.progress import meter
    from indexer.train.words.config import SkipGramConfig
    from indexer.train.words.skipgram import train_words

    config = SkipGramConfig(
        dim=dim,
        window=window,
        min_count=min_count,
        negative=negative,
        epochs=epochs,
        sample=sample,
        seed=seed,
        workers=workers or os.cpu_count() or 1,
        engine=engine,
        positional=positional,
        phrases=phrases,
    )
    with meter("words") as progress:
        report = train_words(corpus, out.absolute(), config, fields=fields, progress=progress)
    for failure in report.failures:
        warn(failure)
    if as_json:
        print_json({"words": str(out), **entries_of(report)})
    elif report.failed:
        click.echo(f"lexpix: {report.failed} files or lines left out", err=True)
    click.echo(
        f"read {report.words:,} words in {report.files:,} files; wrote {out}; "
        f"look into it with: lexpix words near WORD --words {out}",
        err=True,
    )
