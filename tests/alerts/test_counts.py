"""Counts of anybody: where their bins lie, and what is said of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.counts import Grid, Judge, grid_of, score
from alerts.rules import Rule

MONDAY = 1_704_067_200


def grid(times, keys=None):
    """Find the grid of some times, all of one key where none are named."""
    return grid_of(np.array(times), np.array(keys or [0] * len(times)))


@given(st.sampled_from([60, 300, 420, 900, 3600, 86_400, 604_800]), st.integers(3, 200), st.data())
def test_the_width_is_found_whatever_is_missing(width_s, bins, data):
    """Any rows may be missing as long as two neighbours are there more often than any other distance."""
    gone = data.draw(st.sets(st.integers(0, bins - 1), max_size=bins // 5))
    times = [MONDAY + width_s * number for number in range(bins) if number not in gone]
    if 2 * sum(later - one == width_s for one, later in pairwise(times)) > len(times):
        assert width_s == grid(times).width_s


def test_jitter_makes_no_width_of_its_own():
    """Quarters of an hour that come some seconds early or late; 899 and 901 are no widths."""
    chance = np.random.default_rng(1)
    times = MONDAY + 900 * np.arange(500) + chance.integers(-8, 9, 500)
    assert Grid(900, 0) == grid(times.tolist())
    assert (900 * np.arange(500) + MONDAY).tolist() == grid(times.tolist()).starts(times).tolist()


def test_a_phase_that_is_none_of_the_usual_is_kept():
    """Bins that start at twenty past."""
    assert Grid(3600, 1200) == grid([MONDAY + 1200 + 3600 * hour for hour in range(5)])


def test_each_key_has_steps_of_its_own():
    """Two keys that take turns are two keys of two hours, not one of an hour."""
    times = [MONDAY + 3600 * hour for hour in range(10)]
    assert 7200 == grid(times, [hour % 2 for hour in range(10)]).width_s


def test_where_no_key_has_two_times_all_times_say_the_width():
    """And where there is but one time, it is an hour."""
    assert 900 == grid([MONDAY, MONDAY + 900, MONDAY + 1800], [0, 1, 2]).width_s
    assert 3600 == grid([MONDAY]).width_s


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_score_rises_with_surprise(one, other):
    """Of what is no record: .5 is once a week."""
    assert 0.5 == score(1.0, 0.0)
    low, high = sorted((one, other))
    assert 0 <= score(low, 0.0) <= score(high, 0.0) <= 1


def test_a_record_scores_one_and_its_size():
    """Above whatever is none, and the larger the more."""
    assert 4.5 == score(4.0, 3.5)
    assert score(1e12, 0.0) < score(4.0, 0.01) < score(4.0, 3.5)


def told(judge, counts, key="a", start=0):
    """Give hours of one key; return what was said."""
    return [
        judge.step(MONDAY + 3600 * hour, {key: count})[key] for hour, count in enumerate(counts, start)
    ]


def test_a_key_is_listened_to_for_two_days_first():
    """Nothing is said before, however loud; what is expected is the mean of what was heard."""
    said = told(Judge(3600), [10, 20, 9000] + [15] * 45)
    assert {(0.0, False)} == {(each.score, each.alert) for each in said}
    assert [0.0, 10.0, 15.0, 3010.0] == [each.expected for each in said[:4]]


def test_a_key_that_joins_changes_nothing_for_the_others_before_it_is_known():
    """Two days of a new key leave what is said of the old one as it was."""
    alone, beside = Judge(3600), Judge(3600)
    counts = [(hour * 7) % 5 for hour in range(120)]
    expected = told(alone, counts)
    found = told(beside, counts[:80])
    for hour in range(80, 120):
        step = beside.step(MONDAY + 3600 * hour, {"a": counts[hour], "b": 1000})
        found.append(step["a"])
    assert expected == found


def test_the_rule_of_a_file_asks_for_its_stories():
    """A surge that is one for less is none for a rule that wants more than there are."""
    quiet = [2, 3, 4] * 112
    few, many = (Judge(3600, Rule(min_stories=least, calm_s=0)) for least in (4, 1000))
    assert told(few, [*quiet, 60])[-1].alert
    assert not told(many, [*quiet, 60])[-1].alert


@pytest.mark.parametrize("count", [0, 1, 2**31, 2**40, 2**53])
def test_no_count_is_too_large(count):
    """Also for the row that is kept of a key, whose counts are smaller."""
    said = told(Judge(3600, Rule(min_stories=1000, calm_s=0)), [*[2, 3, 4] * 112, count])[-1]
    assert (count > 1000) == said.alert


def test_a_budget_of_the_desk_is_shared_out():
    """Four keys, two false alarms a week: each may be wrong every second week."""
    judge = Judge(3600, false_alarms_per_week=2.0)
    judge.step(MONDAY, dict.fromkeys("abcd", 1))
    assert 2.0 == judge.threshold_weeks
    assert 1.0 == Judge(3600).threshold_weeks


def test_counts_that_know_no_weekends_are_no_alarm():
    """20 an hour in the mean, day and night, for four weeks: an hour a bin, as exported counts often are."""
    judge = Judge(3600)
    counts = np.random.default_rng(5).poisson(20, 4 * 168)
    said = [judge.step(MONDAY + n * 3600, {"key": int(count)})["key"] for n, count in enumerate(counts)]
    assert not any(each.alert for each in said)
    assert np.mean([each.expected for each in said[120:168]]) == pytest.approx(20, rel=0.2)
