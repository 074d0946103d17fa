"""What nobody saw is unknown, not calm; what is old news is no news; and a quiet day is only quiet.

Each test has its counterpart: the same items where they are news, which open an incident.
"""

import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from alerts import report, tables
from alerts.counter import Counter
from alerts.counting import read
from alerts.keys import microseconds
from alerts.settings import AlertsSettings
from alerts.store import open_store
from tests.alerts.builders import NOON, STREAM, Wire, count, dump, history, judge_all, span

# A tight budget: what is asked here is what surges do, not how often chance looks like one.
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), false_alarms_per_week=0.1)


@pytest.fixture
def opened(tmp_path):
    """A function that counts and judges wires in a fresh store, and gives the incidents."""
    numbers = iter(range(99))

    def judged(*wires):
        with open_store(f"sqlite:///{tmp_path}/{next(numbers)}.db") as store:
            for wire in wires:
                count(store, wire, SETTINGS)
            judge_all(store, SETTINGS)
            assert report.judged_through(store) == min(microseconds(wire.now) for wire in wires)
            return report.incidents(store), dump(store)

    return judged


def catch_up(wire, many, **how):
    """Write so many negative items at once, then two quiet hours."""
    for number in range(many):
        wire.later(1 / 1000).article(f"x{number}", source=f"outlet{number % 7}", **how)
    return quiet(wire, 24)


