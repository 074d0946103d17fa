"""`newsquake train`: find the recipe, the data and a place for the artifact, and train."""

from pathlib import Path

from .extras import needing_train
from .settings import Settings


def run(
    settings: Settings, out: Path | None, recipe: Path | None, data: Path | None, trials: int
) -> None:
    """Train under the recipe; raises ConfigurationError where the extra or the data is missing."""
    with needing_train("training"):
        from classifier.training import train
    train(
        recipe=recipe,
        data=data or Path("../shared/data"),
        out=out or settings.home / "models" / "candidate",
        trials=trials,
    )
