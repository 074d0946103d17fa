"""torch on processor cores or a CUDA device: the extra `gpu`. The only serving code with torch."""

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
    """The safetensors weights: on a processor in fp32, on CUDA with the encoder in bfloat16.

    On a processor there is one worker, since torch spreads a batch over cores itself. On CUDA two keep
    the device busy: while the answers of one batch are fetched, the next is on its way.
    """

    def __init__(self, artifact: Artifact, device: str, threads: int) -> None:
        if device == "cuda" and not cuda_available():
            raise BackendError("torch sees no CUDA device", "use backend onnx")
        if device == "cpu":
            torch.set_num_threads(threads)
        self.name = f"torch-{device}"
        self._cuda = device == "cuda"
        self.workers, self.token_budget = (2, 65536) if self._cuda else (1, 2048)
        self._device = torch.device(device)
        self._network = _load(artifact).to(self._device).eval()
        if self._cuda:
            self._network.encoder.to(torch.bfloat16)

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch on the device; raises MemoryExhaustedError."""
        try:
            with torch.inference_mode():
                vectors = self._network.pooled(self._sent(ids), self._sent(mask)).float()
                topics, sentiments = self._network.served(vectors)
                # One copy back, which waits for the device.
                answers = torch.cat([topics, sentiments, vectors], 1).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryExhaustedError from error
        first, second = topics.shape[1], topics.shape[1] + sentiments.shape[1]
        return Logits(answers[:, :first], answers[:, first:second], answers[:, second:])

    def _sent(self, array: Ids) -> Tensor:
        """Put an array on the device: from pinned memory, so that nobody waits for it."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self._device, non_blocking=True) if self._cuda else tensor


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
