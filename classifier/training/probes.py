"""Sentences of our own whose answers are beyond doubt: the contract that serving checks."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from classifier.network import Network
from wire.messages import SENTIMENTS

from .batches import Collator
from .data import Example


class Probe(NamedTuple):
    """A text and the two labels that any sound model gives it."""

    text: str
    topic: str
    sentiment: str


PROBES = (
    Probe("Corvane Bank's profit tumbles as bad loans double", "Earnings", "negative"),
    Probe("Oil slides 4% as traders fear a glut of crude", "Energy | Oil", "negative"),
    Probe("Regulator fines Tellmark for misleading investors", "Legal | Regulation", "negative"),
    Probe("Central bank keeps its key interest rate at 3%", "Fed | Central Banks", "neutral"),
    Probe("Halden Foods names Maria Okafor as chief financial officer", "Personnel Change",
          "neutral"),
    Probe("Brightwell raises its quarterly dividend by 12%", "Dividend", "positive"),
    Probe("Unemployment climbs to a ten-year high", "Macro", "negative"),
    Probe("Ostrava Robotics agrees to buy its smaller rival for $2 billion", "M&A | Investments",
          "positive"),
)


def kept(network: Network, collate: Collator, topics: tuple[str, ...],
         bias: Sequence[float], margin: float = 0.5) -> list[dict[str, str]]:
    """Return the probes that the network answers as a person would, clear of rounding.

    A probe whose best logit leads by less than `margin` is left out: half precision on another
    machine could tip it.
    """
    examples = [Example(p.text, "", p.topic, p.sentiment, -1) for p in PROBES]
    batch = collate(examples)
    network.eval()
    with torch.inference_mode():
        topic_logits, sentiment_logits, _ = network(batch.input_ids, batch.attention_mask)
    heads = ((topic_logits, topics), (sentiment_logits + torch.tensor(tuple(bias)), SENTIMENTS))
    answers = []
    for logits, labels in heads:
        best = logits.topk(2, dim=1)
        clear = (best.values[:, 0] - best.values[:, 1] >= margin).tolist()
        answers.append([labels[k] if sure else "" for k, sure in
                        zip(best.indices[:, 0].tolist(), clear, strict=True)])
    return [probe._asdict() for probe, topic, sentiment in zip(PROBES, *answers, strict=True)
            if (topic, sentiment) == (probe.topic, probe.sentiment)]
