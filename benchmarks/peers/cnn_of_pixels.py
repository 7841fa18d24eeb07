"""The CNN of lexpix in place of another program's model, run by that program's own Python."""

from __future__ import annotations

from functools import cached_property
from typing import Any


class CnnOfPixels:
    """Embed pixels by ONNX Runtime.

    Attributes:
        file: The network; loaded when it is first asked.
    """

    file = ""

    def embedded(self, pixels: Any) -> Any:
        """Return a row for each picture, not scaled; pixels are uint8 (n, height, width, 3)."""
        return self._network.run(["embedding"], {"pixels": pixels}, self._options)[0]

    @cached_property
    def _network(self) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(self.file, providers=["CPUExecutionProvider"])

    @cached_property
    def _options(self) -> Any:
        """Have the CNN compute the one output that is asked for."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.add_run_config_entry("only_execute_path_to_fetches", "1")
        return options
