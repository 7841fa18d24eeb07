"""The CNN of a joint model in the runtimes that can compute it.

A network maps pixels, uint8 (n, height, width, 3), to one of its outputs. It can be asked in many
threads at once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from searchengine.errors import ModelError
from searchengine.models.inference import CPU

EMBEDDING = "embedding"
SLICE = 4
"""Pictures that OpenVINO computes at a time. What the first layers make of more does not fit into
the caches of a core: 32 at a time take 15 % longer. The bits are the same."""
_TELEMETRY = "openvino_telemetry"
_WITHOUT = "LEXPIX_INFERENCE=onnxruntime"
_import_lock = threading.Lock()


class OnnxRuntimeNetwork:
    """All outputs of the network, by ONNX Runtime in float32."""

    def __init__(self, path: Path, provider: str = CPU) -> None:
        """Load it; raise ModelError if the file or the provider cannot be used."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = _threads()
        if provider != CPU and hasattr(onnxruntime, "preload_dlls"):
            # What pip has installed of CUDA is on no path of libraries. What this misses it prints.
            with redirect_stdout(sys.stderr):
                onnxruntime.preload_dlls()
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=list(dict.fromkeys([provider, CPU]))
            )
        except Exception as error:  # ONNX Runtime's own errors have no common class
            raise ModelError(f"{path}: ONNX Runtime cannot load it ({error})") from error
        if provider not in self._session.get_providers():  # it says so in its log alone
            raise ModelError(
                f"{provider}: ONNX Runtime cannot start it; it needs such a GPU with its driver, "
                "and the libraries of: pip install 'onnxruntime-gpu[cuda,cudnn]'; without them: "
                "LEXPIX_INFERENCE=auto"
            )

    @property
    def outputs(self) -> frozenset[str]:
        """Names of what it can be asked for."""
        return frozenset(output.name for output in self._session.get_outputs())

    def run(self, output: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return an output for pictures, a row for each."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        # Without this the session would compute the regions for every embedding as well.
        options.add_run_config_entry("only_execute_path_to_fetches", "1")
        found: list[npt.NDArray[np.float32]] = self._session.run(
            [output], {"pixels": pixels}, options
        )
        return found[0]


class OpenVinoNetwork:
    """The embedding alone, by OpenVINO; what is computed in bfloat16 comes out in float32."""

    def __init__(self, path: Path, numbers: Literal["fp32", "bf16"]) -> None:
        """Compile it for this processor; raise ModelError if that fails."""
        try:
            with _import_lock, _without_telemetry():
                import openvino
        except (ImportError, OSError) as error:  # a library that it needs, or half a package
            raise ModelError(
                f"OpenVINO is installed, but cannot be imported ({error}); mend it: pip install "
                f"--force-reinstall openvino; do without it: {_WITHOUT}"
            ) from error
        chosen: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if numbers == "bf16" else "f32",
            "NUM_STREAMS": 1,
        }
        if threads := _threads():
            chosen["INFERENCE_NUM_THREADS"] = threads
        try:
            core = openvino.Core()
            whole = core.read_model(path)
            # A compiled model computes all that it can: regions take as long as a tenth of it.
            ends = [end for end in whole.get_results() if EMBEDDING in _names(end)]
            embedding = openvino.Model(ends, whole.get_parameters(), EMBEDDING)
            self._request = core.compile_model(embedding, "CPU", chosen).create_infer_request()
        except Exception as error:  # it raises RuntimeError for everything, and TypeError
            raise ModelError(
                f"{path}: OpenVINO cannot load it ({error}); do without it: {_WITHOUT}"
            ) from error
        self._lock = threading.Lock()

    def run(self, output: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the embeddings of pictures, not normalised, a row for each."""
        assert output == EMBEDDING, "whoever asks for more has the network of ONNX Runtime"
        rows = []
        for start in range(0, len(pixels), SLICE):
            with self._lock:  # a request answers one at a time, and gives its memory away
                self._request.infer({"pixels": pixels[start : start + SLICE]}, share_inputs=True)
                rows.append(np.array(self._request.get_output_tensor(0).data, dtype=np.float32))
        return np.concatenate(rows)


def _names(end: Any) -> set[str]:
    names: set[str] = end.input(0).get_source_output().get_names()
    return names


def _threads() -> int:
    """Return the threads of a network, 0 for one on each core.

    Who runs several processes on a machine, as Ray does, says so by this variable.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) if threads.isdecimal() else 0


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Import OpenVINO without what tells Google Analytics of each import.

    lexpix promises that nothing leaves the machine. OpenVINO has a silent stand-in for the package
    that reports, and takes it where that cannot be imported.
    """
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # how imports are refused
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
