"""Half precision is used where the processor has it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from indexer.train.precision import autocast, has_bfloat16

FLAGS = Path("/proc/cpuinfo")


@pytest.mark.skipif(not FLAGS.exists(), reason="needs Linux's list of instructions")
def test_bfloat16_needs_avx512_or_amx_on_x86() -> None:
    flags = set(FLAGS.read_text().split())
    if "avx2" in flags and "avx512f" not in flags:
        assert not has_bfloat16()
    if "avx512_bf16" in flags:
        assert has_bfloat16()


def test_products_have_the_precision_that_the_processor_is_good_at() -> None:
    rows = torch.ones(2, 3)
    with autocast():
        product = rows @ rows.T
    assert product.dtype == (torch.bfloat16 if has_bfloat16() else torch.float32)
    with autocast("cpu:0"):
        assert (rows @ rows.T).dtype == product.dtype
