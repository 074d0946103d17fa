"""Answers to feedback links: stored once per link, and the precision of alerts that they give.

"true" and "false alarm" are about the incident; "wrong topic" and "wrong sentiment" correct
its headlines, a Label each. Labels never change past counts.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Connection, func, insert, select

from wire.messages import SENTIMENTS, Incident, Label

from . import tables
from .feedback import Claim
from .incidents import key_of
from .keys import microseconds
from .shares import Estimate, share
from .store import Store

AUTHOR = WAY = "link"  # a link says which alert it came with, not who clicked

Outcome = Literal["stored", "again", "unknown", "unchosen"]
Field = Literal["topic", "sentiment"]
FIELDS: dict[str, Field] = {"wrong_topic": "topic", "wrong_sentiment": "sentiment"}

_incident = msgspec.json.Decoder(Incident)


class Headline(msgspec.Struct, frozen=True):
    """An evidence headline that is still in the store, with the value that may be wrong."""

    article_id: str
    title: str
    link: str
    source: str
    value: str


class Case(msgspec.Struct, frozen=True):
    """What a link is about: its incident, what can be corrected (and to what), whether it was used."""

    incident: Incident
    answered: bool
    headlines: list[Headline]
    choices: list[str]


class Precision(msgspec.Struct, frozen=True):
    """How often people called a rule's alerts on one key true; of all answers that were given."""

    rule: str
    topic: str | None
    watch: str | None
    true: int
    false_alarm: int
    precision: Estimate | None


def case(store: Store, claim: Claim) -> Case | None:
    """Read what a link is about; None where the incident is gone. Stores nothing."""
    with store.read() as connection:
        return _case(connection, claim)


def answer(
    store: Store, claim: Claim, corrections: Mapping[str, str], now: datetime
) -> Outcome:
    """Store an answer, and a label for each correction (article id to the right value).

    "again": this link was used before, and nothing changes. "unchosen": a correction is needed,
    and none of the given ones is of a headline and a value that `case` offers.
    """
    with store.write() as connection:
        found = _case(connection, claim)
        if found is None:
            return "unknown"
        if found.answered:
            return "again"
        labels = chosen(found, claim, corrections, now)
        if claim.answer in FIELDS and not labels:
            return "unchosen"
        first = store.insert(tables.feedback).values(_row(found.incident, claim, now))
        once = first.on_conflict_do_nothing().returning(tables.feedback.c.answer)
        if connection.execute(once).first() is None:
            return "again"
        if labels:
            connection.execute(insert(tables.labels), [_label_row(label) for label in labels])
    return "stored"


def chosen(found: Case, claim: Claim, corrections: Mapping[str, str], now: datetime) -> list[Label]:
    """Make the labels of what was corrected; what is as it was, or not on offer, is none."""
    if claim.answer not in FIELDS:
        return []
    return [
        Label(
            article_id=one.article_id, field=FIELDS[claim.answer], old=one.value,
            new=corrections[one.article_id], author=AUTHOR, time=now, way=WAY,
        )
        for one in found.headlines
        if corrections.get(one.article_id, one.value) in set(found.choices) - {one.value}
    ]


def precision(store: Store) -> list[Precision]:
    """Say per rule and key how many of the alerts that people answered about were true.

    An incident that was called both counts once for each.
    """
    table = tables.feedback.c
    key = (table.rule, table.topic, table.watch)
    answers = table.answer.in_(("true", "false_alarm"))
    query = select(*key, table.answer, func.count()).where(answers).group_by(*key, table.answer)
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    with store.read() as connection:
        for rule, topic, watch, said, number in connection.execute(query):
            found.setdefault((rule, topic, watch), {})[said] = number
    return [
        _precision(rule, topic or None, watch or None, cells)
        for (rule, topic, watch), cells in sorted(found.items())
    ]


def by_rule(found: list[Precision]) -> list[Precision]:
    """Add up over the keys: one per rule, of topic and watch None."""
    cells: dict[str, dict[str, int]] = {}
    for one in found:
        cell = cells.setdefault(one.rule, {"true": 0, "false_alarm": 0})
        cell["true"] += one.true
        cell["false_alarm"] += one.false_alarm
    return [_precision(rule, None, None, cells[rule]) for rule in sorted(cells)]


def _precision(
    rule: str, topic: str | None, watch: str | None, cells: Mapping[str, int]
) -> Precision:
    true, false = cells.get("true", 0), cells.get("false_alarm", 0)
    return Precision(rule, topic, watch, true, false, share(true, true + false))


def _case(connection: Connection, claim: Claim) -> Case | None:
    incidents, given = tables.incidents.c, tables.feedback.c
    body = connection.execute(
        select(incidents.body).where(incidents.id == claim.incident_id)
    ).scalar()
    if body is None:
        return None
    used = (given.incident_id == claim.incident_id) & (given.answer == claim.answer)
    answered = connection.execute(select(given.answer).where(used)).first() is not None
    incident = _incident.decode(body)
    field = FIELDS.get(claim.answer)
    if field is None:
        return Case(incident, answered, [], [])
    return Case(
        incident, answered, _headlines(connection, incident, field), _choices(connection, field)
    )


def _headlines(connection: Connection, incident: Incident, field: Field) -> list[Headline]:
    """Find the evidence's articles: a time names one, for the admitter never gives it twice."""
    table = tables.articles.c
    shown = {(microseconds(one.observed_at), one.link): one for one in incident.evidence}
    query = select(table.id, table.observed_at, table.url, table.title, table.source, table[field])
    rows = connection.execute(query.where(table.observed_at.in_([at for at, _ in shown])))
    found = {(row.observed_at, row.url): row for row in rows}
    return [
        Headline(row.id, row.title, row.url, row.source, row[5])
        for place in shown if (row := found.get(place)) is not None
    ]


def _choices(connection: Connection, field: Field) -> list[str]:
    if field == "sentiment":
        return list(SENTIMENTS)
    table = tables.detectors.c
    known = select(table.topic).where(table.topic != "", table.watch == "").order_by(table.topic)
    return list(connection.execute(known).scalars())


def _row(incident: Incident, claim: Claim, now: datetime) -> dict[str, object]:
    key = key_of(incident)
    return {
        "incident_id": incident.id, "answer": claim.answer, "author": AUTHOR,
        "time": microseconds(now), "rule": incident.rule,
        "topic": key.topic, "watch": key.watch,
    }  # fmt: skip


def _label_row(label: Label) -> dict[str, object]:
    names = ("article_id", "field", "old", "new", "author", "way")
    return {name: getattr(label, name) for name in names} | {"time": microseconds(label.time)}
