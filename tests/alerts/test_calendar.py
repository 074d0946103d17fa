"""A holiday is judged as a Sunday, and teaches nothing about the weekday that it falls on."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts import state
from alerts.calendar import Calendar
from alerts.detector import Detectors
from alerts.keys import BUCKET_S, DAY_S, WEEK_BUCKETS
from alerts.shape import DEFAULT, Pool, place

MONDAY = 1_704_067_200  # 2024-01-01
FREE = MONDAY + 28 * DAY_S  # a Monday too


def at(text):
    """Give a time in seconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(("calendar", "time", "expected"), [
    (Calendar(), "2022-12-26T15:00", "2022-12-26T15:00"),
    (Calendar(holidays=("US",)), "2022-12-26T15:00", "2023-01-01T15:00"),
    (Calendar(holidays=("US",)), "2022-12-27T15:00", "2022-12-27T15:00"),
    (Calendar(holidays=("US", "GB-ENG")), "2022-12-27T15:00", "2023-01-01T15:00"),
    (Calendar(holidays=("NYSE",)), "2022-04-15T09:05", "2022-04-17T09:05"),
    (Calendar(dates=(date(2022, 9, 19),)), "2022-09-19T00:00", "2022-09-25T00:00"),
    (Calendar(dates=(date(2022, 9, 25),)), "2022-09-25T12:00", "2022-09-25T12:00"),
    (Calendar(dates=(date(2022, 9, 19),), zone="America/New_York"), "2022-09-19T03:55", "2022-09-19T03:55"),
    (Calendar(dates=(date(2022, 9, 19),), zone="America/New_York"), "2022-09-20T03:55", "2022-09-26T03:55"),
])  # fmt: skip
def test_which_time_of_the_week_a_bucket_is_like(calendar, time, expected):
    """Holidays by country, part of it or exchange, and days of one's own; by the date in the zone."""
    assert at(expected) == calendar.like(at(time))


@given(st.integers(0, 2**32))
def test_only_the_day_of_the_week_is_another(second):
    """The hour stays, and it is a Sunday or the same."""
    like = Calendar(holidays=("US",)).like(second)
    assert second % DAY_S == like % DAY_S
    assert like == second or place(like).hour >= 144


@pytest.mark.parametrize("code", ["", "XX", "GB-ZZ", "../x", "us"])
def test_a_code_that_nobody_knows_is_refused_with_a_hint(code):
    """When settings are read, not at the first holiday."""
    with pytest.raises(ValidationError, match="name US, GB-ENG or NYSE, say"):
        Calendar(holidays=(code,))


def judged(calendar, quiet):
    """Judge five weeks of a newswire whose fifth Monday may be `quiet`; return expected and surprise."""
    chance = np.random.default_rng(1)
    kept = Detectors(state.fresh(1), Pool(), calendar)
    expected, weeks = [], []
    for number in range(5 * WEEK_BUCKETS):
        bucket = MONDAY + number * BUCKET_S
        free = quiet and FREE <= bucket < FREE + DAY_S
        share = DEFAULT[place(bucket).hour + (144 if free else 0)]
        count = chance.poisson(0.5 * share, 1)
        weeks.append(float(kept.step(bucket, count, np.ones(1, bool), np.ones(1, bool))[0]))
        expected.append(float(kept.rows["mean"][0]))
    day = slice(4 * WEEK_BUCKETS, 4 * WEEK_BUCKETS + 288)
    return sum(expected[day]), max(weeks[day.stop :]), kept.pool


def test_a_quiet_holiday_is_expected_and_forgets_no_monday():
    """Its band is a Sunday's; Mondays stay as busy as they were; the week after is no surprise."""
    known, week_after, pool = judged(Calendar(dates=(date(2024, 1, 29),)), quiet=True)
    unknown, _, misled = judged(Calendar(), quiet=True)

    assert known < 0.5 * unknown
    assert week_after < 1
    monday, sunday = slice(8, 20), slice(152, 164)
    assert sum(pool.hours[monday]) > sum(misled.hours[monday])
    assert sum(pool.flat[sunday]) > sum(misled.flat[sunday])


def test_a_surge_on_a_holiday_stands_out_as_on_a_sunday():
    """What a working Monday has every week is a surprise on a free one."""
    expected, _, _ = judged(Calendar(), quiet=False)
    as_sunday, _, _ = judged(Calendar(dates=(date(2024, 1, 29),)), quiet=False)
    assert as_sunday < 0.5 * expected
