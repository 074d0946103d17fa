"""How 8 bits hold the numbers that a trained encoder computes with.

What a linear layer reads has one step and zero point, fixed by training texts, after each channel was
shifted and scaled so that loud channels leave the quiet ones steps, and quiet ones leave the
weights theirs (SmoothQuant: Xiao et al. 2023; shifts: Wei et al. 2023, Outlier Suppression+). Weights
have a step a column and 7 bits: processors without VNNI add two products in 16 bits and saturate, and
255 * 63 * 2 still fits, so that the integers are the same everywhere. Each weight is rounded so that
it makes up for the error of those before it (GPTQ: Frantar et al. 2023), and the bias takes
what is left in the mean. Steps are fixed and integer sums exact: a text's scores cannot depend on
its company.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.network import Network

from .batches import Collator
from .data import Example
from .reading import read_by

STEPS = 255
MOST_WEIGHT = 63
# Every so many-th token is kept to round weights with: 14,000 of a thousand texts.
EVERY = 2
# How much of a channel's loudness is taken to its weights: 0 none, 1 all. The best is chosen by layer.
SMOOTHINGS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DAMPING = 1e-3  # of the mean of the Hessian's diagonal
LEAST = 1e-6  # of a range, so that a channel that is always zero divides nothing by zero


class Seen(NamedTuple):
    """What a linear layer read: each channel's least and greatest value, and some rows of it."""

    low: Tensor
    high: Tensor
    rows: Tensor

    def of(self, channels: Tensor) -> Self:
        """Return what was seen of some channels only."""
        return self._replace(low=self.low[channels], high=self.high[channels], rows=self.rows[:, channels])

    @property
    def loudness(self) -> Tensor:
        """The greatest distance from zero, by channel."""
        return torch.maximum(self.low.abs(), self.high.abs())


class Held(NamedTuple):
    """Channel k of what is read is held as round((x - shift[k]) / scale[k] / step) + zero."""

    step: float
    zero: int
    shift: Tensor
    scale: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Return what the bits say of values [rows, channels]: shifted and scaled still."""
        steps = torch.round((values - self.shift) / self.scale / self.step) + self.zero
        return (steps.clamp(0, STEPS) - self.zero) * self.step


class Weights(NamedTuple):
    """A matrix [inputs, outputs] in 7 bits, a step for each output, and the bias in fp32."""

    values: NDArray[np.int8]
    steps: Tensor
    bias: Tensor

    def times(self, factor: Tensor | float) -> Self:
        """Return the weights of the outputs times a factor, of each or of all."""
        return self._replace(steps=self.steps * factor, bias=self.bias * factor)

    def of(self, outputs: Tensor) -> Self:
        """Return the weights of some outputs only."""
        return self._replace(values=self.values[:, outputs.numpy()], steps=self.steps[outputs],
                             bias=self.bias[outputs])


def seen_by_layer(network: Network, examples: Sequence[Example], collate: Collator) -> dict[str, Seen]:
    """Return what each linear layer of the encoder reads, by its name, on so many examples."""
    layers = {name: part for name, part in network.encoder.named_modules() if isinstance(part, nn.Linear)}
    parts: dict[str, list[Seen]] = {name: [] for name in layers}

    def note(name: str, values: Tensor) -> None:
        parts[name].append(Seen(values.amin(0), values.amax(0), values[::EVERY]))

    read_by(layers, network, examples, collate, note)
    return {name: _together(each) for name, each in parts.items()}


def _together(parts: Sequence[Seen]) -> Seen:
    lows, highs, rows = zip(*parts, strict=True)
    return Seen(torch.stack(lows).amin(0), torch.stack(highs).amax(0), torch.cat(rows))


def plain(seen: Seen) -> Held:
    """Hold every channel as it is."""
    return _held(seen, torch.zeros_like(seen.low), torch.ones_like(seen.low))


def smooth(seen: Seen, matrix: Tensor, *, shifted: bool) -> Held:
    """Hold what was seen so that its product with a matrix [inputs, outputs] is nearest to what it is.

    Zero is held exactly only where nothing is shifted.
    """
    shift = (seen.low + seen.high) / 2 if shifted else torch.zeros_like(seen.low)
    loud = torch.maximum((seen.low - shift).abs(), (seen.high - shift).abs()).clamp(min=LEAST)
    heavy = matrix.abs().amax(1).clamp(min=LEAST)
    exact = seen.rows @ matrix

    def error(held: Held) -> float:
        scaled = matrix * held.scale.unsqueeze(1)
        rounded = torch.round(scaled / _steps(scaled)) * _steps(scaled)
        return float((held(seen.rows) @ rounded + held.shift @ matrix - exact).square().mean())

    return min((_held(seen, shift, loud ** share / heavy ** (1 - share)) for share in SMOOTHINGS), key=error)


def _held(seen: Seen, shift: Tensor, scale: Tensor) -> Held:
    low = min(0.0, float(((seen.low - shift) / scale).min()))
    high = max(0.0, float(((seen.high - shift) / scale).max()))
    step = max(high - low, LEAST) / STEPS
    return Held(step, round(-low / step), shift, scale)


def _steps(matrix: Tensor) -> Tensor:
    return matrix.abs().amax(0).clamp(min=LEAST) / MOST_WEIGHT


def weights_of(seen: Seen, held: Held, matrix: Tensor, bias: Tensor) -> Weights:
    """Return a matrix [inputs, outputs] and its bias for what is held, in 7 bits.

    In the mean over the rows seen the product is what it was.
    """
    read, scaled = held(seen.rows), matrix * held.scale.unsqueeze(1)
    steps = _steps(scaled)
    values = _rounded(scaled / steps, read)
    left = (seen.rows @ matrix - read @ (values * steps)).mean(0)
    return Weights(values.numpy().astype(np.int8), steps, bias + left)


def _rounded(matrix: Tensor, read: Tensor) -> Tensor:
    """Round a matrix [inputs, outputs] to whole numbers, row by row, so that the product with `read` stays.

    The error of a row goes to the rows after it as far as they are read together with it
    (GPTQ's equations 2 and 3, over the Cholesky factor of the inverse Hessian).
    """
    hessian = read.double().T @ read.double() / len(read)
    hessian.diagonal().add_(hessian.diagonal().mean() * DAMPING + LEAST)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    factor = torch.linalg.cholesky(inverse, upper=True).float()
    left, rounded = matrix.clone(), torch.empty_like(matrix)
    for row in range(len(matrix)):
        rounded[row] = left[row].round().clamp(-MOST_WEIGHT, MOST_WEIGHT)
        error = (left[row] - rounded[row]) / factor[row, row]
        left[row + 1:] -= torch.outer(factor[row, row + 1:], error)
    return rounded
