"""Make a model folder of any open_clip model: its architecture, weights and preprocessing."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from searchengine.errors import MissingPlugin, ModelError
from searchengine.models import files
from searchengine.models.clip import ARCHITECTURE, KIND, WEIGHTS, explained, require_open_clip
from searchengine.vectors import unit_rows

_FETCH = "connect to a network once, or name a file of weights"


def import_clip(
    architecture: str, weights: str, out: Path, *, preprocessing: str | None = None
) -> files.ModelConfig:
    """Make a model folder from an architecture and weights, whole or not at all.

    Args:
        architecture: A name that open_clip knows, or the path of a JSON file as open_clip has them
            itself: `{"model_cfg": {..}, "preprocess_cfg": {..}}`, or the inner part of model_cfg.
        weights: The path of a file that open_clip reads, or the tag of published weights, which
            open_clip downloads, or takes from its cache.
        out: The folder; a model that is there is replaced.
        preprocessing: For weights in a file, the tag whose preprocessing they were trained with;
            needed if the published weights of the architecture differ in it.

    Raises:
        ModelError: An unknown name, weights that cannot be fetched or read or are those of another
            architecture, or `out` is something else than a model.
        MissingPlugin: open_clip is not installed, or not what this architecture needs besides.
    """
    require_open_clip()
    out = out.absolute()
    files.require_replaceable(out)
    model_cfg, preprocess_cfg = _description(architecture)
    source = Path(weights).expanduser()
    if not source.is_file():
        preprocessing, source = weights, _download(architecture, weights)
    if preprocess_cfg is None:
        preprocess_cfg = _preprocessing(architecture, preprocessing)
    save_tokenizer = _tokenizer(architecture, model_cfg["text_cfg"])
    model = _build(architecture, {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg})
    _load(model, source, architecture)
    image = json.loads(json.dumps(dict(model.visual.preprocess_cfg)))  # tuples become lists
    dim = int(model_cfg["embed_dim"])
    with explained(f"{source}: these weights give no usable vectors"):
        _try(model, dim)

    def write(fresh: Path) -> None:
        from safetensors.torch import save_file

        description = {"model_cfg": model_cfg, "preprocess_cfg": image}
        text = json.dumps(description, indent=1, sort_keys=True)
        (fresh / ARCHITECTURE).write_text(text, encoding="utf-8")
        # Copies, because the format refuses tensors that share memory.
        tensors = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, fresh / WEIGHTS)
        shutil.copymode(fresh / ARCHITECTURE, fresh / WEIGHTS)  # the format's writer is secretive
        save_tokenizer(fresh)

    notes = {
        "architecture": Path(architecture).name,
        "weights": source.name if Path(weights).expanduser().is_file() else weights,
    }
    config = files.ModelConfig(KIND, out.name, dim, image, {"tokenizer": "open_clip"}, notes)
    return files.save(out, config, write)


def _description(architecture: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the parameters of an architecture, and the preprocessing if they came with it."""
    import open_clip

    if not architecture.endswith(".json"):
        if architecture not in open_clip.list_models():
            raise ModelError(
                f"{architecture}: open_clip {open_clip.__version__} knows no such architecture; "
                f"it knows {', '.join(open_clip.list_models())}; or name a .json file"
            )
        return open_clip.get_model_config(architecture), None
    path = Path(architecture).expanduser()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        model_cfg = entries.get("model_cfg", entries)
        if not all(isinstance(model_cfg[key], dict) for key in ("vision_cfg", "text_cfg")):
            raise TypeError("vision_cfg and text_cfg are objects")
        int(model_cfg["embed_dim"])
        return model_cfg, entries.get("preprocess_cfg")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: describes no architecture of open_clip ({error!r})") from error


