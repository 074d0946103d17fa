"""torch on processor cores or a CUDA device: the extra `gpu`. The only serving code with torch."""

from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from classifier.errors import ArtifactError, BackendError, MemoryExhaustedError
from classifier.manifest import RESTORE, Artifact

from .protocol import Ids, Logits

_FAMILIES_WITH_POOLER = {"bert", "roberta", "xlm-roberta"}


def cuda_available() -> bool:
    """Say whether torch sees a CUDA device."""
    return torch.cuda.is_available()


class Network(nn.Module):
    """The encoder, the mean over a text's tokens, and the two heads, as they were trained."""

    def __init__(self, config: Any, topics: int) -> None:
        super().__init__()
        pooler = {"add_pooling_layer": False} if config.model_type in _FAMILIES_WITH_POOLER else {}
        self.encoder = AutoModel.from_config(config, **pooler)  # type: ignore[no-untyped-call]
        self.topic_head = nn.Linear(config.hidden_size, topics)
        self.sentiment_head = nn.Linear(config.hidden_size, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of topics and of sentiments."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return self.topic_head(pooled), self.sentiment_head(pooled)


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
                topics, sentiments = self._network(
                    torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)
                )
            return Logits(_numpy(topics), _numpy(sentiments))
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
        network = Network(config, len(artifact.labels.topics))
        network.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} does not fit its config.json: {error}", RESTORE) from error
    return network
