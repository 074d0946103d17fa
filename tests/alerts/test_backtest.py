"""The pure backtest: how incidents agree with labels, and the hours of each key."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.backtest import Agreement, Label, agreement, backtest, first_hits
from alerts.keys import ALL, BUCKET_S, Key, microseconds
from alerts.settings import AlertsSettings
from alerts.stories import Row
from wire.messages import Incident

NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
START = int(NOON.timestamp())


def at(hours):
    """Microseconds so many hours after noon."""
    return microseconds(NOON + timedelta(hours=hours))


def incident(hours, *, topic="Legal", watch=None, also=()):
    """Make an incident that opened so many hours after noon."""
    return Incident(
        id=f"inc_{topic}_{watch}_{hours}", topic=topic, watch=watch, also=tuple(also), state="open",
        severity="info", provisional=False, opened_at=NOON + timedelta(hours=hours), resolved_at=None,
        observed=9, expected=1.0, surprise_weeks=9.0,
    )  # fmt: skip


def label(start, end, topic="", watch=""):
    """Make a label from and to so many hours after noon."""
    return Label(topic, watch, at(start), at(end))


@pytest.mark.parametrize(
    ("hours", "hit"), [(-0.01, False), (0, True), (1, True), (2, True), (2.01, False)]
)
def test_a_label_is_hit_where_an_incident_opened_inside(hours, hit):
    """From its start to its end, both included."""
    assert hit == label(0, 2).hit_by(incident(hours))


@pytest.mark.parametrize(
    ("topic", "watch", "hit"),
    [("", "", True), ("Legal", "", True), ("Energy", "", False), ("", "Acme", True), ("", "Other", False),
     ("Legal", "Acme", False)],
)  # fmt: skip
def test_a_label_names_a_key_or_any(topic, watch, hit):
    """The incident's own, or one that surged with it; a topic and a watch are one key."""
    found = incident(1, topic="Legal", also=[{"topic": None, "watch": "Acme"}])
    assert hit == label(0, 2, topic, watch).hit_by(found)


def test_precision_recall_and_delay_by_hand():
    """Of four incidents three are in labels; of four labels three were hit, after 30, 60 and 120 min."""
    incidents = [incident(0.5), incident(1.5), incident(11, topic="Energy"), incident(40)]
    labels = [label(0, 2, "Legal"), label(9, 12, "Energy"), label(-0.5, 2), label(70, 80)]
    assert Agreement(0.75, 0.75, 60.0) == agreement(incidents, labels)
    hits = first_hits(list(reversed(incidents)), labels)
    assert [incidents[0], incidents[2], incidents[0], None] == hits


def test_the_median_of_two_delays_lies_between_them():
    """Ten and thirty minutes: twenty."""
    found = agreement([incident(0.5), incident(10 + 1 / 6)], [label(0, 2), label(10, 12)])
    assert 20.0 == pytest.approx(found.median_delay_minutes)


def test_where_there_is_nothing_to_divide_by_there_is_no_share():
    """No incidents: no precision; no labels: no recall, and every incident is a false one."""
    assert Agreement(None, 0.0, None) == agreement([], [label(0, 1)])
    assert Agreement(0.0, None, None) == agreement([incident(0)], [])
    assert Agreement(None, None, None) == agreement([], [])


def row(number, seconds, *, negative=True):
    """Make a row so many seconds after noon."""
    second = START + seconds
    return Row(
        second * 1_000_000, f"a{number}", f"a{number}", second // BUCKET_S * BUCKET_S, "Legal",
        "negative" if negative else "neutral", 900_000, f"Title {number}", "https://x.example", "wire",
    )


def test_hours_sum_to_what_was_negative_also_where_they_are_cut():
    """From twenty past to ten to: the first and the last hour have fewer buckets, nothing counts twice."""
    start, stop = START + 1200, START + 5 * 3600 + 3000
    rows = [row(number, 1200 + 610 * number, negative=number % 3 > 0) for number in range(28)]
    found = backtest(rows, start, stop, AlertsSettings(topics=("Energy",)))
    negative = sum(one.sentiment == "negative" for one in rows if one.bucket < stop)
    for key in (ALL, Key("Legal")):
        hours = found.hours[key]
        assert negative == sum(hour.observed for hour in hours)
        assert all(0 <= hour.expected <= hour.upper for hour in hours)
    ends = [*range(START + 3600, stop, 3600), stop]
    assert ends == [hour.end for hour in found.hours[ALL]]
    assert {0} == {hour.observed for hour in found.hours[Key("Energy")]}


def test_progress_adds_up_to_the_buckets():
    """Whatever part of an hour they begin with."""
    told = []
    backtest([], START + 300, START + 9000, AlertsSettings(), progress=told.append)
    assert (9000 - 300) // BUCKET_S == sum(told)


def test_nothing_recorded_is_no_incident_and_no_hour():
    """An empty stretch."""
    found = backtest([], START, START, AlertsSettings())
    assert ([], {}) == (found.incidents, found.hours)
