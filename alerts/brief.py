"""The daily brief: when it is due, and what it says. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from wire.messages import Incident

from .incidents import key_of
from .payloads import Brief, Mover, Passed, Sources
from .settings import Brief as BriefSettings

MOST_MOVERS = 10
MOST_INCIDENTS = 50
WEEK = timedelta(days=7)

Counts = Mapping[str, Mapping[str, int]]  # watch to sentiment to articles


def due(now: datetime, settings: BriefSettings) -> date | None:
    """Name the local day whose brief may be sent now; None before its time.

    A brief that was missed (we were down) is sent for as long as its day lasts, and never after.
    """
    day = now.astimezone(ZoneInfo(settings.zone)).date()
    return day if now >= at(day, settings) else None


def at(day: date, settings: BriefSettings) -> datetime:
    """Say when a day's brief is due, in UTC.

    A time that the clock shows twice is its first; one that it jumps over is as long after the
    jump (PEP 495, fold=0).
    """
    return datetime.combine(day, settings.at, ZoneInfo(settings.zone)).astimezone(UTC)


def span(day: date, settings: BriefSettings) -> tuple[datetime, datetime]:
    """Say what a brief is about: from the brief before to this one; 23 to 25 hours."""
    return at(day - timedelta(days=1), settings), at(day, settings)


def message_id(day: date, receiver: str) -> str:
    """Name the brief of a day to a receiver: whoever writes it writes the same."""
    return "msg_" + sha256(f"brief\0{day.isoformat()}\0{receiver}".encode()).hexdigest()[:32]


def movers(today: Counts, before: Counts, days: float) -> tuple[Mover, ...]:
    """List the watches with news, whose negative articles are farthest from a usual day's first.

    `before` was counted over `days` days.
    """
    found = [_mover(watch, today.get(watch, {}), before.get(watch, {}), days) for watch in {*today, *before}]
    found = [one for one in found if one.articles or one.usual]
    return tuple(sorted(found, key=lambda one: (-abs(one.negative - one.usual), one.watch))[:MOST_MOVERS])


def _mover(watch: str, now: Mapping[str, int], then: Mapping[str, int], days: float) -> Mover:
    articles, negative = sum(now.values()), now.get("negative", 0)
    usual = then.get("negative", 0) / days if days > 0 else 0.0
    return Mover(
        watch=watch, articles=articles, negative=negative, usual=round(usual, 2),
        negative_share=round(negative / articles, 4) if articles else 0.0,
    )  # fmt: skip


def compose(
    day: date, settings: BriefSettings, incidents: Sequence[Incident], moved: tuple[Mover, ...],
    sources: Sources, model: str,
) -> Brief:  # fmt: skip
    """Write the brief of a day; on a quiet one it says so."""
    since, until = span(day, settings)
    passed = tuple(_passed(one) for one in incidents[-MOST_INCIDENTS:])
    return Brief(
        day=day.isoformat(), zone=settings.zone, since=since, until=until,
        text=line(incidents, sources), incidents=passed, movers=moved, sources=sources, model=model,
    )  # fmt: skip


def _passed(one: Incident) -> Passed:
    return Passed(
        id=one.id, name=key_of(one).shown, state=one.state, severity=one.severity,
        opened_at=one.opened_at, resolved_at=one.resolved_at, observed=one.observed,
        expected=one.expected, headline=one.evidence[0] if one.evidence else None,
        rule=one.rule,
    )  # fmt: skip


def line(incidents: Sequence[Incident], sources: Sources) -> str:
    """Say it in one line, as it is read on a phone."""
    still = sum(one.state == "open" for one in incidents)
    critical = sum(one.severity == "critical" for one in incidents)
    number = len(incidents)
    happened = (
        f"{number} incident{'s' * (number != 1)}, {critical} critical, {still} still open"
        if incidents
        else "a quiet day, no incident"
    )
    failing = f"{len(sources.failing)} sources failing" if sources.failing else "no source failing"
    blind = f", nobody watched for {sources.unwatched_minutes} minutes" if sources.unwatched_minutes else ""
    return f"{happened}; {failing}{blind}"
