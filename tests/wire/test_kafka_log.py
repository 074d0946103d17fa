"""What only the log on Kafka promises: groups of several members, brokers that go away, SASL."""

import contextlib
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.wire.conftest import KafkaHouse, take_all, texts, values
from wire.errors import FencedError, LogError, LogUnavailableError, PositionLostError
from wire.kafka import KafkaLog
from wire.kafka_member import begin_at
from wire.log import Batch, Bounds, Member, Position

NOWHERE = "127.0.0.1:1"


# kafka-python 3.0.12 leaves a socket that could not connect to the garbage collector.
leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect what a test left before the next one begins."""
    yield
    gc.collect()


@pytest.fixture
def log(on_kafka: KafkaHouse) -> KafkaLog:
    """Give an open log with the stream `news` of four partitions."""
    log = on_kafka.make()
    on_kafka.logs.append(log)
    log.create("news")
    return log


def take_from(members: list[Member], count: int, within_s: float = 30) -> list[list[str]]:
    """Take and settle by turns until there were `count` different values."""
    taken: list[list[str]] = [[] for _ in members]
    deadline = time.monotonic() + within_s
    while len(set().union(*taken)) < count and time.monotonic() < deadline:
        for member, mine in zip(members, taken, strict=True):
            batch = member.take(10, 0.2)
            mine.extend(values(batch))
            try:
                member.settle(batch.spans)
            except FencedError:
                continue
    return taken


def until_shared(members: list[Member], log: KafkaLog, within_s: float = 30) -> None:
    """Take until every member has a partition; what is taken is not settled."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for member in members:
            member.take(1, 0.2)
        if all(member.assignment.owned for member in members):  # type: ignore[attr-defined]
            return
    pytest.fail("the group did not share its partitions")


def test_members_share_a_group_and_lose_nothing_when_one_is_killed(
    on_kafka: KafkaHouse, log: KafkaLog
) -> None:
    """One member works, another joins and is killed: every record is settled by somebody."""
    wanted = {str(n) for n in range(400)}
    log.append("news", texts(*range(100)))
    with log.join("news", "g") as member:
        ours = take_from([member], 50)[0]
        child = on_kafka.child("share", "news", "g")
        assert "joined" == child.line()
        deadline = time.monotonic() + 30
        while len(member.assignment.owned) != 2 and time.monotonic() < deadline:
            ours += take_from([member], 1, 0.5)[0]
        log.append("news", texts(*range(100, 250)))
        theirs = [child.line() for _ in range(10)]
        theirs += child.kill()
        log.append("news", texts(*range(250, 400)))
        deadline = time.monotonic() + 40
        while not wanted <= {*ours, *theirs} and time.monotonic() < deadline:
            ours += take_from([member], 1, 0.5)[0]
        # Said by the child just before its death is not settled: it comes here too.
        assert wanted == {*ours, *theirs}
        assert 4 == len(member.assignment.owned)
        while member.lag():
            take_from([member], 1, 0.5)

    assert log.bounds("news").end == log.settled("news", "g")
    assert max(Counter(ours).values()) <= 3


def test_a_stale_settle_is_refused_after_a_member_joined(log: KafkaLog) -> None:
    """What was taken before the partition moved cannot be settled by its former owner."""
    log.append("news", texts(*range(100)))
    with log.join("news", "g") as first:
        old = take_all(first, 100)
        assert 4 == len(old.spans) or {0, 1, 2, 3} == {s.partition for s in old.spans}
        with log.join("news", "g") as second:
            until_shared([first, second], log)
            moved = {*range(4)} - first.assignment.owned.keys()
            assert 2 == len(moved)
            for span in old.spans:
                if span.partition in moved:
                    with pytest.raises(FencedError):
                        first.settle([span])


def test_a_member_that_was_thrown_out_cannot_settle(on_kafka: KafkaHouse) -> None:
    """A batch that took longer than the group waits belongs to somebody else by then."""
    with KafkaLog([on_kafka.servers], on_kafka.prefix, session_s=6, busy_s=2) as log:
        log.create("news")
        log.append("news", texts("a"))
        with log.join("news", "g") as slow:
            batch = take_all(slow, 1)
            time.sleep(3.5)
            with log.join("news", "g") as other:
                again = take_all(other, 1)
                with pytest.raises(FencedError):
                    slow.settle(batch.spans)
                other.settle(again.spans)

        assert ["a"] == values(again)
        assert 1 == sum(log.settled("news", "g").values())


def test_a_slow_batch_keeps_its_membership(on_kafka: KafkaHouse) -> None:
    """take(0, 0) now and then is enough to settle a batch that took longer than busy_s."""
    with KafkaLog([on_kafka.servers], on_kafka.prefix, session_s=6, busy_s=2) as log:
        log.create("news")
        log.append("news", texts("a"))
        with log.join("news", "g") as slow:
            batch = take_all(slow, 1)
            for _ in range(10):
                time.sleep(0.4)
                assert Batch() == slow.take(0, 0)
            slow.settle(batch.spans)

        assert 1 == sum(log.settled("news", "g").values())


