"""Incidents: opened once, whoever judges, however buckets are batched, never by late news."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from alerts import report, tables
from alerts.backtest import backtest
from alerts.errors import StaleError
from alerts.judging import Judge
from alerts.keys import ALL
from alerts.settings import AlertsSettings, Watch
from alerts.store import open_store
from tests.alerts.builders import (
    NOON,
    STREAM,
    Wire,
    bucket_at,
    clock,
    count,
    dump,
    history,
    judge_all,
    rows_of,
)
from wire.messages import Alert, decode

DAYS, SURGE = 21, 18
# A tight budget: what is asked here is what surges do, not how often chance looks like one.
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), false_alarms_per_week=0.1)


@pytest.fixture(scope="module")
def surging():
    """Three weeks of quiet news with an hour of surge, on the wire."""
    return history(DAYS, surge_on=SURGE)


def letters(store):
    """Read the outbox in order of writing."""
    table = tables.outbox.c
    with store.read() as connection:
        rows = connection.execute(select(table.event, table.receiver, table.payload)).all()
    return sorted((decode(row.payload).incident.opened_at, row.event, row.receiver) for row in rows)


def test_a_surge_opens_one_incident_with_its_evidence(store, surging):
    """The topic is the incident, `all` is in `also`, and the evidence has one per source."""
    count(store, surging, SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk", "risk"))

    (incident,) = report.incidents(store)

    begin = NOON + timedelta(days=SURGE)
    assert ("Legal", None) == (incident.topic, incident.watch)
    assert begin < incident.opened_at <= begin + timedelta(hours=1)
    assert incident.opened_at.minute % 5 == 0
    assert "resolved" == incident.state
    assert not incident.provisional
    assert incident.observed >= 4 > incident.expected
    assert incident.surprise_weeks >= 3
    assert ({"topic": None, "watch": None},) == incident.also
    sources = [one.source for one in incident.evidence]
    assert len(sources) == len(set(sources)) > 3
    events = [(event, receiver) for _, event, receiver in letters(store)]
    both = {(event, name) for event in ("opened", "resolved") for name in ("desk", "risk")}
    assert both <= set(events)


def test_an_alert_can_be_read_in_one_line(store, surging):
    """The outbox holds the wire's Alert, whose text is a short line."""
    count(store, surging, SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))

    with store.read() as connection:
        payload = connection.execute(
            select(tables.outbox.c.payload).where(tables.outbox.c.event == "opened")
        ).scalar_one()

    alert = decode(payload)
    assert isinstance(alert, Alert)
    assert "open" == alert.incident.state
    assert alert.text.startswith(("INFO Legal: ", "WARNING Legal: "))
    assert "\n" not in alert.text
    assert len(alert.text) < 250


@pytest.mark.parametrize("buckets", [20, 5000])
def test_results_do_not_depend_on_how_buckets_are_batched(store, new_url, buckets):
    """Counted and judged bit by bit or at once: the same tables, byte for byte."""
    wire = history(6, surge_on=4)
    count(store, wire, SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))
    settings = SETTINGS.model_copy(update={"buckets_per_transaction": buckets})
    with open_store(new_url("other")) as other:
        count(other, wire, settings, batch=100)
        judge_all(other, settings, receivers=("desk",))

        assert len(report.incidents(store)) > 0
        assert dump(store) == dump(other)


def test_both_databases_end_with_the_same_tables(sqlite_store, new_database):
    """What is counted and judged on SQLite and on PostgreSQL is the same, byte for byte."""
    wire = history(6, surge_on=4)
    with open_store(new_database()) as other:
        for each in (sqlite_store, other):
            count(each, wire, SETTINGS, batch=50)
            judge_all(each, SETTINGS, receivers=("desk",))
        assert len(report.incidents(other)) > 0
        assert dump(sqlite_store) == dump(other)


def test_a_backtest_gives_the_live_incidents_byte_for_byte(store, surging):
    """The pure function over stored rows says what the judge said."""
    count(store, surging, SETTINGS)
    judge_all(store, SETTINGS)

    start, stop = bucket_at(NOON), bucket_at(NOON + timedelta(days=DAYS))
    found = backtest(rows_of(store), start, stop, SETTINGS).incidents

    assert msgspec.json.encode(report.incidents(store)) == msgspec.json.encode(found)


