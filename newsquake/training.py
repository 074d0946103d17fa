"""`newsquake train`: find the recipe, the data and a place for the artifact, and train."""

from pathlib import Path

from .errors import ConfigurationError
from .settings import Settings

MISSING = ("torch", "transformers", "safetensors", "sklearn")


def run(settings: Settings, out: Path | None, recipe: Path | None, data: Path | None) -> None:
    """Train under the recipe; raises ConfigurationError where the extra or the data is missing."""
    try:
        from classifier.training import train
    except ModuleNotFoundError as error:
        if error.name not in MISSING:
            raise
        raise ConfigurationError(
            f"training needs {error.name}", "install the extra: pip install -e '.[train]'"
        ) from error
    train(
        recipe=recipe,
        data=data or Path("../shared/data"),
        out=out or settings.home / "models" / "candidate",
    )
