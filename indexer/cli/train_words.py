"""The command `train words`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from indexer.cli.config import config_option, configured, field_option
from indexer.cli.output import entries_of, json_option, print_json, warn
from indexer.cli.train_options import out_option
from indexer.train.words.config import SkipGramConfig
from searchengine.cli.options import count_option


@click.command("words")
@click.argument(
    "corpus", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CORPUS..."
)
@out_option("Folder of the word table; checkpoints are kept beside it in OUT.work.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="Field of JSON lines that holds text, or a list of texts. Repeatable.",
)
@field_option(SkipGramConfig, "dim", "Length of a vector.")
@field_option(SkipGramConfig, "window", "Words to each side that a word predicts.")
@field_option(SkipGramConfig, "min_count", "Rarer words get no vector.")
@field_option(
    SkipGramConfig,
    "negative",
    "Noise words for each pair; 0 is the full softmax (--engine torch).",
)
@field_option(SkipGramConfig, "epochs", "How often the corpus is read.")
@field_option(
    SkipGramConfig,
    "sample",
    "Words more frequent than this share are read less often; 0 reads all.",
)
@count_option(
    "--workers", help="Threads; one for each core. Only one gives the same vectors again."
)
@field_option(SkipGramConfig, "seed", "Decides the draws.")
@field_option(SkipGramConfig, "engine", "torch is the textbook model: to read and to try, slow.")
@field_option(SkipGramConfig, "positional", "An output matrix for each relative position (torch).")
@field_option(
    SkipGramConfig, "phrases", 'Make one word of words that belong together ("ice cream").'
)
@config_option(SkipGramConfig)
@json_option
def train_word_vectors(
    corpus: tuple[Path, ...],
    out: Path,
    fields: tuple[str, ...],
    as_json: bool,
    **_fields: Any,
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
    config = configured(SkipGramConfig, workers=os.cpu_count() or 1)
    if config.engine == "gensim" and (config.positional or not config.negative):
        raise click.UsageError("--positional and --negative 0 need --engine torch")
    from indexer.progress import meter
    from indexer.train.words.skipgram import train_words

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
