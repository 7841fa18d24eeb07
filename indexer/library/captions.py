"""Write captions for all pictures of a library."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from PIL.Image import Image

from indexer.executors import Executor
from searchengine.catalog.captions import CaptionCatalog, Waiting
from searchengine.errors import ImageError
from searchengine.images import open_image
from searchengine.models.captioner.captioner import BATCH, BEAM, Captioner
from searchengine.sources.opening import open_stored
from searchengine.types import Failure


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """What a run did.

    Attributes:
        captioned: Pictures that have a caption now and had none.
        unsure: Those among them whose caption is not worth showing.
        failed: Pictures that could not be read.
    """

    captioned: int
    unsure: int
    failed: tuple[Failure, ...]


def caption_library(
    store: CaptionCatalog,
    captioner: Captioner,
    executor: Executor,
    *,
    width: int = BEAM,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionReport:
    """Write and store a caption for each present picture that has none of this captioner.

    Each batch is one transaction, so an interrupted run goes on where it was. A picture that cannot
    be read is reported, and tried again by the next run.
    """
    waiting = store.waiting(captioner.fingerprint)

    def read(one: Waiting) -> tuple[Waiting, Image | Failure]:
        try:
            with open_stored(one.path) as file:
                size, prepare = captioner.decode_size, captioner.prepare
                return one, open_image(file, size=size, prepare=prepare)
        except OSError as error:
            return one, Failure(one.path, f"cannot be read ({error.strerror or error})")
        except ImageError as error:
            return one, Failure(one.path, str(error).removeprefix(f"{one.path}: "))

    captioned = unsure = 0
    failed: list[Failure] = []
    decoded = executor.imap(read, waiting)
    with closing(decoded):
        while batch := list(islice(decoded, BATCH)):
            failed += [result for _, result in batch if isinstance(result, Failure)]
            readable = [(one, result) for one, result in batch if not isinstance(result, Failure)]
            captions = captioner.caption([picture for _, picture in readable], width=width)
            written = dict(zip((one for one, _ in readable), captions, strict=True))
            store.write(written, captioner.fingerprint)
            captioned += len(captions)
            unsure += sum(not one.sure for one in captions)
            if progress is not None:
                progress(captioned + len(failed), len(waiting))
    return CaptionReport(captioned, unsure, tuple(failed))
