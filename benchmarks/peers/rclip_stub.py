"""rclip's own code with another model in place of its own; run by rclip's Python, see README.md.

    python rclip_stub.py fill DATADIR FOLDER PICTURES    writes random vectors of pictures
    python rclip_stub.py search WORD                     rclip itself, where a text costs nothing
    python rclip_stub.py index CNN.onnx                  rclip itself, with a CNN of pixels

The last two are rclip's `main` from its imports on. They ask and index the folder they are run in,
as rclip does, with the database in `RCLIP_DATADIR`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from cnn_of_pixels import CnnOfPixels
from rclip import db, main, model
from rclip.utils import preprocess

DIM = model.Model.VECTOR_SIZE
BATCH = 5_000


def fill(datadir: Path, folder: Path, pictures: int) -> None:
    """Write pictures that need not exist."""
    datadir.mkdir(parents=True)
    database, rng = db.DB(datadir / "db.sqlite3"), np.random.default_rng(0)
    for start in range(0, pictures, BATCH):
        count = min(BATCH, pictures - start)
        rows = rng.standard_normal((count, DIM), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for number, row in enumerate(rows, start):
            path = folder / f"{number // 1000:04}" / f"{number:07}.jpg"
            image = db.NewImage(
                filepath=str(path),
                modified_at=number,
                size=number,
                vector=row.tobytes(),
                hash=f"{number:064x}",
            )
            database.upsert_image(image, commit=False)
        database.commit()
    database.close()


class NoModel(model.Model):  # type: ignore[misc]
    """Map each text to a vector at no cost."""

    def ensure_downloaded(self) -> None:
        """Need nothing."""

    def compute_features_for_queries(self, queries: list[str]) -> Any:
        """Return a vector that depends on the texts; of none what rclip returns."""
        if not queries:
            return np.zeros(DIM, dtype=np.float32)
        seed = sum(map(ord, "".join(queries)))
        return np.random.default_rng(seed).standard_normal(DIM, dtype=np.float32)


class OtherCnn(CnnOfPixels, NoModel):
    """Run a CNN on pixels, as many at a time as rclip hands over."""

    def compute_preprocessed_image_features(
        self, preprocessed_images: list[Any], *, for_indexing: bool = False
    ) -> Any:
        """Return a unit row for each picture."""
        del for_indexing
        pixels = np.stack(preprocessed_images)
        rows = self.embedded(pixels)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pixels_of(image: Any) -> Any:
    """Return what rclip makes of a picture, as the pixels that the CNN takes."""
    scaled = preprocess.preprocess(image).transpose(1, 2, 0) * preprocess.STD + preprocess.MEAN
    return (255 * scaled).round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "search":
        model.Model, sys.argv[1:] = NoModel, [sys.argv[2], "--no-indexing"]
        main.main()
    else:
        OtherCnn.file = sys.argv[2]
        model.Model, main.preprocess = OtherCnn, pixels_of
        sys.argv[1:] = ["dog"]
        main.main()
