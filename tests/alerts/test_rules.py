"""When a surge opens, goes on, ends, and may open again."""

import pytest

from alerts.rules import Rule, Surge

HOUR_S = 3600
RULE = Rule(resolve_below=0.25, calm_s=1800, cooldown_s=HOUR_S, refractory_s=12 * HOUR_S)


def told(weeks_by_hour, rule=RULE, threshold=1.0):
    """Return the hours in which a key's surge opens and is over, with surprise given by hour."""
    surge, found = Surge(), []
    for hour in range(60):
        surge, turn = surge.turn(
            weeks_by_hour.get(hour, 0.0), threshold, rule, hour * HOUR_S, HOUR_S, enough=True)
        if turn:
            found.append((hour, turn))
    return found


def opened(weeks_by_hour, **how):
    """Return the hours in which it opens."""
    return [hour for hour, turn in told(weeks_by_hour, **how) if turn == "opened"]


def test_it_is_over_when_surprise_has_been_low_for_long_enough():
    """A quarter of what opens keeps it open."""
    assert [(5, "opened"), (8, "resolved")] == told({5: 2.0, 6: 0.25, 7: 0.3, 8: 0.2})


@pytest.mark.parametrize(("again", "weeks", "opens"), [
    (7, 1.0, True),  # within the cooldown it goes on with the same incident
    (8, 100.0, False), (8, 5000.0, True),  # worse than the first by then, or not
    (12, 99.0, False), (12, 101.0, True),  # half of the time: the root of the peak
    (17, 5.0, True), (18, 1.0, True), (40, 1.0, True),
])  # fmt: skip
def test_the_days_news_is_told_once_unless_it_gets_worse(again, weeks, opens):
    """After a peak of once in 10,000 weeks at 5, over at 6, another must be more than a weak echo."""
    assert ([5, again] if opens else [5]) == opened({5: 10_000.0, again: weeks})


def test_a_desk_may_ask_to_be_told_each_time():
    """Without a refractory time every surge opens."""
    rule = RULE.model_copy(update={"refractory_s": 0})
    assert [5, 8, 10] == opened({5: 10_000.0, 8: 1.0, 10: 1.0}, rule=rule)


def test_a_mild_surge_makes_nothing_harder():
    """What only just opened is no measure for what comes."""
    assert [5, 8] == opened({5: 1.0, 8: 1.0})


def test_few_stories_open_nothing_however_surprising():
    """Whether there are enough is for the rule to say."""
    surge, turn = Surge().turn(10_000.0, 1.0, RULE, 0, HOUR_S, enough=False)
    assert (Surge(), "") == (surge, turn)
