"""The pure judge: stories, batches, merging."""

import msgspec
import pytest

from alerts.desk import Desk, KeyState
from alerts.keys import ALL, BUCKET_S, MICROSECONDS, Key
from alerts.settings import AlertsSettings, Watch
from alerts.sources import Shared
from alerts.stories import MemoryRows, Row, firsts
from alerts.watches import Matcher

START = 1_704_283_200  # a Wednesday, 12:00
HOUR = 3600
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), watches=(Watch(name="Acme"),))


def row(name, seconds, *, story="", topic="Legal", negative=True, title="Some title", source="w"):
    """Make a row so many seconds after the start."""
    at = START + seconds
    return Row(
        at * MICROSECONDS, name, story or name, at // BUCKET_S * BUCKET_S, topic,
        "negative" if negative else "neutral", 900_000 if negative else 50_000, title,
        f"https://x.example/{name}", source,
    )


def keys_by_id(rows, start=START, stop=START + 10 * 86_400):
    """Say on which keys each row is news."""
    found = firsts(MemoryRows(rows), start, stop, Matcher(SETTINGS.watches))
    return {first.row.id: set(first.keys) for first in found}


def test_a_story_counts_once_per_key():
    """Its copy is no news, but counts for a topic that its first row had not."""
    rows = [row("a", 0, story="s"), row("b", 60, story="s"), row("c", 90, story="s", topic="Energy")]
    assert {"a": {ALL, Key("Legal")}, "c": {Key("Energy")}} == keys_by_id(rows)


def test_of_equal_times_the_least_id_is_first():
    """The order is (observed_at, id), whatever the order of arrival."""
    assert {"a"} == set(keys_by_id([row("b", 0, story="s"), row("a", 0, story="s")]))


def test_a_story_is_news_again_after_two_quiet_days():
    """Each copy renews the two days."""
    hours = {"a": 0, "b": 30, "c": 60, "d": 109}
    rows = [row(name, hour * HOUR, story="s") for name, hour in hours.items()]
    assert {"a", "d"} == set(keys_by_id(rows))


def test_what_is_news_does_not_depend_on_where_reading_starts():
    """A stretch that starts between copies looks back."""
    rows = [row("a", 0, story="s"), row("b", 30 * HOUR, story="s")]
    assert {} == keys_by_id(rows, start=START + 24 * HOUR)


def surge(days=17, per_hour=12):
    """Make a quiet history of days, then an hour of surge about Acme."""
    rows = [
        row(f"q{n}", n * 7200, topic=("Legal", "Energy")[n % 2], negative=n % 3 == 0, source=f"w{n % 4}")
        for n in range(days * 12)
    ]
    begin = days * 86_400
    rows += [
        row(f"s{n}", begin + n * 280, title=f"Acme sued, {n}", source=f"w{n % 4}")
        for n in range(per_hour)
    ]
    return rows, START + begin + 12 * HOUR


def judge(rows, stop, step):
    """Judge in stretches of `step` buckets, storing and reading the state in between."""
    states, shared, open_ones, changes = {}, Shared(), {}, []
    for begin in range(START, stop, step * BUCKET_S):
        desk = Desk(SETTINGS, states, shared, open_ones)
        end = min(begin + step * BUCKET_S, stop)
        near = MemoryRows(rows) if step > 50 else rows_near(rows, begin)
        changes += desk.judge(begin, end, near, ())
        states = {
            key: msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=KeyState)
            for key, state in desk.states.items()
        }
        shared = msgspec.msgpack.decode(msgspec.msgpack.encode(desk.shared), type=Shared)
        open_ones = desk.open
    return changes, states


def rows_near(rows, bucket):
    """Keep the rows that a short stretch can need, so that the test is quick."""
    near = (bucket - 3 * 86_400) * MICROSECONDS, (bucket + 86_400) * MICROSECONDS
    return MemoryRows(one for one in rows if near[0] <= one.observed_at < near[1])


@pytest.fixture(scope="module")
def whole():
    """The history judged in one go."""
    rows, stop = surge()
    return judge(rows, stop, 10**6)


@pytest.mark.parametrize("step", [1, 37, 288])
def test_changes_and_states_do_not_depend_on_the_stretches(whole, step):
    """One bucket at a time, or everything at once: identical."""
    rows, stop = surge()
    assert whole == judge(rows, stop, step)


def test_the_most_specific_key_is_the_incident(whole):
    """The watch opens; its topic and everything join it."""
    changes, _states = whole
    final = {change.incident.id: change.incident for change in changes}
    (incident,) = final.values()
    assert (None, "Acme") == (incident.topic, incident.watch)
    assert {"topic": "Legal", "watch": None} in incident.also
    assert ["opened", "resolved"] == [
        change.event for change in changes if change.event in ("opened", "resolved")
    ]


def test_evidence_is_the_most_negative_one_per_source(whole):
    """Four outlets, four headlines, all of them the first of their story."""
    incident = whole[0][-1].incident
    assert ["w0", "w1", "w2", "w3"] == sorted(one.source for one in incident.evidence)


def test_a_jump_of_sources_opens_nothing():
    """Ten new feeds, each as negative as the old ones: not judged for two days, then expected."""
    rows, _stop = surge(days=30, per_hour=0)
    rows += [
        row(f"n{feed}-{n}", n * 7200 + 17 * feed, topic=("Legal", "Energy")[n % 2], negative=n % 3 == 0,
            source=f"new{feed}")
        for feed in range(10) for n in range(20 * 12, 30 * 12)
    ]  # fmt: skip
    desk = Desk(SETTINGS)
    assert [] == desk.judge(START, START + 30 * 86_400, MemoryRows(rows), ())
    assert 3 < desk.shared.sources.coverage(START + 30 * 86_400) / (1 / 24) < 15


def test_after_an_incident_another_may_have_to_be_worse():
    """Half as many stories an hour and a half after the end open at once, or only once they are many."""
    rows, stop = surge()
    begin = stop - 12 * HOUR
    rows += [
        row(f"e{n}", begin - START + 8 * HOUR + n * 280, title=f"Acme sued again, {n}", source=f"w{n % 4}")
        for n in range(6)
    ]
    weeks = []
    for refractory_s in (0, 12 * HOUR):
        rule = SETTINGS.rule.model_copy(update={"refractory_s": refractory_s})
        changes = Desk(SETTINGS.model_copy(update={"rule": rule})).judge(
            START, stop, MemoryRows(rows), ())
        _first, again = (c.incident for c in changes if c.event == "opened")
        weeks.append(again.surprise_weeks)
        needs = again.proof.counterfactual
        assert needs is None or needs.fires_from <= again.observed
    assert weeks[1] > 10 * weeks[0]


def test_blind_buckets_open_nothing():
    """The same surge while nobody watched is no incident."""
    rows, stop = surge()
    desk = Desk(SETTINGS)
    begin = stop - 12 * HOUR
    blind = set(range(begin, stop, BUCKET_S))
    assert [] == desk.judge(START, stop, MemoryRows(rows), blind)


def test_the_budget_is_shared_out_over_the_keys():
    """Four keys and two false alarms a week: each may be wrong every second week."""
    settings = SETTINGS.model_copy(update={"false_alarms_per_week": 2.0})
    assert 2.0 == Desk(settings).threshold_weeks
