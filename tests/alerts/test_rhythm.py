"""A key has the week that its hours say: the shared one, or one with less quiet nights or weekends."""

import numpy as np
import pytest

from alerts import rhythm, state
from alerts.detector import Detectors
from alerts.keys import BUCKET_S, WEEK_BUCKETS
from alerts.shape import HOURS, Pool, place

MONDAY = 1_704_067_200
PER_HOUR = 5.0


def beside_others(which, weeks, seed=7):
    """Judge seven keys with the shared rhythm and one with another: the last one's weeks, and all rows."""
    shapes = rhythm.rhythms(Pool())[[0] * 7 + [state.RHYTHMS.index(which)]]
    places = [place(MONDAY + n * BUCKET_S).hour for n in range(weeks * WEEK_BUCKETS)]
    counts = np.random.default_rng(seed).poisson(PER_HOUR / 12 * shapes[:, places])
    kept, on = Detectors(state.fresh(8), Pool()), np.ones(8, bool)
    said = np.array([
        kept.step(MONDAY + n * BUCKET_S, counts[:, n], on, on)[-1] for n in range(len(places))
    ])
    return said, kept.rows


def test_every_rhythm_has_the_shared_ones_mean_and_the_first_is_it():
    """A rhythm says how hours differ, not how much there is."""
    pool = Pool()
    found = rhythm.rhythms(pool)
    assert found.shape == (len(state.RHYTHMS), HOURS)
    assert np.allclose(found.mean(1), np.mean(pool.hours))
    assert np.allclose(found[0], pool.hours)
    assert np.allclose(found[state.RHYTHMS.index((0.0, 0.0))], np.mean(pool.hours))


@pytest.mark.parametrize("which", [(1.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (0.0, 0.0)])
def test_a_key_beside_others_finds_its_rhythm_within_two_weeks(which):
    """It is nearly sure of it, and the others keep the shared one."""
    _said, rows = beside_others(which, 2)
    assert rows["rhythm"][-1, state.RHYTHMS.index(which)] > 0.9
    assert (rows["rhythm"][:-1, 0] > 0.5).all()


def test_a_coin_among_companies_is_not_loud_at_weekends():
    """No rhythm at all beside a newswire's, from the first weekend on (before, 69 hours in four weeks)."""
    said, _rows = beside_others((0.0, 0.0), 4)
    assert [int((week >= 1.0).sum()) for week in said.reshape(4, -1)] == [0, 0, 0, 0]


def test_how_much_there_is_says_nothing_of_the_rhythm():
    """A level that is off by any factor leaves the choice as it was, but for how much it weighs."""
    rows = state.fresh(1)
    rows["known"] = WEEK_BUCKETS
    rows["visits"], rows["seen"] = 12.0, 12.0 * np.array(Pool().hours) * 3.0
    rhythm.choose(rows, np.array([PER_HOUR / 12]), Pool())
    assert rows["rhythm"][0].argmax() == 0
    rows["seen"] = 12.0 * 0.2
    rhythm.choose(rows, np.array([PER_HOUR / 12]), Pool())
    assert rows["rhythm"][0].argmax() == state.RHYTHMS.index((0.0, 0.0))


def test_a_key_without_any_stories_keeps_what_is_likely_beforehand():
    """Silence is no rhythm."""
    rows = state.fresh(2)
    rows["known"] = WEEK_BUCKETS
    rows["visits"][1] = 12.0
    rhythm.choose(rows, np.full(2, 1e-3), Pool())
    assert np.allclose(rows["rhythm"], state.RHYTHMS_PRIOR)
