"""`newsquake backtest`: what other rules would have said, over the store or over archived news.

Archived files go once through the whole pipeline, in a home of their own inside the home (by what is in
the files, and the model), so that a second backtest over them scores nothing again.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection, func, select

from alerts import report, tables
from alerts.backtest import Agreement, Backtest, Label, agreement, backtest
from alerts.incidents import key_of, volume
from alerts.judging import blind
from alerts.keys import BUCKET_S, DAY_S, MICROSECONDS, bucket_of, microseconds
from alerts.rows import StoredRows
from alerts.settings import AlertsSettings, Retention
from alerts.store import Store
from alerts.stories import LOOK_BACK, Row
from classifier.manifest import SHIPPED
from wire.messages import Incident

from . import backtest_labels, bins, replaying
from .errors import ConfigurationError
from .installation import Installation
from .settings import Settings, load


class Recorded(NamedTuple):
    """What a store holds to be judged: the buckets from start to stop, the blind ones among them.

    The rows begin two days earlier, where there are any, for the copies of later ones.
    """

    start: int
    stop: int
    rows: Sequence[Row]
    blind: set[int]


class Result(msgspec.Struct, frozen=True):
    """What one set of rules would have done; without labels the last three are None."""

    rules: str
    days: float
    incidents: list[Incident]
    alerts_per_day: float
    by_key: list[dict[str, Any]]
    precision: float | None = None
    recall: float | None = None
    median_delay_minutes: float | None = None


class Outcome(NamedTuple):
    """The results of each set of rules, and what each judged, for graphs.

    `labels` are those of the period, which goes from `start` to `stop` (microseconds); None where
    nothing is labelled.
    """

    results: list[Result]
    backtests: list[Backtest]
    labels: list[Label] | None
    start: int
    stop: int

    def to_json(self, *, labelled: bool) -> str:
        """The first set of rules as one JSON object; of others the same, under `others`."""
        first, *others = (_shown(result, labelled) for result in self.results)
        return msgspec.json.encode(first | ({"others": others} if others else {})).decode()


def _shown(result: Result, labelled: bool) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(result)
    return fields if labelled else dict(list(fields.items())[:-3])


def run(
    here: Installation, files: Sequence[Path], rules: Sequence[Path], labels: Path | None,
    since: datetime | None, until: datetime | None,
) -> Outcome:  # fmt: skip
    """Judge what is recorded under each set of rules; the settings' own, where none is named.

    Raises ConfigurationError for a wrong file of rules or labels, and what a replay raises.
    """
    sets = {str(path): here.settings.ruled_by(load(path)).desk for path in rules}
    events = backtest_labels.read(labels) if labels else None
    with ExitStack() as stack:
        recorded = _recorded(_replayed(here, files, stack) if files else here.store)
    start, stop = _period(recorded, since, until)
    if events is not None:
        events = [event for event in events if event.start <= stop and event.end >= start]
    outcome = Outcome([], [], events, start, stop)
    for name, settings in (sets or {"settings": here.settings.desk}).items():
        found = _judged(recorded, settings)
        own = [one for one in found.incidents if _between(one, since, until)]
        outcome.backtests.append(found)
        outcome.results.append(_result(name, own, outcome))
    return outcome


def _period(recorded: Recorded, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return from when to when (microseconds) is reported, of what is recorded."""
    start, stop = recorded.start * MICROSECONDS, recorded.stop * MICROSECONDS
    start = max(start, microseconds(since)) if since else start
    stop = min(stop, microseconds(until)) if until else stop
    return start, max(start, stop)


def _between(incident: Incident, since: datetime | None, until: datetime | None) -> bool:
    """Whether an incident opened from `since` on and before `until`."""
    at = incident.opened_at
    return (since is None or at >= since) and (until is None or at < until)


def judge_counts(settings: Settings, counts: Path, out: Path, rules: Sequence[Path]) -> int:
    """Judge a file of counts; under the rules of a file, or with a false alarm a week for each key."""
    if len(rules) > 1:
        raise ConfigurationError("counts are judged by one set of rules", "give --rules once")
    return bins.run(counts, out, settings.ruled_by(load(rules[0])).desk if rules else None)


