"""What is old goes, and nothing that is still needed: the judge says the same with and without."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from sqlalchemy import func, insert, select, update

from alerts import report, tables
from alerts.counter import Counter
from alerts.counting import read
from alerts.desk import DAY_AND_SIX_HOURS
from alerts.judging import Judge
from alerts.keys import bucket_of, microseconds
from alerts.metrics import AlertsMetrics
from alerts.operations import Request, act
from alerts.retention import ROWS, held_since, prune
from alerts.settings import AlertsSettings, Retention
from alerts.stage import Alerts
from alerts.store import open_store
from alerts.stories import LOOK_BACK
from newsquake import settings as operators
from newsquake.errors import ConfigurationError
from tests.alerts.builders import (
    NOON,
    STREAM,
    Wire,
    clock,
    count,
    dump,
    history,
    judge_all,
    receiver,
    span,
)
from wire.embedded import EmbeddedLog
from wire.metrics import StageMetrics

DESK = receiver("desk")
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), blind_after_s=3600)
LEAST = Retention(articles=4, buckets=15, incidents=7, ids=8)
DAY = timedelta(days=1)


def pruned(store, keep=LEAST, held=lambda: None):
    """Prune to the end; how many rows went."""
    return sum(prune(store, keep, held))


def number(store, table):
    """How many rows a table has."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def oldest(store, column):
    """The least value of a column."""
    with store.read() as connection:
        return connection.execute(select(func.min(column))).scalar()


def follow(store, wire, stops, keep):
    """Count and judge a wire piece by piece, and prune after each."""
    counter = Counter(store, STREAM, SETTINGS)
    counter.begin([0])
    judge = Judge(store, STREAM, SETTINGS, clock, [DESK])
    judge.take_lease(at_once=True)
    gone = 0
    for start, stop in zip([0, *stops], [*stops, len(wire.records)], strict=True):
        if stop > start:
            counter.count([span(start, stop)], read(wire.records[start:stop])[0])
        while judge.step()[0]:
            pass
        gone += pruned(store, keep)
    return gone


def what_was_judged(store):
    """Everything that the judge wrote."""
    tables_ = dump(store)
    return {name: tables_[name] for name in ("detectors", "incidents", "outbox", "watermarks")}


burst = st.tuples(
    st.integers(0, 6 * 24 - 1),  # hours after the start
    st.integers(1, 40),  # articles, one a minute
    st.integers(1, 60),  # of so many stories, told again and again
    st.sampled_from(["Legal", "Energy"]),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(burst, max_size=12), st.lists(st.integers(0, 100), max_size=6))
def test_a_pruned_store_judges_as_one_that_keeps_everything(bursts, cuts):
    """Whatever came, copies of old stories too, and whenever it was counted, judged and pruned."""
    wire = Wire().beat()
    names = 0
    for hour in range(6 * 24):
        for _, size, stories, topic in (one for one in bursts if one[0] == hour):
            for each in range(size):
                names += 1
                wire.article(
                    f"a{names}", topic=topic, story=f"s{each % stories}", source=f"outlet{names % 9}",
                    at=NOON + timedelta(hours=hour, minutes=each, seconds=1, microseconds=names),
                )
        wire.beat(at=NOON + timedelta(hours=hour + 1))
    stops = sorted(cut * len(wire.records) // 100 for cut in cuts)
    with open_store("sqlite://") as store, open_store("sqlite://") as whole:
        follow(store, wire, stops, Retention(articles=4, ids=4))
        follow(whole, wire, stops, Retention())
        assert what_was_judged(whole) == what_was_judged(store)
        if any(one[0] < 24 for one in bursts):
            assert number(store, tables.articles) < number(whole, tables.articles)


def test_what_is_over_its_time_goes_and_nothing_else(store):
    """Three weeks with an incident on the fifth day: rows, sums, health, incident and ids."""
    wire = history(22, surge_on=4)
    count(store, wire, SETTINGS, batch=700)
    judge_all(store, SETTINGS, receivers=("desk",))
    with store.write() as connection:
        connection.execute(update(tables.outbox).values(state="delivered"))
    before = report.trends(store)
    incidents = report.incidents(store)
    act(store, incidents[0].id, Request("note", "Anna", "x"), NOON)
    judged = report.judged_through(store)

    assert pruned(store) > 0
    assert 0 == pruned(store)

    day = 86_400_000_000
    ages = {
        "articles": judged - oldest(store, tables.articles.c.observed_at),
        "buckets": judged - oldest(store, tables.sums.c.bucket) * 1_000_000,
        "health": judged - oldest(store, tables.health.c.bucket) * 1_000_000,
        "ids": judged - oldest(store, tables.article_ids.c.observed_at),
    }
    kept = {"articles": 4, "buckets": 15, "health": 15, "ids": 8}
    assert dict.fromkeys(ages, True) == {
        name: kept[name] - 0.5 < age / day <= kept[name] for name, age in ages.items()
    }
    gone = [one for one in incidents if judged - microseconds(one.resolved_at) > 7 * day]
    assert gone
    assert [one for one in incidents if one not in gone] == report.incidents(store)
    names = {one.id for one in gone}
    with store.read() as connection:
        left = set(connection.execute(select(tables.outbox.c.incident_id)).scalars())
    assert (set(), 0) == (left & names, number(store, tables.incident_actions))
    assert before == report.trends(store)


def test_without_settings_everything_stays(store):
    """None keeps for ever."""
    count(store, history(4), SETTINGS)
    judge_all(store, SETTINGS)
    before = dump(store)
    assert [] == list(prune(store, Retention(), lambda: None))
    assert before == dump(store)


def test_open_incidents_and_letters_that_wait_stay(store):
    """However old."""
    count(store, history(22, surge_on=4), SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))
    waiting, opened = number(store, tables.outbox), number(store, tables.incidents)
    assert opened > 0
    pruned(store, Retention(incidents=7))
    assert (waiting, opened) == (number(store, tables.outbox), number(store, tables.incidents))
    with store.write() as connection:
        connection.execute(update(tables.outbox).values(state="dead"))
        connection.execute(update(tables.incidents).values(state="open"))
    pruned(store, Retention(incidents=7))
    assert (waiting, opened) == (number(store, tables.outbox), number(store, tables.incidents))


