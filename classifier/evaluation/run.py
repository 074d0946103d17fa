"""Evaluate a served model on a labelled file: read, score, measure. Nothing is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.model import Model
from classifier.scores import Scores

from . import measures
from .labelled import Labelled, Truth, read

MOST_ERRORS = 40


@dataclass(frozen=True, slots=True)
class Judged:
    """One head's answers to a file: probabilities [texts, labels] and true labels' indices."""

    head: measures.Head
    labels: tuple[str, ...]
    probabilities: measures.Floats
    truth: measures.Ints
    accepted: tuple[frozenset[str], ...]

    def said(self) -> list[str]:
        """Return the most probable label of each text."""
        return [self.labels[index] for index in self.probabilities.argmax(1)]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model on a file: the texts, how many tokens it read of each, and each head's answers and report."""

    model: str
    file: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    truncated: int
    heads: tuple[Judged, ...]
    reports: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the measures: the sentiment's, or the only head's, at the top level; two by head too."""
        about = {"model": self.model, "file": self.file, "truncated": self.truncated}
        pairs = zip(self.heads, self.reports, strict=True)
        found: dict[str, Any] = {judged.head: each for judged, each in pairs}
        first = "sentiment" if "sentiment" in found else self.heads[0].head
        return {**about, "head": first, **found[first], **(found if len(found) > 1 else {})}


def evaluate(model: Model, path: Path) -> Evaluation:
    """Score every text of a file and hold the answers against its labels; raises InputError."""
    labelled: Labelled = read(path, model.topics)
    scores = model.score(labelled.texts)
    heads = tuple(_judged(truth, scores) for truth in labelled.truths)
    return Evaluation(
        model.name, path.name, labelled.texts, tuple(score.tokens for score in scores),
        sum(score.truncated for score in scores),
        heads, tuple(map(report, heads)),
    )


def _judged(truth: Truth, scores: Sequence[Scores]) -> Judged:
    answers = [score.topics if truth.head == "topic" else score.sentiments for score in scores]
    labels = tuple(str(label) for label in answers[0])
    place = {label: index for index, label in enumerate(labels)}
    return Judged(
        truth.head, labels, np.array([list(answer.values()) for answer in answers]),
        np.array([place[label] for label in truth.labels]), truth.accepted,
    )


def report(judged: Judged) -> dict[str, Any]:
    """Return every measure of one head."""
    given = (judged.probabilities, judged.truth)
    found: dict[str, Any] = dict(measures.measures(judged.head, *given))
    if judged.accepted:
        hits = [label in each for label, each in zip(judged.said(), judged.accepted, strict=True)]
        found["within_ok"] = measures.rounded(np.mean(hits))
    found["risk_coverage"] = measures.risk_coverage(*given)
    found["per_class"] = measures.per_class(*given, judged.labels)
    return found


def errors(judged: Judged, texts: Sequence[str]) -> list[tuple[str, str, str, float]]:
    """Return (text, true label, answer, confidence) of the surest wrong answers, surest first."""
    confidence = judged.probabilities.max(1)
    wrong = np.flatnonzero(judged.probabilities.argmax(1) != judged.truth)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_ERRORS]
    said = judged.said()
    return [
        (texts[k], judged.labels[judged.truth[k]], said[k], float(confidence[k])) for k in order
    ]
