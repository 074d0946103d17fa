"""Calibration: the few numbers that make a probability mean what it says."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from .batches import ABSENT

GRID: list[float] = torch.logspace(-1.0, 1.0, 201).tolist()  # 0.1 to 10 in steps of 2.3%


class Calibration(NamedTuple):
    """Logits are shifted by the bias, then divided by the temperature, then softmax."""

    topic_temperature: float
    sentiment_temperature: float
    sentiment_bias: tuple[float, ...]


def fit(topics: Tensor, topic_labels: Tensor, sentiments: Tensor,
        sentiment_labels: Tensor) -> Calibration:
    """Return the calibration with the least log loss on texts that were not trained on."""
    bias = sentiment_bias(sentiments, sentiment_labels)
    shifted = sentiments + torch.tensor(bias)
    return Calibration(temperature(topics, topic_labels), temperature(shifted, sentiment_labels),
                       bias)


def temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the least log loss (Guo et al. 2017); 1 without labels.

    A search over a fixed grid: one dimension, convex, and the same answer everywhere.
    """
    known = labels != ABSENT
    if not known.any():
        return 1.0
    losses = [float(functional.cross_entropy(logits[known] / t, labels[known])) for t in GRID]
    return round(GRID[losses.index(min(losses))], 4)


def sentiment_bias(logits: Tensor, labels: Tensor, rounds: int = 200) -> tuple[float, ...]:
    """Return what to add to the sentiment logits so that the classes are as common as they are.

    Fitted together with a scale by log loss, on the served convention's own texts; the mean
    of the three is zero, since only differences count.
    """
    known = labels != ABSENT
    if not known.any():
        return (0.0, 0.0, 0.0)
    logits, labels = logits[known].clone(), labels[known].clone()
    bias = torch.zeros(3, requires_grad=True)
    scale = torch.ones((), requires_grad=True)
    search = torch.optim.LBFGS([bias, scale], max_iter=rounds)

    def closure() -> Tensor:
        search.zero_grad()
        loss = functional.cross_entropy(logits * scale + bias, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(closure)  # type: ignore[no-untyped-call]
    shift = (bias / scale).detach()
    return tuple(round(x, 4) for x in (shift - shift.mean()).tolist())
