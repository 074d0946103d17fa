"""`newsquake evaluate`: hold a model against a labelled file."""

from pathlib import Path
from typing import Any

from classifier.model import load

from .errors import ConfigurationError
from .settings import Settings

MISSING = ("sklearn", "matplotlib")


def run(settings: Settings, folder: Path | None, data: Path, page: Path | None) -> dict[str, Any]:
    """Return the measures, and write the page where one is wanted.

    Raises ConfigurationError where the extra is missing, InputError where the file is wrong.
    """
    try:
        from classifier.evaluation.run import evaluate
    except ModuleNotFoundError as error:
        if error.name not in MISSING:
            raise
        raise ConfigurationError(
            f"evaluation needs {error.name}", "install the extra: pip install -e '.[train]'"
        ) from error
    chosen = settings.classifier
    with load(folder or chosen.model, chosen.backend, chosen.threads) as model:
        evaluation = evaluate(model, data)
    if page is not None:
        from classifier.evaluation.page import render

        page.write_text(render(evaluation), encoding="utf-8")
    return evaluation.to_dict()


def summary(found: dict[str, Any]) -> str:
    """The measures as lines for a person."""
    heads = {found["head"]: found} if "head" in found else found
    return "\n".join(
        f"{head:10} {name:20} {value}"
        for head, measures in heads.items()
        if isinstance(measures, dict)
        for name, value in measures.items()
        if isinstance(value, int | float)
    )
