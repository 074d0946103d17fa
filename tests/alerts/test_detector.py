"""The detector is deterministic, can be stored at any time, keeps its promise, and is rarely wrong."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import state
from alerts.baseline import level
from alerts.counts import AT_ONCE
from alerts.detector import Detectors
from alerts.keys import BUCKET_S, WEEK_BUCKETS
from alerts.rules import Surge
from alerts.shape import DEFAULT, HOURS, Pool, place
from alerts.tail import log10_tail

MONDAY = 1_704_067_200


def detectors(keys=1):
    """Make detectors of keys that were never seen."""
    return Detectors(state.fresh(keys), Pool())


def feed(kept, counts, start=0):
    """Give buckets of counts (None: not watched), one per key; return the weeks of each bucket."""
    found = []
    for number, each in enumerate(counts, start):
        watched = np.array([count is not None for count in each])
        numbers = np.array([count or 0 for count in each], np.int64)
        on = np.ones(len(each), bool)
        found.append(kept.step(MONDAY + number * BUCKET_S, numbers, watched, on).copy())
    return np.array(found)


def newswire(weeks, per_hour, seed=1, keys=1, restless=0.3, *, clumps=False):
    """Draw counts of a newswire: the rhythm of the week, ups and downs of hours, and perhaps clumps.

    Clumps are copies of a story that nobody recognised: seven in the mean, rarer than the news is.
    """
    chance = np.random.default_rng(seed)
    buckets = weeks * WEEK_BUCKETS
    shape = np.array([DEFAULT[place(MONDAY + n * BUCKET_S).hour] for n in range(buckets)])
    volume = np.empty((buckets, keys))
    now = np.zeros(keys)
    for n, step in enumerate(chance.normal(0, restless * math.sqrt(1 - math.exp(-1 / 18)), volume.shape)):
        now = now * math.exp(-1 / 36) + step
        volume[n] = now
    means = per_hour / 12 * shape[:, None] * np.exp(volume - restless**2 / 2)
    size = means / (0.3 + 0.1 * means)
    counts = chance.poisson(chance.gamma(size, means / size))
    if clumps:
        some = chance.random(counts.shape) < 0.01 * math.sqrt(per_hour) / 12
        counts += some * np.minimum(2 + chance.geometric(0.2, counts.shape), 40)
    return counts


def openings(weeks, threshold):
    """Count how often an incident opens by the threshold."""
    found = 0
    for key in weeks.T:
        surge = Surge()
        for bucket, one in enumerate(key):
            surge, turn = surge.turn(
                float(one), threshold, AT_ONCE, bucket * BUCKET_S, BUCKET_S, enough=True)
            found += turn == "opened"
    return found


COUNTS = st.none() | st.integers(0, 40) | st.integers(0, 100_000)


@given(
    st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=60),
    st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=60),
)
@settings(max_examples=30, deadline=None)
def test_a_stored_detector_goes_on_as_if_it_had_not_been(before, after):
    """Serialised and read again anywhere, it says the same and ends with the same bytes."""
    kept = detectors(3)
    kept.rows["known"] = 1000  # it speaks from the first bucket
    feed(kept, before)
    rows = np.concatenate([state.read(row.tobytes()) for row in kept.rows])
    again = Detectors(rows, msgspec.msgpack.decode(msgspec.msgpack.encode(kept.pool), type=Pool))

    assert np.array_equal(feed(kept, after, len(before)), feed(again, after, len(before)))
    assert kept.rows.tobytes() == again.rows.tobytes()
    assert msgspec.msgpack.encode(kept.pool) == msgspec.msgpack.encode(again.pool)


@given(st.lists(st.tuples(*[COUNTS] * 7), min_size=1, max_size=40), st.integers(0, 6))
@settings(max_examples=30, deadline=None)
def test_a_key_does_not_depend_on_its_company(buckets, number):
    """Judged beside six others it has the same bits as alone (nobody teaches the pooled shape)."""
    def run(counts):
        kept = detectors(len(counts[0]))
        kept.rows["known"] = 1000
        nobody = np.zeros(len(counts[0]), bool)
        for n, each in enumerate(counts):
            watched = np.array([count is not None for count in each])
            numbers = np.array([count or 0 for count in each], np.int64)
            kept.step(MONDAY + n * BUCKET_S, numbers, watched, nobody)
        return kept.rows

    alone = run([(each[number],) for each in buckets])
    assert run(buckets)[number].tobytes() == alone[0].tobytes()


def test_a_row_is_small():
    """Constant memory: at most 4 KB a key."""
    assert state.ROW.itemsize <= 4096


def test_a_row_of_another_layout_is_not_read():
    """What an older version stored starts anew instead of being misread."""
    row = state.fresh(1)
    assert state.read(row[0].tobytes()) is not None
    assert state.read(b"short") is None
    row["layout"] = state.LAYOUT + 1
    assert state.read(row[0].tobytes()) is None


@pytest.mark.parametrize("per_hour", [0.05, 0.5, 5.0, 50.0, 500.0])
def test_once_in_n_weeks_comes_about_once_in_n_weeks(per_hour):
    """The promise on background alone, over 1, 4 and 13 weeks: within a factor of two.

    But for what chance excuses, which is much where few are expected.
    """
    keys, weeks = 48, 14
    kept = detectors(keys)
    said = feed(kept, newswire(weeks, per_hour, seed=3, keys=keys, clumps=True))[2 * WEEK_BUCKETS :]
    watched = keys * (weeks - 2)
    found = {n: openings(said, n) for n in (1, 4, 13)}
    for n, opened in found.items():
        expected = watched / n
        slack = 3 * math.sqrt(expected)
        assert opened <= 2 * expected + slack, found
        assert opened >= expected / 2 - slack, found


def test_a_surge_is_seen_within_the_hour_and_is_over_after_it():
    """Twelve negatives an hour where one is normal."""
    quiet = newswire(4, 1.0)
    kept = detectors()
    feed(kept, quiet)

    weeks = feed(kept, [[1]] * 12 + [[0]] * 60, len(quiet))[:, 0]

    assert weeks[:12].max() > 100
    assert weeks[-1] < 1


def test_a_clump_of_copies_is_no_surge():
    """Eight at once, and nothing before or after, on a key of two an hour: once in weeks it happens."""
    quiet = newswire(4, 2.0)
    kept = detectors()
    feed(kept, quiet)
    clump = feed(kept, [[8]] + [[0]] * 3, len(quiet))[:, 0]
    other = detectors()
    feed(other, quiet)
    surge = feed(other, [[2]] * 4, len(quiet))[:, 0]
    assert clump.max() < surge.max()


@pytest.mark.parametrize("per_hour", [0.05, 0.3, 2.0, 20.0])
def test_more_than_any_factor_or_clump_explains_is_a_surge(per_hour):
    """A hundred at once, on a key that is nearly never named too; and a thousand are no less of one."""
    kept = detectors()
    feed(kept, newswire(3, per_hour, seed=2))
    feed(kept, [[0]], 3 * WEEK_BUCKETS)
    before, bucket = kept.rows.copy(), MONDAY + (3 * WEEK_BUCKETS + 1) * BUCKET_S
    kept.step(bucket, np.array([0]), np.ones(1, bool), np.ones(1, bool))
    some = np.array([5, 100, 1000])
    few, many, most = kept.if_counted(before, kept.rows, bucket, some)["weeks"]
    assert few < 4
    assert 1000 < many <= most


def test_a_spike_is_hardly_learned():
    """Two hours of fifty times the normal volume move the level by less than a half."""
    kept = detectors()
    feed(kept, newswire(3, 1.0))
    before = level(kept.rows, BUCKET_S)[0]

    feed(kept, [[5]] * 24, 3 * WEEK_BUCKETS)

    assert level(kept.rows, BUCKET_S)[0] < 1.5 * before


def test_a_new_normal_is_learned_after_days():
    """Five times the volume for ten days is no surge for ever."""
    kept = detectors()
    feed(kept, newswire(3, 10.0))
    weeks = feed(kept, newswire(2, 50.0, seed=5)[: 12 * 288], 3 * WEEK_BUCKETS)[:, 0]
    assert weeks[:288].max() > 100
    assert np.median(weeks[-288:]) < 1


@pytest.mark.parametrize("per_hour", [0.5, 5.0, 500.0])
def test_the_level_is_the_rate_and_the_shape_has_mean_one(per_hour):
    """What is normal is their product, but rarity is judged by the level alone."""
    kept = detectors(4)
    counts = newswire(5, per_hour, keys=4)
    feed(kept, counts)
    usual = counts[-WEEK_BUCKETS:].mean() * 12
    assert 0.7 < level(kept.rows, BUCKET_S).mean() * 12 / usual < 1.4
    assert 0.7 < sum(kept.pool.hours) / HOURS < 1.4


def test_unwatched_time_freezes_the_baseline():
    """Buckets that nobody watched teach nothing, and empty the windows."""
    kept = detectors()
    feed(kept, newswire(2, 2.0))
    learned = ("known", "stories", "exposure", "seen", "visits", "squares")
    before = {name: kept.rows[name].copy() for name in learned}

    feed(kept, [[None]] * 100, 2 * WEEK_BUCKETS)

    assert all(np.array_equal(before[name], kept.rows[name]) for name in learned)
    last = MONDAY + (2 * WEEK_BUCKETS + 99) * BUCKET_S
    assert (0, 0.0) == state.window(kept.rows[0], last, BUCKET_S, 72)


def test_nothing_is_said_in_the_first_two_days():
    """A cold detector is silent, whatever it sees."""
    assert not feed(detectors(), [[50]] * 575).any()


def test_a_key_without_weekends_is_not_loud_at_the_first_one():
    """Half a story in five minutes, day and night: who has no nights has no weekends."""
    kept = detectors()
    counts = np.random.default_rng(5).poisson(0.5, (3 * WEEK_BUCKETS, 1))
    said = feed(kept, counts)[:, 0]
    loud = [np.flatnonzero(week >= 0.5).size for week in said.reshape(3, -1)]
    assert loud == [0, 0, 0]


@pytest.mark.parametrize(("depth", "foretold"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 1.0)])
def test_the_first_weekend_is_as_quiet_as_the_nights_before_it_say(depth, foretold):
    """From Monday to Friday 20 stories an hour in the mean; a deeper rhythm is not believed beforehand."""
    kept = detectors()
    shape = [DEFAULT[place(MONDAY + n * BUCKET_S).hour] for n in range(WEEK_BUCKETS)]
    means = 20 / 12 * np.power(shape, depth)
    friday = 5 * WEEK_BUCKETS // 7
    feed(kept, np.random.default_rng(6).poisson(means[:friday])[:, None])
    shares = [np.sum(each[120:]) / np.sum(each[:120])
              for each in (kept.pool.hours, np.power(DEFAULT, foretold))]
    assert shares[0] == pytest.approx(shares[1], rel=0.25)


def test_the_world_is_learned():
    """What a key's own ups and downs were tells a wild one from a calm one."""
    found = {}
    for restless in (0.3, 0.8):
        kept = detectors()
        feed(kept, newswire(3, 60.0, restless=restless))
        _phi, found[restless] = state.restlessness(kept.rows[0])
    assert found[0.8] > 2 * found[0.3]


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
