"""What computes the logits: one small protocol."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Logits:
    """The heads' outputs: shapes [rows, topics] and [rows, 3]."""

    topics: Floats
    sentiments: Floats


class Backend(Protocol):
    """Token ids in, logits out. `forward` may be called by `workers` threads at a time."""

    name: str
    workers: int
    token_budget: int

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch, shapes [rows, length]; raises MemoryExhaustedError."""
