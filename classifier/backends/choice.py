"""Which backend computes here.

Nothing in this module imports torch; `torching` does, when it is chosen.
"""

from importlib.util import find_spec
from pathlib import Path

from classifier.errors import BackendError
from classifier.manifest import Artifact
from classifier.settings import BackendName

from .protocol import Backend

# The NVIDIA driver's node (the second one under WSL). Without it no CUDA device can be had,
# and the seconds that importing torch takes are saved.
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def needed(backend: str) -> tuple[str, ...]:
    """Return the files of an artifact that a backend reads."""
    return ("model.onnx",) if backend == "onnx" else ("model.safetensors", "config.json")


def choose(backend: BackendName) -> BackendName:
    """Resolve `auto`: torch where it is installed and has a CUDA device, else onnxruntime."""
    if backend != "auto":
        return backend
    driven = any(node.exists() for node in DRIVERS)
    if not driven or find_spec("torch") is None or find_spec("transformers") is None:
        return "onnx"
    from .torching import cuda_available

    return "torch-cuda" if cuda_available() else "onnx"


def open_backend(backend: BackendName, artifact: Artifact, threads: int) -> Backend:
    """Load the weights; raises BackendError (not possible here) or ArtifactError."""
    if backend == "onnx":
        from .onnx import OnnxBackend

        return OnnxBackend(artifact, threads)
    try:
        from .torching import TorchBackend
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {backend} needs {error.name}, which is not installed",
            "install the extra: pip install 'newsquake[gpu]'; or use backend onnx",
        ) from error
    return TorchBackend(artifact, backend.removeprefix("torch-"), threads)
