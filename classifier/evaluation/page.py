"""An evaluation as one HTML page that needs nothing else: tables, plots, the surest errors."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from . import plots
from .run import Evaluation, Judged, errors

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 64em; padding: 0 1em;
  color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; vertical-align: top; }
"""
FIGURES = ("texts", "accuracy", "within_ok", "macro_f1", "weighted_f1", "ece", "ece_by_chance",
           "negative_auc", "negative_recall", "negative_precision")


def render(evaluation: Evaluation) -> str:
    """Return the page; every text from the file is escaped."""
    title = f"{escape(evaluation.model)} on {escape(evaluation.file)}"
    heads = "".join(_head(evaluation, judged, found)
                    for judged, found in zip(evaluation.heads, evaluation.reports, strict=True))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{len(evaluation.texts):,} texts, {evaluation.truncated:,} longer than the model reads.</p>"
        f"{heads}</body></html>\n"
    )


def _head(evaluation: Evaluation, judged: Judged, found: dict[str, Any]) -> str:
    images = (
        plots.confusion(judged), plots.reliability(judged), plots.lengths(judged, evaluation.tokens)
    )
    wrong = errors(judged, evaluation.texts)
    return "".join((
        f"<h2>{judged.head}</h2>",
        _table(("measure", ""), ((name, found[name]) for name in FIGURES if name in found)),
        "<h3>By class</h3>", _classes(found["per_class"]),
        "<h3>When it may abstain</h3>",
        _table(("share answered", "accuracy"), found["risk_coverage"].items()),
        "<h3>Confusion, reliability, length</h3>", *map(_image, images),
        "<h3>The surest errors</h3>",
        _table(("text", "true label", "answer", "confidence"), wrong),
    ))


def _classes(per_class: dict[str, dict[str, float]]) -> str:
    columns = ("precision", "recall", "f1-score", "support")
    rows = ((label, *(each[name] for name in columns)) for label, each in per_class.items())
    return _table(("class", *columns), rows)


def _table(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}"
    return escape(f"{value:g}" if isinstance(value, float) else str(value))


def _image(png: bytes) -> str:
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