@pytest.mark.parametrize("kind", ["late", "backfill", "copies"])
def test_late_articles_backfill_and_copies_open_nothing(store, kind):
    """A hundred of them are counted, and judged by nobody."""
    wire = history(4)
    for number in range(100):
        wire.article(
            f"x{number}",
            backfill=kind == "backfill",
            story="same" if kind == "copies" else "",
            at=wire.now - timedelta(hours=1) if kind == "late" else None,
        )
    wire.later(5).beat()

    count(store, wire, SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))

    assert [] == report.incidents(store)
    assert 100 == report.counts(store, [f"x{number}" for number in range(100)])[1]


def test_a_silent_partition_holds_the_judge_back(store):
    """What one partition has not passed is not judged."""
    count(store, Wire().beat().later(60).beat(), SETTINGS)
    count(store, Wire(partition=1), SETTINGS)
    judge_all(store, SETTINGS)
    assert 0 == report.judged_through(store)


def test_failing_sources_are_unknown_not_calm(store, surging):
    """While most sources fail nothing opens and nothing is learned."""
    wire = history(4)
    for minute in range(12):
        for number in range(9):
            wire.later(1 / 60).article(f"x{minute}-{number}")
        wire.now = NOON + timedelta(days=4, minutes=5 * (minute + 1))
        wire.beat(sources=10, failing=8)

    count(store, wire, SETTINGS)
    judge_all(store, SETTINGS)

    assert [] == report.incidents(store)


def test_two_judges_never_both_commit(store):
    """A newcomer takes over at once; the first is refused, and waits for the lease to end."""
    count(store, history(3, surge_on=2), SETTINGS)
    now = [1000.0]
    small = SETTINGS.model_copy(update={"buckets_per_transaction": 100})
    first, second = (
        Judge(store, STREAM, small, clock, wall=lambda: now[0]) for _ in range(2)
    )
    assert first.take_lease(at_once=True)
    assert 100 == first.step()[0]
    assert second.take_lease(at_once=True)

    with pytest.raises(StaleError):
        first.step()
    with pytest.raises(StaleError):
        first.renew()
    assert not first.take_lease(at_once=False)
    assert 100 == second.step()[0]
    now[0] += 11
    assert first.take_lease(at_once=False)
    assert 100 == first.step()[0]
    with pytest.raises(StaleError):
        second.step()


def test_a_watch_is_the_incident_when_it_surges_with_its_topic(store):
    """The most specific key is reported, the others in `also`."""
    settings = SETTINGS.model_copy(update={"watches": (Watch(name="Acme"),)})
    wire = history(16)
    for number in range(40):
        wire.later(1.4).article(f"x{number}", title=f"Acme under fire, part {number}", source="outlet1")
        if number % 3 == 2:
            wire.beat()
    wire.later(5).beat()
    count(store, wire, settings)
    judge_all(store, settings)

    keys = [(one.topic, one.watch) for one in report.incidents(store)]
    everything = [key for one in report.incidents(store) for key in one.also]
    assert (None, "Acme") in keys
    assert {"topic": "Legal", "watch": None} in everything or ("Legal", None) in keys


def test_young_baselines_are_provisional_and_info(store):
    """A surge in the first two weeks says that it is provisional."""
    count(store, history(7, surge_on=5), SETTINGS)
    judge_all(store, SETTINGS)
    incidents = report.incidents(store)
    assert {(True, "info")} == {(one.provisional, one.severity) for one in incidents}


def test_reports_answer_what_is_asked(store, surging):
    """Trends, evidence, counts and progress of a counted history."""
    count(store, surging, SETTINGS)
    judge_all(store, SETTINGS)
    (incident,) = report.incidents(store)

    assert [] == report.incidents(store, open_only=True)
    assert [] == report.incidents(store, until=incident.opened_at)
    assert [incident] == report.incidents(store, since=incident.opened_at)
    trends = {(one.topic, one.watch): one for one in report.trends(store)}
    assert {(None, None), ("Energy", None), ("Legal", None)} == set(trends)
    whole = trends[None, None]
    assert 0 < sum(whole.windows["24h"].values()) < 100
    assert 0 < whole.expected < whole.upper
    assert 0 < len(report.evidence(store, ALL, limit=3)) <= 3
    assert report.watermark(store) == report.judged_through(store)