def test_a_stored_start_is_asked_again_after_a_rebalance(log: KafkaLog) -> None:
    """Every owner begins where the store says, whatever the group settled."""
    log.append("news", texts("a", partition=0))
    asked = list[int]()
    incarnation = log.bounds("news").incarnation

    def start(partition: int) -> Position:
        asked.append(partition)
        return Position(incarnation, 0)

    with log.join("news", "g", start) as first:
        first.settle(take_all(first, 1).spans)
        with log.join("news", "g", start) as second:
            until_shared([first, second], log)

    assert [0, 0, 1, 1, 2, 2, 3, 3] == sorted(asked)


def test_a_settled_position_of_another_life_is_lost() -> None:
    """The commit carries the incarnation, and begins nowhere else."""
    bounds = Bounds("now", {0: 3}, {0: 9})

    assert 3 == begin_at("news", 0, bounds, None, None)
    assert 5 == begin_at("news", 0, bounds, None, ("now", 5))
    assert 7 == begin_at("news", 0, bounds, Position("now", 7), ("now", 5))
    for wanted, settled in (
        (None, ("before", 5)), (None, ("now", 2)), (None, ("now", 10)),
        (Position("before", 5), ("now", 5)), (Position("now", 2), None),
    ):
        with pytest.raises(PositionLostError):
            begin_at("news", 0, bounds, wanted, settled)


def test_two_installations_share_a_broker(on_kafka: KafkaHouse, log: KafkaLog) -> None:
    """Streams and groups of another prefix are not ours."""
    with KafkaLog([on_kafka.servers], on_kafka.prefix + "other.") as other:
        other.create("news")
        other.append("news", texts("theirs"))
        log.append("news", texts("ours"))
        with log.join("news", "g") as ours, other.join("news", "g") as theirs:
            assert ["ours"] == values(take_all(ours, 1))
            assert ["theirs"] == values(take_all(theirs, 1))
        assert ["news"] == other.streams()


@leaves_sockets
@pytest.mark.usefixtures("collected")
def test_without_a_broker_everything_fails_in_time() -> None:
    """Each call says that Kafka cannot be reached, and that trying again may help."""
    before = {*threading.enumerate()}
    with KafkaLog([NOWHERE], timeout_s=1) as log:
        for attempt in (
            lambda: log.create("news"), log.streams, lambda: log.bounds("news"),
            lambda: log.append("news", texts("a")), lambda: log.join("news", "g"),
        ):
            began = time.monotonic()
            with pytest.raises(LogUnavailableError, match=NOWHERE) as caught:
                attempt()
            assert caught.value.retryable
            assert time.monotonic() - began < 6
    assert before == {*threading.enumerate()}


def stop(process_id: int) -> None:
    """Stop a process as Ctrl-Z does, and wait until all its threads stand."""
    os.kill(process_id, signal.SIGSTOP)
    tasks = Path(f"/proc/{process_id}/task")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        stats = [(task / "stat").read_text() for task in tasks.iterdir()]
        if {stat.rpartition(")")[2].split()[0] for stat in stats} <= {"T", "t"}:
            return
        time.sleep(0.05)


@leaves_sockets
@pytest.mark.usefixtures("collected")
def test_a_broker_that_goes_away_is_said_to_be_away_and_work_goes_on_after(
    on_kafka: KafkaHouse, kafka_broker: Broker
) -> None:
    """Append and settle fail in time while it is away; afterwards the same objects work."""
    node = kafka_broker.process_id
    if node is None:
        pytest.skip("an existing broker is not ours to stop")
    with KafkaLog([on_kafka.servers], on_kafka.prefix, timeout_s=3, session_s=30) as log:
        log.create("news", partitions=1)
        log.append("news", texts("a"))
        member = log.join("news", "g")
        batch = take_all(member, 1)
        try:
            stop(node)
            for attempt in (
                lambda: log.append("news", texts("b")),
                lambda: member.settle(batch.spans),
                lambda: log.bounds("news"),
            ):
                began = time.monotonic()
                with pytest.raises(LogUnavailableError):
                    attempt()
                assert time.monotonic() - began < 15
        finally:
            os.kill(node, signal.SIGCONT)
        deadline = time.monotonic() + 30
        found: list[str] = []
        while "c" not in found and time.monotonic() < deadline:
            with contextlib.suppress(LogUnavailableError):
                log.append("news", texts("c"))
                rest = take_all(member, 3, 5)
                member.settle(rest.spans)
                found += values(rest)
        assert "c" in found


def test_sasl_settings_reach_every_client(on_kafka: KafkaHouse, kafka_broker: Broker) -> None:
    """With the password everything works, without it nothing does, and it is not repeated."""
    if kafka_broker.sasl_servers is None or kafka_broker.sasl_options is None:
        pytest.skip("an existing broker has no SASL listener of ours")
    options = kafka_broker.sasl_options
    with KafkaLog([kafka_broker.sasl_servers], on_kafka.prefix, options) as log:
        log.create("news")
        log.append("news", texts("a"))
        with log.join("news", "g") as member:
            batch = take_all(member, 1)
            member.settle(batch.spans)
        assert ["a"] == values(batch)
    wrong = options | {"sasl_plain_password": "wrong-secret"}
    with KafkaLog([kafka_broker.sasl_servers], on_kafka.prefix, wrong, timeout_s=2) as log:
        with pytest.raises(LogError) as caught:
            log.append("news", texts("a"))
        assert "wrong-secret" not in str(caught.value)
