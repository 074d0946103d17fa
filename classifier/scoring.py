"""Score texts so that one bad text costs only itself."""

from collections.abc import Sequence
from typing import Protocol

from .scores import Scores
from .sorting import Refusal


class Scorer(Protocol):
    """What this module needs of a model."""

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, in order."""

    def check(self) -> None:
        """Raise where the model itself is broken."""


def score(model: Scorer, texts: Sequence[str]) -> list[Scores | Refusal]:
    """Score the texts; where that fails, halve them until the bad one is alone, and refuse it.

    Before a text is refused the model must pass its own check: a broken model (a lost device,
    no memory left) raises here, and is never mistaken for a thousand bad texts.
    """
    try:
        return list(model.score(texts))
    except Exception as error:  # noqa: BLE001 - whatever a text may provoke
        if len(texts) == 1:
            model.check()
            return [Refusal("unscorable", f"{type(error).__name__}: {error}")]
    half = len(texts) // 2
    return score(model, texts[:half]) + score(model, texts[half:])
