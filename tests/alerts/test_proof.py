"""What the desk decides can be done over: the counterfactual holds, and nothing depends on order.

Each example starts from a copy of a desk that has judged sixteen quiet days, and goes on bucket by
bucket with a surge that hypothesis draws.
"""

import random
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.desk import Desk
from alerts.incidents import key_of
from alerts.keys import BUCKET_S, DAY_S, MICROSECONDS, Key
from alerts.rules import Rule
from alerts.settings import AlertsSettings
from alerts.stories import MemoryRows, Row

START = 1_704_067_200  # a Monday, 00:00
BEGIN = START + 16 * DAY_S + 12 * 3600
TOPICS = ("Energy", "Legal")
RULES = {
    "default": Rule(),
    "eight stories": Rule(min_stories=8),
    "four origins": Rule(min_origins=4),
    "six of three": Rule(min_stories=6, min_origins=3),
}


def row(name, bucket, second, *, story="", topic="Legal", negative=True, source="w0"):
    """Make a row in a bucket."""
    return Row(
        (bucket + second) * MICROSECONDS, name, story or name, bucket, topic,
        "negative" if negative else "neutral", 900_000 if negative else 50_000, f"Title of {name}",
        f"https://x.example/{name}", source,
    )  # fmt: skip


def quiet():
    """Sixteen and a half days with a story a quarter of an hour, of which three in ten are negative."""
    chance = random.Random(4)
    return [
        row(f"q{bucket}", bucket, 7, topic=chance.choice(TOPICS), negative=chance.random() < 0.3,
            source=f"w{chance.randrange(6)}")
        for bucket in range(START, BEGIN, BUCKET_S) if chance.random() < 1 / 3
    ]  # fmt: skip


HISTORY = quiet()
NEAR = [one for one in HISTORY if one.bucket >= BEGIN - 4 * DAY_S]


@pytest.fixture(scope="module", params=sorted(RULES))
def ready(request):
    """A desk under one of the rules that has judged the quiet days, never to be changed."""
    desk = Desk(AlertsSettings(topics=TOPICS, rule=RULES[request.param]))
    desk.judge(START, BEGIN, MemoryRows(HISTORY), ())
    return desk


# topic, negative (mostly), publisher, and of which story so many items back it is a copy (0: none)
ITEMS = st.tuples(
    st.sampled_from(TOPICS), st.sampled_from((True, True, True, False)), st.integers(0, 5),
    st.sampled_from((0, 0, 0, 1, 3)),
)  # fmt: skip
SURGES = st.lists(st.lists(ITEMS, max_size=6), min_size=1, max_size=10)


def written(surge, begin=BEGIN):
    """Write the rows of a surge, whose buckets follow one another."""
    rows = []
    for number, items in enumerate(surge):
        for place, (topic, negative, source, back) in enumerate(items):
            copied = rows[-back].story_id if 0 < back <= len(rows) else ""
            rows.append(row(
                f"s{number}-{place}", begin + number * BUCKET_S, 10 + place, story=copied,
                topic=topic, negative=negative, source=f"w{source}",
            ))  # fmt: skip
    return rows


def surging_keys(desk, bucket, rows):
    """Judge one bucket with a copy of a desk, and name the keys that surge then."""
    after = deepcopy(desk)
    after.judge(bucket, bucket + BUCKET_S, MemoryRows(rows), ())
    return {key for key, kept in after.states.items() if kept.surge.on}


def without(rows, ids):
    """Leave out the stories of some rows, copies too."""
    gone = {one.story_id for one in rows if one.id in set(ids)}
    return [one for one in rows if one.story_id not in gone]


def openings(ready, surge):
    """Judge a surge; yield what opened, with the desk before the bucket and the rows."""
    desk, rows = deepcopy(ready), NEAR + written(surge)
    for number in range(len(surge)):
        bucket, before = BEGIN + number * BUCKET_S, deepcopy(desk)
        for change in desk.judge(bucket, bucket + BUCKET_S, MemoryRows(rows), ()):
            if change.event == "opened":
                yield change.incident, before, bucket, rows


def confirmed(ready, surge):
    """Judge again whatever opened: without the stories it names, and with the first seen of them."""
    found = []
    for incident, before, bucket, rows in openings(ready, surge):
        key, needs = key_of(incident), incident.proof.counterfactual
        if needs is None:
            continue
        found.append(needs)
        assert key not in surging_keys(before, bucket, without(rows, needs.without))
        assert key in surging_keys(before, bucket, without(rows, needs.without[:-1]))
        assert needs.fires_from == incident.observed - len(needs.without) + 1
    return found


