"""One confident negative story about a watch: told at once, once, and the same in a backtest."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import select, update
from standardwebhooks import Webhook

from alerts import answers, brief, report, tables
from alerts.backtest import backtest
from alerts.counter import Counter
from alerts.counting import read
from alerts.delivery import Delivery
from alerts.errors import StaleError
from alerts.feedback import Claim
from alerts.incidents import Change, line
from alerts.mentions import decide, mention_id, mentioned
from alerts.metrics import AlertsMetrics
from alerts.payloads import Passed
from alerts.retention import prune
from alerts.rules import Mention, Mute
from alerts.settings import AlertsSettings, Feedback, Receiver, Retention, Watch
from alerts.shapes import alertmanager
from alerts.shapes.content import content, facts_of
from alerts.stage import Alerts
from alerts.store import open_store
from alerts.stories import Row
from tests.alerts.builders import (
    NOON,
    STREAM,
    Wire,
    bucket_at,
    clock,
    count,
    dump,
    history,
    judge_all,
    receiver,
    rows_of,
    span,
)
from tests.alerts.child import MENTIONS, work
from tests.alerts.delivery.conftest import SECRET, serving
from wire.embedded import EmbeddedLog
from wire.log import NewRecord
from wire.messages import Alert, Evidence, Incident, decode
from wire.metrics import StageMetrics

BANK = Watch(name="Credit Suisse")
RULE = Mention(kind="mention")
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), watches=(BANK,), mentions=(RULE,))
TITLE = "Credit Suisse fined over losses"
DESK = receiver("desk")
CHILD = Path(__file__).parent / "child.py"


def row(name="a", story="s", at=NOON, **about):
    """Make a counted row about the bank."""
    stamp = round(at.timestamp()) * 1_000_000
    fields = {
        "topic": "Legal", "sentiment": "negative", "negative": 940_000, "title": TITLE,
        "url": f"https://news.example/{name}", "source": "Reuters", "model": "test",
    }
    return Row(observed_at=stamp, id=name, story_id=story, bucket=bucket_at(at), **fields | about)


def tell(store, wire, settings=SETTINGS, start=0, stop=None, receivers=(DESK,)):
    """Count a stretch of a wire (all of it) as a new process would, with receivers."""
    stop = len(wire.records) if stop is None else stop
    counter = Counter(store, STREAM, settings, clock, receivers)
    counter.begin([wire.partition])
    records = wire.records[start:stop]
    return counter.count([span(start, stop, wire.partition)], read(records)[0])


def letters(store):
    """The alerts in the outbox, by what they say and to whom."""
    with store.read() as connection:
        rows = connection.execute(select(tables.outbox).order_by(tables.outbox.c.id)).all()
    return [(decode(one.payload), one.receiver) for one in rows]


def told_by(store):
    """Which articles' headlines the letters show."""
    return sorted(alert.incident.evidence[0].link.rpartition("/")[2] for alert, _ in letters(store))


@pytest.mark.parametrize(
    ("about", "rules", "expected"),
    [
        ({}, [], "no_rule"),
        ({"sentiment": "neutral"}, [RULE], "not_negative"),
        ({"negative": 599_999}, [RULE], "unsure"),
        ({}, [Mention(kind="mention", topics=("Energy",))], "other_topic"),
        ({}, [Mention(kind="mention", sources=("Bloomberg",))], "other_source"),
        ({}, [Mention(kind="mention", watches=("UBS",))], "other_watch"),
        ({"negative": 600_000}, [RULE], "warning"),
        ({}, [Mention(kind="mention", topics=("Legal",), sources=("Reuters",), watches=(BANK.name,),
                      severity="info")], "info"),
        ({}, [Mention(kind="mention", severity="info"), Mention(kind="mention", severity="critical"),
              RULE], "critical"),
        ({}, [Mention(kind="mention", watches=("UBS",), severity="critical"), RULE], "warning"),
    ],
)  # fmt: skip
def test_a_rule_chooses_by_confidence_topic_source_and_watch(about, rules, expected):
    """All that it names; of several that are met the severest grades it."""
    decided = decide(row(**about), BANK.name, rules)
    assert expected == (decided.severity if isinstance(decided, Incident) else decided)


