"""What embeds pictures: chosen by what is here, and the same space whatever it is."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from indexer.library.demo import photographs
from searchengine.config import INFERENCE
from searchengine.errors import ConfigError, MissingPlugin, ModelError
from searchengine.images import open_for
from searchengine.models import files, inference, networks
from searchengine.models.inference import PROVIDERS, choose, told
from searchengine.models.joint import IMAGE_MODEL, JointEncoder
from searchengine.models.loading import load_model
from searchengine.models.networks import EMBEDDING, OnnxRuntimeNetwork, OpenVinoNetwork
from searchengine.types import Vectors
from searchengine.vectors import unit_rows
from tests.support.command import environment, lexpix

NETWORK = files.ASSETS / "default" / IMAGE_MODEL
OF_EPYC = "processor\t: 0\nflags\t\t: fpu avx512_vnni {}\n\nprocessor\t: 1\nflags\t\t: fpu\n"

IMPORT = f"""
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith("socket.") else None)
from pathlib import Path
from searchengine.models.networks import OpenVinoNetwork
OpenVinoNetwork(Path({str(NETWORK)!r}), "fp32")
import time
time.sleep(1)  # OpenVINO reports in threads of its own
print(seen)
"""


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says what the processor can do, to be written."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(inference, "CPU_INFO", file)
    return file


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # how Python marks what is not there


@cache
def photos() -> np.ndarray:
    """Return real photographs as the bundled CNN takes them."""
    encoder = load_model()
    paths = sorted(path for folder in photographs() for path in Path(folder).glob("*.[jp][pn]g"))
    return np.stack([np.asarray(open_for(encoder, path)) for path in paths])


@cache
def expected() -> Vectors:
    """Return their vectors in float32."""
    return unit_rows(OnnxRuntimeNetwork(NETWORK).run(EMBEDDING, photos()))


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_bfloat16_has_openvino_use_it(processor: Path, flag: str) -> None:
    processor.write_text(OF_EPYC.format(flag))
    chosen = choose("auto")
    assert (chosen.runtime, chosen.numbers) == ("openvino", "bf16")
    assert choose("openvino").numbers == "bf16"


def test_a_processor_without_bfloat16_stays_with_onnx_runtime(processor: Path) -> None:
    processor.write_text(OF_EPYC.format("avx512f"))
    chosen = choose("auto")
    assert (chosen.runtime, chosen.numbers) == ("onnxruntime", "fp32")
    assert "install" not in str(chosen)  # it would gain nothing
    assert choose("openvino").numbers == "fp32"


def test_a_processor_that_says_nothing_stays_with_onnx_runtime(processor: Path) -> None:
    assert not processor.exists()
    assert choose("auto").runtime == "onnxruntime"


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_the_status_says_what_it_would_bring(processor: Path) -> None:
    processor.write_text(OF_EPYC.format("avx512_bf16"))
    assert choose("auto").runtime == "onnxruntime"
    assert "pip install 'lexpix[openvino]'" in told("auto")
    with pytest.raises(MissingPlugin, match=r"pip install 'lexpix\[openvino\]'"):
        choose("openvino")
    assert told("openvino").startswith("none: ")


def test_what_is_set_comes_before_what_is_fastest(processor: Path) -> None:
    processor.write_text(OF_EPYC.format("avx512_bf16"))
    assert choose("onnxruntime").runtime == "onnxruntime"


@pytest.mark.parametrize("setting", sorted(PROVIDERS))
def test_a_gpu_that_onnx_runtime_does_not_offer_is_an_error_with_the_remedy(setting: str) -> None:
    assert PROVIDERS[setting] not in onnxruntime.get_available_providers()
    with pytest.raises(MissingPlugin, match="onnxruntime-gpu") as raised:
        choose(setting)
    assert PROVIDERS[setting] in str(raised.value)


def test_a_provider_that_onnx_runtime_drops_in_silence_is_an_error() -> None:
    # The CPU's build of ONNX Runtime treats every provider as a build for GPUs treats one whose
    # libraries are missing: it warns, and computes on the CPU.
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(ModelError, match=r"CUDAExecutionProvider.*LEXPIX_INFERENCE=auto"),
    ):
        OnnxRuntimeNetwork(NETWORK, PROVIDERS["cuda"])


def test_every_value_of_the_setting_means_something() -> None:
    for setting in INFERENCE:
        told(setting)
    with pytest.raises(ConfigError, match="none of auto, onnxruntime"):
        choose("fastest")


def test_openvino_in_float32_finds_what_onnx_runtime_finds() -> None:
    rows = unit_rows(OpenVinoNetwork(NETWORK, "fp32").run(EMBEDDING, photos()))
    assert len(rows) > 10
    np.testing.assert_allclose(rows, expected(), atol=1e-4)


def test_openvino_in_bfloat16_differs_by_little_and_in_any_case() -> None:
    rows = unit_rows(OpenVinoNetwork(NETWORK, "bf16").run(EMBEDDING, photos()))
    cosines = (rows * expected()).sum(axis=1)
    # An emulation, where the processor has no such instructions, rounds in the same way.
    assert 0.9 < 1 - 1e-3 < cosines.mean() < 1 - 1e-6
    assert cosines.min() > 0.98


def test_bits_do_not_depend_on_how_many_pictures_or_threads_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        network = OpenVinoNetwork(NETWORK, "bf16")
        found.append(network.run(EMBEDDING, photos()).tobytes())
        for step in (1, networks.SLICE - 1, networks.SLICE + 1):
            parts = [
                network.run(EMBEDDING, photos()[start : start + step])
                for start in range(0, len(photos()), step)
            ]
            found.append(np.concatenate(parts).tobytes())
    assert len(set(found)) == 1


def test_threads_that_ask_at_once_get_their_own_rows() -> None:
    network = OpenVinoNetwork(NETWORK, "bf16")
    alone = [network.run(EMBEDDING, photos()[[row]]) for row in range(len(photos()))]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            together = pool.map(
                lambda row: network.run(EMBEDDING, photos()[[row]]), range(len(photos()))
            )
            for mine, other in zip(alone, together, strict=True):
                np.testing.assert_array_equal(mine, other)


def test_openvino_reports_to_nobody_and_leaves_no_file(tmp_path: Path) -> None:
    chosen = environment(tmp_path / "library") | {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    ran = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT], env=chosen, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
    assert list((tmp_path / "home").rglob("*")) == []


def test_an_openvino_that_is_broken_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openvino").mkdir()
    broken = tmp_path / "openvino" / "__init__.py"
    broken.write_text("raise ImportError('libtbb.so.12: no such file')")
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    library = tmp_path / "library"
    ran = lexpix("index", tmp_path, library=library, code=1, inference="openvino")
    assert "libtbb.so.12: no such file" in ran.stderr
    assert "LEXPIX_INFERENCE=onnxruntime" in ran.stderr
    assert "lexpix bug" not in ran.stderr
    assert "0 bad" in lexpix("status", library=library).stdout


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"none")
    with pytest.raises(ModelError, match=r"m\.onnx: OpenVINO cannot load it"):
        OpenVinoNetwork(file, "bf16")


def test_regions_and_features_are_those_of_float32_and_one_fingerprint_is_all() -> None:
    plain, other = load_model(), load_model("default", "openvino")
    assert isinstance(plain, JointEncoder)
    assert isinstance(other, JointEncoder)
    assert plain.fingerprint == other.fingerprint
    pictures = [Image.fromarray(pixels) for pixels in photos()[:2]]
    np.testing.assert_array_equal(plain.encode_regions(pictures), other.encode_regions(pictures))
    np.testing.assert_array_equal(plain.encode_features(pictures), other.encode_features(pictures))


def test_the_choice_travels_to_another_process() -> None:
    sent = load_model("default", "openvino")
    assert isinstance(sent, JointEncoder)
    assert pickle.loads(pickle.dumps(sent)).runs_on == sent.runs_on == told("openvino")


def test_a_library_takes_pictures_of_both_and_embeds_none_again(tmp_path: Path) -> None:
    library, folder = tmp_path / "library", tmp_path / "photos"
    folder.mkdir()
    paths = sorted(path for each in photographs() for path in Path(each).glob("*.[jp][pn]g"))
    for number, inferred in enumerate(("onnxruntime", "openvino")):
        for path in paths[number::2]:
            shutil.copy(path, folder / path.name)
        lexpix("index", folder, library=library, inference=inferred)
        status = lexpix("status", library=library, inference=inferred).stdout
        assert f"inference {inferred} in " in status
        assert status.count("vectors ") == 1
    again = lexpix("index", folder, library=library, inference="auto")
    assert again.stdout.startswith(f"{len(paths)} unchanged in")
    examined = lexpix("doctor", library=library, inference="auto").stdout
    assert "inference    ok" in examined
    best = lexpix("search", "a motorcycle", "-k", "1", "--all", library=library).stdout
    assert "motorcycle" in best


def test_indexing_with_what_is_not_there_fails_as_a_whole_and_blames_no_picture(
    tmp_path: Path,
) -> None:
    library, folder = tmp_path / "library", tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "a.png")
    ran = lexpix("index", folder, library=library, code=1, inference="cuda")
    assert "onnxruntime-gpu" in ran.stderr
    status = lexpix("status", library=library, inference="cuda").stdout
    assert "0 bad" in status
    assert "inference none: " in status
    examined = lexpix("doctor", library=library, code=1, inference="cuda").stdout
    assert "inference    warning" in examined
