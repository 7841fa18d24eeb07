"""What embeds pictures with the CNN of a joint model: which runtime, and in which numbers.

The setting `inference` names one, or leaves it to what was measured (docs/scale.md): with OpenVINO
and a processor that multiplies bfloat16 by itself, OpenVINO in bfloat16 takes half of the time, at
cosines of 0.9995 with float32; everywhere else it stays ONNX Runtime in float32. The vectors of all
of them are of one space and belong to one fingerprint.

Choosing reads what the processor has and what is installed. Nothing is timed, and no runtime is
imported, but for ONNX Runtime to ask it for a GPU that the setting names.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from searchengine.config import INFERENCE
from searchengine.errors import ConfigError, LexpixError, MissingPlugin

AUTO, ONNX_RUNTIME, OPENVINO = "auto", "onnxruntime", "openvino"
PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""Values of the setting that mean a GPU, and what ONNX Runtime calls each."""
CPU = "CPUExecutionProvider"
CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""What Linux calls instructions that multiply bfloat16; OpenVINO would emulate them elsewhere."""
GPU_REMEDY = (
    "pip uninstall onnxruntime, then: pip install --force-reinstall --no-deps onnxruntime-gpu"
)


@dataclass(frozen=True, slots=True)
class Inference:
    """What embeds pictures.

    Attributes:
        runtime: "onnxruntime" or "openvino".
        numbers: "fp32" or "bf16", in which the network is computed.
        provider: What ONNX Runtime runs it on.
        why: Why it was chosen.
    """

    runtime: Literal["onnxruntime", "openvino"]
    numbers: Literal["fp32", "bf16"]
    why: str
    provider: str = CPU

    def __str__(self) -> str:
        where = "" if self.provider == CPU else f" by {self.provider}"
        return f"{self.runtime}{where} in {self.numbers}: {self.why}"


def choose(setting: str) -> Inference:
    """Return what the setting `inference` means on this machine.

    Raises:
        ConfigError: It means nothing.
        MissingPlugin: What it names is not installed.
    """
    if setting == AUTO:
        return _fastest()
    if setting == ONNX_RUNTIME:
        return Inference("onnxruntime", "fp32", "as set")
    if setting == OPENVINO:
        if not _is_installed(OPENVINO):
            raise MissingPlugin("inference 'openvino' needs: pip install 'lexpix[openvino]'")
        if multiplies_bf16():
            return Inference("openvino", "bf16", "as set; the processor multiplies bfloat16")
        return Inference("openvino", "fp32", "as set; the processor is not known to have bfloat16")
    if setting in PROVIDERS:
        return _on_gpu(setting)
    raise ConfigError(f"inference: {setting!r} is none of {', '.join(INFERENCE)}")


def told(setting: str) -> str:
    """Return in words what the setting means here, or why it cannot be used."""
    try:
        return str(choose(setting))
    except LexpixError as error:
        return f"none: {error}"


def multiplies_bf16() -> bool:
    """Whether the processor has instructions for bfloat16; only Linux tells."""
    return bool(BF16_FLAGS & _processor_flags())


def _fastest() -> Inference:
    if not multiplies_bf16():
        return Inference("onnxruntime", "fp32", "the processor is not known to have bfloat16")
    if not _is_installed(OPENVINO):
        return Inference(
            "onnxruntime",
            "fp32",
            "the processor has bfloat16, which would take half the time; "
            "for that: pip install 'lexpix[openvino]'",
        )
    return Inference("openvino", "bf16", "the processor multiplies bfloat16")


def _on_gpu(setting: str) -> Inference:
    import onnxruntime

    provider, offered = PROVIDERS[setting], onnxruntime.get_available_providers()
    if provider not in offered:
        raise MissingPlugin(
            f"inference {setting!r}: the onnxruntime that is installed has no {provider}, only "
            f"{', '.join(offered)}; {GPU_REMEDY}"
        )
    return Inference("onnxruntime", "fp32", "as set", provider)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _processor_flags() -> frozenset[str]:
    """Return what Linux says that the first processor can do; nothing on other systems."""
    try:
        with CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, flags = line.partition(":")
                if name.strip() == "flags":
                    return frozenset(flags.split())
    except OSError:
        pass
    return frozenset()
