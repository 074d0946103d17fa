"""`newsquake evaluate`: hold a model against a labelled file."""

from pathlib import Path
from typing import Any

from classifier.model import load

from .extras import needing_train
from .settings import Settings


def run(settings: Settings, folder: Path | None, data: Path, page: Path | None) -> dict[str, Any]:
    """Return the measures, and write the page where one is wanted.

    Raises ConfigurationError where the extra is missing, InputError where the file is wrong.
    """
    with needing_train("evaluation"):
        from classifier.evaluation.page import render
        from classifier.evaluation.run import evaluate
    chosen = settings.classifier
    with load(folder or chosen.model, chosen.backend, chosen.threads) as model:
        evaluation = evaluate(model, data)
    if page is not None:
        page.write_text(render(evaluation), encoding="utf-8")
    return evaluation.to_dict()


def summary(found: dict[str, Any]) -> str:
    """The measures as lines for a person."""
    heads = {name: each for name, each in found.items() if name in ("topic", "sentiment")}
    return "\n".join(
        f"{head:10} {name:20} {value}"
        for head, measures in (heads or {found["head"]: found}).items()
        for name, value in measures.items()
        if isinstance(value, int | float)
    )
