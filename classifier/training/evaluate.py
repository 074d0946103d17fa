"""What a trained network is worth: measures of each held-out set, and of the real headlines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor

from classifier.evaluation import run
from classifier.evaluation.measures import Head, measures
from classifier.evaluation.run import Judged
from classifier.network import Network
from wire.messages import SENTIMENTS

from .batches import ABSENT, Collator
from .calibrate import Calibration
from .data import Example, find, read_columns
from .outputs import Outputs, outputs


class Headlines(NamedTuple):
    """Real headlines with every answer that a careful colleague could defend."""

    examples: list[Example]
    topics_ok: list[set[str]]
    sentiments_ok: list[set[str]]


def validation_score(network: Network, examples: Sequence[Example], collate: Collator) -> float:
    """Return the mean macro-F1 of both heads over all the examples, as they are served."""
    out = outputs(network, examples, collate)
    scores = [_macro(out.topics, out.topic_labels), _macro(out.sentiments, out.sentiment_labels)]
    return float(np.mean([s for s in scores if s is not None]))


def _macro(logits: Tensor, labels: Tensor) -> float | None:
    known = labels != ABSENT
    if not known.any():
        return None
    return float(f1_score(labels[known], logits[known].argmax(1), average="macro"))


def read_headlines(name: str, folder: Path) -> Headlines:
    """Read the evaluation set of real headlines, as title and summary."""
    columns = ("text", "summary", "topic", "topics_ok", "sentiment", "sentiments_ok")
    rows = read_columns(find(name, folder), columns).to_dict("records")
    return Headlines(
        [Example(r["text"], r["summary"], r["topic"], r["sentiment"], -1) for r in rows],
        [set(r["topics_ok"].split(";")) for r in rows],
        [set(r["sentiments_ok"].split(";")) for r in rows],
    )


def read_sentiments(name: str, folder: Path) -> list[Example]:
    """Read a whole set of sentiments that the recipe does not train on."""
    rows = read_columns(find(name, folder), ("text", "label")).to_dict("records")
    return [Example(r["text"], "", None, r["label"], -1) for r in rows]


def calibrated(out: Outputs, calibration: Calibration) -> Outputs:
    """Return the outputs with bias and temperatures applied to their logits."""
    topics, sentiments = calibration.apply(out.topics, out.sentiments)
    return out._replace(topics=topics, sentiments=sentiments)


def judged(out: Outputs, topics: Sequence[str]) -> dict[Head, Judged]:
    """Return the probabilities and the truth of each head that has labels, where it has them."""
    heads: dict[Head, tuple[Tensor, Tensor, Sequence[str]]] = {
        "topic": (out.topics, out.topic_labels, topics),
        "sentiment": (out.sentiments, out.sentiment_labels, SENTIMENTS)}
    return {name: Judged(name, tuple(labels), torch.softmax(logits[known].double(), 1).numpy(),
                         truth[known].numpy(), ())
            for name, (logits, truth, labels) in heads.items() if (known := truth != ABSENT).any()}


def report(out: Outputs, topics: Sequence[str] = ()) -> dict[str, Any]:
    """Return the measures of the heads that have labels."""
    return {name: measures(name, each.probabilities, each.truth)
            for name, each in judged(out, topics).items()}


def details(out: Outputs, topics: Sequence[str]) -> dict[str, Any]:
    """Return the measures, by class too, and what abstaining would buy (`evaluation.run.report`)."""
    return {name: run.report(each) for name, each in judged(out, topics).items()}


def differences(whole: Mapping[str, Outputs], held: Mapping[str, Outputs]) -> dict[str, Any]:
    """Return by set and head how the same model in 8 bits differs: macro-F1, and labels changed."""
    found: dict[str, Any] = {}
    for name, one in whole.items():
        pairs = zip(judged(one, ()).values(), judged(held[name], ()).values(), strict=True)
        found[name] = {a.head: _difference(a, b) for a, b in pairs}
    return found


def _difference(one: Judged, other: Judged) -> dict[str, float]:
    first, second = (measures(j.head, j.probabilities, j.truth) for j in (one, other))
    changed = one.probabilities.argmax(1) != other.probabilities.argmax(1)
    return {"macro_f1": round(second["macro_f1"] - first["macro_f1"], 4),
            "labels_changed": round(float(changed.mean()), 4)}


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