def test_the_incident_is_that_story_and_over_at_once():
    """Its times are the article's, and its one line says what a trader wants to know."""
    incident = decide(row(), BANK.name, [RULE])
    assert incident == Incident(
        id=mention_id("Credit Suisse", "s"), rule="mention", topic="Legal", watch="Credit Suisse",
        state="resolved", severity="warning", provisional=False, opened_at=NOON, resolved_at=NOON,
        observed=1, expected=0.0, surprise_weeks=0.0,
        evidence=(Evidence(title=TITLE, link="https://news.example/a", source="Reuters",
                           observed_at=NOON, negative=0.94, model="test"),),
    )  # fmt: skip
    assert (
        'WARNING Credit Suisse (Legal): negative story (94%) - "Credit Suisse fined over losses" - Reuters'
    ) == line(Change(incident, 0, "opened"))


def test_a_story_about_two_watches_is_told_of_each_and_one_that_only_mentions_them_of_none():
    """The subject counts: who merely speaks in a headline has no trouble."""
    watched = SETTINGS.model_copy(update={"watches": (BANK, Watch(name="Goldman Sachs"))})
    rows = [
        row("a", "s1", title="Credit Suisse sued over fraud"),
        row("b", "s2", title="Oil to fall, Goldman Sachs says"),
        row("c", "s3", title="Goldman Sachs fined over losses; Credit Suisse fined over losses"),
    ]
    found = [(one.evidence[0].link[-1], one.watch) for one in mentioned(rows, watched)]
    assert [("a", "Credit Suisse"), ("c", "Credit Suisse"), ("c", "Goldman Sachs")] == sorted(found)


def test_a_mention_is_told_in_the_transaction_that_counts(store):
    """Before any bucket is judged the incident and a letter per receiver are there."""
    wire = Wire().article("a", title=TITLE).article("b", title="Credit Suisse wins award", negative=0.1)
    counted = tell(store, wire, receivers=(DESK, receiver("night")))

    incident = report.incidents(store)[0]
    assert [("opened", incident)] == [(one.event, one.incident) for one in counted.changes]
    assert [("desk", incident), ("night", incident)] == sorted(
        (name, alert.incident) for alert, name in letters(store)
    )
    assert [] == report.incidents(store, open_only=True)


def test_repeats_copies_and_restarts_write_one_letter(store):
    """A duplicate article, a copy in the batch, a copy later, and each time another process."""
    wire = Wire().article("a", story="s", title=TITLE).article("a", story="s", title=TITLE)
    wire.later(1).article("b", story="s", title=TITLE)
    wire.later(60).article("c", story="s", title=TITLE).article("a", story="s", title=TITLE)
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        tell(store, wire, start=start, stop=stop)
    with pytest.raises(StaleError):
        tell(store, wire, start=0, stop=5)
    assert (["a"], 1) == (told_by(store), len(report.incidents(store)))


@pytest.mark.parametrize("kind", ["late", "backfill"])
def test_what_is_late_or_backfill_tells_nothing_and_its_live_copy_does(store, kind):
    """As everywhere, only live rows decide."""
    wire = Wire(now=NOON + timedelta(hours=1)).beat()
    wire.article("old", story="s", title=TITLE, backfill=kind == "backfill",
                 at=NOON if kind == "late" else None)
    tell(store, wire)
    assert [] == letters(store)
    wire.later(1).article("live", story="s", title=TITLE)
    tell(store, wire, start=2)
    assert ["live"] == told_by(store)


def test_the_first_article_that_meets_a_rule_tells(store):
    """A story's earlier article was not confident, or of another source: nobody was told of it."""
    rules = (Mention(kind="mention", sources=("Reuters",)),)
    desk = SETTINGS.model_copy(update={"mentions": rules})
    wire = Wire().article("a", story="s", title=TITLE, source="blog")
    wire.later(1).article("b", story="s", title=TITLE, source="Reuters", negative=0.59)
    wire.later(1).article("c", story="s", title=TITLE, source="Reuters")
    tell(store, wire, desk)
    assert ["c"] == told_by(store)


