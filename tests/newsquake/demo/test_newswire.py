"""The simulated newswire: endless, in order, and the same every time."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, pairwise, takewhile

import pytest

from newsquake.demo.newswire import HISTORY, OUTLETS, rows
from newsquake.demo.surges import episodes

START = datetime(2026, 11, 2, 7, 3, tzinfo=UTC)  # a Monday


def until(end, seed=0):
    return list(takewhile(lambda row: row.published < end, rows(START, seed)))


def surge_titles():
    told = islice(episodes(START + HISTORY, 0), 40)
    return {title for each in told for title, _ in each.headlines}


@pytest.fixture(scope="module")
def five_weeks():
    return until(START + timedelta(weeks=5))


def test_rows_come_in_order_of_time_from_the_start_on(five_weeks):
    """No row is before the start, and none is before the one that it follows."""
    times = [row.published for row in five_weeks]
    assert times == sorted(times)
    assert times[0] >= START


def test_the_same_start_and_seed_give_the_same_rows(five_weeks):
    """A second start skips what is behind and continues with exactly what would have come."""
    here = START + timedelta(weeks=4)
    continued = islice(dropwhile(lambda row: row.published < here, rows(START)), 300)
    assert list(continued) == [row for row in five_weeks if row.published >= here][:300]


def test_another_seed_gives_another_wire(five_weeks):
    """Seeds change what is told, not how."""
    assert until(START + timedelta(days=1), seed=1) != until(START + timedelta(days=1))


def test_a_start_without_a_zone_is_refused():
    """Naive times would make the wire depend on where it runs."""
    with pytest.raises(ValueError, match="zone"):
        next(rows(datetime(2026, 11, 2)))


def test_weekdays_are_busy_and_weekends_are_not(five_weeks):
    """150 to 220 items on a weekday of the history, about half of that at the weekend."""
    days = Counter(row.published.date() for row in five_weeks if row.published < START + HISTORY)
    whole = {day: n for day, n in days.items() if START.date() < day < (START + HISTORY).date()}
    assert all(145 <= n <= 225 for day, n in whole.items() if day.weekday() < 5)
    assert all(50 <= n <= 100 for day, n in whole.items() if day.weekday() >= 5)


def test_nights_are_quiet(five_weeks):
    """The four hours after midnight bring less than a third of the four after noon."""
    hours = Counter(row.published.hour for row in five_weeks)
    assert 3 * sum(hours[h] for h in range(4)) < sum(hours[h] for h in range(12, 16))


def test_a_quarter_are_copies_at_another_outlet_under_their_own_address(five_weeks):
    """A copy has its title's first summary, a later time, another source and another link."""
    first = {}
    copies = 0
    for row in five_weeks:
        origin = first.get(row.title)
        if origin and row.published - origin.published < timedelta(hours=1):
            copies += 1
            assert (row.summary, row.source != origin.source) == (origin.summary, True)
        else:
            first[row.title] = row
    assert 0.22 < copies / len(five_weeks) < 0.28
    assert len({row.link for row in five_weeks}) == len(five_weeks)


def test_no_story_is_told_again_within_fifteen_days(five_weeks):
    """But for copies, minutes later; an episode comes again after days, a story id lasts two."""
    last = {}
    surges = surge_titles()
    for row in five_weeks:
        rest = row.published - last.get(row.title, row.published)
        enough = timedelta(days=5 if row.title in surges else 15)
        assert rest < timedelta(hours=1) or rest > enough, row.title
        last[row.title] = row.published


def test_every_row_names_an_outlet_of_ours(five_weeks):
    """Outlets are invented, all of them publish, and their addresses lead nowhere."""
    assert {row.source for row in five_weeks} == {outlet.name for outlet in OUTLETS}
    assert all(".example/" in row.link for row in five_weeks)
    assert {row.language for row in five_weeks} == {"en"}


def test_the_first_episode_begins_soon_after_the_history_and_others_follow():
    """15 to 20 minutes after its end, then one about every eight to ten hours."""
    end = START + HISTORY
    begins = [each.times[0] for each in islice(episodes(end, 0), 12)]
    assert timedelta(minutes=15) <= begins[0] - end <= timedelta(minutes=24)
    pauses = [later - sooner for sooner, later in pairwise(begins)]
    assert all(timedelta(hours=7) < pause < timedelta(hours=11) for pause in pauses)


def test_an_episode_tells_one_event_in_many_different_headlines():
    """20 to 40 headlines within about an hour, none repeated in the whole round of casts."""
    told = list(islice(episodes(START, 0), 18))
    assert all(20 <= len(each.headlines) <= 40 for each in told)
    assert all(each.times[-1] - each.times[0] <= timedelta(hours=1) for each in told)
    assert {each.event for each in told[:3]} == {"bank", "gas", "central bank"}
    titles = [title for each in told for title, _ in each.headlines]
    assert len(titles) == len(set(titles))
    assert not any("{" in text for each in told for pair in each.headlines for text in pair)


def test_no_episode_falls_into_the_history(five_weeks):
    """The baseline is learned from ordinary days."""
    titles = set(surge_titles())
    told = [row for row in five_weeks if row.title in titles]
    assert not [row for row in told if row.published < START + HISTORY]
    assert len(told) > 500