def _replayed(here: Installation, files: Sequence[Path], stack: ExitStack) -> Store:
    """Return the store of these files' own home, after everything in them was counted."""
    home = here.home / "backtests" / _digest(files, here.settings)
    alerts = here.settings.alerts.model_copy(update={"retention": Retention()})
    settings = here.settings.model_copy(
        update={"home": home, "log": "embedded", "store": None, "alerts": alerts}
    )
    home.mkdir(parents=True, exist_ok=True)
    if here.settings.topics_file.is_file():
        shutil.copyfile(here.settings.topics_file, settings.topics_file)
    own = Installation(settings, stack, own_prefix=True)
    replaying.run(own, list(files), None, direct=True, deliver=False, ingest_only=False)
    return own.store


def _digest(files: Sequence[Path], settings: Settings) -> str:
    """Name files by what is in them, and by what decides how they are admitted, scored and counted."""
    ingest, alerts = settings.ingest, settings.alerts
    found = sha256(repr((
        settings.classifier.backend, ingest.gap_s, ingest.keep_ids_days, alerts.blind_after_s,
        alerts.allowed_lateness_s,
    )).encode())
    manifest = (settings.classifier.model or SHIPPED) / "manifest.json"
    for path in (*sorted(files), manifest, settings.topics_file):
        if path in files or path.is_file():
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    found.update(block)
        found.update(b"\0")
    return found.hexdigest()[:16]


def _recorded(store: Store) -> Recorded:
    """Read what the judge of this store has judged."""
    stop = report.judged_through(store) // MICROSECONDS
    with store.read() as connection:
        start = min(_first(connection, stop), stop)
        rows = StoredRows(connection).between(start - LOOK_BACK // MICROSECONDS, stop)
        return Recorded(start, stop, rows, blind(connection, start, stop))


def _first(connection: Connection, stop: int) -> int:
    """Return the first bucket of which everything is there: health from the start, and its articles.

    Articles may be gone before the sums over them: what is left would be taken for silence.
    """
    watched = connection.execute(select(func.min(tables.health.c.bucket))).scalar()
    counted = connection.execute(select(func.min(tables.sums.c.bucket))).scalar()
    kept = connection.execute(select(func.min(tables.articles.c.observed_at))).scalar()
    start = stop if watched is None else int(watched)
    if counted is None:
        return start
    first = stop if kept is None else bucket_of(int(kept))
    return start if int(counted) >= first else max(start, first + BUCKET_S)


def _judged(recorded: Recorded, settings: AlertsSettings) -> Backtest:
    with _bar((recorded.stop - recorded.start) // BUCKET_S) as advance:
        return backtest(
            recorded.rows, recorded.start, recorded.stop, settings, recorded.blind, advance
        )


@contextmanager
def _bar(buckets: int) -> Iterator[Any]:
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("judging", total=buckets)
        yield lambda more: bar.advance(task, more)


def _result(name: str, incidents: list[Incident], outcome: Outcome) -> Result:
    """Sum up the incidents of the period."""
    days = (outcome.stop - outcome.start) / MICROSECONDS / DAY_S
    labels = outcome.labels
    agreed = agreement(incidents, labels) if labels is not None else Agreement(None, None, None)
    by_key = Counter(key_of(one) for one in incidents)
    return Result(
        rules=name, days=round(days, 3), incidents=incidents,
        alerts_per_day=round(len(incidents) / days, 4) if days else 0.0,
        by_key=[
            {"topic": key.topic or None, "watch": key.watch or None, "incidents": number}
            for key, number in sorted(by_key.items(), key=lambda item: (-item[1], item[0]))
        ],
        **agreed._asdict(),
    )


def summary(outcome: Outcome) -> str:
    """A few lines for a person, each set of rules after the other."""
    lines = []
    for result in outcome.results:
        lines.append(
            f"{result.rules}: {len(result.incidents)} incidents in {result.days:.1f} days,"
            f" {result.alerts_per_day:.2f} a day"
        )
        if outcome.labels is not None:
            lines.append(
                f"  precision {_share(result.precision)}, recall {_share(result.recall)},"
                f" median delay {_share(result.median_delay_minutes)} minutes"
            )
        lines += [
            f"  {one.opened_at:%Y-%m-%d %H:%M} {one.severity:8} {key_of(one).shown}: {volume(one)}"
            for one in result.incidents
        ]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