@pytest.mark.parametrize(
    ("mute", "number"),
    [
        ({"watch": "Credit Suisse"}, 0), ({"topic": "Legal"}, 0), ({"topic": "Energy"}, 1),
        ({"watch": "Credit Suisse", "until": NOON}, 1),
        ({"watch": "Credit Suisse", "until": NOON + timedelta(seconds=1)}, 0),
    ],
)  # fmt: skip
def test_a_mute_of_the_watch_or_the_topic_silences(sqlite_store, mute, number):
    """The incident is there all the same."""
    muted = SETTINGS.model_copy(update={"mutes": (Mute(**mute),)})
    tell(sqlite_store, Wire().article("a", title=TITLE), muted)
    assert (number, 1) == (len(letters(sqlite_store)), len(report.incidents(sqlite_store)))


def test_receivers_get_the_mentions_they_asked_for(sqlite_store):
    """By watch, by topic, by severity."""
    def named(name, **wishes):
        return Receiver(name=name, url="http://r", secret=SecretStr("s"), **wishes)

    tell(sqlite_store, Wire().article("a", title=TITLE), receivers=(
        named("watch", watches=("Credit Suisse",)), named("other", watches=("UBS",)),
        named("topic", topics=("Legal",)), named("severe", min_severity="critical"),
    ))  # fmt: skip
    assert ["topic", "watch"] == sorted(name for _, name in letters(sqlite_store))


class Crashing:
    """A store whose transactions end in a crash, before or after they are committed."""

    def __init__(self, store, moment):
        self._store, self._moment = store, moment

    def __getattr__(self, name):
        return getattr(self._store, name)

    @contextmanager
    def write(self):
        with self._store.write() as connection:
            yield connection
            if self._moment == "before":
                raise ZeroDivisionError
        raise ZeroDivisionError


@pytest.mark.parametrize(("moment", "letters_then"), [("before", 0), ("after", 1)])
def test_a_crash_around_the_commit_writes_one_letter(store, moment, letters_then):
    """Whoever repeats the batch counts it, or is told that it is counted."""
    wire = Wire().article("a", title=TITLE)
    Counter(store, STREAM, SETTINGS).begin([0])
    with pytest.raises(ZeroDivisionError):
        Counter(Crashing(store, moment), STREAM, SETTINGS, clock, [DESK]).count(
            [span(0, 1)], read(wire.records)[0]
        )
    assert letters_then == len(letters(store))
    if letters_then:
        with pytest.raises(StaleError):
            tell(store, wire)
    else:
        tell(store, wire)
    assert ["a"] == told_by(store)


def make_home(home, wire):
    """Make a log that holds a wire's records."""
    home.mkdir(exist_ok=True)
    with EmbeddedLog(home / "log.db") as log:
        log.create("scored-articles")
        log.create("dead-letters")
        log.append("scored-articles", wire.new())


def test_killed_at_every_step_it_tells_once(tmp_path):
    """A process that dies at its 1st, 2nd, ... durable step, and is started again each time."""
    wire = Wire().beat()
    for name in ("a", "b", "a", "c"):
        wire.later(7).article(name, story="s", title="Example Bank fined over losses").beat()
    through = round(wire.now.timestamp()) // 300 * 300 * 1_000_000
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    make_home(killed, wire)
    make_home(calm, wire)
    work(calm, 0, through, MENTIONS)

    codes = []
    for step in [*range(1, 9), 0]:
        command = [sys.executable, str(CHILD), str(killed), str(step), str(through), "mentions"]
        codes.append(subprocess.run(
            command, cwd=CHILD.parents[2], env={"PYTHONPATH": str(CHILD.parents[2])}, check=False,
            capture_output=True, timeout=120,
        ).returncode)
    assert [-signal.SIGKILL] * 4 == codes[:4]
    assert 0 == codes[-1]
    with (
        open_store(f"sqlite:///{killed}/store.db") as store,
        open_store(f"sqlite:///{calm}/store.db") as other,
    ):
        assert ["a"] == told_by(store)
        assert dump(other) == dump(store)


