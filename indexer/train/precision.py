"""Half precision where the processor computes with it, single where it would only imitate it."""

from __future__ import annotations

import torch


def autocast(device: str = "cpu") -> torch.autocast:
    """Return a context in which products run in bfloat16 if that is faster.

    A processor without instructions for it takes thirty times as long as in single precision
    (measured on AVX2: products of 4096 x 512 x 2500). Weights trained with and without it differ in
    the last places, so the same seed gives the same model only on processors of one kind.

    Args:
        device: Of the tensors, such as "cpu" or "cuda:0".
    """
    kind = device.split(":", maxsplit=1)[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind != "cpu" or has_bfloat16())


def has_bfloat16() -> bool:
    """Tell whether this processor has instructions for products in bfloat16."""
    # What torch itself asks before it lowers a product to bfloat16; there is no public name for it.
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
