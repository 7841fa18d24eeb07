"""The commands of `words`, and `eval words`: what word vectors know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli.map import words_map
from indexer.cli.output import entries_of, json_option, print_json
from searchengine.cli.completion import words as complete_words
from searchengine.cli.options import count_option
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.evaluation.words import Analogies
    from indexer.readers.wordfiles import Format
    from searchengine.language.neighbours import Neighbours, WordScore

FORMATS = ("word2vec", "word2vec-binary", "glove", "fasttext", "table")

words_option = click.option(
    "--words",
    "source",
    metavar="PATH",
    help="Word vectors: a word table, a model, or a file of word2vec, GloVe or fastText; "
    "else those of the bundled model.",
)
limit_option = count_option(
    "--limit", help="Read the N first, most frequent, words of a file only."
)
k_option = count_option("-k", "count", default=10, help="Words to show.")
list_option = click.option(
    "--json", "as_json", is_flag=True, help='Print a JSON list of {"word", "score"}.'
)


@click.group("words")
def words() -> None:
    """Ask word vectors, draw them, and convert their files."""


words.add_command(words_map)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which word vectors are asked."""
    return words_option(limit_option(command))


@words.command()
@click.argument("word", shell_complete=complete_words)
@k_option
@source_options
@list_option
def near(word: str, count: int, source: str | None, limit: int | None, as_json: bool) -> None:
    """Show the words most like a word, or a phrase.

    \b
      lexpix words near king
    """
    _show(_open(source, limit).near(word, count), as_json)


@words.command()
@click.argument("one", shell_complete=complete_words)
@click.argument("other", shell_complete=complete_words)
@click.argument("third", shell_complete=complete_words)
@k_option
@source_options
@list_option
def analogy(
    one: str,
    other: str,
    third: str,
    count: int,
    source: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show what is to THIRD as OTHER is to ONE: OTHER - ONE + THIRD.

    \b
      lexpix words analogy man king woman
    """
    _show(_open(source, limit).analogy(one, other, third, count), as_json)


@words.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="WORD WORD WORD...", shell_complete=complete_words
)
@source_options
@list_option
def odd(words: tuple[str, ...], source: str | None, limit: int | None, as_json: bool) -> None:
    """Show the odd one first, then the others, by likeness to the mean of the rest.

    \b
      lexpix words odd cat kitten house dog
    """
    _show(_open(source, limit).odd(words), as_json)


@words.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What to write; else by the name: .bin word2vec-binary, .vec fasttext, .txt word2vec, "
    "none of these a folder with a word table.",
)
@limit_option
def convert(source: Path, out: Path, form: Format | None, limit: int | None) -> None:
    """Write word vectors in another format; what SOURCE is, its content says.

    A word table takes only words that a query can contain. A phrase such as "ice cream" is written
    as ice_cream, and read so.
    """
    from indexer.train.words.source import convert_vectors

    count, dim = convert_vectors(source, out, form or _format_of(out), limit)
    click.echo(f"wrote {count:,} words, {dim} dimensions, to {out}", err=True)


@click.command("words")
@words_option
@limit_option
@click.option(
    "--among",
    metavar="PATH",
    help="Only words that these other word vectors have as well, to compare the two fairly.",
)
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Other analogies, in the form of questions-words.",
)
@json_option
def evaluate_words(
    source: str | None, limit: int | None, among: str | None, questions: Path | None, as_json: bool
) -> None:
    """Measure word vectors on analogies and on similarity as people see it.

    Analogies are those of questions-words, by section: the answer must be the nearest word of all.
    WordSim-353 and SimLex-999: rank correlation, times 100. Coverage is the share whose words are
    all known; only these count. The sets come with gensim.

    PATH may also be "default" (the bundled model) or "glove" (GloVe 6B 50d of the extra train).
    """
    from indexer.evaluation import words as evaluation
    from indexer.train.words.source import words_and_units

    sets = evaluation.packaged_sets()
    analogies = evaluation.read_questions(questions or sets / evaluation.QUESTIONS)
    pairs = {
        name: evaluation.read_similarities(sets / file)
        for name, file in evaluation.SIMILARITIES.items()
    }
    vocabulary, units = words_and_units(source, limit, among)
    scores = evaluation.evaluate_words(vocabulary, units, analogies, pairs)
    if as_json:
        print_json(entries_of(scores))
        return
    click.echo(f"{scores.words:,} words, {scores.dim} dimensions")
    rows = [
        *scores.sections.items(),
        ("semantic", scores.semantic),
        ("syntactic", scores.syntactic),
        ("total", scores.total),
    ]
    for name, section in rows:
        click.echo(f"  {printable(name):<28}{_described(section)}")
    for name, each in scores.similarity.items():
        figure = "   -" if each.spearman is None else f"{each.spearman:5.1f}"
        click.echo(f"  {name:<28}{figure}  coverage {each.coverage:5.1f} of {each.pairs}")


def _described(section: Analogies) -> str:
    accuracy = "    -" if section.accuracy is None else f"{section.accuracy:5.1f}"
    return f"{accuracy}  coverage {section.coverage:5.1f} of {section.questions}"


def _open(source: str | None, limit: int | None) -> Neighbours:
    from indexer.train.words.source import open_words
    from searchengine.config import load_settings
    from searchengine.language.neighbours import Neighbours
    from searchengine.language.translator import Translator, knowing

    table = open_words(source, limit)
    return Neighbours(table, Translator(knowing(table.find), load_settings().lang or None))


def _format_of(path: Path) -> Format:
    name = path.name.lower().removesuffix(".gz")
    by_ending: dict[str, Format] = {".bin": "word2vec-binary", ".vec": "fasttext"}
    if name.endswith(".txt"):
        return "word2vec"
    return next((form for end, form in by_ending.items() if name.endswith(end)), "table")


def _show(neighbours: Sequence[WordScore], as_json: bool) -> None:
    if as_json:
        print_json([{"word": each.word, "score": round(each.score, 4)} for each in neighbours])
        return
    for each in neighbours:
        click.echo(f"{each.score:6.3f}  {printable(each.word)}")