def test_the_counterfactual_is_what_judging_again_says(ready):
    """Without the stories that it names nothing opens there; with the first seen of them it does."""
    found = []

    @given(SURGES)
    @settings(max_examples=100, deadline=None)
    def holds(surge):
        found.extend(confirmed(ready, surge))

    holds()
    assert len(found) > 20
    assert {1} < {len(needs.without) for needs in found}


@pytest.mark.parametrize("ready", ["six of three"], indirect=True)
@pytest.mark.parametrize(("sources", "needed"), [
    (["", "3", "3", "", "4204", "20"], 2),
    (["", "5", "3", "", "02", "1504"], 3),
])  # fmt: skip
def test_fewer_stories_may_show_best_in_another_window(ready, sources, needed):
    """Six stories in another, longer window: one story less of the shown window is not enough."""
    surge = [[("Legal", True, int(each), 0) for each in bucket] for bucket in sources]
    (needs,) = confirmed(ready, surge)
    assert needed == len(needs.without)


@pytest.mark.parametrize("many", [4, 6])
def test_every_plain_surge_has_a_counterfactual(ready, many):
    """So many stories a bucket of as many publishers: it is named what would do without."""
    items = [("Legal", True, source, 0) for source in range(many)]
    incident = next(openings(ready, [items] * 10))[0]
    assert incident.proof.counterfactual is not None
    assert 1 <= len(incident.proof.counterfactual.without) <= many


@given(st.lists(SURGES, min_size=2, max_size=2), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_rows_are_given_changes_nothing(ready_default, surges, chance):
    """Rows are ordered by (observed_at, id); the order in which they came to the store is nothing."""
    gap = (len(surges[0]) + 6) * BUCKET_S
    rows = written(surges[0]) + [
        one for one in written([[], *surges[1]], BEGIN + gap) if one.id
    ]
    stop = BEGIN + gap + (len(surges[1]) + 8) * BUCKET_S
    shuffled = [*NEAR, *rows]
    chance.shuffle(shuffled)
    assert judged(ready_default, [*NEAR, *rows], stop) == judged(ready_default, shuffled, stop)


def judged(ready, rows, stop, step=10**6):
    """Judge to a stop in stretches of so many buckets; return the changes and what is kept."""
    desk, changes = deepcopy(ready), []
    for begin in range(BEGIN, stop, step * BUCKET_S):
        changes += desk.judge(begin, min(begin + step * BUCKET_S, stop), MemoryRows(rows), ())
    kept = {key: (state.row, state.surge, state.incident) for key, state in desk.states.items()}
    return changes, kept


@pytest.fixture(scope="module")
def ready_default():
    """A desk under the default rule that has judged the quiet days."""
    desk = Desk(AlertsSettings(topics=TOPICS))
    desk.judge(START, BEGIN, MemoryRows(HISTORY), ())
    return desk


def newcomers(count, bucket):
    """Write the first items of a topic that nobody knew, the first a copy of what was told before."""
    return [
        row(f"n{number}", bucket + number // 4 * BUCKET_S, 100 + number, topic="Strikes",
            source=f"w{number % 6}", story="" if number else "s0-0")
        for number in range(count)
    ]  # fmt: skip


@given(SURGES, st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_a_topic_that_appears_later_changes_nothing_before_it(ready_default, surge, count):
    """Even where one call judges both: what was decided before it is the same to the byte."""
    turn = BEGIN + len(surge) * BUCKET_S
    rows = NEAR + written(surge)
    later = rows + newcomers(count, turn)
    before, _kept = judged(ready_default, rows, turn)
    both, _kept = judged(ready_default, later, turn + 8 * BUCKET_S)
    assert before == [change for change in both if change.at <= turn * MICROSECONDS]


@given(SURGES, st.integers(1, 12), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_a_topic_that_appears_in_the_middle_of_a_stretch_changes_nothing(
    ready_default, surge, count, step
):
    """Bucket by bucket or at once: the same changes, the same rows, and the others keep theirs."""
    rows = NEAR + written(surge) + newcomers(count, BEGIN + len(surge) // 2 * BUCKET_S)
    stop = BEGIN + (len(surge) + 12) * BUCKET_S
    whole, kept = judged(ready_default, rows, stop)
    assert (whole, kept) == judged(ready_default, rows, stop, step)
    assert Key("Strikes") in kept
