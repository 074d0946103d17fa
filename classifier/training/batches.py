"""Examples to batches: the order of an epoch, by length, and the tensors of a batch."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from classifier.texts import without_links
from wire.messages import SENTIMENTS

from .data import Example
from .recipe import Recipe

NEIGHBOURS = 40  # batches that are sorted by length together: little padding, much chance
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


def epoch(examples: Sequence[Example], recipe: Recipe, number: int) -> list[list[Example]]:
    """Return the batches of epoch `number`, the same for the same seed.

    Texts of like length share a batch, in an order that says nothing of their length.
    """
    chance = random.Random(f"{recipe.seed}-{number}")  # noqa: S311
    order = shown(examples, recipe, chance)
    chance.shuffle(order)
    batches = []
    for start in range(0, len(order), recipe.batch * NEIGHBOURS):
        near = sorted(order[start:start + recipe.batch * NEIGHBOURS], key=lambda e: len(e.text))
        group = [near[k:k + recipe.batch] for k in range(0, len(near), recipe.batch)]
        chance.shuffle(group)
        batches.extend(group)
    return batches


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
        texts = [without_links(e.text) for e in examples]
        encoded = self._tokenizer(texts, truncation=True, padding=True,
                                  max_length=self._max_length, return_tensors="pt")
        topics = [ABSENT if e.topic is None else self._topics.get(e.topic, ABSENT)
                  for e in examples]
        sentiments = [ABSENT if e.sentiment is None else SENTIMENTS.index(e.sentiment)
                      for e in examples]
        kinds = [self._kinds[e.set] if e.set >= 0 else 0 for e in examples]
        return Batch(encoded["input_ids"], encoded["attention_mask"], torch.tensor(topics),
                     torch.tensor(sentiments), torch.tensor(kinds))
