"""Calibration: the few numbers that make a probability mean what it says."""

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from classifier.network import Network

from .batches import ABSENT
from .outputs import Outputs

RIDGE = 0.02  # on the weights that tell kinds apart: fitted on four fifths, the last fifth loses nothing
DESK = 1 / 3  # how likely a text is of the desk's kind, before it is read
BARE = 0.1  # of these, at least without a summary: one in fifty of headlines_dev, but all of some feeds
TETHER = 0.002  # the same on scales and bends, for kinds with few texts, or where no answer is wrong
PULL = 0.0025  # the same on shifts: with the least log loss of texts that were left out
REACH = 2.3  # logarithm of the most that a scale changes by
STIFF = 0.3  # the root of a bend, where the search for the best one begins


class Calibration(NamedTuple):
    """What softmax makes probabilities of: how far each logit is below the greatest, bent.

    It is divided by the temperature. Those of the sentiments are shifted by the bias first.
    """

    topic_temperature: float
    sentiment_temperature: float
    sentiment_bias: tuple[float, ...]
    topic_bend: float = 0.0
    sentiment_bend: float = 0.0

    def apply(self, topics: Tensor, sentiments: Tensor) -> tuple[Tensor, Tensor]:
        """Return both heads' calibrated logits."""
        shifted = sentiments + torch.tensor(self.sentiment_bias)
        return (bent(topics, self.topic_bend) / self.topic_temperature,
                bent(shifted, self.sentiment_bend) / self.sentiment_temperature)


def bent(logits: Tensor, bend: Tensor | float) -> Tensor:
    """Return how far each logit is below its text's greatest, and its square as much as the bend says.

    Negative: the order stays. Smoothed labels and softened lessons keep the sure answers' logits
    from growing, so that one temperature leaves the sure ones too doubtful and the doubtful ones
    too sure. (A simple one of the order-preserving calibrations of Rahimi et al. 2020.)
    """
    below = logits.max(1, keepdim=True).values - logits
    return -(below + bend * below.square())


@torch.no_grad()
def fit(network: Network, desk: Outputs, titles: Outputs, others: Outputs) -> Calibration:
    """Return the calibration with the least log loss, as served, of texts that were not trained on.

    Its numbers are the desk's. Each convention has a scale of its own, and shifts, since a label is
    not as frequent in one kind of texts as in another, nor as in what was trained on. They are
    fitted with the desk's on `desk` and `others` (half of the loss each) and worked into the
    network, so that one division serves all.
    What tells the kinds apart is fitted on texts as they come, since those written for training look
    otherwise: of `desk` the last kind has a summary, the first has none, as all `titles`.
    """
    _tell_apart(network, desk, titles, others)
    parts = [_Part(network, each) for each in (desk, others.where(others.kinds > 0))]
    scales = _Scales(len(network.conventions), network.topic_head.out_features)
    _minimise(scales.fitted, lambda: sum((part.loss(scales) for part in parts), scales.tether()))
    topics, sentiments = scales.shifts
    network.topic_factors.copy_(scales.ratios[0])
    network.topic_shifts.copy_(topics)
    for kind in range(1, len(network.conventions)):
        _work_in(network, kind, float(scales.ratios[1, kind]), sentiments[kind] - sentiments[0])
    bias = sentiments[0] - sentiments[0].mean()
    topic_temperature, sentiment_temperature = _rounded(scales.temperatures)
    topic_bend, sentiment_bend = _rounded(scales.bends)
    return Calibration(
        topic_temperature, sentiment_temperature, _rounded(bias), topic_bend, sentiment_bend)


def _rounded(numbers: Tensor) -> tuple[float, ...]:
    return tuple(round(number, 4) for number in numbers.tolist())


