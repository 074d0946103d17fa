"""What computes the logits: one small protocol, and the choice of who keeps it here.

Nothing in this module imports torch; `backends.torching` does, when it is chosen.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from classifier.errors import BackendError
from classifier.manifest import Artifact
from classifier.settings import BackendName

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Logits:
    """The heads' outputs: shapes [rows, topics] and [rows, 3]."""

    topics: Floats
    sentiments: Floats


class Backend(Protocol):
    """Token ids in, logits out. `forward` may be called by `workers` threads at a time."""

    name: str
    workers: int
    token_budget: int

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch, shapes [rows, length]; raises MemoryExhaustedError."""


def needed(backend: str) -> tuple[str, ...]:
    """Return the files of an artifact that a backend reads."""
    return ("model.onnx",) if backend == "onnx" else ("model.safetensors", "config.json")


def choose(backend: BackendName) -> BackendName:
    """Resolve `auto`: torch where it is installed and has a CUDA device, else onnxruntime."""
    if backend != "auto":
        return backend
    if find_spec("torch") is None or find_spec("transformers") is None:
        return "onnx"
    from .torching import cuda_available  # noqa: PLC0415 - torch is imported here at the earliest

    return "torch-cuda" if cuda_available() else "onnx"


def open_backend(backend: BackendName, artifact: Artifact, threads: int) -> Backend:
    """Load the weights; raises BackendError (not possible here) or ArtifactError."""
    if backend == "onnx":
        from .onnx import OnnxBackend  # noqa: PLC0415 - the one that is chosen

        return OnnxBackend(artifact, threads)
    try:
        from .torching import TorchBackend  # noqa: PLC0415 - torch may be absent
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {backend} needs {error.name}, which is not installed",
            "install the extra: pip install 'newsquake[gpu]'; or use backend onnx",
        ) from error
    return TorchBackend(artifact, backend.removeprefix("torch-"), threads)
