"""`newsquake replay`: archived news through the whole pipeline, and what came of it.

Everything that the result says is read back from the log and the store, so that a run that
was killed and started again, or repeated, says the same (but for `seconds`).
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from alerts import report
from ingest.archive import Archive, read
from wire.errors import StreamUnknownError
from wire.log import Log, Position
from wire.messages import DeadLetter, Incident, decode

from .crew import Crew, Loop
from .errors import ConfigurationError, NewsquakeError, StalledError
from .installation import Installation
from .pipeline import alerts_loops, classifier_loop

if TYPE_CHECKING:
    from ingest.replay import Replay

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STALLED_S = 300.0

Show = Callable[[int, datetime], None]


class Outcome(msgspec.Struct, frozen=True):
    """What a replay prints; the number of articles by primary topic and sentiment in `counts`."""

    read: int
    distinct: int
    counted: int
    dead_letters: int
    counts: dict[str, dict[str, int]]
    incidents: list[Incident]
    seconds: float

    def to_json(self) -> str:
        """The outcome as one line of JSON."""
        return msgspec.json.encode(self).decode()


def parse_speed(text: str) -> float | None:
    """Virtual seconds per second; None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigurationError(f"--speed {text}: not a speed", "give max or a positive number")
    return speed


def run(
    here: Installation,
    files: list[Path],
    speed: float | None,
    *,
    direct: bool,
    deliver: bool,
    ingest_only: bool,
) -> Outcome:
    """Replay the files until everything in them is judged, and report over them.

    Raises KeyboardInterrupt after a signal, once everything is at rest; the next run goes on there.
    """
    started = time.monotonic()
    archive = read(files)
    with ExitStack() as stack:
        show = stack.enter_context(progress_bar(len(archive.rows)))
        replay = replay_of(here, archive, speed, direct=direct, show=show)
        crew = stack.enter_context(Crew(other_loops(here, replay, deliver, ingest_only)))
        stack.enter_context(crew.stop.on_signals())
        through = replay.run(crew.stop)
        crew.wait(judged(here, through), poll_s=0.2)
        if crew.stop.is_set():
            raise KeyboardInterrupt
    return outcome(here, archive, time.monotonic() - started)


def replay_of(
    here: Installation, archive: Archive, speed: float | None, *, direct: bool, show: Show
) -> "Replay":
    """The ingest stage on a virtual clock over the archive's rows."""
    from ingest.metrics import IngestMetrics
    from ingest.replay import Replay

    return Replay(
        here.log,
        here.home,
        archive,
        settings=here.settings.ingest,
        metrics=IngestMetrics(here.registry),
        stage_metrics=here.stage_metrics,
        speed=speed,
        direct=direct,
        progress=show,
    )


def other_loops(
    here: Installation, replay: "Replay", deliver: bool, ingest_only: bool
) -> dict[str, Loop]:
    """The stages after ingest, unless they run elsewhere."""
    if ingest_only:
        return {}
    loops = {"classifier": classifier_loop(here)}
    return loops | alerts_loops(here, replay.now, here.settings.receivers if deliver else ())


def judged(here: Installation, through: datetime) -> Callable[[], bool]:
    """Whether everything up to `through` is judged; raises StalledError when nothing moves."""
    wanted = round((through - EPOCH).total_seconds() * 1_000_000)
    seen, since = (-1, -1), time.monotonic()

    def reached() -> bool:
        nonlocal seen, since
        marks = (report.judged_through(here.store), report.watermark(here.store))
        if marks != seen:
            seen, since = marks, time.monotonic()
        elif time.monotonic() - since > STALLED_S:
            raise StalledError(
                f"not judged through {through:%Y-%m-%dT%H:%MZ}, and no progress for {STALLED_S:g} s",
                "do the classifier and alerts stages run on this log, store and stream prefix?",
            )
        return marks[0] >= wanted

    return reached


@contextmanager
def progress_bar(rows: int) -> Iterator[Show]:
    """A bar on stderr over the rows that were admitted; quiet where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[at]}"))
    quiet = not sys.stderr.isatty()
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=quiet) as bar:
        task = bar.add_task("replay", total=rows, at="")

        def show(done: int, at: datetime) -> None:
            bar.update(task, completed=done, at=f"{at:%Y-%m-%d %H:%M}")

        yield show


def outcome(here: Installation, archive: Archive, seconds: float) -> Outcome:
    """Read back what became of the archive; raises where an article is missing."""
    ids = {row.id for row in archive.rows} | {item.id for item in archive.broken}
    counts, counted = report.counts(here.store, ids)
    dead = dead_ids(here.log) & ids
    dead_letters = len(dead) - report.counts(here.store, dead)[1]
    result = Outcome(
        read=archive.read,
        distinct=len(ids),
        counted=counted,
        dead_letters=dead_letters,
        counts=counts,
        incidents=report.incidents(here.store),
        seconds=round(seconds, 3),
    )
    if result.distinct != result.counted + result.dead_letters:
        raise NewsquakeError(
            f"{result.distinct} distinct articles, but {result.counted} counted and"
            f" {result.dead_letters} dead letters",
            "was another replay running in this home? run the same command again",
        )
    return result


def dead_ids(log: Log) -> set[str]:
    """The ids of every dead letter in the log."""
    try:
        bounds = log.bounds("dead-letters")
    except StreamUnknownError:
        return set()
    left = sum(bounds.end[p] - bounds.first[p] for p in bounds.end)
    found: set[str] = set()

    def first(partition: int) -> Position:
        return Position(bounds.incarnation, bounds.first[partition])

    with log.join("dead-letters", None, first) as member:
        while left > 0 and (batch := member.take(1000, 10.0)).records:
            left -= len(batch.records)
            messages = (decode(record.value) for record in batch.records)
            found |= {m.id for m in messages if isinstance(m, DeadLetter)}
    return found


def summary(outcome: Outcome) -> str:
    """A few lines for a person."""
    lines = [
        f"read {outcome.read} rows in {outcome.seconds:.1f} s: {outcome.distinct} distinct",
        f"{outcome.counted} counted, {outcome.dead_letters} dead letters",
        f"{len(outcome.incidents)} incidents",
    ]
    for incident in outcome.incidents:
        key = incident.watch or incident.topic or "all"
        lines.append(
            f"  {incident.opened_at:%Y-%m-%d %H:%M} {incident.severity:8} {key}:"
            f" {incident.observed} negative, {incident.expected:.1f} expected"
        )
    return "\n".join(lines)