def test_letters_of_no_incident_go_once_they_were_sent(store):
    """Briefs and grouped messages, by when they were written; what waits stays, and what is young."""
    count(store, history(12), SETTINGS)
    judge_all(store, SETTINGS)
    day = 86_400_000_000
    now = report.judged_through(store)
    row = {"event": "brief", "receiver": "desk", "payload": b"{}", "next_attempt_at": 0, "attempts": 1,
           "last_outcome": ""}  # fmt: skip
    rows = {"old": (9, "delivered"), "dead": (9, "dead"), "waits": (9, "pending"), "young": (6, "delivered")}
    with store.write() as connection:
        connection.execute(tables.outbox.insert(), [
            {**row, "id": name, "incident_id": f"brief_{name}", "created_at": now - age * day, "state": state}
            for name, (age, state) in rows.items()
        ])  # fmt: skip
    pruned(store, Retention(incidents=7))
    with store.read() as connection:
        assert {"waits", "young"} == set(connection.execute(select(tables.outbox.c.id)).scalars())


def test_what_is_not_judged_yet_stays(store):
    """A judge that lags by weeks finds every row, however far the watermark is."""
    count(store, history(10, surge_on=4), SETTINGS)
    before = dump(store)
    assert 0 == pruned(store)
    assert before == dump(store)


