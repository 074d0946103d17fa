"""Every article is counted once, whatever is repeated, stale or broken."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from alerts import report, tables
from alerts.counter import Counter
from alerts.counting import clean, read, tally
from alerts.errors import StaleError
from alerts.keys import bucket_of, microseconds
from alerts.settings import AlertsSettings, Watch
from alerts.store import open_store
from alerts.watches import Matcher
from tests.alerts.builders import NOON, STREAM, Wire, count, dump, history, span
from wire.errors import PositionLostError
from wire.log import Position
from wire.messages import Label, encode


def test_a_duplicate_changes_nothing(store):
    """The same article twice, in one batch or in two, is one row and one in the sums."""
    wire = Wire().article("a").article("a").article("b")
    counter = Counter(store, STREAM, AlertsSettings())

    counter.count([span(0, 3)], read(wire.records)[0])
    counter.count([span(3, 6)], read(wire.records)[0])

    counts, counted = report.counts(store, ["a", "b", "c"])
    assert ({"Legal": {"negative": 2}}, 2) == (counts, counted)
    with store.read() as connection:
        sums = connection.execute(select(tables.sums.c.topic, tables.sums.c.articles)).all()
    assert [("", 2), ("Legal", 2)] == sorted(map(tuple, sums))


def test_a_zombie_that_commits_late_is_fenced(store):
    """Who counts from a position that was passed changes nothing and is told so."""
    wire = Wire().article("a").article("b").beat()
    items = read(wire.records)[0]
    Counter(store, STREAM, AlertsSettings()).count([span(0, 3)], items)
    before = dump(store)

    zombie = Counter(store, STREAM, AlertsSettings())
    with pytest.raises(StaleError, match="counted up to 3, not 0"):
        zombie.count([span(0, 2)], read(Wire().article("x").records)[0])

    assert before == dump(store)
    assert Position("life", 3) == zombie.position(0)


def test_one_stale_partition_stops_the_whole_batch(store):
    """Spans of one batch are committed together or not at all."""
    counter = Counter(store, STREAM, AlertsSettings())
    counter.count([span(0, 1)], read(Wire().article("a").records)[0])

    with pytest.raises(StaleError):
        counter.count([span(0, 5, partition=1), span(0, 1)], read(Wire().article("b").records)[0])

    assert counter.position(1) is None


def test_another_life_of_the_stream_is_never_counted_silently(store):
    """A stream that was recreated raises PositionLostError."""
    counter = Counter(store, STREAM, AlertsSettings())
    counter.count([span(0, 1)], [])

    with pytest.raises(PositionLostError, match="another life"):
        counter.count([span(1, 2, incarnation="other")], [])


def test_what_cannot_be_counted_comes_back_with_its_reason():
    """Broken bytes, other messages, unscored articles and endless ids are set aside."""
    wire = Wire().raw(b"k", b"\xff{").article("a").article("x" * 300)
    wire.raw(b"l", encode(Label(
        article_id="a", field="topic", old="x", new="y", author="me", time=NOON, way="page",
    )))

    items, dead = read(wire.records)

    assert ["undecodable", "too_long", "unexpected"] == [one.reason for one in dead]
    assert ["a"] == [item.message.article.id for item in items]


def test_counts_do_not_depend_on_the_batches(store, new_url):
    """One batch of everything and batches of seven leave the same tables."""
    wire = history(2, surge_on=1)
    count(store, wire)
    with open_store(new_url("other")) as other:
        count(other, wire, batch=7)
        assert dump(store) == dump(other)


def test_an_article_is_late_once_its_bucket_is_closed():
    """The flag follows the partition's own watermark, plus the allowed lateness."""
    wire = Wire().article("early").later(6).beat().article("late", at=NOON).article("on-time")
    items = read(wire.records)[0]

    strict = tally(items, {}, Matcher(()), 0, 900)
    patient = tally(items, {}, Matcher(()), 600, 900)

    assert {"early": False, "late": True, "on-time": False} == {
        name: row["late"] for name, row in strict.rows.items()
    }
    assert not any(row["late"] for row in patient.rows.values())


def test_a_repeated_heartbeat_changes_nothing():
    """Health is added once per heartbeat, and a watermark never falls."""
    wire = Wire().beat().later(5).beat(failing=2)
    once = tally(read(wire.records)[0], {}, Matcher(()), 0, 900)
    wire.beat(failing=2).beat(at=NOON - timedelta(hours=1))

    again = tally(read(wire.records)[0], {}, Matcher(()), 0, 900)

    assert once == again


def test_time_between_far_heartbeats_was_not_watched():
    """A hop of an hour leaves its buckets without health, but the last."""
    wire = Wire().beat().later(60).beat()

    health = tally(read(wire.records)[0], {}, Matcher(()), 0, 900).health

    noon = microseconds(NOON)
    assert [bucket_of(noon - 1), bucket_of(noon) + 55 * 60] == sorted(health)


def test_a_watch_is_counted_where_it_is_the_subject(store):
    """Sums exist for a watch that a headline is about, not for one that speaks."""
    settings = AlertsSettings(watches=(Watch(name="Goldman Sachs"),))
    wire = Wire().article("a", title="Goldman Sachs cuts 3,000 jobs")
    wire.article("b", title="Oil may fall, Goldman Sachs says").beat()
    wire.article("c", title="Goldman Sachs analysts see oil at 60")

    count(store, wire, settings)

    table = tables.sums.c
    with store.read() as connection:
        found = connection.execute(
            select(table.articles).where(table.watch == "Goldman Sachs")
        ).scalars().all()
    assert [1] == found


def test_text_is_made_fit_for_any_database():
    """NUL and lone surrogates are replaced, and endless text is cut."""
    assert "a\ufffdb?" == clean("a\0b\ud800")
    assert 4_000 == len(clean("x" * 10**6))
