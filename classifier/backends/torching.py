"""torch on processor cores or a CUDA device: the extra `gpu`. The only serving code with torch."""

from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel

from classifier.errors import ArtifactError, BackendError, MemoryExhaustedError
from classifier.manifest import RESTORE, Artifact
from classifier.network import Network, without_pooler

from .protocol import Ids, Logits


def cuda_available() -> bool:
    """Say whether torch sees a CUDA device."""
    return torch.cuda.is_available()


class TorchBackend:
    """The safetensors weights in fp32. One worker: torch spreads a batch over cores itself."""

    workers = 1

    def __init__(self, artifact: Artifact, device: str, threads: int) -> None:
        if device == "cuda" and not cuda_available():
            raise BackendError("torch sees no CUDA device", "use backend onnx")
        if device == "cpu":
            torch.set_num_threads(threads)
        self.name = f"torch-{device}"
        self.token_budget = 65536 if device == "cuda" else 2048
        self._device = torch.device(device)
        self._network = _load(artifact).to(self._device).eval()

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch on the device; raises MemoryExhaustedError."""
        try:
            with torch.inference_mode():
                topics, sentiments, vectors = self._network(
                    torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)
                )
            return Logits(_numpy(topics), _numpy(sentiments), _numpy(vectors))
        except torch.OutOfMemoryError as error:
            raise MemoryExhaustedError from error


def _numpy(logits: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    array: np.ndarray[Any, np.dtype[np.float32]] = logits.float().cpu().numpy()
    return array


def _load(artifact: Artifact) -> Network:
    """Build the network from config.json and fill it; raises ArtifactError."""
    path = artifact.folder / "model.safetensors"
    try:
        config = AutoConfig.from_pretrained(
            artifact.folder / "config.json", trust_remote_code=False
        )
        weights = load_file(path)
        encoder = AutoModel.from_config(config, **without_pooler(config))  # type: ignore[no-untyped-call]
        conventions = len(weights["kind.bias"]) - 1
        network = Network(encoder, config.hidden_size, len(artifact.labels.topics), conventions)
        network.load_state_dict(weights, strict=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} does not fit its config.json: {error}", RESTORE) from error
    return network
