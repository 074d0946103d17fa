"""Labelled texts: read, checked, and split by a hash of the text."""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from classifier.tables import read_table
from classifier.texts import article_text
from wire.messages import SENTIMENTS

from .errors import DataError
from .recipe import DataSet, Recipe

OWN = Path(__file__).parent.parent / "data"  # sets that are ours and travel with the project
COLUMNS = {
    "topic": ("text", "label"),
    "sentiment": ("text", "label"),
    "headlines": ("text", "summary", "topic", "sentiment"),
}
# Their licences or their purpose forbid it; the names are those of the files.
NEVER_TRAIN_ON = ("financial_phrasebank", "fiqa", "semeval", "headlines_dev", "stockemotions",
                  "gold_commodity", "reuters21578", "cn_")

Part = Literal["train", "validation", "test"]


class Example(NamedTuple):
    """One text as the model reads it. A label that it does not have is None; nor a set: -1."""

    title: str
    summary: str
    topic: str | None
    sentiment: str | None
    set: int

    @property
    def text(self) -> str:
        """Return title and summary as serving joins them."""
        return article_text(self.title, self.summary)


class Source(NamedTuple):
    """A file that was read: its name, its digest and its rows, in file order."""

    name: str
    sha256: str
    examples: tuple[Example, ...]


def find(name: str, folder: Path) -> Path:
    """Return the file of a set: in `folder`, its `labelled/`, or among our own."""
    places = (folder / f"{name}.csv", folder / "labelled" / f"{name}.csv", OWN / f"{name}.csv")
    for place in places:
        if place.is_file():
            return place
    raise DataError(f"{name}: no such file as {places[0]} or {places[1]}",
                    "name the folder of the labelled sets: --data DIR, or NEWSQUAKE_DATA")


def read_columns(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """Read a CSV, and check that it has `columns`; raises DataError."""
    table = read_table(path, DataError)
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; found {list(table.columns)}")
    return table


def read_set(spec: DataSet, index: int, folder: Path, left_out: Container[str] = ()) -> Source:
    """Read one set of the recipe but for topics `left_out`; refuses what must not be trained on."""
    if spec.name.startswith(NEVER_TRAIN_ON):
        raise DataError(f"{spec.name}: evaluation only, by licence or purpose: not to be trained on")
    path = find(spec.name, folder)
    table = read_columns(path, COLUMNS[spec.kind])
    examples = tuple(_example(spec, index, row) for row in table.to_dict("records"))
    _check(path, spec, examples)
    examples = tuple(e for e in examples if e.topic not in left_out)
    return Source(spec.name, hashlib.sha256(path.read_bytes()).hexdigest(), examples)


def _example(spec: DataSet, index: int, row: dict[str, str]) -> Example:
    if spec.kind == "headlines":
        return Example(row["text"], row["summary"], row["topic"], row["sentiment"], index)
    topic, sentiment = (row["label"], None) if spec.kind == "topic" else (None, row["label"])
    return Example(row["text"], "", topic, sentiment, index)


def _check(path: Path, spec: DataSet, examples: tuple[Example, ...]) -> None:
    """Refuse blank texts, unknown sentiments, one text with two answers, and a single class."""
    first: dict[str, tuple[int, Example]] = {}
    for line, example in enumerate(examples, start=2):
        if not example.title.strip():
            raise DataError(f"{path}: row {line}: the text is empty")
        if example.sentiment is not None and example.sentiment not in SENTIMENTS:
            raise DataError(f"{path}: row {line}: unknown sentiment {example.sentiment!r}; "
                            f"expected one of {', '.join(SENTIMENTS)}")
        if example.topic == "":
            raise DataError(f"{path}: row {line}: the topic is empty")
        before, twin = first.setdefault(example.text, (line, example))
        if twin != example:
            raise DataError(f"{path}: rows {before} and {line} are one text with two answers: "
                            f"{example.title[:60]!r}", "keep the right one")
    labels = Counter(e.topic if spec.kind == "topic" else e.sentiment for e in examples)
    if len(labels) < 2:  # noqa: PLR2004
        raise DataError(f"{path}: only one class, {next(iter(labels))!r}")


def topic_labels(recipe: Recipe, sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the taxonomy: the labels of the topic sets, sorted; other topics are unknown."""
    kinds = [s.kind for s in recipe.sets]
    defining = "topic" if "topic" in kinds else "headlines"
    examples = [e for source in sources for e in source.examples if e.topic is not None]
    labels = {e.topic for e in examples if kinds[e.set] == defining and e.topic is not None}
    if len(labels) < 2:  # noqa: PLR2004
        raise DataError("no set of the recipe says what topics there are")
    for example in examples:
        if example.topic not in labels:
            raise DataError(f"{recipe.sets[example.set].name}: unknown topic {example.topic!r}")
    return tuple(sorted(labels))


def part_of(text: str, recipe: Recipe) -> Part:
    """Say by a hash of the text where it belongs, so that it stays there for ever."""
    digest = hashlib.sha256(text.strip().lower().encode()).hexdigest()
    place = int(digest, 16) % 100
    if place < recipe.test_percent:
        return "test"
    return "validation" if place < recipe.test_percent + recipe.validation_percent else "train"


def fingerprint(text: str) -> str:
    """Return what near-duplicates share: the words, without links, figures, case and signs."""
    bare = re.sub(r"https?://\S+", " ", text.lower())
    return " ".join(re.findall(r"[^\W\d_]+", bare))


def refuse_leaks(sources: Iterable[Source], name: str, evaluated: Iterable[Example]) -> None:
    """Raise DataError where a text of an evaluation set, or its near-duplicate, is trained on."""
    trained = {fingerprint(e.title): source.name for source in sources for e in source.examples}
    for line, example in enumerate(evaluated, start=2):
        leak = trained.get(fingerprint(example.title))
        if leak is not None:
            raise DataError(f"{name}: row {line} is in {leak} too, which is trained on: "
                            f"{example.title[:60]!r}", "take it out of one of them")


class Split(NamedTuple):
    """The three parts; no text of one is a near-duplicate of another's."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split(sources: Iterable[Source], recipe: Recipe) -> Split:
    """Split all examples; held-out near-duplicates of training texts are dropped."""
    parts = Split([], [], [])
    for source in sources:
        for example in source.examples:
            getattr(parts, part_of(example.title, recipe)).append(example)
    seen = {fingerprint(e.title) for e in parts.train}
    validation = _fresh(parts.validation, seen)
    test = _fresh(parts.test, seen)
    if not (parts.train and validation and test):
        raise DataError("too few texts: a part of the split is empty")
    return Split(parts.train, validation, test)


def _fresh(examples: list[Example], seen: set[str]) -> list[Example]:
    """Return the examples whose fingerprint is new, and remember it."""
    fresh = []
    for example in examples:
        mark = fingerprint(example.title)
        if mark not in seen:
            seen.add(mark)
            fresh.append(example)
    return fresh
