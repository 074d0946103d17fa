"""Examples to batches: the order of an epoch, by length, and the tensors of a batch."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizerBase

from classifier.texts import without_links
from wire.messages import SENTIMENTS

from .data import Example
from .recipe import Recipe

NEIGHBOURS = 40  # batches that are sorted by length together: little padding, much chance
MIXED = 4.0  # tokens that lengths may differ by within a batch, lest all its texts be of one set
ABSENT = -100  # what cross_entropy ignores


class Batch(NamedTuple):
    """A padded batch; a label that an example does not have is ABSENT; `kinds`: whose convention."""

    input_ids: Tensor
    attention_mask: Tensor
    topics: Tensor
    sentiments: Tensor
    kinds: Tensor


def shown(examples: Sequence[Example], recipe: Recipe, chance: random.Random) -> list[Example]:
    """Return what an epoch shows: sets repeated, and headlines with and without their summary."""
    out = []
    for example in examples:
        if chance.random() >= recipe.sets[example.set].share:
            continue
        out.extend(forms(example) * recipe.sets[example.set].repeat)
    return out


def forms(example: Example) -> list[Example]:
    """Return an example as it is, and without its summary if it has one."""
    return [example, example._replace(summary="")] if example.summary else [example]


class Collator:
    """Makes tensors of examples."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, topics: Sequence[str],
                 max_length: int, recipe: Recipe) -> None:
        self._tokenizer = tokenizer
        self._kinds = [recipe.kind_of(index) for index in range(len(recipe.sets))]
        self._topics = {label: k for k, label in enumerate(topics)}
        self._max_length = max_length

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """Return the batch of `examples`, in their order."""
        encoded = self._encoded(examples, padding=True, return_tensors="pt")
        topics = [ABSENT if e.topic is None else self._topics.get(e.topic, ABSENT)
                  for e in examples]
        sentiments = [ABSENT if e.sentiment is None else SENTIMENTS.index(e.sentiment)
                      for e in examples]
        kinds = [self._kinds[e.set] if e.set >= 0 else 0 for e in examples]
        return Batch(encoded["input_ids"], encoded["attention_mask"], torch.tensor(topics),
                     torch.tensor(sentiments), torch.tensor(kinds))

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """Return how many tokens each example has."""
        return [len(ids) for ids in self._encoded(examples)["input_ids"]] if examples else []

    def _encoded(self, examples: Sequence[Example], **how: Any) -> BatchEncoding:
        encoded: BatchEncoding = self._tokenizer([without_links(e.text) for e in examples], truncation=True,
                                                 max_length=self._max_length, **how)
        return encoded


def epoch(examples: Sequence[Example], recipe: Recipe, number: int,
          collate: Collator) -> list[list[Example]]:
    """Return the batches of epoch `number`, the same for the same seed.

    Texts with like numbers of tokens share a batch, in an order that says nothing of them: 9% of
    what is computed is padding (33% by numbers of characters: tickers and rare names).
    """
    chance = random.Random(f"{recipe.seed}-{number}")  # noqa: S311
    order = shown(examples, recipe, chance)
    chance.shuffle(order)
    lengths = [length + MIXED * chance.random() for length in collate.lengths(order)]
    batches = []
    for start in range(0, len(order), recipe.batch * NEIGHBOURS):
        stop = min(start + recipe.batch * NEIGHBOURS, len(order))
        near = sorted(range(start, stop), key=lengths.__getitem__)
        group = [[order[k] for k in near[at:at + recipe.batch]] for at in range(0, len(near), recipe.batch)]
        chance.shuffle(group)
        batches.extend(group)
    return batches
