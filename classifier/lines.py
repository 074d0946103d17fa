"""Texts from bytes and CSV files, and their scores as objects: streaming, in flat memory."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .errors import InputError
from .model import Model
from .scores import Scores, best

CHUNK = 512
# Texts that wait to be scored hold at most about so many characters, whatever their number.
CHUNK_CHARACTERS = 1 << 22
FIELD_BYTES = 1 << 30


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """Yield each line as text. Only LF ends a line; the last one needs none.

    What is not UTF-8 becomes U+FFFD; a CR before the LF stays in the text.
    """
    for line in stream:
        yield line.removesuffix(b"\n").decode("utf-8", "replace")


def read_csv(path: Path, column: str) -> Iterator[str]:
    """Return an iterator over one column of a CSV file with a header; every cell is text.

    A byte order mark is dropped; "NA" is "NA"; a row that is too short has an empty text.
    Raises InputError where there is no such column, naming those there are, and OSError.
    """
    csv.field_size_limit(FIELD_BYTES)
    file = path.open(encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.reader(file)
    try:
        index = _index(next(rows, []), column, path)
    except BaseException:
        file.close()
        raise
    return _cells(file, rows, index, path)


def _index(header: list[str], column: str, path: Path) -> int:
    if column in header:
        return header.index(column)
    raise InputError(
        f"{path} has no column {column!r}",
        f"its columns: {', '.join(header) or 'none, it is empty'}",
    )


def _cells(file: Any, rows: Any, index: int, path: Path) -> Iterator[str]:
    """Yield the cells of one column and close the file; blank lines are no rows."""
    with file:
        try:
            for row in rows:
                if row:
                    yield row[index] if index < len(row) else ""
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num}: {error}") from error


def classify(texts: Iterable[str], model: Model, chunk: int = CHUNK) -> Iterator[dict[str, Any]]:
    """Yield one object for each text, in order; at most `chunk` texts are in memory."""
    for group in _chunks(texts, chunk):
        for scores in model.score(group):
            yield _object(scores, model.name)


def _chunks(texts: Iterable[str], chunk: int) -> Iterator[list[str]]:
    group: list[str] = []
    characters = 0
    for text in texts:
        group.append(text)
        characters += len(text)
        if len(group) >= chunk or characters >= CHUNK_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _object(scores: Scores, model: str) -> dict[str, Any]:
    return {
        "topic": best(scores.topics),
        "topics": scores.topics,
        "sentiment": best(scores.sentiments),
        "sentiments": scores.sentiments,
        "model": model,
        "truncated": scores.truncated,
    }
