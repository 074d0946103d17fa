"""Calibration: the few numbers that make a probability mean what it says."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from classifier.network import Network

from .batches import ABSENT
from .outputs import Outputs

GRID: list[float] = torch.logspace(-1.0, 1.0, 201).tolist()  # 0.1 to 10 in steps of 2.3%
LEANS: list[float] = torch.arange(-4.0, 8.01, 0.25).tolist()  # of the desk's kind, in logits
DESK = 3.0  # how much more than that of all other kinds the loss on the desk's texts counts


class Calibration(NamedTuple):
    """Logits are shifted by the bias, then divided by the temperature, then softmax."""

    topic_temperature: float
    sentiment_temperature: float
    sentiment_bias: tuple[float, ...]

    def apply(self, topics: Tensor, sentiments: Tensor) -> tuple[Tensor, Tensor]:
        """Return both heads' calibrated logits: softmax makes probabilities of them."""
        return (topics / self.topic_temperature,
                (sentiments + torch.tensor(self.sentiment_bias)) / self.sentiment_temperature)


@torch.no_grad()
def fit(network: Network, desk: Outputs, others: Outputs) -> Calibration:
    """Return the calibration with the least log loss on texts that were not trained on.

    Its numbers are those of the desk's convention. The conventions' own temperatures, fitted on
    `others`, are worked into their weights, so that one division serves all; and the network
    is made to lean to the desk's kind by as much as serves all kinds of texts best.
    """
    desk = desk._replace(kinds=torch.zeros_like(desk.kinds))
    topics, sentiments = network.by_kind(desk.vectors, desk.kinds)
    bias = sentiment_bias(sentiments, desk.sentiment_labels)
    found = Calibration(
        temperature(topics, desk.topic_labels),
        temperature(sentiments + torch.tensor(bias), desk.sentiment_labels), bias)
    for kind in range(1, len(network.conventions) + 1):
        _work_in(network, kind, others.of_kind(kind), found)
    _lean(network, desk, others, found)
    return found


def _work_in(network: Network, kind: int, own: Outputs, desk: Calibration) -> None:
    """Scale one convention, so that the desk's bias and temperatures leave it calibrated.

    Served is (d + c + b) / T with the desk's logits d, bias b and temperature T; what is wanted
    is (d + c) / t; hence c' = (d + c) T / t - d - b.
    """
    topics, sentiments = network.by_kind(own.vectors, own.kinds)
    topic = temperature(topics, own.topic_labels, desk.topic_temperature)
    network.topic_factors[kind] = desk.topic_temperature / topic
    ratio = desk.sentiment_temperature / temperature(
        sentiments, own.sentiment_labels, desk.sentiment_temperature)
    head = network.sentiment_head
    plain = torch.cat([head.weight, head.bias.unsqueeze(1)], 1)
    scaled = (plain + network.conventions[kind - 1]) * ratio - plain
    scaled[:, -1] -= torch.tensor(desk.sentiment_bias)
    network.conventions[kind - 1] = scaled


def _lean(network: Network, desk: Outputs, others: Outputs, calibration: Calibration) -> None:
    """Choose how much the network leans to the desk's kind, by the least loss.

    The desk's texts, which are what the product reads, weigh three times all others together.
    """
    count = len(network.conventions)
    if not count:
        return
    start = network.kind.bias[0].item()
    losses = []
    for lean in LEANS:
        network.kind.bias[0] = start + lean
        rest = [_loss(network, others.of_kind(kind), calibration) for kind in range(1, count + 1)]
        losses.append(DESK * _loss(network, desk, calibration) + sum(rest) / count)
    network.kind.bias[0] = start + LEANS[losses.index(min(losses))]


def _loss(network: Network, out: Outputs, calibration: Calibration) -> float:
    """Return the log loss as served, mean over the texts and the heads that have labels."""
    heads = zip(calibration.apply(*network.served(out.vectors)),
                (out.topic_labels, out.sentiment_labels), strict=True)
    losses = [float(functional.cross_entropy(said, labels, ignore_index=ABSENT))
              for said, labels in heads if (labels != ABSENT).any()]
    return sum(losses) / len(losses) if losses else 0.0


def temperature(logits: Tensor, labels: Tensor, unknown: float = 1.0) -> float:
    """Return the temperature with the least log loss (Guo et al. 2017); `unknown` without labels.

    A search over a fixed grid: one dimension, convex, and the same answer everywhere.
    """
    known = labels != ABSENT
    if not known.any():
        return unknown
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

    with torch.enable_grad():
        search.step(closure)  # type: ignore[no-untyped-call]
    shift = (bias / scale).detach()
    return tuple(round(x, 4) for x in (shift - shift.mean()).tolist())
