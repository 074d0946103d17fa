"""What computes the logits: one small protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Logits:
    """The heads' outputs, [rows, topics] and [rows, 3], and the texts' vectors, [rows, size].

    An artifact that gives no vectors has size 0.
    """

    topics: Floats
    sentiments: Floats
    vectors: Floats

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> "Logits":
        return Logits(self.topics[rows], self.sentiments[rows], self.vectors[rows])


def stacked(parts: Sequence[Logits]) -> Logits:
    """Return the rows of all parts, in their order."""
    columns = zip(*((each.topics, each.sentiments, each.vectors) for each in parts), strict=True)
    return Logits(*map(np.concatenate, columns))


class Backend(Protocol):
    """Token ids in, logits out. `forward` may be called by `workers` threads at a time."""

    name: str
    workers: int
    token_budget: int

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch, shapes [rows, length]; raises MemoryExhaustedError."""
