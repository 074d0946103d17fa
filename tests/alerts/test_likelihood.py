"""The table of likelihoods: distributions with clumps of copies, each row made once."""

import numpy as np
import pytest

from alerts.likelihood import CHANCES, COLUMNS, LOWEST, MAX_COUNT, MOST_CLUMPS, STEP, Table, chances


def columns(table, counts, chance, mean):
    """Return the likelihoods of counts near a mean, [counts, worlds]."""
    rows = table.rows(np.asarray(counts), np.full(len(counts), chance))
    column = round((np.log(mean) - LOWEST) / STEP)
    return np.exp(table.values[rows, :, column].astype(np.float64))


@pytest.mark.parametrize("mean", [0.01, 0.3, 2.0, 20.0])
@pytest.mark.parametrize("chance", [0, 8, CHANCES - 1])
def test_what_may_come_has_a_probability_of_one_together(mean, chance):
    """With clumps or nearly without, in every world."""
    together = columns(Table(), np.arange(MAX_COUNT + 1), chance, mean).sum(0)
    assert together == pytest.approx(1.0, abs=1e-3)


def test_copies_are_as_likely_as_clumps_are():
    """Nine where a third of one is usual are a clump; four steps of chance are a factor of four."""
    often, seldom = (columns(Table(), [9], chance, 0.3)[0, 1] for chance in (4, 8))
    assert often / seldom == pytest.approx(4.0, rel=0.1)


def test_clumps_come_by_the_root_of_the_news_whatever_the_hour():
    """A hundred times the stories have ten times the clumps, in steps of 1.4; wide buckets more."""
    few, many, wide, most = (
        int(chances(np.array([rate]), width)[0])
        for rate, width in ((0.5, 300), (50.0, 300), (0.5, 3600), (500.0, 86_400)))
    assert 10.0 == pytest.approx(2.0 ** ((few - many) / 2.0), rel=0.42)
    assert 12.0 == pytest.approx(2.0 ** ((few - wide) / 2.0), rel=0.42)
    assert 0 == most
    assert 0.005 < 12 * MOST_CLUMPS * 2.0 ** (-few / 2.0) < 0.015


def test_a_row_is_made_once_and_keeps_its_place():
    """However many others are made after it."""
    table = Table()
    first = int(table.rows(np.array([5]), np.array([3]))[0])
    kept = table.values[first].copy()
    table.rows(np.arange(300), np.full(300, 7))
    again = table.rows(np.array([5, 5]), np.array([3, 3]))
    assert [first, first] == again.tolist()
    assert np.array_equal(kept, table.values[first])
    assert COLUMNS == table.values.shape[-1]
