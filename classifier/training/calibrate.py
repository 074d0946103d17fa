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

RIDGE = 0.02  # on the weights that tell kinds apart: fitted on four fifths, the last fifth loses nothing
DESK = 1 / 3  # how likely a text is of the desk's kind, before it is read
BARE = 0.1  # of these, at least without a summary: one in fifty of headlines_dev, but all of some feeds
TETHER = 0.002  # the same on scales and powers, for kinds with few texts, or where no answer is wrong
REACH = 2.3  # logarithm of the most that a scale changes by; a power, by its root
LEAST = 1e-6  # of distances, where a power below one would be infinitely steep


class Calibration(NamedTuple):
    """What softmax makes probabilities of: how far each logit is below the greatest, to a power.

    It is divided by the temperature. Those of the sentiments are shifted by the bias first.
    """

    topic_temperature: float
    sentiment_temperature: float
    sentiment_bias: tuple[float, ...]
    topic_power: float = 1.0
    sentiment_power: float = 1.0

    def apply(self, topics: Tensor, sentiments: Tensor) -> tuple[Tensor, Tensor]:
        """Return both heads' calibrated logits."""
        shifted = sentiments + torch.tensor(self.sentiment_bias)
        return (powered(topics, self.topic_power) / self.topic_temperature,
                powered(shifted, self.sentiment_power) / self.sentiment_temperature)


def powered(logits: Tensor, power: Tensor | float) -> Tensor:
    """Return how far each logit is below its text's greatest, to a power, negative: the order stays.

    Smoothed labels and softened lessons keep the sure answers' logits from growing, so that one
    temperature leaves the sure ones too doubtful and the doubtful ones too sure. (A simple one of
    the order-preserving calibrations of Rahimi et al. 2020.)
    """
    return -(logits.max(1, keepdim=True).values - logits).clamp(min=LEAST) ** power


@torch.no_grad()
def fit(network: Network, desk: Outputs, titles: Outputs, others: Outputs) -> Calibration:
    """Return the calibration with the least log loss, as served, of texts that were not trained on.

    Its numbers are the desk's. Each convention has a scale of its own, fitted with them on `desk` and
    `others` (half of the loss each) and worked into its weights, so that one division serves all.
    What tells the kinds apart is fitted on texts as they come, since those written for training look
    otherwise: of `desk` the last kind has a summary, the first has none, as all `titles`.
    """
    _tell_apart(network, desk, titles, others)
    parts = [_Part(network, each) for each in (desk, others.where(others.kinds > 0))]
    scales = _Scales(len(network.conventions))
    _minimise(scales.fitted, lambda: sum((part.loss(scales) for part in parts), scales.tether()))
    network.topic_factors.copy_(scales.ratios[0])
    bias = scales.bias - scales.bias.mean()
    for kind in range(1, len(network.conventions)):
        _work_in(network, kind, float(scales.ratios[1, kind]), bias)
    powers = scales.powers
    topic, sentiment = (scales.levels ** -powers).tolist()
    return Calibration(round(topic, 4), round(sentiment, 4), tuple(round(x, 4) for x in bias.tolist()),
                       *(round(x, 4) for x in powers.tolist()))


class _Scales:
    """What is fitted for topics and sentiments (first axis), within bounds that keep it finite."""

    def __init__(self, conventions: int) -> None:
        self.bias = torch.zeros(3, requires_grad=True)
        self._logarithms = [torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True),
                            torch.zeros(2, max(0, conventions - 1), requires_grad=True)]
        self._desks = 1, min(1, conventions)  # before and after the others', without a scale of their own
        self.fitted = [self.bias, *self._logarithms]

    @property
    def levels(self) -> Tensor:
        """What the desk's logits are multiplied by: [2]."""
        return self._logarithms[0].clamp(-REACH, REACH).exp()

    @property
    def powers(self) -> Tensor:
        """What distances are then raised to: [2]."""
        return self._logarithms[1].clamp(-REACH / 2, REACH / 2).exp()

    @property
    def ratios(self) -> Tensor:
        """What each kind's logits are multiplied by beside the desk's: [2, 1 + conventions]."""
        return functional.pad(self._logarithms[2].clamp(-REACH, REACH), self._desks).exp()

    def tether(self) -> Tensor:
        """Return what it costs to change scales and powers."""
        return TETHER * sum((each.square().sum() for each in self._logarithms), torch.zeros(()))


class _Part:
    """Texts whose log loss is computed again and again: what of it the scales do not change."""

    def __init__(self, network: Network, said: Outputs) -> None:
        self._likely = torch.softmax(network.kind(said.vectors), 1)
        self._topics = network.topic_head(said.vectors)
        every = [torch.full_like(said.kinds, kind) for kind in range(1 + len(network.conventions))]
        self._sentiments = torch.stack([network.by_kind(said.vectors, kinds)[1] for kinds in every], 1)
        self._labels = said.topic_labels, said.sentiment_labels
        self._desks = torch.tensor(sorted({0, len(network.conventions)}))

    def loss(self, scales: _Scales) -> Tensor:
        """Return the log loss of both heads, a mean over the texts that have labels."""
        topic, sentiment = scales.levels.unsqueeze(1) * scales.ratios
        shifted = self._sentiments.index_add(
            1, self._desks, scales.bias.expand(len(self._sentiments), len(self._desks), 3))
        heads = (self._topics * (self._likely @ topic).unsqueeze(1),
                 ((self._likely * sentiment).unsqueeze(2) * shifted).sum(1))
        found = torch.zeros(())
        for logits, labels, power in zip(heads, self._labels, scales.powers, strict=True):
            known = labels != ABSENT
            if known.any():
                found = found + functional.cross_entropy(powered(logits[known], power), labels[known])
        return found


def _work_in(network: Network, kind: int, ratio: float, bias: Tensor) -> None:
    """Scale one convention beside the desk's logits d and bias b, which serving adds to all.

    What is wanted is r (d + c) with its correction c; served is d + c + b; hence
    c' = r (d + c) - d - b.
    """
    head = network.sentiment_head
    plain = torch.cat([head.weight, head.bias.unsqueeze(1)], 1)
    scaled = ratio * (plain + network.conventions[kind - 1]) - plain
    scaled[:, -1] -= bias
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
