"""Which model answers, and how it is loaded."""

from __future__ import annotations

import contextlib

from searchengine import plugins
from searchengine.catalog import Catalog
from searchengine.config import Settings
from searchengine.database import open_database
from searchengine.documents import Kind
from searchengine.errors import ModelError, NothingIndexed
from searchengine.models.documents import GeneralTexts, TextModel
from searchengine.models.files import read_config, resolve
from searchengine.types import Encoder


def load_model(name: str = "default") -> Encoder:
    """Load a bundled model by name, or any model by the path of its folder.

    Raises:
        ModelError: There is none, or it is incomplete or changed.
        MissingPlugin: Nothing installed can run its kind of model.
    """
    folder = resolve(name)
    make = plugins.load("lexpix.encoders", read_config(folder).kind)
    encoder: Encoder = make(folder)
    return encoder


def text_model(kind: Kind, model_name: str, encoder: Encoder) -> TextModel:  # noqa: ARG001
    """Return what embeds texts of a kind beside the pictures of an encoder.

    Args:
        kind: What the texts are.
        model_name: The model that the settings name.
        encoder: What embeds the pictures of the library.
    """
    return GeneralTexts(encoder)


def load_configured(settings: Settings) -> Encoder:
    """Load the model of a flag or variable, else the library's choice, else the configured one.

    Raises:
        ModelError, MissingPlugin: As `load_model` does.
        LibraryError: The library cannot be read.
    """
    chosen = _choice(settings) if "model" in settings.yielding else None
    if chosen is None:
        return load_model(settings.model)
    try:
        return load_model(chosen)
    except ModelError as error:
        raise ModelError(
            f"{error}; the library {settings.library} uses this model; bring it back, or choose "
            "another: lexpix reembed --model MODEL"
        ) from error


def _choice(settings: Settings) -> str | None:
    try:
        catalog = Catalog(open_database(settings.library, create=False))
    except NothingIndexed:
        return None
    with contextlib.closing(catalog):
        return catalog.embeddings.choice()
