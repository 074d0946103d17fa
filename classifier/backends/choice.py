"""Which backend computes here.

Nothing in this module imports torch; `torching` does, when it is chosen.
"""

from collections.abc import Container
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from classifier.errors import BackendError
from classifier.manifest import Artifact
from classifier.settings import BackendName

from .protocol import Backend

# The same model twice: all in fp32, and the products of the linear layers in 8 bits.
ONNX_FILES = {"onnx": "model.onnx", "onnx-int8": "model.int8.onnx"}
# The NVIDIA driver's node (the second one under WSL). Without it no CUDA device can be had,
# and the seconds that importing torch takes are saved.
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


class Choice(NamedTuple):
    """A backend, and why it is this one."""

    backend: BackendName
    reason: str


def needed(backend: str) -> tuple[str, ...]:
    """Return the files of an artifact that a backend reads."""
    files = ONNX_FILES.get(backend)
    return (files,) if files else ("model.safetensors", "config.json")


def choose(backend: BackendName, files: Container[str]) -> Choice:
    """Resolve `auto` for an artifact of these files.

    That is torch where it is installed and has a CUDA device; else onnxruntime, in 8 bits where
    the artifact has them. Both give a text the same scores in any company.
    """
    if backend != "auto":
        return Choice(backend, "configured")
    if _cuda():
        return Choice("torch-cuda", "a CUDA device is there")
    if ONNX_FILES["onnx-int8"] in files:
        return Choice("onnx-int8", "no CUDA device; the artifact has 8-bit products")
    return Choice("onnx", "no CUDA device; the artifact has no 8-bit products")


def _cuda() -> bool:
    driven = any(node.exists() for node in DRIVERS)
    if not driven or find_spec("torch") is None or find_spec("transformers") is None:
        return False
    from .torching import cuda_available

    return cuda_available()


def open_backend(backend: BackendName, artifact: Artifact, threads: int) -> Backend:
    """Load the weights; raises BackendError (not possible here) or ArtifactError."""
    if backend in ONNX_FILES:
        from .onnx import OnnxBackend

        return OnnxBackend(artifact, backend, ONNX_FILES[backend], threads)
    try:
        from .torching import TorchBackend
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {backend} needs {error.name}, which is not installed",
            "install the extra: pip install 'newsquake[gpu]'; or use backend onnx",
        ) from error
    return TorchBackend(artifact, backend.removeprefix("torch-"), threads)
