"""The daily brief: when it is due, once a day whatever the clock does, and what it says."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from alerts import brief
from alerts.briefing import BadBriefError, Briefing
from alerts.heard import last_heartbeat
from alerts.payloads import Sources, read
from alerts.settings import AlertsSettings, Receiver, Watch
from alerts.settings import Brief as BriefSettings
from alerts.tables import outbox
from tests.alerts.builders import Wire, count, judge_all
from wire.embedded import EmbeddedLog
from wire.messages import Heartbeat

ZURICH = BriefSettings(at=time(7, 30), zone="Europe/Zurich", receivers=("desk",))
NIGHTLY = ZURICH.model_copy(update={"at": time(2, 30)})
DESK = Receiver(name="desk", url="http://127.0.0.1/", secret=SecretStr("whsec_" + "a" * 32))
PAGER = Receiver(name="pager", kind="pagerduty", secret=SecretStr("k"))


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "now", "expected"),
    [
        (ZURICH, "2026-01-05T06:29", None), (ZURICH, "2026-01-05T06:30", date(2026, 1, 5)),
        (ZURICH, "2026-07-06T05:30", date(2026, 7, 6)),  # summer time
        (ZURICH, "2026-01-05T22:59", date(2026, 1, 5)),  # late, but the same day
        (ZURICH, "2026-01-05T23:00", None),  # midnight in Zurich: too late
        (NIGHTLY, "2026-03-29T01:29", None), (NIGHTLY, "2026-03-29T01:30", date(2026, 3, 29)),  # jumped over
        (NIGHTLY, "2026-10-25T00:30", date(2026, 10, 25)),  # shown twice: the first
    ],
)  # fmt: skip
def test_when_a_brief_is_due(settings, now, expected):
    """From its time on the local clock, for as long as the day lasts."""
    assert expected == brief.due(utc(now), settings)


ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


@given(
    st.sampled_from(ZONES), st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.dates(date(2020, 1, 2), date(2030, 1, 1)),
)  # fmt: skip
def test_briefs_follow_one_another_without_a_gap(zone, at, day):
    """Over every change of the clock: one ends where the next begins, a day apart and an hour at most."""
    settings = BriefSettings(at=at, zone=zone)
    since, until = brief.span(day, settings)
    assert brief.span(day - timedelta(days=1), settings)[1] == since
    assert timedelta(hours=23) <= until - since <= timedelta(hours=25)


@given(st.sampled_from(ZONES), st.times(), st.sampled_from([date(2026, 3, 28), date(2026, 10, 24)]))
def test_each_local_day_has_one_brief_over_a_change_of_the_clock(zone, at, day):
    """Asked every ten minutes for four days: as many as days, none twice; ids tell them apart."""
    settings = BriefSettings(at=at.replace(hour=min(at.hour, 21)), zone=zone)
    begin = datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)
    asked = [brief.due(begin + timedelta(minutes=10 * n), settings) for n in range(4 * 144)]
    days = list(dict.fromkeys(found for found in asked if found is not None))
    assert [day + timedelta(days=n) for n in range(len(days))] == days
    assert len(days) in (4, 5)  # 95 to 97 hours of the local clock
    assert len(days) == len({brief.message_id(each, "desk") for each in days})


def test_movers_are_the_watches_farthest_from_a_usual_day():
    """Up or down; a watch without news then and now is not named."""
    today = {"Up": {"negative": 9, "positive": 3}, "Same": {"negative": 2}, "Still": {}}
    before = {"Down": {"negative": 21}, "Same": {"negative": 14}, "Up": {"negative": 7}}
    found = brief.movers(today, before, days=7)
    assert [("Up", 12, 9, 1.0, 0.75), ("Down", 0, 0, 3.0, 0.0), ("Same", 2, 2, 2.0, 1.0)] == [
        (one.watch, one.articles, one.negative, one.usual, one.negative_share) for one in found
    ]


def test_movers_of_a_first_day_have_nothing_usual():
    """There was no day before it."""
    (one,) = brief.movers({"Up": {"negative": 9}}, {}, days=0)
    assert (9, 0.0) == (one.negative, one.usual)


SETTINGS = AlertsSettings(topics=("Energy", "Legal"), watches=(Watch(name="Example Bank"),))
DAY = date(2024, 1, 20)


def lived(store, quiet=False):
    """Count and judge days of news up to the brief of 20 January, 07:30 in Zurich."""
    until = brief.at(DAY, ZURICH)
    wire = Wire(now=until - timedelta(days=4))
    names = 0
    while wire.now < until:
        ahead = until - wire.now
        surging = not quiet and timedelta(hours=5) < ahead <= timedelta(hours=6)
        for _ in range(4 if surging else 1):
            names += 1
            title = "Example Bank halts withdrawals" if surging or names % 97 == 0 else "Harbour reopens"
            wire.later(0.1).article(f"a{names}", negative=0.9 if surging or names % 97 == 0 else 0.1,
                                    title=title, source=f"outlet{names % 7}")
        step = timedelta(minutes=5)
        wire.now = min(until, wire.now - (wire.now - datetime(2024, 1, 1, tzinfo=UTC)) % step + step)
        if not timedelta(hours=10) <= until - wire.now < timedelta(hours=10, minutes=30):
            wire.beat(failing=2 if surging else 0)
    count(store, wire, SETTINGS)
    judge_all(store, SETTINGS)


def briefing(store, now, settings=ZURICH, heard=None, receivers=(DESK,)):
    clock = now if callable(now) else lambda: now
    return Briefing(store, settings, receivers, clock, *([heard] if heard else []))


def written(store):
    with store.read() as connection:
        rows = connection.execute(select(outbox)).all()
    return {row.receiver: (row.event, read(row.payload)) for row in rows}


DUE = brief.at(DAY, ZURICH)


def test_a_brief_says_what_happened_and_how_well_it_was_watched(store):
    """Incidents, watches that moved, sources, model: all from the store, but the names that fail now."""
    lived(store)
    beat = Heartbeat(through=DUE, sources=10, failing=("Reuters", "AP"))
    assert briefing(store, DUE, heard=lambda: beat).step()
    event, said = written(store)["desk"]
    assert ("brief", "2024-01-20", "Europe/Zurich") == (event, said.day, said.zone)
    assert (DUE - timedelta(days=1), DUE) == (said.since, said.until)
    (mover,) = said.movers
    assert ("Example Bank", True) == (mover.watch, mover.negative >= 40 > mover.usual)
    assert "Example Bank" in {one.name for one in said.incidents}
    watched = Sources(sources=10, failing=("AP", "Reuters"), worst_share=0.2, unwatched_minutes=30)
    assert (watched, "test") == (said.sources, said.model)
    assert said.text.endswith("; 2 sources failing, nobody watched for 30 minutes")


def test_a_quiet_day_has_a_brief_too(store):
    """It says that there was nothing to say."""
    lived(store, quiet=True)
    assert briefing(store, DUE).step()
    _, said = written(store)["desk"]
    quiet = "a quiet day, no incident; no source failing, nobody watched for 30 minutes"
    assert ((), quiet) == (said.incidents, said.text)


def test_a_store_that_has_seen_nothing_has_a_brief_too(store):
    """The first morning."""
    assert briefing(store, DUE).step()
    _, said = written(store)["desk"]
    assert ((), (), "", 0) == (said.incidents, said.movers, said.model, said.sources.sources)


def test_a_brief_is_written_once_whoever_asks_and_however_often(store):
    """Again in the same process, after a restart, and by a second one."""
    both = ZURICH.model_copy(update={"receivers": ("desk", "risk")})
    receivers = (DESK, DESK.model_copy(update={"name": "risk"}))
    one, two = (briefing(store, DUE, both, receivers=receivers) for _ in range(2))
    assert [True, False, False] == [one.step(), one.step(), two.step()]
    later = briefing(store, DUE + timedelta(hours=3), both, receivers=receivers)
    assert not later.step()
    assert {"desk", "risk"} == set(written(store))


def test_each_day_has_its_own(store):
    """Over a week in which the clock changes, with a restart before every look."""
    begin = utc("2026-03-26T00:00")
    wrote = [briefing(store, begin + timedelta(minutes=30 * n)).step() for n in range(7 * 48)]
    with store.read() as connection:
        days = [read(row.payload).day for row in connection.execute(select(outbox))]
    assert 7 == sum(wrote)
    assert [f"2026-03-{day}" for day in range(26, 32)] + ["2026-04-01"] == sorted(days)


def test_without_receivers_there_is_no_brief(sqlite_store):
    """It is asked for by naming them."""
    assert not briefing(sqlite_store, DUE, BriefSettings()).step()
    assert {} == written(sqlite_store)


@pytest.mark.parametrize("name", ["pager", "nobody"])
def test_a_receiver_that_can_have_no_brief_is_refused_at_the_start(sqlite_store, name):
    """A pager is for incidents; a name that nobody has is a mistake."""
    settings = ZURICH.model_copy(update={"receivers": (name,)})
    with pytest.raises(BadBriefError, match=name):
        briefing(sqlite_store, DUE, settings, receivers=(DESK, PAGER))


def test_an_unknown_zone_is_refused_when_settings_are_read():
    """Not in the morning."""
    with pytest.raises(ValidationError, match="no such time zone"):
        BriefSettings(zone="Middle-earth/Shire")


def test_the_newest_heartbeat_of_the_log_says_who_fails(tmp_path):
    """However many articles came after it; before the first there is none to tell."""
    wire = Wire().beat(failing=3).later(1).beat(failing=1)
    for n in range(700):
        wire.article(f"a{n}")
    with EmbeddedLog(tmp_path / "log.db") as log:
        assert last_heartbeat(log, "scored-articles") is None
        log.create("scored-articles", 1)
        assert last_heartbeat(log, "scored-articles") is None
        log.append("scored-articles", wire.new())
        beat = last_heartbeat(log, "scored-articles")
    assert (10, ("s0",)) == (beat.sources, beat.failing)
