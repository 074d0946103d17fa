"""What a trained network is worth: measures of each held-out set, and of the real headlines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor

from classifier.evaluation.measures import Head, measures
from wire.messages import SENTIMENTS

from .batches import ABSENT, Collator
from .calibrate import Calibration
from .data import Example, find, read_columns
from .network import Network
from .recipe import DataSet, Recipe


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


def validation_score(network: Network, examples: Sequence[Example], collate: Collator,
                     sets: Sequence[DataSet]) -> float:
    """Return the mean of both heads' macro-F1, over all sets that speak what is served.

    The labels of a set with a convention of its own say little of the served heads.
    """
    served = [e for e in examples if not sets[e.set].convention]
    out = outputs(network, served or examples, collate)
    scores = [_macro(out.topics, out.topic_labels), _macro(out.sentiments, out.sentiment_labels)]
    return float(np.mean([s for s in scores if s is not None]))


def _macro(logits: Tensor, labels: Tensor) -> float | None:
    known = labels != ABSENT
    if not known.any():
        return None
    return float(f1_score(labels[known], logits[known].argmax(1), average="macro"))


def measures_of(head: Head, logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the measures of one head where the labels are known."""
    known = labels != ABSENT
    probabilities = torch.softmax(logits[known].double(), 1).numpy()
    return measures(head, probabilities, labels[known].numpy())


def read_headlines(name: str, folder: Path) -> Headlines:
    """Read the evaluation set of real headlines, as title and summary."""
    columns = ("text", "summary", "topic", "topics_ok", "sentiment", "sentiments_ok")
    rows = read_columns(find(name, folder), columns).to_dict("records")
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


def unseen(network: Network, name: str, folder: Path, collate: Collator,
           calibration: Calibration) -> dict[str, Any]:
    """Return the measures of a whole set of sentiments that the recipe does not train on."""
    rows = read_columns(find(name, folder), ("text", "label")).to_dict("records")
    examples = [Example(r["text"], "", None, r["label"], 0) for r in rows]
    return report(calibrated(outputs(network, examples, collate), calibration))


def calibrated(out: Outputs, calibration: Calibration) -> Outputs:
    """Return the outputs with bias and temperatures applied to their logits."""
    bias = torch.tensor(calibration.sentiment_bias)
    return out._replace(topics=out.topics / calibration.topic_temperature,
                        sentiments=(out.sentiments + bias) / calibration.sentiment_temperature)


def report(out: Outputs) -> dict[str, Any]:
    """Return the measures of the heads that have labels."""
    heads: dict[Head, tuple[Tensor, Tensor]] = {
        "topic": (out.topics, out.topic_labels),
        "sentiment": (out.sentiments, out.sentiment_labels)}
    return {name: measures_of(name, *head) for name, head in heads.items()
            if (head[1] != ABSENT).any()}


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