def test_transactions_are_small(store):
    """At most so many rows each, and those of the same time."""
    with store.write() as connection:
        connection.execute(insert(tables.article_ids), [
            {"id": f"a{n}", "observed_at": 1 + n // 2} for n in range(2 * ROWS + 500)
        ])
        connection.execute(insert(tables.article_ids), [{"id": "unknown"}])
        connection.execute(insert(tables.judge), [
            {"id": 1, "generation": 1, "expires_at": 0, "judged_through": 10**15, "state": b""}
        ])
    assert [ROWS, ROWS, 500] == list(prune(store, Retention(articles=4, ids=8), lambda: None))
    assert 1 == number(store, tables.article_ids)  # of which nobody knows the time


def test_an_id_stays_while_the_log_may_hold_its_article(store):
    """Whatever the settings say: a replay lives years in a day, and its log keeps them all."""
    count(store, history(22), SETTINGS)
    judge_all(store, SETTINGS)
    ids = number(store, tables.article_ids)
    begin = oldest(store, tables.article_ids.c.observed_at)
    pruned(store, LEAST, lambda: begin)
    assert ids == number(store, tables.article_ids)
    pruned(store, LEAST, lambda: microseconds(NOON + DAY))
    assert microseconds(NOON + DAY) <= oldest(store, tables.article_ids.c.observed_at)
    assert 0 < number(store, tables.article_ids) < ids


@pytest.fixture
def log(tmp_path):
    """A log with the two streams, whose records are 60 s old at most."""
    now = [1000.0]
    with EmbeddedLog(tmp_path / "log.db", now=lambda: now[0]) as opened:
        opened.at = now
        for stream in ("articles", STREAM):
            opened.create(stream, retain_s=60)
        yield opened


def test_the_log_says_since_when_it_holds_something(log):
    """The oldest record of all streams, by what it says of itself."""
    streams = ("articles", STREAM, "none such")
    assert None is held_since(log, streams)
    log.append(STREAM, Wire().raw(b"x", b"nonsense").article("a").later(1).beat().new())
    assert microseconds(NOON) == held_since(log, streams)
    early = Wire(now=NOON - DAY).beat()
    log.append("articles", early.new())
    assert microseconds(NOON - DAY) == held_since(log, streams)
    log.at[0] += 61
    log.append("articles", Wire(now=NOON + DAY).beat().new())
    log.append(STREAM, Wire(now=NOON + 2 * DAY).article("b").new())
    assert microseconds(NOON + DAY) == held_since(log, streams)


def test_a_log_that_cannot_be_read_keeps_every_id(log):
    """Nothing that says its time: since ever."""
    log.append(STREAM, Wire().raw(b"x", b"nonsense").raw(b"y", b"{}").new())
    assert 0 == held_since(log, (STREAM,))


def run_until(log, store, settings_, reached):
    """Run a stage until something is so; at most a minute."""
    registry, stop, waited = CollectorRegistry(), threading.Event(), threading.Event()
    stage = Alerts(
        log, store, settings_, AlertsMetrics(registry), StageMetrics(registry), clock, receivers=(DESK,)
    )
    thread = threading.Thread(target=stage.run, args=(stop,))
    thread.start()
    for _ in range(600):
        if waited.wait(0.1) or reached():
            break
    stop.set()
    thread.join()
    assert reached()


def test_a_stage_prunes_what_it_judged(tmp_path):
    """By the log and the settings, as soon as it runs."""
    wire = history(6)
    end = microseconds(wire.now)
    with EmbeddedLog(tmp_path / "log.db") as log, open_store(f"sqlite:///{tmp_path}/store.db") as store:
        log.create(STREAM)
        log.create("dead-letters")
        log.append(STREAM, wire.new())
        run_until(log, store, SETTINGS, lambda: report.judged_through(store) == end)
        keep = SETTINGS.model_copy(update={"retention": Retention(articles=4)})
        seen = tables.articles.c.observed_at
        assert oldest(store, seen) < microseconds(NOON + DAY)
        run_until(log, store, keep, lambda: oldest(store, seen) >= microseconds(NOON + 2 * DAY))
        assert bucket_of(microseconds(NOON)) == oldest(store, tables.health.c.bucket)


@pytest.mark.parametrize(("given_", "reason"), [
    ({"articles": 3}, "greater than or equal to 4"),
    ({"buckets": 14}, "greater than or equal to 15"),
    ({"articles": 10, "ids": 9}, "at least as long as articles"),
    ({"ids": 9}, "at least as long as articles"),
])
def test_settings_that_would_lose_what_is_needed_are_refused(given_, reason):
    """With the reason."""
    with pytest.raises(ValidationError, match=reason):
        Retention(**given_)


def test_the_least_that_may_be_kept_is_more_than_the_judge_looks_back():
    """A day and six hours, and two days further for copies."""
    least = min(days for days in range(30) if not refused(articles=days))
    assert least * 86_400 > DAY_AND_SIX_HOURS + LOOK_BACK // 1_000_000


def refused(**given_):
    """Whether settings are refused."""
    try:
        Retention(**given_)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(("ids", "retain_s", "fine"), [
    (7, None, False), (8, None, True), (8, 8 * 86_400, False), (4, 3 * 86_400, True),
])
def test_ids_must_outlive_the_log(ids, retain_s, fine):
    """Else an article that came again would count twice: such a configuration does not start."""
    given_ = {"alerts": {"retention": {"articles": 4, "ids": ids}}, "ingest": {"retain_s": retain_s}}
    if fine:
        assert ids == operators.load(None, **given_).alerts.retention.ids
        return
    with pytest.raises(ConfigurationError, match=r"alerts\.retention\.ids: .* count twice"):
        operators.load(None, **given_)
