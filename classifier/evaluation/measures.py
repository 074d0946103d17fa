"""Measures of one head: probabilities and true labels in, numbers out. Pure."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from wire.messages import SENTIMENTS

Head = Literal["topic", "sentiment"]
NEGATIVE = SENTIMENTS.index("negative")
BINS = 15
DRAWS = 100
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def measures(head: Head, probabilities: Floats, truth: Ints) -> dict[str, float]:
    """Return accuracy, F1 and calibration error; of sentiments also how negatives fare.

    `probabilities` [texts, classes] in the order of the labels; `truth` [texts] their indices.
    """
    said = probabilities.argmax(1)
    return {
        "texts": len(truth),
        "accuracy": rounded(accuracy_score(truth, said)),
        "macro_f1": rounded(f1_score(truth, said, average="macro", zero_division=0)),
        "weighted_f1": rounded(f1_score(truth, said, average="weighted", zero_division=0)),
        "ece": rounded(calibration_error(probabilities, truth)),
        "ece_by_chance": rounded(error_by_chance(probabilities)),
        **(_negative(probabilities, truth) if head == "sentiment" else {}),
    }


def _negative(probabilities: Floats, truth: Ints) -> dict[str, float]:
    """Return how well negatives are found and ranked; what a surge alert rests on."""
    said, is_negative = probabilities.argmax(1) == NEGATIVE, truth == NEGATIVE
    found = {
        "negative_recall": rounded(recall_score(is_negative, said, zero_division=0)),
        "negative_precision": rounded(precision_score(is_negative, said, zero_division=0)),
    }
    if 0 < is_negative.sum() < len(is_negative):  # else there is nothing to rank
        found["negative_auc"] = rounded(roc_auc_score(is_negative, probabilities[:, NEGATIVE]))
    return found


def rounded(value: Any) -> float:
    """Return a number of any kind as reports show it."""
    return round(float(value), 4)


def calibration_error(probabilities: Floats, truth: Ints) -> float:
    """Return the expected calibration error of the top answer (Guo et al. 2017, equal bins)."""
    return float(sum(abs(right - sure) * share for sure, right, share in reliability(probabilities, truth)))


def error_by_chance(probabilities: Floats) -> float:
    """Return the calibration error that such confidences would measure were each exactly right.

    The mean over DRAWS simulated outcomes: what is left of the error when there is none.
    """
    confidence, chance = probabilities.max(1), np.random.default_rng(0)
    place = _bins(confidence)
    outcomes = (chance.random(len(confidence)) < confidence for _ in range(DRAWS))
    return float(np.mean([np.abs(np.bincount(place, right - confidence)).sum() for right in outcomes])
                 / len(confidence))


def _bins(confidence: Floats) -> Ints:
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def reliability(probabilities: Floats, truth: Ints) -> list[tuple[float, float, float]]:
    """Return (mean confidence, accuracy, share of the texts) of each bin of confidence in use."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    place = _bins(confidence)
    return [
        (float(confidence[place == k].mean()), float(right[place == k].mean()), float((place == k).mean()))
        for k in np.unique(place)
    ]


def per_class(probabilities: Floats, truth: Ints, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and support by label, as scikit-learn's report names them."""
    report: dict[str, Any] = classification_report(
        truth, probabilities.argmax(1), labels=range(len(labels)), target_names=list(labels),
        output_dict=True, zero_division=0,
    )
    return {
        label: {name: rounded(value) for name, value in report[label].items()} for label in labels
    }


def risk_coverage(probabilities: Floats, truth: Ints) -> dict[str, float]:
    """Return the accuracy on the most confident share of the texts, by share: what abstaining buys.

    Of equal confidence the first texts count as surer (Geifman and El-Yaniv 2017).
    """
    order = np.argsort(-probabilities.max(1), kind="stable")
    right = (probabilities.argmax(1) == truth)[order]
    return {
        f"{share:g}": rounded(right[: max(1, round(share * len(right)))].mean()) for share in COVERAGES
    }
