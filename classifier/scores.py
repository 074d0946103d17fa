"""What the model says of a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from wire.messages import Sentiment

Label = TypeVar("Label", bound=str)


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities by label, each set summing to one.

    `truncated` where the model read only the beginning; `tokens` is how many it read.
    """

    topics: dict[str, float]
    sentiments: dict[Sentiment, float]
    truncated: bool
    tokens: int = 0


def best(probabilities: Mapping[Label, float]) -> Label:
    """Return the most probable label; of equals the first."""
    return max(probabilities, key=probabilities.__getitem__)