def _download(architecture: str, tag: str) -> Path:
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in known:
        choice = ", ".join(known) or "none, so name a file"
        raise ModelError(
            f"{tag}: no file, and no published weights of {architecture}; there are: {choice}"
        )
    # The hub's client has a handler of its own; without this each message would come twice.
    logging.getLogger("huggingface_hub").propagate = False
    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag)))
    except Exception as error:  # each way to download has errors of its own
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{architecture} {tag}: the weights cannot be fetched ({reason}); {_FETCH}"
        ) from error


def _preprocessing(architecture: str, tag: str | None) -> dict[str, Any]:
    """Return how pictures were prepared for published weights, of a tag or of all tags alike.

    Raises:
        ModelError: There is no such tag, or without one there is a choice.
    """
    import open_clip
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    known: dict[str, dict[str, Any]] = {
        name: merge_preprocess_dict(
            PreprocessCfg(), open_clip.get_pretrained_cfg(architecture, name)
        )
        for name in open_clip.list_pretrained_tags_by_model(architecture)
    }
    if tag is not None and tag not in known:
        raise ModelError(
            f"{tag}: no published weights of {architecture}; there are: {', '.join(known)}"
        )
    choices = [known[tag]] if tag is not None else list(known.values())
    if any(choice != choices[0] for choice in choices):
        raise ModelError(
            f"{architecture}: pictures are prepared in different ways for its weights; name the "
            f"tag that yours are like with --preprocessing: {', '.join(known)}"
        )
    return choices[0] if choices else merge_preprocess_dict(PreprocessCfg(), {})


def _tokenizer(architecture: str, text_cfg: Mapping[str, Any]) -> Callable[[Path], None]:
    """Return what puts the tokenizer into a model folder, if it is not open_clip's own.

    Raises:
        ModelError: The tokenizer cannot be fetched, or the texts' network comes with another one.
        MissingPlugin: It needs transformers.
    """
    if "hf_model_name" in text_cfg:
        raise ModelError(
            f"{architecture}: its network for texts is fetched from the Hugging Face hub whenever "
            "it is used, and lexpix works offline; use another architecture"
        )
    name = text_cfg.get("hf_tokenizer_name")
    if not name:
        return lambda _folder: None
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingPlugin(
            f"{architecture}: its tokenizer needs: pip install transformers"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # of the hub, of the file system, of a parser
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{architecture}: its tokenizer {name} cannot be fetched ({reason}); connect to a "
            "network once, or name its folder as hf_tokenizer_name in a .json file"
        ) from error

    def save(folder: Path) -> None:
        tokenizer.save_pretrained(folder)

    return save


def _build(architecture: str, description: Mapping[str, Any]) -> Any:
    """Return a model with random weights."""
    import open_clip

    with (
        tempfile.TemporaryDirectory(prefix="lexpix-clip-") as folder,
        explained(f"{architecture}: open_clip cannot make this architecture"),
        _without_warnings(),  # that there are no weights; they come next
    ):
        (Path(folder) / ARCHITECTURE).write_text(json.dumps(description), encoding="utf-8")
        return open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()


def _load(model: Any, source: Path, architecture: str) -> None:
    import open_clip

    with explained(f"{source}: not weights of the architecture {architecture}"):
        try:
            # A checkpoint may come from anywhere and must not run code.
            open_clip.load_checkpoint(model, str(source), strict=True, weights_only=True)
        except pickle.UnpicklingError as error:  # PyTorch would advise to run its code
            raise ModelError(
                f"{source}: no weights, or more than weights, which is not safe to read; "
                "name a .safetensors file, or one that torch.save made of a state dict"
            ) from error


def _try(model: Any, dim: int) -> None:
    """Raise ValueError unless a picture and a text get a finite vector of the right length."""
    import torch

    height, width = _pair(model.visual.image_size)
    with torch.inference_mode():
        unit_rows(model.encode_image(torch.zeros(1, 3, height, width)).numpy(), dim)
        tokens = torch.ones(1, model.context_length, dtype=torch.long)
        unit_rows(model.encode_text(tokens).numpy(), dim)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
