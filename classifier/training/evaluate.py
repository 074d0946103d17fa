"""What a trained network is worth: measures of each held-out set, and of the real headlines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score
from torch import Tensor

from .batches import ABSENT, Collator
from .calibrate import Calibration
from .data import SENTIMENTS, Example, find, read_table
from .network import Network
from .recipe import Recipe

NEGATIVE = SENTIMENTS.index("negative")
Floats = NDArray[np.float64]


class Outputs(NamedTuple):
    """Logits and labels of a list of examples, in its order; ABSENT where there is no label."""

    topics: Tensor
    sentiments: Tensor
    topic_labels: Tensor
    sentiment_labels: Tensor


class Headlines(NamedTuple):
    """Real headlines with every answer that a careful colleague could defend."""

    examples: list[Example]
    topics_ok: list[set[str]]
    sentiments_ok: list[set[str]]


def outputs(network: Network, examples: Sequence[Example], collate: Collator,
            batch: int = 64) -> Outputs:
    """Return what the network says, without any convention, as it is served."""
    network.eval()
    order = sorted(range(len(examples)), key=lambda k: len(examples[k].text))
    back = torch.tensor(order).argsort()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            made = collate([examples[k] for k in order[start:start + batch]])
            logits = network(made.input_ids, made.attention_mask)
            parts.append((*logits, made.topics, made.sentiments))
    return Outputs(*(torch.cat(column)[back] for column in zip(*parts, strict=True)))


def validation_score(network: Network, examples: Sequence[Example], collate: Collator) -> float:
    """Return the mean of both heads' macro-F1, over all sets together."""
    out = outputs(network, examples, collate)
    scores = [_macro(out.topics, out.topic_labels), _macro(out.sentiments, out.sentiment_labels)]
    return float(np.mean([s for s in scores if s is not None]))


def _macro(logits: Tensor, labels: Tensor) -> float | None:
    known = labels != ABSENT
    if not known.any():
        return None
    return float(f1_score(labels[known], logits[known].argmax(1), average="macro"))


def measures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy, F1 and calibration error of one head where the labels are known."""
    known = labels != ABSENT
    truth = labels[known].numpy()
    probabilities = torch.softmax(logits[known].double(), 1).numpy()
    said = probabilities.argmax(1)
    return {
        "texts": len(truth),
        "accuracy": round(float(accuracy_score(truth, said)), 4),
        "macro_f1": round(float(f1_score(truth, said, average="macro", zero_division=0)), 4),
        "weighted_f1": round(float(f1_score(truth, said, average="weighted", zero_division=0)), 4),
        "ece": round(calibration_error(probabilities, truth), 4),
        **(_negative(probabilities, truth) if probabilities.shape[1] == len(SENTIMENTS) else {}),
    }


def _negative(probabilities: Floats, truth: NDArray[Any]) -> dict[str, float]:
    """Return how well negatives are found and ranked; what a surge alert rests on."""
    said, is_negative = probabilities.argmax(1) == NEGATIVE, truth == NEGATIVE
    both = 0 < is_negative.sum() < len(is_negative)
    auc = roc_auc_score(is_negative, probabilities[:, NEGATIVE]) if both else float("nan")
    recall = recall_score(is_negative, said, zero_division=0)
    precision = precision_score(is_negative, said, zero_division=0)
    return {"negative_auc": round(float(auc), 4), "negative_recall": round(float(recall), 4),
            "negative_precision": round(float(precision), 4)}


def calibration_error(probabilities: Floats, truth: NDArray[Any], bins: int = 15) -> float:
    """Return the expected calibration error of the top answer (Guo et al. 2017, equal bins)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[place == k].mean() - confidence[place == k].mean()) * (place == k).mean()
            for k in np.unique(place)]
    return float(sum(gaps))


def read_headlines(name: str, folder: Path) -> Headlines:
    """Read the evaluation set of real headlines, as title and summary."""
    columns = ("text", "summary", "topic", "topics_ok", "sentiment", "sentiments_ok")
    rows = read_table(find(name, folder), columns).to_dict("records")
    return Headlines(
        [Example(r["text"], r["summary"], r["topic"], r["sentiment"], 0) for r in rows],
        [set(r["topics_ok"].split(";")) for r in rows],
        [set(r["sentiments_ok"].split(";")) for r in rows],
    )


def by_set(network: Network, examples: Sequence[Example], recipe: Recipe, collate: Collator,
           calibration: Calibration) -> dict[str, dict[str, Any]]:
    """Return the measures of each set by itself, with the scores as they are served."""
    found: dict[str, dict[str, Any]] = {}
    for index, spec in enumerate(recipe.sets):
        own = [e for e in examples if e.set == index]
        if own:
            found[spec.name] = report(calibrated(outputs(network, own, collate), calibration))
    return found


def calibrated(out: Outputs, calibration: Calibration) -> Outputs:
    """Return the outputs with bias and temperatures applied to their logits."""
    bias = torch.tensor(calibration.sentiment_bias)
    return out._replace(topics=out.topics / calibration.topic_temperature,
                        sentiments=(out.sentiments + bias) / calibration.sentiment_temperature)


def report(out: Outputs) -> dict[str, Any]:
    """Return the measures of the heads that have labels."""
    heads = {"topic": (out.topics, out.topic_labels),
             "sentiment": (out.sentiments, out.sentiment_labels)}
    return {name: measures(*head) for name, head in heads.items() if (head[1] != ABSENT).any()}


def headline_report(out: Outputs, headlines: Headlines, topics: Sequence[str]) -> dict[str, Any]:
    """Return the measures of the real headlines, and the share of defensible answers."""
    made = report(out)
    said = [topics[k] for k in out.topics.argmax(1).tolist()]
    felt = [SENTIMENTS[k] for k in out.sentiments.argmax(1).tolist()]
    made["topic"]["within_ok"] = _share(said, headlines.topics_ok)
    made["sentiment"]["within_ok"] = _share(felt, headlines.sentiments_ok)
    return made


def _share(answers: list[str], accepted: list[set[str]]) -> float:
    hits = [answer in ok for answer, ok in zip(answers, accepted, strict=True)]
    return round(sum(hits) / len(hits), 4)
