"""Who is told what, and why."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from alerts.judging import Judge
from alerts.routing import route, within
from alerts.settings import DAYS, AlertsSettings, Hours, Receiver
from alerts.tables import outbox
from tests.alerts.builders import NOON, STREAM, clock, count, history
from wire.messages import Alert, Incident

SETTINGS = AlertsSettings(topics=("Energy", "Legal"))


def incident(topic="Legal", watch=None, severity="warning", also=()):
    return Incident(
        id="inc_1", topic=topic, watch=watch, also=also, state="open", severity=severity,
        provisional=False, opened_at=NOON, resolved_at=None, observed=9, expected=2.0,
        surprise_weeks=40.0,
    )


def alert(event="opened", **about):
    return Alert(event=event, incident=incident(**about), text="x")


def named(name, **wishes):
    return Receiver(name=name, url="http://r", secret=SecretStr("s"), **wishes)


def reason(said, told=False, now=NOON, **wishes):
    return route(said, named("desk", **wishes), now, told=told)


def test_who_wishes_nothing_in_particular_gets_everything():
    """Whatever the severity and the subject."""
    assert "matches" == reason(alert(severity="info", topic=None))


@pytest.mark.parametrize(
    ("wishes", "about", "expected"),
    [
        ({"topics": ("Legal",)}, {}, "matches"),
        ({"topics": ("Energy",)}, {}, "other_subject"),
        ({"watches": ("Example Bank",)}, {}, "other_subject"),
        ({"watches": ("Example Bank",)}, {"topic": None, "watch": "Example Bank"}, "matches"),
        ({"topics": ("Energy",), "watches": ("Example Bank",)}, {"topic": "Energy"}, "matches"),
        ({"topics": ("Energy",)}, {"also": ({"topic": "Energy", "watch": None},)}, "matches"),
        ({"topics": ("Energy",)}, {"topic": None}, "other_subject"),
        ({"min_severity": "warning"}, {"severity": "info"}, "too_mild"),
        ({"min_severity": "warning"}, {"severity": "warning"}, "matches"),
        ({"min_severity": "warning"}, {"severity": "critical"}, "matches"),
        ({"events": ("opened",)}, {"event": "updated"}, "other_event"),
        ({"events": ("updated",)}, {"event": "updated"}, "matches"),
    ],
)
def test_a_receiver_gets_what_it_asked_for(wishes, about, expected):
    """Topics or watches, the severity at least, and the events; the reason is the first that fails."""
    assert expected == reason(alert(**about), **wishes)


NARROW = {"topics": ("Energy",), "min_severity": "critical", "events": ("opened",),
          "hours": Hours(days=("sun",), outside="nothing")}


@pytest.mark.parametrize("wishes", [{}, NARROW])
def test_the_end_goes_to_whoever_was_told_and_to_nobody_else(wishes):
    """Whatever the wishes: who heard of the beginning waits for the end."""
    assert "follows" == reason(alert("resolved"), told=True, **wishes)
    assert "never_told" == reason(alert("resolved"), told=False, **wishes)


OFFICE = Hours(days=DAYS[:5], start="08:00", end="18:00", zone="Europe/Zurich")
NIGHT = Hours(days=("fri",), start="22:00", end="06:00", zone="Europe/Zurich")


@pytest.mark.parametrize(
    ("hours", "utc", "expected"),
    [
        (OFFICE, "2026-01-05T07:00", True),  # Monday, 08:00 in Zurich
        (OFFICE, "2026-01-05T06:59", False),
        (OFFICE, "2026-01-05T17:00", False),  # the end is outside
        (OFFICE, "2026-07-06T06:00", True),  # in summer 08:00 is 06:00 UTC
        (OFFICE, "2026-01-10T10:00", False),  # Saturday
        (OFFICE, "2026-03-29T01:30", False),  # the hour that the clock jumps over, a Sunday
        (NIGHT, "2026-01-09T21:00", True),  # Friday, 22:00
        (NIGHT, "2026-01-10T04:59", True),  # the night belongs to the day that it began on
        (NIGHT, "2026-01-10T05:00", False),
        (NIGHT, "2026-01-09T04:00", False),  # Thursday's night
        (Hours(days=("mon",)), "2026-01-05T23:59", True),  # without times: the whole day
        (Hours(days=("mon",)), "2026-01-06T00:00", False),
    ],
)
def test_hours_are_read_on_the_wall_clock_of_their_zone(hours, utc, expected):
    """Summer time and nights over midnight included."""
    assert expected == within(hours, datetime.fromisoformat(utc).replace(tzinfo=UTC))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_a_whole_week_is_never_outside(now):
    """All days, with a start that is the end."""
    assert within(Hours(zone="America/New_York"), now)


def test_out_of_hours_only_the_critical_comes_through_or_nothing():
    """As the receiver chose."""
    saturday = datetime(2026, 1, 10, 10, tzinfo=UTC)
    strict = OFFICE.model_copy(update={"outside": "nothing"})
    mild, grave = alert(severity="warning"), alert(severity="critical")
    assert "out_of_hours" == reason(mild, now=saturday, hours=OFFICE)
    assert "matches" == reason(grave, now=saturday, hours=OFFICE)
    assert "out_of_hours" == reason(grave, now=saturday, hours=strict)


def test_an_unknown_zone_or_severity_is_refused_when_settings_are_read():
    """Not at the first alert, at night."""
    with pytest.raises(ValidationError, match="no such time zone"):
        Hours(zone="Mars/Olympus")
    with pytest.raises(ValidationError):
        named("desk", min_severity="dire")


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"kind": "webhook", "url": "http://r"}, "kind webhook needs secret"),
        ({"kind": "slack"}, "kind slack needs url"),
        ({"kind": "pagerduty"}, "kind pagerduty needs secret"),
        ({"kind": "email", "url": "smtp://r"}, "kind email needs sender, to"),
        ({"kind": "email", "url": "smtp://r", "sender": "a@b", "to": ["x\r\nBcc: y@z"]}, "a mail address"),
        ({"kind": "email", "url": "smtp://r", "sender": "a@b", "to": ["c@d"], "tls": "none",
          "secret": "hunter2"}, "without TLS"),
        ({"kind": "email", "url": "smtp://r", "sender": "a@b", "to": ["c@d"], "proxy": "http://p"},
         "no proxy"),
        ({"kind": "slack", "url": "http://r", "proxy": "ftp://hunter2@p"}, "a proxy is"),
    ],
)  # fmt: skip
def test_a_receiver_that_cannot_work_is_refused_when_settings_are_read(given_, said):
    """The message says what is missing."""
    with pytest.raises(ValidationError, match=said):
        Receiver(name="r", **given_)


def test_no_secret_is_shown_by_a_receiver():
    """The URL of a chat is one, and a proxy's password, too."""
    shown = repr(Receiver(
        name="r", kind="slack", url="https://hooks.example/T0/hunter2", secret=SecretStr("hunter2"),
        proxy="http://u:hunter2@p",
    ))
    assert "hunter2" not in shown


@pytest.mark.parametrize("buckets", [20, 5000])
def test_the_judge_writes_to_those_who_asked_and_ends_what_it_began(sqlite_store, buckets):
    """Beginning and end in one transaction or in two: the same letters."""
    count(sqlite_store, history(6, surge_on=4), SETTINGS)
    settings = SETTINGS.model_copy(update={"buckets_per_transaction": buckets})
    names = {"all": {}, "legal": {"topics": ("Legal",)}, "energy": {"topics": ("Energy",)},
             "critical": {"min_severity": "critical"}}
    receivers = [named(name, **wishes) for name, wishes in names.items()]
    judge = Judge(sqlite_store, STREAM, settings, clock, receivers)
    judge.take_lease(at_once=True)
    while judge.step()[0]:
        pass
    with sqlite_store.read() as connection:
        rows = connection.execute(select(outbox.c.receiver, outbox.c.event)).all()
    assert {("all", "opened"), ("all", "resolved"), ("legal", "opened"), ("legal", "resolved")} == {
        (row.receiver, row.event) for row in rows if row.event != "updated"
    }
