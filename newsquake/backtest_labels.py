"""The labels of a backtest: a CSV of what deserved an alert."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

from alerts.backtest import Label
from alerts.keys import DAY_S, MICROSECONDS, microseconds

from .errors import ConfigurationError


def read(path: Path) -> list[Label]:
    """Read events: columns topic, watch (either may be empty), start, end; naive times are UTC.

    An end that is a day without a time is the end of that day. Raises ConfigurationError that
    names the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        try:
            missing = {"start", "end"} - set(rows.fieldnames or ())
            if missing:
                raise ConfigurationError(
                    f"{path} has no column {', '.join(sorted(missing))}",
                    "columns: topic,watch,start,end",
                )
            return [_label(path, rows.line_num, row) for row in rows]
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{path}, after line {rows.line_num}: not UTF-8", "save the file in that encoding"
            ) from error
        except csv.Error as error:
            raise ConfigurationError(f"{path}, line {rows.line_num}: not CSV: {error}") from error


def _label(path: Path, line: int, row: dict[str, str | None]) -> Label:
    start_text, end_text = ((row[name] or "").strip() for name in ("start", "end"))
    try:
        start, end = _time(start_text), _time(end_text)
    except ValueError as error:
        raise ConfigurationError(
            f"{path}, line {line}: {error}", "write times as 2024-01-31T09:05:00Z"
        ) from None
    if _is_day(end_text):
        end += DAY_S * MICROSECONDS
    if end < start:
        raise ConfigurationError(f"{path}, line {line}: it ends before it starts", "swap start and end")
    return Label((row.get("topic") or "").strip(), (row.get("watch") or "").strip(), start, end)


def _time(text: str) -> int:
    time = datetime.fromisoformat(text)
    return microseconds(time if time.tzinfo else time.replace(tzinfo=UTC))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
