"""How 8 bits hold the numbers that a trained encoder computes with.

Activations get one scale and zero point a tensor, from the least and greatest value seen on
training texts; the few loudest channels, whose range would leave the others no steps, stay in
fp32 (Dettmers et al. 2022, LLM.int8()). Weights get a scale a column and 7 bits: processors
without VNNI add two products in 16 bits and saturate, and 255 * 63 * 2 still fits, so that the
integers are the same everywhere. Scales are fixed and integer sums exact: a text's scores cannot
depend on its company.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.network import Network

from .batches import Collator
from .data import Example

BATCH = 32
STEPS = 255
MOST_WEIGHT = 63
# Of so many channels one is loud. Measured on MiniLM-L6, root mean square error of a logit with none
# loud, with one in 48 (what the first half of a feed-forward layer reads and writes): .12, .05.
LOUD = 48

Floats = NDArray[np.float32]


class Range(NamedTuple):
    """The least and greatest value of each channel, shape [channels]."""

    low: Tensor
    high: Tensor


class Scale(NamedTuple):
    """A number x is held as round(x / step) + zero, but for the `loud` channels."""

    step: float
    zero: int
    loud: NDArray[np.int64]


class Weights(NamedTuple):
    """A matrix [inputs, outputs] in 7 bits with a step a column, and the loud rows in fp32."""

    values: NDArray[np.int8]
    steps: Floats
    loud: Floats


def ranges(network: Network, examples: Sequence[Example], collate: Collator) -> dict[str, Range]:
    """Return what each linear layer of the encoder reads, by its name, on so many examples."""
    network.eval()
    seen: dict[str, Range] = {}
    with torch.inference_mode(), _watched(network.encoder, seen) as mask:
        for start in range(0, len(examples), BATCH):
            batch = collate(examples[start:start + BATCH])
            mask[:] = [batch.attention_mask.bool()]
            network(batch.input_ids, batch.attention_mask)
    return seen


@contextmanager
def _watched(encoder: nn.Module, seen: dict[str, Range]) -> Iterator[list[Tensor]]:
    """Keep `seen` up to date while the encoder works; the list holds the mask of the batch."""
    mask: list[Tensor] = []

    def watch(name: str) -> nn.modules.module.RemovableHandle:  # type: ignore[name-defined]
        def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            values = given[0][mask[0]]
            low, high = values.amin(0), values.amax(0)
            before = seen.get(name, Range(low, high))
            seen[name] = Range(torch.minimum(before.low, low), torch.maximum(before.high, high))
        return encoder.get_submodule(name).register_forward_pre_hook(note)

    hooks = [watch(name) for name, part in encoder.named_modules() if isinstance(part, nn.Linear)]
    try:
        yield mask
    finally:
        for hook in hooks:
            hook.remove()


def scale_of(found: Range, *, loud: bool) -> Scale:
    """Return the scale of what was seen; zero itself is always held exactly."""
    size = torch.maximum(found.low.abs(), found.high.abs())
    count = len(size) // LOUD if loud else 0
    apart = size.topk(count).indices.sort().values
    quiet = torch.ones(len(size), dtype=torch.bool)
    quiet[apart] = False
    low = min(0.0, found.low[quiet].min().item())
    high = max(0.0, found.high[quiet].max().item())
    step = max(high - low, 1e-6) / STEPS
    return Scale(step, round(-low / step), apart.numpy())


def weights_of(matrix: Floats, loud: NDArray[np.int64]) -> Weights:
    """Return a matrix [inputs, outputs] in 7 bits; the loud rows are zero in it, and beside it."""
    apart = matrix[loud]
    quiet = matrix.copy()
    quiet[loud] = 0
    steps = np.maximum(np.abs(quiet).max(0), 1e-8) / MOST_WEIGHT
    values = np.rint(quiet / steps).astype(np.int8)
    return Weights(values, steps.astype(np.float32), apart)

