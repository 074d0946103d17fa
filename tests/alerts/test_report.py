"""The windows that users read: volumes, shares and momentum, each with its interval; cheap to ask for."""

import math
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import event, insert

from alerts import report, tables
from alerts.keys import Key
from alerts.metrics import AlertsMetrics
from alerts.settings import AlertsSettings
from alerts.shares import balance, change, share
from alerts.store import open_store
from alerts.windows import LONGEST_S, WINDOWS, Sums
from tests.alerts.builders import NOON, Wire, count, history, judge_all

SETTINGS = AlertsSettings(topics=("Energy", "Legal"))
BUCKET = 300
END = 40 * 86_400


@pytest.mark.parametrize(("part", "whole", "low", "high"), [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    (20, 20, 0.8389, 1.0),
])
def test_a_share_has_wilsons_interval(part, whole, low, high):
    """The examples of Newcombe, Statistics in Medicine 17 (1998) 857-872, method 3."""
    found = share(part, whole)
    assert (part / whole, low, high) == (found.value, round(found.low, 4), round(found.high, 4))


@pytest.mark.parametrize(("now", "before", "low", "high"), [
    ((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090),
    ((10, 10), (0, 20), 0.6791, 1.0),
])
def test_a_change_has_newcombes_interval(now, before, low, high):
    """The examples of Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10."""
    found = change(share(*now), share(*before))
    assert (low, high) == (round(found.low, 4), round(found.high, 4))
    assert now[0] / now[1] - before[0] / before[1] == pytest.approx(found.value)


@pytest.mark.parametrize(("up", "down"), [(0.1, 0.3), (0.02, 0.02), (0.45, 0.45), (0.0, 0.9), (0.0, 0.05)])
def test_a_balance_is_in_its_interval_95_times_of_100(up, down):
    """Exactly, over every sample of 40; never less than 93.5 of 100."""
    size, rest = 40, 1 - up - down
    covered = 0.0
    for ups in range(size + 1):
        for downs in range(size + 1 - ups):
            ways = math.comb(size, ups) * math.comb(size - ups, downs)
            found = balance(ups, downs, size)
            if found.low <= up - down <= found.high:
                covered += ways * up**ups * down**downs * rest ** (size - ups - downs)
    assert 0.935 <= covered


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_a_value_is_between_its_bounds(negative, positive, other, before):
    """And nothing is said of nothing."""
    whole = negative + positive + other
    now = share(negative, whole)
    for one in (now, balance(positive, negative, whole), change(now, share(before, before + other))):
        if one is not None:
            assert -1 <= one.low <= one.value <= one.high <= 1
    assert (whole == 0) == (now is None)


def put(store, cells):
    """Add live articles: (bucket, topic, sentiment) to a number."""
    rows = [
        {"bucket": bucket, "topic": topic, "watch": "", "sentiment": sentiment, "arrival": "live",
         "articles": number, "negative": 0}
        for (bucket, topic, sentiment), number in cells.items()
    ]
    with store.write() as connection:
        if rows:
            connection.execute(insert(tables.sums), rows)


def brute(cells, start, stop):
    """Add up cells the plain way."""
    found = Counter()
    for (bucket, topic, sentiment), number in cells.items():
        if start <= bucket < stop:
            found[topic, sentiment] += number
    return found


cell = st.tuples(
    st.integers(0, 2 * LONGEST_S // BUCKET).map(lambda n: END - n * BUCKET),
    st.sampled_from(["Legal", "Energy"]), st.sampled_from(["negative", "positive"]),
)
step = st.sampled_from([0, 1, 2, 12, 288, 289, 3000])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(cell, st.integers(1, 9), max_size=40), st.lists(step, min_size=1, max_size=5))
def test_sums_that_are_kept_up_are_those_that_are_read_anew(cells, steps):
    """However far the judge went between two looks, each window has what stands in its buckets."""
    sums, end = Sums(), END - 10 * 86_400
    with open_store("sqlite://") as store:
        put(store, cells)
        for each in steps:
            end += each * BUCKET
            with store.read() as connection:
                windows = sums.windows(connection, end)
            for topic in ("Legal", "Energy"):
                for name, counts in windows.of(Key(topic, "")).items():
                    width = WINDOWS[name]
                    now, before = brute(cells, end - width, end), brute(cells, end - 2 * width, end - width)
                    for sentiment in ("negative", "positive"):
                        assert now[topic, sentiment] == counts.now[sentiment]
                        assert before[topic, sentiment] == counts.before[sentiment]


def test_asking_again_reads_no_buckets_again(store):
    """Where nothing more was judged, the sums are not read at all."""
    statements = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    count(store, history(3), SETTINGS)
    judge_all(store, SETTINGS)
    sums = Sums()
    first = report.trends(store, sums)
    statements.clear()
    assert first == report.trends(store, sums) == report.trends(store)
    assert 8 == sum("FROM sums" in each for each in statements)  # the last one's, of no cache


def hours_wire():
    """An hour of 10 articles, 2 of them negative, after one of 10 with 8."""
    wire = Wire().beat()
    for hour, negatives in enumerate((8, 2)):
        for number in range(10):
            negative = 0.9 if number < negatives else 0.05
            wire.later(1).article(f"h{hour}-{number}", negative=negative)
        wire.now = NOON + timedelta(hours=hour + 1)
        wire.beat()
    return wire


def test_a_trend_measures_every_window(store):
    """Volumes now and before, net sentiment, negative share and momentum, with bounds."""
    day = AlertsSettings(topics=("Energy", "Legal"), blind_after_s=7200)
    count(store, hours_wire(), day)
    judge_all(store, day)

    (legal,) = [one for one in report.trends(store) if one.topic == "Legal"]

    assert ["5m", "1h", "24h", "7d"] == list(legal.measures) == list(legal.windows)
    hour = legal.measures["1h"]
    assert (10, 10) == (hour.articles, hour.articles_before)
    assert (share(2, 10), change(share(2, 10), share(8, 10))) == (hour.negative_share, hour.momentum)
    net = hour.net_sentiment
    assert (-0.2, -0.479, 0.146) == (net.value, round(net.low, 3), round(net.high, 3))
    week = legal.measures["7d"]
    assert (20, 0, None) == (week.articles, week.articles_before, week.momentum)
    quiet = legal.measures["5m"]
    assert (0, None, None) == (quiet.articles, quiet.negative_share, quiet.net_sentiment)


def test_windows_are_gauges_of_a_closed_label(store):
    """Each measure with its bounds; what cannot be said is NaN."""
    registry = CollectorRegistry()
    metrics = AlertsMetrics(registry)
    day = AlertsSettings(topics=("Energy", "Legal"), blind_after_s=7200)
    count(store, hours_wire(), day)
    judge_all(store, day)
    for trend in report.trends(store):
        for name, measure in trend.measures.items():
            metrics.window(trend.topic or "", "", name, trend.windows[name], measure.gauges())

    def value(name, window, **more):
        return registry.get_sample_value(
            f"newsquake_window_{name}", {"topic": "Legal", "watch": "", "window": window, **more}
        )

    assert (0.2, share(2, 10).low) == (value("negative_share", "1h"), value("negative_share_low", "1h"))
    assert -0.6 == pytest.approx(value("momentum", "1h"))
    assert (2, 8) == tuple(value("articles", "1h", sentiment=one) for one in ("negative", "neutral"))
    assert math.isnan(value("momentum", "7d"))
    assert math.isnan(value("negative_share_high", "5m"))
