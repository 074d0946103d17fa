"""What single layers read while a network reads texts."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from classifier.network import Network

from .batches import Collator
from .data import Example

BATCH = 32


@torch.inference_mode()
def read_by(layers: Mapping[str, nn.Linear], network: Network, examples: Sequence[Example],
            collate: Collator, note: Callable[[str, Tensor], None]) -> None:
    """Call `note` with a layer's name and what it reads of a batch: [tokens, channels], no padding."""
    mask = torch.empty(0)

    def noting(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, given: note(name, given[0][mask])

    hooks = [layer.register_forward_pre_hook(noting(name)) for name, layer in layers.items()]
    network.eval()
    try:
        for start in range(0, len(examples), BATCH):
            batch = collate(examples[start:start + BATCH])
            mask = batch.attention_mask.bool()
            network(batch.input_ids, batch.attention_mask)
    finally:
        for hook in hooks:
            hook.remove()
