"""`newsquake backtest --counts`: a CSV of counts in, the same rows with what we would have said out.

Two passes over the file: the first reads times, keys and counts, the second copies each row as it
stands and adds three columns. What is decided of a bin depends on bins up to it only.
"""

import csv
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from alerts.counts import Judge, grid_of
from alerts.errors import CountsError
from alerts.settings import AlertsSettings

COLUMNS = ("time", "key", "count")
ADDED = ("expected", "score", "alert")
_LONGEST_GAP = 8064  # bins that are passed over one by one: four weeks of five minutes
_MOST = 1 << 53  # the largest count that a float holds exactly
_LONGEST_CELL = 1 << 17  # characters; stated here, for the limit of `csv` belongs to the whole process


class Counts(NamedTuple):
    """The rows of a file: when, in seconds since 1970, of which key (a number), how many."""

    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    names: tuple[str, ...]


def run(source: Path, out: Path, desk: AlertsSettings | None) -> int:
    """Judge a file of counts as a desk would and write the rows with what was said; return how many rows.

    Without a desk, one false alarm a week is allowed for each key. `out` appears when it is whole.
    Raises CountsError, which names the line, and OSError.
    """
    found = read(source)
    said = judge(found, desk)
    part = out.with_name(out.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as target, _rows(source) as (header, rows):
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*header, *ADDED])
        for (_line, row), (expected, score, alert) in zip(rows, said, strict=True):
            writer.writerow([*row, f"{expected:.6g}", f"{score:.9g}", int(alert)])
    part.replace(out)
    return len(said)


def read(source: Path) -> Counts:
    """Read times (naive ones are UTC), keys and counts; raises CountsError that names the line."""
    numbers: dict[str, int] = {}
    known: dict[str, int] = {}
    times, keys, counts = array("q"), array("q"), array("q")
    with _rows(source) as (header, rows):
        at, of, many = (header.index(name) for name in COLUMNS)
        for line, row in rows:
            try:
                stamp = known.get(row[at])
                if stamp is None:
                    stamp = known[row[at]] = _seconds(row[at])
                times.append(stamp)
                counts.append(_count(row[many]))
            except ValueError as error:
                raise CountsError(f"{source}, row {line}: {error}") from None
            keys.append(numbers.setdefault(row[of], len(numbers)))
    return Counts(_array(times), _array(keys), _array(counts), tuple(numbers))


def _array(values: "array[int]") -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _seconds(text: str) -> int:
    """Read a time; a number alone is refused, for what looks like a date may be an epoch."""
    epoch = text.strip().isdecimal() and len(text.strip()) != len("20240131")
    try:
        time = datetime.fromisoformat("" if epoch else text.strip())
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time: write it as 2024-01-31T09:05:00Z") from None


def _count(text: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (0 <= number <= _MOST and number == int(number)):
        raise ValueError(f"{text!r} is no count: a whole number from 0 on")
    return int(number)


@contextmanager
def _rows(source: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Open the file: its header and its rows by number (the header is row 1); blank lines are none."""
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        with source.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = _parsed(file, source)
            _first, header = next(rows, (1, []))
            if missing := [name for name in COLUMNS if name not in header]:
                had = ", ".join(header) or "none"
                raise CountsError(f"{source} has no column {', '.join(missing)}: its columns are {had}")
            yield header, ((number, _fitted(source, number, row, len(header))) for number, row in rows)
    finally:
        csv.field_size_limit(limit)


def _parsed(lines: Iterable[str], source: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        for number, row in enumerate(filter(None, csv.reader(lines)), 1):
            if not "".join(row).isascii():
                "".join(row).encode()
            yield number, row
    except UnicodeEncodeError:  # a byte that was no UTF-8 stands as a lone surrogate
        raise CountsError(f"{source}, row {number}: not UTF-8; save the file in that encoding") from None
    except csv.Error as error:
        raise CountsError(f"{source}, row {number + 1}: not CSV: {error}") from None


def _fitted(source: Path, number: int, row: list[str], cells: int) -> list[str]:
    """Give a row as many cells as the header has, so that what is added stands in its columns."""
    if any(row[cells:]):
        raise CountsError(f"{source}, row {number}: {len(row)} cells, but the header has {cells}")
    return row[:cells] + [""] * (cells - len(row))


def judge(found: Counts, desk: AlertsSettings | None) -> list[tuple[float, float, bool]]:
    """Judge every bin in order of time; return what was said, in the order of the rows.

    Rows of one key in one bin are one count.
    """
    said: list[tuple[float, float, bool]] = [(0.0, 0.0, False)] * len(found.times)
    if not said:
        return said
    grid = grid_of(found.times, found.keys)
    width, starts = grid.width_s, grid.starts(found.times)
    judging = Judge(width, desk.rule, desk.false_alarms_per_week, desk.calendar) if desk else Judge(width)
    order = np.argsort(starts, kind="stable")
    edges = np.flatnonzero(np.diff(starts[order], prepend=starts[order[0]] - 1))
    groups = np.split(order, edges[1:])
    last = int(starts[order[0]])
    quiet = not sys.stderr.isatty()
    for group in track(groups, "judging", console=Console(stderr=True), disable=quiet):
        start = int(starts[group[0]])
        gap = (start - last) // width - 1
        for missing in range(max(gap - _LONGEST_GAP, 0), gap):
            judging.step(last + (missing + 1) * width, {})
        last = start
        sums: dict[str, int] = {}
        for row in group:
            name = found.names[found.keys[row]]
            sums[name] = sums.get(name, 0) + int(found.counts[row])
        verdicts = judging.step(start, sums)
        for row in group:
            said[row] = verdicts[found.names[found.keys[row]]]
    return said

