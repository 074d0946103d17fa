"""What the model says of a text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities by label, each set summing to one.

    `truncated` where the model read only the beginning; `tokens` is how many it read.
    """

    topics: dict[str, float]
    sentiments: dict[str, float]
    truncated: bool
    tokens: int = 0


def best(probabilities: dict[str, float]) -> str:
    """Return the most probable label; of equals the first."""
    return max(probabilities, key=probabilities.__getitem__)