class _Scales:
    """What is fitted for topics and for sentiments, within bounds that keep it finite."""

    def __init__(self, conventions: int, topics: int) -> None:
        others = max(0, conventions - 1)
        self._shifts = [torch.zeros(1 + others, labels, requires_grad=True) for labels in (topics, 3)]
        self._logarithms = [torch.zeros(2, requires_grad=True), torch.zeros(2, others, requires_grad=True)]
        self._roots = torch.full((2,), STIFF, requires_grad=True)
        self._desks = 1, min(1, conventions)  # before and after the others', without a scale of their own
        self._whose = [*range(1 + others), *[0] * self._desks[1]]
        self.fitted = [*self._shifts, *self._logarithms, self._roots]

    @property
    def temperatures(self) -> Tensor:
        """What bent distances are divided by: [2]."""
        return self._logarithms[0].clamp(-REACH, REACH).exp()

    @property
    def bends(self) -> Tensor:
        """How much of the distances' squares is added to them: [2]."""
        return self._roots.square().clamp(max=math.exp(REACH))

    @property
    def ratios(self) -> Tensor:
        """What each kind's logits are multiplied by beside the desk's: [2, 1 + conventions]."""
        return functional.pad(self._logarithms[1].clamp(-REACH, REACH), self._desks).exp()

    @property
    def shifts(self) -> list[Tensor]:
        """What is then added by kind, for both heads: [1 + conventions, labels]."""
        return [each[self._whose] for each in self._shifts]

    def tether(self) -> Tensor:
        """Return what it costs to change all of this."""
        return (TETHER * sum((each.square().sum() for each in self._logarithms), self.bends.sum())
                + PULL * sum((each.square().sum() for each in self._shifts), torch.zeros(())))


class _Part:
    """Texts whose log loss is computed again and again: what of it the scales do not change."""

    def __init__(self, network: Network, said: Outputs) -> None:
        self._likely = torch.softmax(network.kind(said.vectors), 1)
        self._topics = network.topic_head(said.vectors)
        every = [torch.full_like(said.kinds, kind) for kind in range(1 + len(network.conventions))]
        self._sentiments = torch.stack([network.by_kind(said.vectors, kinds)[1] for kinds in every], 1)
        self._labels = said.topic_labels, said.sentiment_labels

    def loss(self, scales: _Scales) -> Tensor:
        """Return the log loss of both heads, a mean over the texts that have labels."""
        topic, sentiment = scales.ratios
        scaled = (self._topics * (self._likely @ topic).unsqueeze(1),
                  ((self._likely * sentiment).unsqueeze(2) * self._sentiments).sum(1))
        found = torch.zeros(())
        for logits, shifts, labels, bend, temperature in zip(
                scaled, scales.shifts, self._labels, scales.bends, scales.temperatures, strict=True):
            known = labels != ABSENT
            if known.any():
                shifted = bent(logits[known] + self._likely[known] @ shifts, bend)
                found = found + functional.cross_entropy(shifted / temperature, labels[known])
        return found


def _work_in(network: Network, kind: int, ratio: float, shift: Tensor) -> None:
    """Scale one convention beside the desk's logits d, which serving adds to all, and shift it.

    What is wanted is r (d + c) + s with its correction c; served is d + c'; hence c' = r (d + c) - d + s.
    """
    head = network.sentiment_head
    plain = torch.cat([head.weight, head.bias.unsqueeze(1)], 1)
    scaled = ratio * (plain + network.conventions[kind - 1]) - plain
    scaled[:, -1] += shift
    network.conventions[kind - 1] = scaled


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

    _minimise([slope, offset], loss)
    bare = float((desk.kinds == 0).float().mean().clamp(BARE, 0.99))
    shift = torch.full_like(network.kind.bias, 2 * (1 - DESK))
    shift[0], shift[last] = 4 * DESK * bare, 4 * DESK * (1 - bare)
    weight = slope.detach() / spread
    network.kind.weight.copy_(weight)
    network.kind.bias.copy_(offset.detach() - weight @ middle + shift.log())


def _minimise(weights: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """Move the weights to where the loss is least."""
    search = torch.optim.LBFGS(weights, max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        found = loss()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with torch.enable_grad():
        search.step(closure)  # type: ignore[no-untyped-call]
