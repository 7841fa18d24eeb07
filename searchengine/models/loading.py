"""Which model answers, and how it is loaded."""

from __future__ import annotations

import contextlib
import inspect
from pathlib import Path

from searchengine import plugins
from searchengine.catalog.quick import open_catalog
from searchengine.config import Settings
from searchengine.documents import Kind
from searchengine.errors import ModelError, NothingIndexed
from searchengine.models.files import ASSETS, CONFIG, read_config, resolve
from searchengine.models.inference import ONNX_RUNTIME
from searchengine.models.texts import GeneralTexts, TextModel
from searchengine.types import Encoder

FOOD = "food"
"""Kind of a food head, and name of the bundled one."""
_ENCODERS = "lexpix.encoders"


def load_model(name: str = "default", inference: str = ONNX_RUNTIME) -> Encoder:
    """Load a bundled model by name, or any model by the path of its folder.

    Args:
        name: The model.
        inference: What embeds pictures, a value of that setting; models whose kind knows one way
            only, such as those of open_clip, do not ask.

    Raises:
        ModelError: There is none, it is incomplete or changed, or it has no pictures of its own.
        MissingPlugin: Nothing installed can run its kind of model, or what does is incomplete.
    """
    folder = resolve(name)
    if _is_head(folder):
        raise ModelError(
            f"{name}: a model of recipes, which stands on a model of pictures; it answers: lexpix "
            f"texts, lexpix recipes, lexpix search --text-file FILE"
        )
    kind = read_config(folder).kind
    make = plugins.load(_ENCODERS, kind)
    asks = "inference" in inspect.signature(make).parameters
    encoder: Encoder = make(folder, inference=inference) if asks else make(folder)
    plugins.require(_ENCODERS, kind, encoder, Encoder)
    return encoder


def text_model(kind: Kind, model_name: str, encoder: Encoder) -> TextModel:
    """Return what embeds texts of a kind beside the pictures of an encoder.

    Recipes go to the bundled food head if it stands on this encoder, all else to the encoder.

    Args:
        kind: What the texts are.
        model_name: The model that the settings name; a food head gets texts of every kind.
        encoder: What embeds the pictures of the library.

    Raises:
        ModelError: The food head that is named stands on another encoder.
    """
    if names_head(model_name):
        return _head(resolve(model_name), encoder)
    if kind == "recipe" and heads_on(encoder.fingerprint):
        return _head(ASSETS / FOOD, encoder)
    return GeneralTexts(encoder)


def names_head(model_name: str) -> bool:
    """Tell whether a setting names a model of texts only.

    Raises:
        ModelError: There is no such model.
    """
    return _is_head(resolve(model_name))


def heads_on(encoder: str) -> list[str]:
    """Return the fingerprints of bundled food heads that stand on the encoder of a fingerprint."""
    folder = ASSETS / FOOD
    if not (folder / CONFIG).is_file():
        return []
    config = read_config(folder)
    return [config.fingerprint] if config.text["base"] == encoder else []


def _is_head(folder: Path) -> bool:
    return read_config(folder).kind == FOOD


def _head(folder: Path, encoder: Encoder) -> TextModel:
    from searchengine.models.food import FoodHead, require_base
    from searchengine.models.joint import JointEncoder

    if isinstance(encoder, JointEncoder):
        return FoodHead(folder, encoder)
    require_base(str(read_config(folder).text["base"]), encoder.fingerprint, str(folder))
    raise ModelError(f"{folder}: needs the word table of a joint model")


def load_configured(settings: Settings, *, for_texts: bool = False) -> Encoder:
    """Load the model of a flag or variable, else the library's choice, else the configured one.

    Args:
        settings: Name the model.
        for_texts: The model may be a food head; as it has no pictures of its own, the library's
            choice, or else the default, stands beside it.

    Raises:
        ModelError, MissingPlugin: As `load_model` does.
        LibraryError: The library cannot be read.
    """
    chosen = _choice(settings) if "model" in settings.yielding else None
    if chosen is None and for_texts and names_head(settings.model):
        chosen = _choice(settings) or "default"
    if chosen is None:
        return load_model(settings.model, settings.inference)
    try:
        return load_model(chosen, settings.inference)
    except ModelError as error:
        raise ModelError(
            f"{error}; the library {settings.library} uses this model; bring it back, or choose "
            "another: lexpix reembed --model MODEL"
        ) from error


def _choice(settings: Settings) -> str | None:
    try:
        catalog = open_catalog(settings.library, create=False, address=settings.catalog)
    except NothingIndexed:
        return None
    with contextlib.closing(catalog):
        return catalog.embeddings.choice()
