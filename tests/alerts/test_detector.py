"""The detector is deterministic, can be stored at any time, and is rarely wrong."""

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.detector import HOUR, Detector
from alerts.keys import BUCKET_S, WEEK_BUCKETS
from alerts.shape import DEFAULT, HOURS, Pool, place
from alerts.tail import log10_tail

MONDAY = 1_704_067_200


def feed(detector, pool, counts, start=MONDAY, weeks=10.0):
    """Give a detector counts (None: not watched); return its verdicts."""
    verdicts = []
    for number, count in enumerate(counts):
        here = place(start + number * BUCKET_S)
        if count is None:
            detector.skip()
            continue
        verdict, relative, weight = detector.update(here, count, pool.hours, weeks, 4)
        pool.learn(here, relative, weight)
        verdicts.append(verdict)
    return verdicts


def newswire(weeks, rate_per_hour, seed=1):
    """Draw counts of a newswire with the rhythm of the week."""
    chance = random.Random(seed)
    for number in range(weeks * WEEK_BUCKETS):
        mean = rate_per_hour / 12 * DEFAULT[place(MONDAY + number * BUCKET_S).hour]
        threshold, product, count = math.exp(-mean), chance.random(), 0
        while product > threshold:
            product *= chance.random()
            count += 1
        yield count


@given(
    st.lists(st.none() | st.integers(0, 40), max_size=300),
    st.lists(st.integers(0, 40), max_size=100),
)
@settings(max_examples=30, deadline=None)
def test_a_stored_detector_goes_on_as_if_it_had_not_been(before, after):
    """Serialised and read again anywhere, it gives the same verdicts and the same bytes."""
    kept, kept_pool = Detector(), Pool()
    feed(kept, kept_pool, before)
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Detector)
    read_pool = msgspec.msgpack.decode(msgspec.msgpack.encode(kept_pool), type=Pool)

    start = MONDAY + len(before) * BUCKET_S
    assert feed(kept, kept_pool, after, start) == feed(read, read_pool, after, start)
    assert msgspec.msgpack.encode(kept) == msgspec.msgpack.encode(read)


@pytest.mark.parametrize("rate_per_hour", [0.2, 2.0, 20.0])
def test_false_alarms_stay_within_the_budget(rate_per_hour):
    """On eight quiet weeks of four keys, "once in ten weeks" opens at most a few times."""
    opened = sum(
        verdict.change == "opened"
        for seed in range(4)
        for verdict in feed(Detector(), Pool(), newswire(8, rate_per_hour, seed))
    )
    assert opened <= 4


def test_a_surge_opens_and_calm_resolves():
    """Twelve negatives an hour where one is normal: opened within the hour, resolved after."""
    quiet = list(newswire(4, 1.0))
    detector, pool = Detector(), Pool()
    feed(detector, pool, quiet)

    verdicts = feed(detector, pool, [1] * 12 + [0] * 60, MONDAY + len(quiet) * BUCKET_S)

    assert ["opened", "resolved"] == [one.change for one in verdicts if one.change]
    assert "opened" in [one.change for one in verdicts[:12]]
    assert detector.warm


def test_a_spike_is_hardly_learned():
    """Two hours of fifty times the normal volume move the level by less than a half."""
    detector, pool = Detector(), Pool()
    feed(detector, pool, newswire(3, 1.0))
    before = detector.baseline.level()

    feed(detector, pool, [5] * 24, MONDAY + 3 * WEEK_BUCKETS * BUCKET_S)

    assert detector.baseline.level() < 1.5 * before


def test_unwatched_time_freezes_the_baseline():
    """Skipped buckets teach nothing, and empty the windows."""
    detector, pool = Detector(), Pool()
    feed(detector, pool, newswire(2, 2.0))
    before = msgspec.msgpack.encode(detector.baseline)

    feed(detector, pool, [None] * 100)

    assert before == msgspec.msgpack.encode(detector.baseline)
    assert (0, 0.0) == detector.window(HOUR)


def test_nothing_is_said_in_the_first_two_days():
    """A cold detector is silent, whatever it sees."""
    assert not any(verdict.change for verdict in feed(Detector(), Pool(), [50] * 575))


@pytest.mark.parametrize(("count", "mean", "variance", "expected"), [
    (0, 1.0, 2.0, 0.0),
    (1, 0.5, 0.50001, math.log10(1 - math.exp(-0.5))),  # Poisson
    (2, 1.0, 2.0, math.log10(0.25)),  # geometric: P(X >= n) = 2^-n
    (10, 1.0, 2.0, -10 * math.log10(2)),
    (100, 1.0, 2.0, -100 * math.log10(2)),
])
def test_the_tail_is_that_of_known_distributions(count, mean, variance, expected):
    """Poisson and geometric tails are known in closed form."""
    assert expected == pytest.approx(log10_tail(count, mean, variance), abs=1e-4)


def test_the_default_shape_has_mean_one():
    """A shape says how hours differ, not how much there is."""
    assert pytest.approx(1.0) == sum(DEFAULT) / HOURS
