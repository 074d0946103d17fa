"""Labelled files, read for a model: which head each column of labels belongs to, and what is wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from classifier.errors import InputError
from classifier.tables import read_table
from classifier.texts import article_text
from wire.messages import SENTIMENTS

from .measures import Head

ACCEPTED: dict[Head, str] = {"topic": "topics_ok", "sentiment": "sentiments_ok"}


@dataclass(frozen=True, slots=True)
class Truth:
    """The true labels of one head; `accepted`: by text every answer that can be defended, if told."""

    head: Head
    labels: tuple[str, ...]
    accepted: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts as the model reads them, and the true labels of one head or of both."""

    texts: tuple[str, ...]
    truths: tuple[Truth, ...]


def read(path: Path, topics: Sequence[str]) -> Labelled:
    """Read a CSV with the columns `text, label`; or `text`, `topic` and `sentiment` (or one of them).

    A column `summary` is read after the text; `topics_ok` and `sentiments_ok` hold accepted
    answers, joined by ";". A `label` is one of the model's `topics` or a sentiment, which its
    values tell. Raises InputError, naming the row where one label is wrong.
    """
    table = _table(path)
    summaries = table["summary"] if "summary" in table else [""] * len(table)
    texts = tuple(article_text(*pair) for pair in zip(table["text"], summaries, strict=True))
    if "label" in table:
        head: Head = "sentiment" if set(table["label"]) <= set(SENTIMENTS) else "topic"
        return Labelled(texts, (_truth(path, head, table["label"], topics),))
    return Labelled(texts, tuple(
        _truth(path, head, table[head], topics, table.get(accepted))
        for head, accepted in ACCEPTED.items() if head in table
    ))


def _table(path: Path) -> pd.DataFrame:
    table = read_table(path, InputError)
    if "text" not in table or not {"label", "topic", "sentiment"} & set(table.columns):
        raise InputError(
            f"{path}: columns are {', '.join(table.columns)}",
            "it needs text, and label; or text, and topic, sentiment or both",
        )
    return table


def _truth(
    path: Path, head: Head, labels: Iterable[str], topics: Sequence[str],
    accepted: Iterable[str] | None = None,
) -> Truth:
    known = SENTIMENTS if head == "sentiment" else topics
    found = tuple(labels)
    for row, label in enumerate(found, start=2):
        if label not in known:
            raise InputError(
                f"{path}, row {row}: unknown {head} {label!r}", f"one of: {', '.join(known)}"
            )
    sets = () if accepted is None else tuple(frozenset(each.split(";")) for each in accepted)
    return Truth(head, found, sets)