def test_two_counters_at_once_tell_each_story_once(store):
    """Copies on two partitions, in orders that would deadlock; the earlier copy stands in the end."""
    stories = 2000
    early, late = Wire(), Wire(partition=1, now=NOON + timedelta(seconds=1))
    for number in range(stories):
        early.article(f"e{number:04}", story=f"s{number}", title=TITLE)
        late.article(f"l{number:04}", story=f"s{number // 500 * 500 + 499 - number % 500}", title=TITLE)
    together, failures = threading.Barrier(2), []

    def work_off(wire):
        try:
            for start in range(0, stories, 500):
                together.wait(20)
                tell(store, wire, start=start, stop=start + 500)
        except BaseException as error:  # noqa: BLE001  shown below
            together.abort()
            failures.append(error)

    threads = [threading.Thread(target=work_off, args=(wire,)) for wire in (early, late)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [] == failures
    assert stories == len({alert.incident.id for alert, _ in letters(store)}) == len(letters(store))
    shown = [one.evidence[0].link.rpartition("/")[2] for one in report.incidents(store)]
    assert [f"e{number:04}" for number in range(stories)] == sorted(shown)


piece = st.tuples(
    st.integers(0, 3),  # the story
    st.sampled_from(["Legal", "Energy", "Other"]),
    st.sampled_from([0.6, 0.85, 0.95]),
    st.sampled_from(["Reuters", "blog"]),
    st.sampled_from([TITLE, "Oil falls", "UBS sued over Credit Suisse"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(piece, max_size=12), st.randoms(), st.integers(1, 12))
def test_incidents_do_not_depend_on_the_order_in_which_copies_are_counted(pieces, chance, size):
    """However partitions interleave: the store ends with what the pure function says."""
    rules = (Mention(kind="mention", topics=("Legal", "Energy"), sources=("Reuters",), severity="critical"),
             Mention(kind="mention", topics=("Legal",), negative=0.9))
    desk = SETTINGS.model_copy(update={"mentions": rules, "watches": (BANK, Watch(name="UBS"))})
    wire = Wire()
    for number, (story, topic, negative, source, title) in enumerate(pieces):
        wire.later(0.1).article(f"a{number}", story=f"s{story}", topic=topic, negative=negative,
                                source=source, title=title)
    chance.shuffle(wire.records)
    with open_store("sqlite://") as store:
        for start in range(0, len(wire.records), size):
            tell(store, wire, desk, start, min(start + size, len(wire.records)))
        expected = mentioned(rows_of(store), desk)
        assert expected == report.incidents(store)
        assert sorted(one.id for one in expected) == sorted(alert.incident.id for alert, _ in letters(store))


def test_what_was_told_is_remembered_when_everything_else_went(store):
    """Articles, their ids, incidents and letters are over their time; a copy comes a month later."""
    wire = Wire().beat().article("a", story="s", title=TITLE)
    wire.now += timedelta(days=30)
    wire.beat()
    tell(store, wire)
    judge_all(store, SETTINGS)
    with store.write() as connection:
        connection.execute(update(tables.outbox).values(state="delivered"))
    assert 3 == sum(prune(store, Retention(articles=4, incidents=7, ids=4), lambda: None))
    assert ([], []) == (report.incidents(store), letters(store))

    wire.article("b", story="s", title=TITLE)
    tell(store, wire, start=3)
    assert ([], []) == (report.incidents(store), letters(store))


def test_a_backtest_gives_the_live_incidents_byte_for_byte(store):
    """Surges and mentions, in the order in which they opened."""
    wire = history(6, surge_on=4)
    middle = NOON + timedelta(days=2)
    for number, (story, minutes) in enumerate([("s", 0), ("s", 9), ("t", 11), ("s", 4000)]):
        at = middle + timedelta(minutes=minutes, seconds=1)
        place = next(n for n, one in enumerate(wire.records)
                     if not one.key and decode(one.value).through > at)
        extra = Wire().article(f"m{number}", story=story, title=TITLE, at=at)
        wire.records.insert(place, extra.records[0])
    count(store, wire, SETTINGS, batch=300)
    judge_all(store, SETTINGS)

    start, stop = bucket_at(NOON), bucket_at(NOON + timedelta(days=6))
    found = backtest(rows_of(store), start, stop, SETTINGS).incidents
    assert {"surge", "mention"} == {one.rule for one in found}
    assert 2 == sum(one.rule == "mention" for one in found)
    assert msgspec.json.encode(report.incidents(store)) == msgspec.json.encode(found)


def test_precision_is_told_by_rule(store):
    """Answers about mentions are kept apart from those about surges, and exported so."""
    tell(store, Wire().article("a", title=TITLE).article("b", title=TITLE, topic="Energy"))
    for incident, said in zip(report.incidents(store), ("true", "false_alarm"), strict=True):
        assert "stored" == answers.answer(store, Claim(incident.id, said, 2**33), {}, NOON)
    found = answers.by_rule(answers.precision(store))
    assert [("mention", 1, 1)] == [(one.rule, one.true, one.false_alarm) for one in found]


def test_other_shapes_tell_a_mention_as_what_it_is():
    """No expected numbers, and Alertmanager is not told that it is over before it was seen."""
    incident = decide(row(), BANK.name, [RULE])
    alert = Alert(event="opened", incident=incident, text=line(Change(incident, 0, "opened")))
    said = json.loads(alertmanager.shape([alert]))[0]
    assert ("2024-01-03T12:00:00Z", "2024-01-03T16:00:00Z") == (said["startsAt"], said["endsAt"])
    assert (
        ("Severity", "warning"), ("Negative", "94%"), ("Topic", "Legal"), ("Seen", "2024-01-03 12:00 UTC")
    ) == facts_of(incident)
    assert "WARNING Credit Suisse (Legal)" == content(alert).title
    passed = brief.compose(NOON.date(), SETTINGS.brief, [incident], (), brief.Sources(
        sources=1, failing=(), worst_share=0.0, unwatched_minutes=0,
    ), "test").incidents  # fmt: skip
    assert [("mention", "Credit Suisse (Legal)")] == [(one.rule, one.name) for one in passed]
    assert isinstance(passed[0], Passed)


def test_a_signed_webhook_arrives_within_seconds_of_the_observation(tmp_path):
    """Log, counter, outbox, delivery: an article appended now is at the receiver before any bucket ends."""
    make_home(tmp_path, Wire().beat())
    feedback = Feedback(base_url="https://desk.example", secret=SecretStr("k" * 32))
    desk = SETTINGS.model_copy(update={"feedback": feedback, "batch_wait_s": 0.5})
    stop, registry = threading.Event(), CollectorRegistry()
    metrics = AlertsMetrics(registry)
    with (
        serving() as hook,
        EmbeddedLog(tmp_path / "log.db") as log,
        open_store(f"sqlite:///{tmp_path}/store.db") as store,
    ):
        to = [Receiver(name="desk", url=hook.url, secret=SecretStr(SECRET))]
        stage = Alerts(log, store, desk, metrics, StageMetrics(registry), now, receivers=to)
        sending = Delivery(store, to, desk, metrics, now)
        threads = [threading.Thread(target=each.run, args=(stop,)) for each in (stage, sending)]
        for each in threads:
            each.start()
        wire = Wire(now=now()).article("a", title=TITLE).article("a", title=TITLE)
        log.append("scored-articles", [NewRecord(one.key, one.value) for one in wire.records])
        for _ in range(600):
            if hook.requests or stop.wait(0.1):
                break
        arrived = now()
        stop.wait(1.5)  # time for a second letter, if there were one
        stop.set()
        for each in threads:
            each.join()
    (_, headers, body), = hook.requests
    Webhook(SECRET).verify(body, headers)
    alert = decode(body)
    assert ("mention", wire.now) == (alert.incident.rule, alert.incident.opened_at)
    assert alert.feedback
    assert timedelta() < arrived - alert.incident.opened_at < timedelta(seconds=20)
    assert 1 == registry.get_sample_value("newsquake_incidents_total", {"event": "opened"})


def now():
    """The time."""
    return datetime.now(UTC)
