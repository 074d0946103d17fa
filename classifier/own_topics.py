"""Topics of a user's own: a description and a few examples, scored on the model's own vectors.

Nothing of the encoder is trained. A topic is a direction in the space of the texts' vectors, found
by linear discriminant analysis: from the mean of ordinary texts to the mean of what the user gave,
through the inverse of the covariance of ordinary texts (Fisher 1936; a few examples are enough,
since only the mean is new). Ordinary are the headlines that travel with the project, unless the user
gives some of the examples' own kind: else what sets tweets apart from headlines is taken for the topic.
"""

import csv
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from .backends.protocol import Floats
from .errors import InputError
from .texts import article_text

NEWS = Path(__file__).parent / "data"
NEWS_TEXTS = 1500
MOST_EXAMPLES, MOST_ORDINARY = 50, 1000
# Share of the news that a topic has unless the user says otherwise: one in fifty.
SHARE = 0.02
# Of that share so much is granted to ordinary texts that only look like it.
MISTAKEN = 0.5
# Where the odds are even is halfway between the means by the examples, and by the share: that counts as two.
SHARE_COUNTS = 2
# How far the covariance is shrunk to a multiple of the identity.
SHRINKAGE = 0.1

Doubles = NDArray[np.float64]


class OwnTopic(msgspec.Struct, frozen=True):
    """What a user says of a topic. `share`: how much of the news is about it, roughly.

    `ordinary` are texts of the same kind as the examples that are not about it.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    examples: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_EXAMPLES)] = ()
    share: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = SHARE
    ordinary: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_ORDINARY)] = ()


def read(path: Path) -> tuple[OwnTopic, ...]:
    """Read the topics of a file; none where there is no file. Raises InputError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[OwnTopic, ...])
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}", "mend it, or remove it and add the topics again") from error


def write(path: Path, topics: Sequence[OwnTopic]) -> None:
    """Write the topics, so that a reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(topics)))
    fresh.replace(path)


@dataclass(frozen=True, slots=True)
class Detector:
    """Scores vectors against topics: `weights` [topics, size] and `bias` [topics] give log odds."""

    names: tuple[str, ...]
    digest: str
    weights: Doubles
    bias: Doubles

    def join(self, probabilities: Doubles, vectors: Floats) -> Doubles:
        """Return the probabilities [texts, labels] of the model's topics, then of these; they sum to one."""
        odds = np.exp(np.clip(vectors @ self.weights.T + self.bias, -80, 80))
        whole = np.concatenate([probabilities, odds], axis=1)
        joined: Doubles = whole / whole.sum(axis=1, keepdims=True)
        return joined


def fit(topics: Sequence[OwnTopic], vectors_of: Callable[[Sequence[str]], Floats]) -> Detector:
    """Find each topic's direction, and where its odds against the rest are even."""
    news = vectors_of(_news()).astype(np.float64)
    weights, bias = [], []
    for topic in topics:
        given = vectors_of([topic.description, *topic.examples]).astype(np.float64)
        kinds = [news]
        if len(topic.ordinary) > 1:
            kinds.append(vectors_of(topic.ordinary).astype(np.float64))
        ordinary = kinds[-1]
        middle = ordinary.mean(0)
        inverse = np.linalg.inv(_covariance(kinds)).astype(np.float64)
        weight = inverse @ (given.mean(0) - middle)
        weights.append(weight)
        by_share = _bias(ordinary @ weight, topic.share * MISTAKEN)
        halfway = (_as_seen_by_the_others(given, middle, inverse) + middle @ weight) / 2
        by_examples = math.log(topic.share / (1 - topic.share)) - halfway
        bias.append(np.average([by_examples, by_share], weights=[len(topic.examples), SHARE_COUNTS]))
    digest = hashlib.sha256(msgspec.json.encode(topics)).hexdigest()
    return Detector(tuple(t.name for t in topics), digest, np.array(weights), np.array(bias))


def _as_seen_by_the_others(given: Doubles, middle: Doubles, inverse: Doubles) -> float:
    """Return the mean score of the examples (all but the first), each in the direction without it.

    In a direction that they made themselves they are further out than a new text would be.
    """
    examples = given[1:]
    if not len(examples):
        return 0.0
    others = (given.sum(0) - examples) / len(examples)
    return float(((others - middle) @ inverse * examples).sum(1).mean())


def _covariance(kinds: Sequence[Doubles]) -> Doubles:
    """Return the covariance within kinds of texts, pooled and shrunk."""
    within = np.concatenate([each - each.mean(0) for each in kinds])
    pooled = within.T @ within / (len(within) - len(kinds))
    level = np.trace(pooled) / len(pooled)
    shrunk: Doubles = (1 - SHRINKAGE) * pooled + SHRINKAGE * level * np.eye(len(pooled))
    return shrunk


def _bias(scores: Doubles, share: float) -> float:
    """Return what to add to log odds so that their mean probability is `share`: by bisection."""
    low, high = -scores.max() - 30, -scores.min() + 30
    for _ in range(60):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-(scores + middle)))).mean() < share:
            low = middle
        else:
            high = middle
    return float((low + high) / 2)


def _news() -> list[str]:
    rows: list[dict[str, str]] = []
    for path in sorted(NEWS.glob("headlines_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    step = max(1, len(rows) // NEWS_TEXTS)
    return [article_text(row["text"], row["summary"]) for row in rows[::step]][:NEWS_TEXTS]
