"""clip-retrieval's own code with another model in place of its own; run by its own Python.

    python clip_retrieval_stub.py FOLDER OUTPUT CNN.onnx

is `clip-retrieval inference` as its makers set it, without captions: its reader with four
processes, CLIP's transforms, its batches of 256, its writer and its loggers. What it loads CLIP
with is replaced. See README.md here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cnn_of_pixels import CnnOfPixels

SIZE = 256
"""Side of the square that the CNN takes."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's transforms take off, and what they divide by."""


class OtherCnn(CnnOfPixels):
    """Run a CNN of pixels on what CLIP's transforms make, as many at a time as are handed over."""

    def __init__(self, file: str) -> None:
        self.file = file

    def encode_image(self, pictures: Any) -> Any:
        """Return a row for each picture, after turning its numbers back into pixels."""
        import torch

        scaled = pictures * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
        pixels = (255 * scaled).round().clip(0, 255).to(torch.uint8)
        pixels = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        return torch.from_numpy(self.embedded(pixels))

    def encode_text(self, _texts: Any) -> Any:
        """Refuse: there are no captions."""
        raise NotImplementedError


def main(folder: str, output: str, cnn: str) -> None:
    """Embed a folder of pictures.

    Raises:
        SystemExit: Nothing was written.
    """
    from clip.clip import _transform
    from clip_retrieval.clip_inference import main as inference
    from clip_retrieval.clip_inference import mapper, worker

    loaded = OtherCnn(cnn), _transform(SIZE), None
    worker.load_clip = mapper.load_clip = lambda **_options: loaded
    inference.main(folder, output, enable_text=False)
    written = [*Path(output, "img_emb").glob("*.npy")]
    if not written:
        raise SystemExit(f"{output}: clip-retrieval wrote no embeddings")


if __name__ == "__main__":  # its loggers are processes that import this file
    main(*sys.argv[1:])
