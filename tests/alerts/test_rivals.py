"""Rivals: two counters, two judges, a zombie that commits late, a deadlock. Nothing doubled or lost."""

import threading
import time
from contextlib import contextmanager, suppress
from itertools import count as forever

import pytest
from sqlalchemy import event, exc, text

from alerts import report
from alerts.counter import Counter
from alerts.counting import read
from alerts.errors import StaleError
from alerts.judging import Judge
from alerts.keys import microseconds
from alerts.settings import AlertsSettings
from alerts.store import open_store
from tests.alerts.builders import STREAM, Wire, clock, count, dump, history, judge_all, receiver, span
from tests.alerts.child import work
from wire.embedded import EmbeddedLog

SETTINGS = AlertsSettings(topics=("Energy", "Legal"), buckets_per_transaction=40)
DAYS = 4


class Background:
    """Runs something in a thread, and gives back what came of it: a result or an exception."""

    def __init__(self, work, *words):
        self._outcome = None
        self._thread = threading.Thread(target=self._run, args=(work, words))
        self._thread.start()

    def _run(self, work, words):
        try:
            self._outcome = work(*words)
        except BaseException as error:  # noqa: BLE001  raised by whoever asks
            self._outcome = error

    @property
    def waits(self):
        self._thread.join(0.5)
        return self._thread.is_alive()

    @property
    def outcome(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self._outcome


class Held:
    """A store whose transactions, all written, wait to be let go: to commit, or to die."""

    def __init__(self, store):
        self._store = store
        self.written, self.go, self.dies = threading.Event(), threading.Event(), False

    def __getattr__(self, name):
        return getattr(self._store, name)

    @contextmanager
    def write(self):
        with self._store.write() as connection:
            yield connection
            self.written.set()
            assert self.go.wait(60)
            if self.dies:
                raise KeyboardInterrupt

    def release(self, dies=False):
        self.dies = dies
        self.go.set()


@pytest.fixture(scope="module")
def wire():
    """Four days with an hour of surge on the last."""
    return history(DAYS, surge_on=3)


@pytest.fixture
def calm(new_url, wire):
    """The tables after one counter and one judge."""
    with open_store(new_url("calm")) as store:
        count(store, wire, SETTINGS)
        judge_all(store, SETTINGS, receivers=("desk",))
        assert len(report.incidents(store)) > 0
        return dump(store)


@pytest.fixture
def rival(url, store):
    """Another process's view of the same store."""
    with open_store(url) as opened:
        yield opened


def race(store, records, batch, line):
    """Count a partition to its end as a stage would, going back to the position where it was passed.

    The rivals read the position side by side, and then run.
    """
    counter, counted, sent_back = Counter(store, STREAM, SETTINGS), 0, 0
    counter.begin([0])
    while True:
        line.wait()
        position = counter.position(0)
        start = position.offset if position else 0
        line.wait()
        if start == len(records):
            return counted, sent_back
        stop = min(start + batch, len(records))
        try:
            counted += len(counter.count([span(start, stop)], read(records[start:stop])[0]).rows)
        except StaleError:
            sent_back += 1


def test_two_counters_on_one_partition_count_everything_once(store, rival, calm, wire):
    """They race from batch to batch, of different sizes; whoever comes second is sent back."""
    line = threading.Barrier(2, timeout=60)
    runs = [
        Background(race, each, wire.records, size, line)
        for each, size in ((store, 37), (rival, 50))
    ]
    outcomes = [run.outcome for run in runs]
    judge_all(store, SETTINGS, receivers=("desk",))
    assert calm == dump(store)
    assert len(dump(store)["articles"]) == sum(counted for counted, _ in outcomes)
    assert sum(sent_back for _, sent_back in outcomes) >= len(wire.records) / 50


@pytest.mark.parametrize("dies", [False, True])
def test_a_zombie_that_commits_late_stands_before_its_successor_or_not_at_all(
    store, rival, new_url, wire, dies
):
    """The successor waits for it, and is sent back; where the zombie dies, it counts the batch."""
    held = Held(store)
    records = wire.records[:60]
    zombie = Background(Counter(held, STREAM, SETTINGS).count, [span(0, 60)], read(records)[0])
    assert held.written.wait(30)
    successor = Background(Counter(rival, STREAM, SETTINGS).count, [span(0, 60)], read(records)[0])
    assert successor.waits
    held.release(dies)

    kinds = (KeyboardInterrupt, None) if dies else (None, StaleError)
    for kind, run in zip(kinds, (zombie, successor), strict=True):
        failed = isinstance(run.outcome, BaseException)
        assert isinstance(run.outcome, kind) if kind else not failed, run.outcome
    with open_store(new_url("once")) as once:
        Counter(once, STREAM, SETTINGS).count([span(0, 60)], read(records)[0])
        assert dump(once) == dump(store)


def split(wire):
    """Spread a wire over two partitions, every heartbeat in both."""
    parts = [Wire(partition=0), Wire(partition=1)]
    for number, record in enumerate(wire.records):
        for part in parts if not record.key else [parts[number % 2]]:
            part.raw(record.key, record.value)
    return parts


def test_counters_of_two_partitions_add_to_the_same_sums(store, rival, new_url, wire):
    """At the same time, in small batches, over the same keys: as one after the other."""
    parts = split(wire)
    for part in parts:
        Counter(store, STREAM, SETTINGS).begin([part.partition])
    judge_all(store, SETTINGS)
    runs = [
        Background(count, each, part, SETTINGS, 23)
        for each, part in zip((store, rival), parts, strict=True)
    ]
    assert [None, None] == [run.outcome for run in runs]
    judge_all(store, SETTINGS, receivers=("desk",))
    with open_store(new_url("one")) as one:
        for part in parts:
            Counter(one, STREAM, SETTINGS).begin([part.partition])
        for part in parts:
            count(one, part, SETTINGS)
        judge_all(one, SETTINGS, receivers=("desk",))
        assert len(report.incidents(one)) > 0
        assert dump(one) == dump(store)


def fight(store, through):
    """Judge to the end, taking the lease from whoever has it again and again."""
    judge = Judge(store, STREAM, SETTINGS, clock, [receiver("desk")])
    refused = 0
    for turn in forever():
        if report.judged_through(store) >= through:
            return refused
        try:
            judge.take_lease(at_once=True)
            for _ in range(1 + turn % 3):
                judge.step()
        except StaleError:
            refused += 1
    return None


def test_two_judges_that_take_the_lease_from_each_other_judge_everything_once(
    store, rival, calm, wire
):
    """Whoever lost it commits nothing: the incidents and the letters are those of one judge."""
    count(store, wire, SETTINGS)
    runs = [Background(fight, each, microseconds(wire.now)) for each in (store, rival)]
    refused = [run.outcome for run in runs]
    assert calm == dump(store)
    assert all(isinstance(each, int) for each in refused), refused


def test_a_judge_that_commits_late_stands_before_its_successor(store, rival, calm, wire):
    """Another takes the lease while everything is written but not committed: nothing is lost."""
    count(store, wire, SETTINGS)
    judge_all(store, SETTINGS.model_copy(update={"allowed_lateness_s": 86_400}), receivers=("desk",))
    held = Held(store)
    late = Judge(held, STREAM, SETTINGS, clock, [receiver("desk")])
    held.go.set()
    assert late.take_lease(at_once=True)
    held.go.clear()
    held.written.clear()
    step = Background(late.step)
    assert held.written.wait(30)
    successor = Background(judge_all, rival, SETTINGS, ("desk",))
    assert successor.waits
    held.release()
    assert SETTINGS.buckets_per_transaction == step.outcome[0]
    assert successor.outcome is None
    assert calm == dump(store)
    with pytest.raises(StaleError):
        late.renew()


# What follows can only happen where two transactions write at once, and SQLite has one writer.


@pytest.fixture
def shared(new_database):
    """Three processes' views of one PostgreSQL store: two rivals, and one that looks on."""
    url = new_database()
    with open_store(url) as first, open_store(url) as second, open_store(url) as other:
        yield first, second, other


def blocked(onlooker):
    """Wait until somebody waits for a lock of the database."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    for _ in range(600):
        with onlooker.read() as connection:
            if connection.execute(query).scalar():
                return True
        time.sleep(0.02)
    return False


def before(store, beginning, pause):
    """Call `pause` once, before the first statement that begins so."""
    calls = []

    def heard(_connection, _cursor, statement, *_more):
        if statement.startswith(beginning) and not calls:
            calls.append(statement)
            pause()

    event.listen(store.engine, "before_cursor_execute", heard)
    return calls


def test_a_judge_that_wakes_up_while_its_successor_commits_is_refused(shared, wire):
    """It had read everything while it still held the lease; it is told so, and is not broken."""
    first, second, onlooker = shared
    count(first, wire, SETTINGS)
    small = SETTINGS.model_copy(update={"buckets_per_transaction": 10})
    old, new = (Judge(each, STREAM, small, clock, [receiver("desk")]) for each in (first, second))
    assert old.take_lease(at_once=True)
    assert 10 == old.step()[0]
    asleep, awake = threading.Event(), threading.Event()
    writes = [
        before(first, begins, lambda: (asleep.set(), awake.wait(60)))
        for begins in ("DELETE FROM detectors", "INSERT INTO detectors")
    ]
    step = Background(old.step)
    assert asleep.wait(30)
    before(second, "UPDATE judge SET expires_at", lambda: (awake.set(), blocked(onlooker)))
    assert new.take_lease(at_once=True)
    assert 10 == new.step()[0]

    assert isinstance(step.outcome, StaleError), step.outcome
    assert any(writes)
    assert 10 == new.step()[0]


def test_of_two_judges_that_come_at_once_one_has_the_lease(shared):
    """The second waits for the first, and takes it over; they never hold the same generation."""
    first, second, onlooker = shared
    one, other = (Judge(each, STREAM, SETTINGS, clock) for each in (first, second))
    assert one.take_lease(at_once=True)
    came = Background(None.__class__)
    rivals = []

    def come():
        rivals.append(Background(other.take_lease_now))
        blocked(onlooker)

    del came
    other.take_lease_now = lambda: other.take_lease(at_once=True)
    event.listen(
        first.engine, "after_cursor_execute",
        lambda _c, _cursor, statement, *_more:
            come() if statement.startswith("UPDATE judge SET generation") and not rivals else None,
    )
    assert [True, True] == [one.take_lease(at_once=True), rivals[0].outcome]
    other.renew()
    with pytest.raises(StaleError):
        one.renew()


def deadlock(store, onlooker, name):
    """Hold an article's id, which a counter needs, and ask for the position, which it took before."""
    with store.engine.connect() as connection:
        connection.execute(text("INSERT INTO article_ids (id) VALUES (:name)"), {"name": name})
        yield
        assert blocked(onlooker)
        with suppress(exc.OperationalError):  # unless we are the one that is broken off
            connection.execute(text("UPDATE positions SET next = next"))
            yield "counter"
        yield "rival"


def test_a_deadlock_is_retried(shared, tmp_path, wire, new_database):
    """The database breaks the counter's transaction off, and the stage does the batch over."""
    first, second, onlooker = shared
    for home in ("calm", "broken"):
        (tmp_path / home).mkdir()
        with EmbeddedLog(tmp_path / home / "log.db") as log:
            log.create(STREAM)
            log.create("dead-letters")
            log.append(STREAM, wire.new()[:100])
    reached = max(
        microseconds(item.message.through) for item in read(wire.records[:100])[0]
        if hasattr(item.message, "through")
    )
    url = first.engine.url.render_as_string(hide_password=False)
    work(tmp_path / "broken", 0, reached, store=url)
    with EmbeddedLog(tmp_path / "broken" / "log.db") as log:
        log.append(STREAM, wire.new()[100:])
    broken = deadlock(second, onlooker, next(one.key.decode() for one in wire.records[100:] if one.key))
    next(broken)
    stage = Background(lambda: work(tmp_path / "broken", 0, microseconds(wire.now), store=url))
    assert "counter" == next(broken)
    broken.close()  # rolls back
    assert stage.outcome is None

    with EmbeddedLog(tmp_path / "calm" / "log.db") as log:
        log.append(STREAM, wire.new()[100:])
    other = new_database()
    work(tmp_path / "calm", 0, microseconds(wire.now), store=other)
    with open_store(other) as calm:
        assert len(report.incidents(calm)) > 0
        assert dump(calm) == dump(first)
