"""Calibration: the few numbers that make a probability mean what it says."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from classifier.network import Network

from .batches import ABSENT
from .outputs import Outputs

GRID: list[float] = torch.logspace(-1.0, 1.0, 201).tolist()  # 0.1 to 10 in steps of 2.3%
RIDGE = 0.02  # on the weights that tell kinds apart: fitted on four fifths, the last fifth loses nothing
DESK = 1 / 3  # how likely a text is of the desk's kind, before it is read
BARE = 0.1  # of these, at least without a summary: one in fifty of headlines_dev, but all of some feeds


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
def fit(network: Network, desk: Outputs, titles: Outputs, others: Outputs) -> Calibration:
    """Return the calibration with the least log loss on texts that were not trained on.

    Its numbers are those of the desk's convention. The conventions' own temperatures, fitted on
    `others`, are worked into their weights, so that one division serves all. What tells the
    kinds apart is fitted on texts as they come, since those written for training look
    otherwise: of `desk` the last kind has a summary, the first has none, as all `titles`.
    """
    topics, sentiments = network.by_kind(desk.vectors, desk.kinds)
    bias = sentiment_bias(sentiments, desk.sentiment_labels)
    found = Calibration(
        temperature(topics, desk.topic_labels),
        temperature(sentiments + torch.tensor(bias), desk.sentiment_labels), bias)
    for kind in range(1, len(network.conventions)):
        _work_in(network, kind, others.of_kind(kind), found)
    _tell_apart(network, desk, titles, others)
    return found


@torch.no_grad()
def cross_fitted(network: Network, desk: Outputs, titles: Outputs, others: Outputs,
                 folds: int = 5) -> Outputs:
    """Return what calibrated networks say of the desk's texts, each fitted on other folds only."""
    topics, sentiments = torch.empty_like(desk.topics), torch.empty_like(desk.sentiments)
    fold = torch.arange(len(desk.kinds)) % folds
    for number in range(folds):
        own = copy.deepcopy(network)
        seen, held = fold != number, fold == number
        found = fit(own, desk.where(seen), titles.where(seen), others)
        topics[held], sentiments[held] = found.apply(*own.served(desk.vectors[held]))
    return desk._replace(topics=topics, sentiments=sentiments)


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


def _tell_apart(network: Network, desk: Outputs, titles: Outputs, others: Outputs) -> None:
    """Fit what tells the kinds apart: a logistic regression whose weights have a ridge.

    For the fit the desk's items, its titles and all other kinds (each by the root of its
    number) weigh a quarter, a quarter and a half. What is served has the desk's texts as
    likely as DESK says, and bare titles among them as likely as they are common, or BARE.
    """
    rest, last = others.where(others.kinds > 0), len(network.conventions)
    if not (len(desk.kinds) and len(rest.kinds)):
        return
    read = torch.cat([desk.vectors, titles.vectors, rest.vectors]).clone()
    kinds = torch.cat([desk.kinds, torch.zeros_like(titles.kinds), rest.kinds])
    counts = torch.bincount(kinds, minlength=last + 1).float()
    roots = counts[1:last].sqrt()
    even = torch.cat([torch.ones(1), 2 * roots / roots.sum(), torch.ones(1)]) / 4
    weights = (even / counts)[kinds]
    middle, spread = read.mean(0), read.std(0).clamp(min=1e-6)
    scaled = (read - middle) / spread
    slope = torch.zeros_like(network.kind.weight, requires_grad=True)
    offset = torch.zeros_like(network.kind.bias, requires_grad=True)

    def loss() -> Tensor:
        said = functional.linear(scaled, slope, offset)
        misfit = functional.cross_entropy(said, kinds, reduction="none") @ weights
        return misfit + RIDGE * slope.square().sum()

    _minimise([slope, offset], loss, rounds=300, line_search="strong_wolfe")
    bare = float((desk.kinds == 0).float().mean().clamp(BARE, 0.99))
    shift = torch.full_like(network.kind.bias, 2 * (1 - DESK))
    shift[0], shift[last] = 4 * DESK * bare, 4 * DESK * (1 - bare)
    weight = slope.detach() / spread
    network.kind.weight.copy_(weight)
    network.kind.bias.copy_(offset.detach() - weight @ middle + shift.log())


def _minimise(weights: list[Tensor], loss: Callable[[], Tensor], rounds: int,
              line_search: str | None = None) -> None:
    """Move the weights to where the loss is least."""
    search = torch.optim.LBFGS(weights, max_iter=rounds, line_search_fn=line_search)

    def closure() -> Tensor:
        search.zero_grad()
        found = loss()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        search.step(closure)  # type: ignore[no-untyped-call]


def temperature(logits: Tensor, labels: Tensor, unknown: float = 1.0) -> float:
    """Return the temperature with the least log loss (Guo et al. 2017); `unknown` without labels.

    A search over a fixed grid: one dimension, convex, and the same answer everywhere.
    """
    known = labels != ABSENT
    if not known.any():
        return unknown
    losses = [float(functional.cross_entropy(logits[known] / t, labels[known])) for t in GRID]
    return round(GRID[losses.index(min(losses))], 4)


def sentiment_bias(logits: Tensor, labels: Tensor) -> tuple[float, ...]:
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
    _minimise([bias, scale], lambda: functional.cross_entropy(logits * scale + bias, labels), rounds=200)
    shift = (bias / scale).detach()
    return tuple(round(x, 4) for x in (shift - shift.mean()).tolist())
