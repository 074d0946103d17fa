"""What a network says of labelled examples."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from classifier.network import Network

from .batches import Collator
from .data import Example

# Ids and mask in; logits of topics, logits of sentiments and vectors out.
Say = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Outputs(NamedTuple):
    """What is said of a list of examples, in its order; a label that is not known is ABSENT.

    Logits [texts, labels] as served, the vectors that they come from, and whose kind each text is.
    """

    topics: Tensor
    sentiments: Tensor
    vectors: Tensor
    topic_labels: Tensor
    sentiment_labels: Tensor
    kinds: Tensor

    def of_kind(self, kind: int) -> "Outputs":
        """Return what is said of the texts of one kind."""
        return self.where(self.kinds == kind)

    def where(self, chosen: Tensor) -> "Outputs":
        """Return what is said of the texts that a mask chooses."""
        return Outputs(*(column[chosen] for column in self))


def stacked(parts: Sequence[Outputs]) -> Outputs:
    """Return what is said of all the lists, one after the other."""
    return Outputs(*(torch.cat(column) for column in zip(*parts, strict=True)))


def outputs(say: Say, examples: Sequence[Example], collate: Collator, batch: int = 64) -> Outputs:
    """Return what a network, or what was exported of it, says; batches are of like length."""
    if isinstance(say, Network):
        say.eval()
    order = sorted(range(len(examples)), key=collate.lengths(examples).__getitem__)
    back = torch.tensor(order).argsort()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            made = collate([examples[k] for k in order[start:start + batch]])
            said = say(made.input_ids, made.attention_mask)
            parts.append(Outputs(*said, made.topics, made.sentiments, made.kinds))
    return Outputs(*(column[back] for column in stacked(parts)))