def quiet(wire, buckets):
    """Let buckets pass in which nothing is published, and all is well."""
    wire.now = NOON + timedelta(minutes=5) * -(-(wire.now - NOON) // timedelta(minutes=5))
    for _ in range(buckets):
        wire.beat().later(5)
    return wire.beat()


def test_an_outage_of_two_hours_and_its_catch_up_open_nothing(opened):
    """What was published meanwhile comes at once, as backfill; as live news it would be a crisis."""
    incidents, tables_then = opened(catch_up(history(4).later(120), 60, backfill=True))
    assert [] == incidents
    assert 60 == sum(row[-2] for row in tables_then["articles"])
    assert [] != opened(catch_up(history(4).later(120), 60, backfill=False))[0]


def busy(wire, days):
    """Write days of four stories a bucket, half of them negative."""
    chance = random.Random(7)
    for _ in range(days * 288):
        for _ in range(4):
            name = f"b{len(wire.records)}"
            wire.later(1).article(
                name, negative=chance.choice([0.9, 0.1]), source=f"outlet{chance.randrange(7)}"
            )
        wire.later(1).beat()
    return wire


@pytest.mark.parametrize(("seen", "fires"), [(False, False), (True, True)])
def test_an_outage_of_a_week_is_not_a_calm_week(opened, seen, fires):
    """The usual volume after it is the usual; after a week in which nothing happened it is a surge."""
    wire = busy(Wire(), 4)
    if seen:
        quiet(wire, 7 * 288)
    else:
        wire.later(7 * 1440).beat()
    incidents, _tables = opened(busy(wire, 1))
    assert fires == bool(incidents)


def test_a_source_with_900_old_items_changes_nothing(opened):
    """They can be found and are in the sums; whoever judges them would see the greatest crisis ever."""
    calm = opened(catch_up(history(4).later(1), 0))
    added = opened(catch_up(history(4), 900, backfill=True))
    assert [] == added[0]
    for name in ("detectors", "incidents", "health"):
        assert calm[1][name] == added[1][name]
    assert 900 == len(added[1]["articles"]) - len(calm[1]["articles"])
    assert [] != opened(catch_up(history(4), 900, backfill=False))[0]


def in_two(wire, dead):
    """Spread a wire over two partitions; the second's records are apart where it is dead."""
    first, second, rest = Wire(now=wire.now), Wire(partition=1), Wire(partition=1)
    for number, record in enumerate(wire.records):
        mine = second if number < dead else rest
        if not record.key:
            first.raw(b"", record.value)
        (mine if number % 5 or not record.key else first).raw(record.key, record.value)
    return first, second, rest


def test_a_dead_partition_holds_the_judge_back_and_loses_nothing(sqlite_store, tmp_path):
    """Two days with a surge in them come late, in order: the very tables of a log that had no gap."""
    wire = history(6, surge_on=4)
    dead = len(wire.records) // 2
    first, second, rest = in_two(wire, dead)
    count(sqlite_store, second, SETTINGS)
    count(sqlite_store, first, SETTINGS)
    judge_all(sqlite_store, SETTINGS, receivers=("desk",))
    held = report.judged_through(sqlite_store)
    assert held == report.watermark(sqlite_store) < microseconds(wire.now) - 2 * 86_400 * 10**6
    whole = Wire(partition=1)
    whole.records = [*second.records]
    for record in rest.records:
        whole.raw(record.key, record.value)
    go_on(sqlite_store, whole, len(second.records))
    judge_all(sqlite_store, SETTINGS, receivers=("desk",))

    with open_store(f"sqlite:///{tmp_path}/calm.db") as calm:
        for each in (first, whole):
            count(calm, each, SETTINGS, batch=100)
        judge_all(calm, SETTINGS, receivers=("desk",))
        assert len(report.incidents(calm)) > 0
        assert dump(calm) == dump(sqlite_store)
    with sqlite_store.read() as connection:
        assert [] == connection.execute(select(tables.articles.c.id).where(tables.articles.c.late)).all()


def go_on(store, wire, start):
    """Count a wire from a record on."""
    records = wire.records[start:]
    counter = Counter(store, STREAM, SETTINGS)
    counter.count([span(start, len(wire.records), wire.partition)], read(records)[0])


def weeks(number, *, usual_on=None):
    """Write weeks of a desk's working days: busy from 8 to 18, and a Sunday without a word.

    From `usual_on` for two hours, whatever the day, exactly what is usual on a Wednesday then.
    """
    chance, wire = random.Random(2), Wire()
    for bucket in range(number * 7 * 288):
        now = NOON + timedelta(minutes=5 * bucket)
        volume = {5: 0.1, 6: 0.0}.get(now.weekday(), 1.0) * (1.0 if 8 <= now.hour < 18 else 0.05)
        usual = usual_on is not None and usual_on <= now < usual_on + timedelta(hours=2)
        if chance.random() < volume or usual:
            negative = bucket % 2 if usual else chance.random() < 0.5
            wire.later(1).article(
                f"w{len(wire.records)}", negative=0.9 if negative else 0.1,
                source=f"outlet{chance.randrange(7)}",
            )
        wire.now = now + timedelta(minutes=5)
        wire.beat()
    return wire


SUNDAY = NOON + timedelta(days=32)
WEDNESDAY = NOON + timedelta(days=35)


def test_a_quiet_sunday_is_judged_and_the_monday_after_it_is_no_surge(opened):
    """Heartbeats alone make it judgeable, and what is much is a question of the hour."""
    assert ("Sunday", "Wednesday") == (f"{SUNDAY:%A}", f"{WEDNESDAY:%A}")
    assert [] == opened(weeks(5))[0]


@pytest.mark.parametrize(("when", "opens"), [(SUNDAY, True), (WEDNESDAY, False)])
def test_what_is_usual_on_a_wednesday_is_a_surge_on_a_sunday(opened, when, opens):
    """Six negative stories an hour, from noon to two."""
    begun = [one.opened_at for one in opened(weeks(6, usual_on=when))[0]]
    assert opens == any(when < each <= when + timedelta(hours=2) for each in begun)


@pytest.mark.parametrize(("apart", "fires"), [(5, True), (15, True), (20, False), (60, False)])
def test_what_came_between_far_heartbeats_was_not_watched(opened, apart, fires):
    """Forty stories in an hour: judged where heartbeats are at most a quarter of an hour apart."""
    wire = history(4)
    begin = wire.now
    for number in range(40):
        wire.now = begin + timedelta(minutes=number * 1.2)
        wire.article(f"x{number}", source=f"outlet{number % 7}")
        if number * 1.2 % apart >= apart - 1.2:
            wire.beat(at=begin + timedelta(minutes=(number * 1.2 // apart + 1) * apart))
    wire.now = begin + timedelta(hours=1)
    assert fires == bool(opened(wire.beat())[0])


@pytest.mark.parametrize(("failing", "fires"), [(0, True), (5, True), (6, False), (10, False)])
def test_where_most_sources_fail_nothing_is_judged(opened, failing, fires):
    """The same hour of forty stories: half of the sources still see, less than half do not."""
    wire = history(4)
    for bucket in range(12):
        for number in range(4):
            wire.later(1).article(f"x{bucket}-{number}", source=f"outlet{number}")
        wire.later(1).beat(sources=10, failing=failing)
    assert fires == bool(opened(wire)[0])
