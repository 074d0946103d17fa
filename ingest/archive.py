"""Archived news: CSV files -> rows in order, merged, and what is wrong with the others.

Columns are found by name, in any order: `published` and `title` must be there; `summary`,
`link`, `source` and `language` may be; others are ignored. A file may be gzipped.
"""

import csv
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from .entries import Entry, entry
from .errors import ArchiveError
from .identity import digest
from .lines import Lines, open_text
from .text import MAX_TEXT
from .times import parse_time

REQUIRED: Final = ("published", "title")
OPTIONAL: Final = ("summary", "link", "source", "language")
# A cell above this is no text; csv's own limit (128 KiB) would hide the good cells below it.
MAX_CELL = 16 << 20
MAX_PAYLOAD = 100_000
_SURROGATES = re.compile("[\ud800-\udfff]")
# Time zero and far futures are what broken clocks and spreadsheets write.
EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One archived item: plain texts, and a time in UTC. Its order is (published, content)."""

    published: datetime
    title: str
    summary: str = ""
    link: str = ""
    source: str = "archive"
    language: str = ""

    def entry(self) -> Entry:
        """Return the row as a feed would show it."""
        return entry(
            title=self.title, text=self.summary, link=self.link, language=self.language,
            published_at=self.published,
        )

    @property
    def id(self) -> str:
        """The article's id, by the rule in `identity`."""
        return self.entry().id(self.source)


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """A row that cannot be an article.

    `reason` is one of: "undated", "implausible_date", "empty", "encoding", "nul", "malformed",
    "too_large".
    """

    id: str
    reason: str
    detail: str
    payload: str


Item = tuple[str, Row] | Broken


@dataclass(frozen=True, slots=True)
class Archive:
    """All files together: `rows` by (published, id), one for each id; `broken` by id likewise.

    `read` counts the rows of the files. An id is in `rows` or in `broken`, not in both.
    """

    rows: tuple[Row, ...]
    broken: tuple[Broken, ...]
    read: int

    @property
    def distinct(self) -> int:
        """How many different items there are, broken ones included."""
        return len(self.rows) + len(self.broken)

    @property
    def sources(self) -> int:
        """How many sources the good rows come from."""
        return len({row.source for row in self.rows})


def read(paths: Sequence[Path]) -> Archive:
    """Read and merge files; of rows with one id the earliest wins, whatever the files' order.

    Raises ArchiveError where a file cannot be read (absent, a broken gzip, no header, a
    required column missing, a cell above 16 MiB); anything wrong with one row is a Broken.
    """
    rows: dict[str, Row] = {}
    broken: dict[str, Broken] = {}
    count = 0
    for path in paths:
        for item in read_file(path):
            count += 1
            if isinstance(item, Broken):
                broken[item.id] = min(item, broken.get(item.id, item))
            else:
                key, row = item
                rows[key] = min(row, rows.get(key, row))
    return Archive(
        tuple(row for _, row in sorted(rows.items(), key=lambda pair: (pair[1].published, pair[0]))),
        tuple(sorted(item for key, item in broken.items() if key not in rows)),
        count,
    )


def read_file(path: Path) -> Iterator[Item]:
    """Read one file, row by row in its order, good ones with their ids; raises as `read` does."""
    limit = csv.field_size_limit(MAX_CELL)
    try:
        with open_text(path) as text:
            yield from read_text(text, path.name)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path}: {error}") from error
    finally:
        csv.field_size_limit(limit)


def read_text(text: Iterable[str], name: str) -> Iterator[Item]:
    """Read CSV from lines; `name` is for messages."""
    lines = Lines(text)
    reader = csv.reader(lines, strict=True)
    try:
        columns = _columns(next(reader, []), name)
    except csv.Error as error:
        raise ArchiveError(f"{name}: no readable header: {error}") from error
    while True:
        lines.forget()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                place = f"{name}, line {lines.number}"
                raise ArchiveError(f"{place}: a cell is above {MAX_CELL} bytes") from error
            yield _malformed(str(error), lines.taken())
            continue
        if cells:
            yield _judge(cells, columns)


def _columns(header: Sequence[str], name: str) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        there = ", ".join(columns) or "nothing"
        raise ArchiveError(f"{name}: no column {' and no column '.join(missing)} (there is: {there})")
    twice = [column for column in (*REQUIRED, *OPTIONAL) if columns.count(column) > 1]
    if twice:
        raise ArchiveError(f"{name}: two columns are called {twice[0]}")
    return columns


def _malformed(detail: str, raw: str) -> Broken:
    return Broken(digest("row", raw), "malformed", detail, raw[:MAX_PAYLOAD])


def _judge(cells: Sequence[str], columns: Sequence[str]) -> tuple[str, Row] | Broken:
    """Return the row and its id, or the first thing that is wrong with it."""
    if len(cells) != len(columns):
        return _malformed(f"{len(cells)} cells under {len(columns)} columns", json.dumps(cells))
    named = dict(zip(columns, cells, strict=True))
    used = {name: named.get(name, "") for name in (*REQUIRED, *OPTIONAL)}
    published = parse_time(used.pop("published"))
    row = Row(published or EARLIEST, **{**used, "source": used["source"].strip() or "archive"})
    item = row.entry()
    wrong = _wrong(row, published, "".join(cells))
    if wrong is None and (item.title or item.text):
        return item.id(row.source), row
    raw = json.dumps(named)
    told = item.link or item.title or item.text
    key = item.id(row.source) if told else digest("row", raw)
    return Broken(key, *(wrong or ("empty", "no title and no summary")), raw[:MAX_PAYLOAD])


def _wrong(row: Row, published: datetime | None, raw: str) -> tuple[str, str] | None:
    """Return reason and detail of what is wrong with a row, or None."""
    if not raw.isascii() and _SURROGATES.search(raw):
        return "encoding", "not UTF-8"
    if "\0" in raw:
        return "nul", "a cell holds a NUL"
    if published is None:
        return "undated", "`published` is no time"
    if not EARLIEST <= published < LATEST:
        return "implausible_date", f"{published.isoformat()} is not in 1980 to 2099"
    if max(len(row.title), len(row.summary)) > MAX_TEXT:
        return "too_large", f"a text is longer than {MAX_TEXT} characters"
    return None
