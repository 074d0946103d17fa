"""Incidents: opened, updated, resolved. Pure; times are bucket ends."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from wire.messages import Alert, Evidence, Incident, Proof, Severity

from .keys import BUCKET_S, MICROSECONDS, MILLIONTHS, Key, microseconds, moment
from .rules import SEVERITIES
from .stories import First, Row
from .surprise import Surprise

MAX_EVIDENCE = 10
MERGE_BUCKETS = 12  # keys that open within an hour of each other on the same stories are one
SHARED = 0.5
MENTION = "mention"  # the rule of incidents that are one story

Event = Literal["opened", "updated", "resolved"]


class Change(msgspec.Struct, frozen=True):
    """What happened to an incident at `at` (microseconds). Without an event nobody is told."""

    incident: Incident
    at: int
    event: Event | None


def key_of(incident: Incident) -> Key:
    """Name the key of an incident."""
    return Key(incident.topic or "", incident.watch or "")


def stored(incident: Incident) -> dict[str, Any]:
    """Write an incident as its row in the store."""
    key, ended = key_of(incident), incident.resolved_at
    return {
        "id": incident.id, "topic": key.topic, "watch": key.watch, "state": incident.state,
        "severity": incident.severity, "opened_at": microseconds(incident.opened_at),
        "resolved_at": microseconds(ended) if ended else None,
        "body": msgspec.json.encode(incident),
    }  # fmt: skip


def incident_id(key: Key, opened_at: int) -> str:
    """Name an incident: the same key and opening bucket give the same id anywhere."""
    digest = sha256(f"{key.topic}\0{key.watch}\0{opened_at}".encode()).hexdigest()
    return f"inc_{digest[:20]}"


def opened(
    key: Key, at: int, surprise: Surprise, grade: Severity, *, warm: bool, stories: Sequence[Row],
    proof: Proof,
) -> Incident:  # fmt: skip
    """Open an incident at a bucket's end (microseconds)."""
    return Incident(
        id=incident_id(key, at),
        topic=key.topic or None,
        watch=key.watch or None,
        state="open",
        severity=grade,
        provisional=not warm,
        opened_at=moment(at),
        resolved_at=None,
        observed=surprise.observed,
        expected=round(surprise.expected, 3),
        surprise_weeks=round(surprise.weeks, 2),
        evidence=evidence(stories),
        proof=proof,
    )


def worse(
    incident: Incident, surprise: Surprise, grade: Severity, stories: Sequence[Row], proof: Proof
) -> Incident:
    """Note a worse window; severity never falls while an incident is open."""
    rank = max(SEVERITIES.index(grade), SEVERITIES.index(incident.severity))
    return replace(
        incident,
        severity=SEVERITIES[rank],
        observed=surprise.observed,
        expected=round(surprise.expected, 3),
        surprise_weeks=round(surprise.weeks, 2),
        evidence=evidence(stories),
        proof=proof,
    )


def within_cooldown(last: Incident | None, at: int, cooldown_s: int) -> Incident | None:
    """Open a key's last incident again, where it ended so recently that this is still the same."""
    if last is None or last.resolved_at is None:
        return None
    if at - microseconds(last.resolved_at) > cooldown_s * MICROSECONDS:
        return None
    return replace(last, state="open", resolved_at=None)


def resolved(incident: Incident, at: int) -> Incident:
    """Close an incident."""
    return replace(incident, state="resolved", resolved_at=moment(at))


def joined(incident: Incident, key: Key) -> Incident:
    """Note another key that surges on the same stories."""
    other: dict[str, str | None] = {"topic": key.topic or None, "watch": key.watch or None}
    return incident if other in incident.also else replace(incident, also=(*incident.also, other))


def evidence(stories: Iterable[Row]) -> tuple[Evidence, ...]:
    """Choose the headlines to show, one per origin: in tenths the most negative, then the latest first."""
    ordered = sorted(
        stories, key=lambda row: (-(row.negative * 10 // MILLIONTHS), -row.observed_at, row.id)
    )
    chosen: dict[str, Row] = {}
    for row in ordered:
        chosen.setdefault(row.source, row)
    return tuple(shown(row) for row in list(chosen.values())[:MAX_EVIDENCE])


def shown(row: Row) -> Evidence:
    """Show a row as a headline."""
    return Evidence(
        title=row.title, link=row.url, source=row.source,
        observed_at=moment(row.observed_at), negative=row.negative / MILLIONTHS, model=row.model,
    )


def negatives(fresh: Iterable[First], key: Key, since_bucket: int) -> list[Row]:
    """List the negative stories of a key from a bucket on."""
    return [
        first.row for first in fresh
        if first.row.sentiment == "negative" and key in first.keys
        and first.row.bucket >= since_bucket
    ]


def host(
    open_ones: Iterable[Incident], key: Key, at: int, fresh: Sequence[First], stories: Sequence[Row]
) -> Incident | None:
    """Find an incident just opened on the same stories, at least as specific as the key."""
    mine = {row.story_id for row in stories}
    for incident in sorted(open_ones, key=lambda one: (key_of(one).rank, one.opened_at, one.id)):
        other = key_of(incident)
        recent = incident.opened_at >= moment(at - MERGE_BUCKETS * BUCKET_S * 1_000_000)
        if other.rank > key.rank or not recent:
            continue
        theirs = {row.story_id for row in negatives(fresh, other, 0)}
        if mine and len(mine & theirs) >= SHARED * len(mine):
            return incident
    return None


def alert(change: Change, feedback: dict[str, str] | None = None) -> Alert:
    """Write what is sent about a change, with links to answer by; a change needs an event."""
    assert change.event is not None
    return Alert(
        event=change.event, incident=change.incident, text=line(change), feedback=feedback or {}
    )


def volume(incident: Incident) -> str:
    """Say what was counted; of a mention, its story."""
    if incident.rule != MENTION:
        return f"{incident.observed} negative stories, {incident.expected:.1f} expected"
    story = incident.evidence[0]
    return f'negative story ({story.negative:.0%}) - "{story.title[:120]}" - {story.source}'


def line(change: Change) -> str:
    """Say it in one line, as a trader reads it on a phone."""
    incident = change.incident
    name = key_of(incident).shown
    if incident.rule == MENTION:
        return f"{incident.severity.upper()} {name}: {volume(incident)}"
    if change.event == "resolved":
        return f"RESOLVED {name}: negative news is back to normal"
    maybe = " (provisional: still learning)" if incident.provisional else ""
    top = f' - "{incident.evidence[0].title[:120]}"' if incident.evidence else ""
    rarity = f"once in {incident.surprise_weeks:,.0f} weeks"
    return f"{incident.severity.upper()} {name}: {volume(incident)}, {rarity}{maybe}{top}"
