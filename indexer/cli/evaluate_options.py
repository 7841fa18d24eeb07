"""Options that the commands of `eval` share, and how what they name is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from indexer.cli.config import config_option
from indexer.cli.train_options import images_option
from searchengine.cli.options import count_option, files_option, path_option, stacked
from searchengine.errors import TrainingDataError
from searchengine.terminal import printable

if TYPE_CHECKING:
    from indexer.train.match.material import LeftOut
    from searchengine.types import Encoder

WORDNET = Path("/usr/share/wordnet")


pairs_options = stacked(
    path_option("--pairs", required=True, help="Captioned pictures, as for training."),
    images_option,
    click.option(
        "--split",
        default="dev",
        show_default=True,
        help="Which pictures: train, dev, test.",
    ),
    config_option(),
)
"""The options of all that read captioned pictures."""


labels_options = stacked(
    path_option(
        "--labels",
        required=True,
        help='JSON lines {"image": path relative to the file, "labels": [..]}.',
    ),
    click.option(
        "--split",
        help="Which pictures: train, dev, test; all of a file that names no splits.",
    ),
    config_option(),
)
"""The options of all that read labelled pictures."""


wordnet_option = click.option(
    "--wordnet",
    default=WORDNET,
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The files of WordNet; Debian has them in wordnet-base.",
)
recipes_option = path_option(
    "--pairs",
    required=True,
    help="Recipes with pictures: JSON lines of title, ingredients, instructions, image.",
)
also_labels_option = files_option(
    "--labels",
    help='Labelled pictures too, JSON lines {"image", "labels"}, with or without "synset" and '
    '"split"; all of a file that names no splits. May be given several times.',
)
composites_option = count_option("--pairs", default=300, help="Pictures put together.")
seed_option = click.option("--seed", default=1, show_default=True, help="Decides what is drawn.")
captioner_option = click.option(
    "--captioner",
    default="captioner",
    show_default=True,
    metavar="MODEL",
    help="The bundled captioner, or the folder of one.",
)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before what is wrong with its content."""
    try:
        yield
    except TrainingDataError as error:
        raise TrainingDataError(f"{path}: {error}") from error


def load_encoder(model: str | None) -> Encoder:
    """Return the model that the settings name, or this one."""
    from searchengine.config import load_settings
    from searchengine.models.loading import load_configured

    return load_configured(load_settings({"model": model}))


def read_split(
    path: Path, images: Path | None, split: str
) -> tuple[list[Path], list[tuple[str, ...]]]:
    """Return the captioned pictures of a split, and their captions."""
    from indexer.readers.pairs import read_pairs

    read = read_pairs(path, images)
    chosen = [pair for pair in read if pair.split == split and pair.captions]
    if not chosen:
        present = ", ".join(sorted({pair.split for pair in read if pair.captions})) or "none"
        raise TrainingDataError(
            f"{path}: no captioned pictures of the split {split!r} in it; splits in it: {present}"
        )
    return [pair.image for pair in chosen], [pair.captions for pair in chosen]


def warn_of_unknown(names: Sequence[str]) -> None:
    """Say on standard error which names could not be asked."""
    if names:
        click.echo(f"lexpix: no word is known of: {printable(', '.join(names))}", err=True)


def warn_of_synsets(without: int, unknown: Sequence[str]) -> None:
    """Say on standard error which pictures no hypernym finds, for want of a synset."""
    if without:
        click.echo(f"lexpix: pictures without a synset, no hypernym is theirs: {without}", err=True)
    if unknown:
        listing = printable(", ".join(unknown))
        click.echo(
            "lexpix: synsets that are not in WordNet, no hypernym is theirs:"
            f" {len(unknown)} ({listing})",
            err=True,
        )


def warn_of_left_out(left_out: Mapping[Path, LeftOut]) -> None:
    """Say on standard error what of files of labels could not be asked."""
    for left in left_out.values():
        warn_of_unknown(left.names)
        warn_of_synsets(left.without_synset, left.synsets)
