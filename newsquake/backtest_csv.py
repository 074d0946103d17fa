"""A backtest as two CSV files in a folder: incidents.csv and hours.csv."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from alerts.keys import MICROSECONDS, moment
from wire.messages import Incident

from .backtesting import Outcome

INCIDENTS = (
    "rules", "id", "topic", "watch", "severity", "provisional", "opened_at", "resolved_at", "observed",
    "expected", "surprise_weeks", "factor", "origins", "headline", "link", "source",
)  # fmt: skip
HOURS = ("rules", "topic", "watch", "end", "observed", "expected", "upper")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(outcome: Outcome, folder: Path) -> None:
    """Write both files, each of which appears when it is whole; times are RFC 3339 in UTC."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "incidents.csv", INCIDENTS, _incidents(outcome))
    _write(folder / "hours.csv", HOURS, _hours(outcome))


def _write(target: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    part = target.with_name(target.name + ".part")
    with part.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    part.replace(target)


def _incidents(outcome: Outcome) -> Iterator[Sequence[object]]:
    for result in outcome.results:
        for one in result.incidents:
            yield [result.rules, *_row(one)]


def _row(one: Incident) -> list[object]:
    ended, proof = one.resolved_at, one.proof
    top = one.evidence[0] if one.evidence else None
    return [
        one.id, one.topic or "", one.watch or "", one.severity, int(one.provisional),
        _time(one.opened_at), _time(ended) if ended else "", one.observed, one.expected, one.surprise_weeks,
        proof.factor if proof else "", proof.origins if proof else "",
        *(map(_harmless, (top.title, top.link, top.source)) if top else ("", "", "")),
    ]  # fmt: skip


def _hours(outcome: Outcome) -> Iterator[Sequence[object]]:
    for result, backtest in zip(outcome.results, outcome.backtests, strict=True):
        for key, hours in sorted(backtest.hours.items()):
            for hour in hours:
                end = hour.end * MICROSECONDS
                if outcome.start < end <= outcome.stop:
                    yield (result.rules, key.topic, key.watch, _time(moment(end)), hour.observed,
                           f"{hour.expected:.6g}", f"{hour.upper:.6g}")  # fmt: skip


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking somebody else's text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
