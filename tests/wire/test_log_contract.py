"""The contract of wire.log.Log, held against both implementations."""

import threading
import time
import uuid

import pytest

from tests.wire.conftest import EmbeddedHouse, House, take_all, texts, values
from wire.errors import (
    FencedError,
    LogError,
    PositionLostError,
    RecordTooLargeError,
    StreamMismatchError,
    StreamUnknownError,
)
from wire.log import Log, NewRecord, Position, Span


def test_records_come_in_the_order_they_were_appended(log: Log) -> None:
    """A hundred appends of one and of several come back in their order."""
    for first in range(0, 100, 5):
        log.append("one", texts(first))
        log.append("one", texts(*range(first + 1, first + 5)))

    with log.join("one", "g") as member:
        assert [str(n) for n in range(100)] == values(take_all(member, 100))


def test_a_record_keeps_key_value_and_place(log: Log) -> None:
    """Bytes of any kind survive, and offsets count up from 0."""
    log.append("one", [NewRecord(b"", b"heart", 0), NewRecord(b"\xff\x00", b"\x00\xfe", 0)])

    with log.join("one", "g") as member:
        found = [(r.partition, r.offset, r.key, r.value) for r in take_all(member, 2).records]

    assert [(0, 0, b"", b"heart"), (0, 1, b"\xff\x00", b"\x00\xfe")] == found


def test_one_key_stays_in_one_partition(house: House, log: Log) -> None:
    """Records of one key share a partition, and so keep their order."""
    log.append("news", [NewRecord(b"same", str(n).encode()) for n in range(20)])

    with log.join("news", "g") as member:
        batch = take_all(member, 20)

    assert 1 == len({record.partition for record in batch.records})
    assert [str(n) for n in range(20)] == values(batch)


def test_an_explicit_partition_is_obeyed(house: House, log: Log) -> None:
    """A record can be put into every partition, whatever its key; there are no others."""
    numbers = range(house.partitions)
    log.append("news", [NewRecord(b"", b"beat", number) for number in numbers])

    assert dict.fromkeys(numbers, 1) == log.bounds("news").end
    with pytest.raises(StreamMismatchError):
        log.append("news", [NewRecord(b"", b"beat", house.partitions)])


def test_spans_join_without_a_gap(log: Log) -> None:
    """Each take begins where the one before it ended, and covers what it returned."""
    log.append("one", texts(*range(10)))

    with log.join("one", "g") as member:
        spans = take_all(member, 3).spans + take_all(member, 7).spans

    assert 0 == spans[0].start
    assert 10 == spans[-1].stop
    assert [s.stop for s in spans[:-1]] == [s.start for s in spans[1:]]
    assert {log.bounds("one").incarnation} == {s.incarnation for s in spans}


def test_what_was_acknowledged_survives_kill_9(house: House, log: Log) -> None:
    """Every append that returned is there after its process was killed."""
    child = house.child("append", "one", "n", "1000000")
    said = [child.line() for _ in range(20)] + child.kill()

    with log.join("one", "g") as member:
        found = values(take_all(member, len(said)))

    assert said == found


def test_several_groups_each_get_everything(log: Log) -> None:
    """A group's reading and settling does not change another's."""
    log.append("one", texts("a", "b"))

    for group in ("g", "h"):
        with log.join("one", group) as member:
            batch = take_all(member, 2)
            assert ["a", "b"] == values(batch)
            member.settle(batch.spans)


def test_what_was_taken_and_not_settled_comes_again_after_kill_9(house: House, log: Log) -> None:
    """A killed member's batch is delivered to its successor."""
    log.append("one", texts("a", "b", "c"))
    child = house.child("take", "one", "g", "2")
    assert ["a", "b", "holding"] == [child.line() for _ in range(3)]
    child.kill()

    with log.join("one", "g") as member:
        assert ["a", "b", "c"] == values(take_all(member, 3, 40))


def test_what_was_settled_does_not_come_again(log: Log) -> None:
    """The next member goes on where the group settled, also after the log was opened anew."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        member.settle(take_all(member, 2).spans)
        take_all(member, 1)

    assert {0: 2} == log.settled("one", "g")
    with log.join("one", "g") as member:
        assert ["c"] == values(take_all(member, 1))


def test_a_group_that_settled_nothing_has_no_position(log: Log) -> None:
    """Nothing is made up for a group or partition that never settled."""
    assert {} == log.settled("news", "nobody")


def test_settling_never_goes_backwards(log: Log) -> None:
    """A later batch settled first stays settled."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        early, late = take_all(member, 1), take_all(member, 1)
        member.settle(late.spans)
        member.settle(early.spans)

    assert {0: 2} == log.settled("one", "g")


def test_settling_below_an_old_position_changes_nothing(log: Log) -> None:
    """A member that was started behind its group's position does not move that back."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        member.settle(take_all(member, 3).spans)
    begin = Position(log.bounds("one").incarnation, 0)
    with log.join("one", "g", lambda _: begin) as member:
        member.settle(take_all(member, 1).spans)

    assert {0: 3} == log.settled("one", "g")


def test_settling_nothing_is_allowed(log: Log) -> None:
    """A stage may settle an empty batch."""
    with log.join("one", "g") as member:
        member.settle(())

    assert {} == log.settled("one", "g")


def test_take_returns_at_most_its_limit(log: Log) -> None:
    """The limit counts records, not partitions or requests."""
    log.append("one", texts(*range(10)))

    with log.join("one", "g") as member:
        take_all(member, 1)
        assert 4 == len(member.take(4, 5).records)


def test_take_waits_no_longer_than_it_may(log: Log) -> None:
    """An empty stream gives an empty batch after `within_s`."""
    with log.join("one", "g") as member:
        member.take(1, 2)
        began = time.monotonic()
        batch = member.take(1, 0.4)
        took_s = time.monotonic() - began

    assert () == batch.records == batch.spans
    assert 0.35 <= took_s < 1.5


def test_take_returns_as_soon_as_there_is_something(log: Log) -> None:
    """A waiting take does not sit out its time, nor wait for the limit to fill."""
    with log.join("one", "g") as member:
        member.take(1, 2)
        timer = threading.Timer(0.3, log.append, ("one", texts("a")))
        timer.start()
        began = time.monotonic()
        batch = member.take(100, 20)
        took_s = time.monotonic() - began
        timer.join()

    assert ["a"] == values(batch)
    assert took_s < 3


def test_take_of_nothing_takes_nothing(log: Log) -> None:
    """take(0, 0) between two takes neither loses nor repeats a record."""
    log.append("one", texts("a", "b", "c", "d"))
    with log.join("one", "g") as member:
        first = take_all(member, 2)
        kept = member.take(0, 0)
        rest = take_all(member, 2)

    assert () == kept.records == kept.spans
    assert ["a", "b", "c", "d"] == values(first) + values(rest)


def test_a_member_starts_where_it_is_told(log: Log) -> None:
    """An explicit start is asked for every partition, and beats what the group settled."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        member.settle(take_all(member, 3).spans)
    asked = list[int]()

    def start(partition: int) -> Position:
        asked.append(partition)
        return Position(log.bounds("one").incarnation, 1)

    with log.join("one", "g", start) as member:
        assert ["b", "c"] == values(take_all(member, 2))
    assert [0] == asked


def test_without_a_stored_position_the_settled_one_counts(log: Log) -> None:
    """A start of None falls back to the group's position, and without one to the first record."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g", lambda _: None) as member:
        batch = take_all(member, 1)
        assert ["a"] == values(batch)
        member.settle(batch.spans)
    with log.join("one", "g", lambda _: None) as member:
        assert ["b"] == values(take_all(member, 1))


def _take_from(log: Log, position: Position) -> None:
    with log.join("one", "g", lambda _: position) as member:
        take_all(member, 1, 10)


def test_a_start_past_the_end_is_lost(log: Log) -> None:
    """It is not taken for the end, which may be a new one (a log that lost its tail)."""
    log.append("one", texts("a"))
    incarnation = log.bounds("one").incarnation

    with pytest.raises(PositionLostError):
        _take_from(log, Position(incarnation, 2))
    log.append("one", texts("b"))
    with log.join("one", "g", lambda _: Position(incarnation, 1)) as member:
        assert ["b"] == values(take_all(member, 1))


def test_a_start_in_another_incarnation_is_lost(log: Log) -> None:
    """An offset means nothing in a stream that was created again."""
    log.append("one", texts("a"))

    with pytest.raises(PositionLostError):
        _take_from(log, Position(uuid.uuid4().hex, 0))


def test_a_pruned_start_is_lost(house: House, log: Log) -> None:
    """Records that went before they were read are not skipped silently."""
    log.append("one", texts("a", "b"))
    incarnation = log.bounds("one").incarnation
    house.prune("one")

    with pytest.raises(PositionLostError):
        _take_from(log, Position(incarnation, 1))
    with log.join("one", "h") as member:
        assert ["new"] == values(take_all(member, 1))


def test_a_pruned_settled_position_is_lost(house: House, log: Log) -> None:
    """A group that was away for too long is told so."""
    log.append("one", texts("a", "b"))
    with log.join("one", "g") as member:
        member.settle(take_all(member, 1).spans)
    house.prune("one")

    with pytest.raises(PositionLostError), log.join("one", "g") as member:
        take_all(member, 1)


def test_a_position_pruned_while_reading_is_lost(house: House, log: Log) -> None:
    """A member that is slower than the retention is told so."""
    log.append("one", texts("a"))
    with log.join("one", "g") as member:
        take_all(member, 1)
        member.seek(0, 0)
        house.prune("one")
        with pytest.raises(PositionLostError):
            # What was fetched already may still come.
            take_all(member, 3, 15)


def test_a_recreated_stream_loses_the_settled_positions(house: House, log: Log) -> None:
    """The group begins again only because its position is gone with the stream, or is told."""
    log.append("one", texts("a", "b"))
    old = log.bounds("one").incarnation
    log.close()
    log = house.recreate("one")
    log.append("one", texts("c", "d", "e"))

    assert old != log.bounds("one").incarnation
    with pytest.raises(PositionLostError):
        _take_from(log, Position(old, 2))


def test_seek_goes_back_and_forth(log: Log) -> None:
    """After a seek the next take begins there, and its span says so."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        take_all(member, 3)
        member.seek(0, 1)
        batch = take_all(member, 2)
        member.seek(0, 3)
        with pytest.raises(PositionLostError):
            member.seek(0, 4)

    assert ["b", "c"] == values(batch)
    assert (1, 3) == (batch.spans[0].start, batch.spans[-1].stop)


def test_offsets_are_not_given_out_again_after_everything_was_pruned(
    house: House, log: Log
) -> None:
    """The next record's offset goes on from the pruned ones."""
    log.append("one", texts("a", "b", "c"))
    house.prune("one")

    bounds = log.bounds("one")
    assert ({0: 3}, {0: 4}) == (bounds.first, bounds.end)


def test_old_records_go_and_young_ones_stay(
    request: pytest.FixtureRequest, house: House, log: Log
) -> None:
    """Retention is by age; on Kafka the broker applies it in its own time."""
    if house.kind == "kafka" and request.getfixturevalue("kafka_broker").sasl_servers is None:
        pytest.skip("an existing broker may look at retention every five minutes only")
    log.create("short", partitions=1, retain_s=2)
    log.append("short", texts("old"))
    if isinstance(house, EmbeddedHouse):
        house.ahead_s += 3
    deadline = time.monotonic() + 30
    while log.bounds("short").first[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
        log.append("short", texts("young"))

    assert 1 <= log.bounds("short").first[0] <= log.bounds("short").end[0]
    log.append("one", texts("kept"))
    assert {0: 0} == log.bounds("one").first


def test_a_megabyte_is_a_record(log: Log) -> None:
    """Large records pass whole, next to small ones."""
    large = bytes(range(256)) * 4096
    log.append("one", [*texts("a"), NewRecord(b"large", large), *texts("b")])

    with log.join("one", "g") as member:
        assert [b"a", large, b"b"] == [r.value for r in take_all(member, 3).records]


def test_a_record_beyond_the_limit_is_refused_and_none_appended(log: Log) -> None:
    """The error is clear, and the records beside it are not half there."""
    with pytest.raises(RecordTooLargeError):
        log.append("one", [*texts("a"), NewRecord(b"k", bytes(5 << 20))])

    assert {0: 0} == log.bounds("one").end


def test_an_unknown_stream_is_said_to_be_unknown(log: Log) -> None:
    """Nothing creates a stream by the way."""
    for attempt in (
        lambda: log.bounds("nowhere"),
        lambda: log.settled("nowhere", "g"),
        lambda: log.append("nowhere", texts("a")),
        lambda: log.join("nowhere", "g"),
        lambda: log.join("nowhere", None),
    ):
        with pytest.raises(StreamUnknownError):
            attempt()
    assert ["news", "one"] == log.streams()


def test_creating_again_changes_nothing(house: House, log: Log) -> None:
    """Create is for "if absent", and says so when the partitions differ."""
    log.append("news", texts("a", partition=0))
    before = log.bounds("news")
    log.create("news")
    log.create("news", partitions=house.partitions)

    assert before == log.bounds("news")
    with pytest.raises(StreamMismatchError):
        log.create("news", partitions=house.partitions + 1)


def test_a_reader_of_its_own_reads_all_and_settles_nothing(house: House, log: Log) -> None:
    """Readers without a group need no turn, and leave no trace."""
    for partition in range(house.partitions):
        log.append("news", texts(partition, partition=partition))
    with log.join("news", None) as one, log.join("news", None) as other:
        for reader in (one, other):
            batch = take_all(reader, house.partitions)
            assert {str(n) for n in range(house.partitions)} == set(values(batch))
            reader.settle(batch.spans)
            assert 0 == reader.lag()


def test_a_reader_of_its_own_starts_where_it_is_told(log: Log) -> None:
    """And hears at once when it cannot."""
    log.append("one", texts("a", "b"))
    incarnation = log.bounds("one").incarnation
    with log.join("one", None, lambda _: Position(incarnation, 1)) as reader:
        assert ["b"] == values(take_all(reader, 1))
    with pytest.raises(PositionLostError):
        log.join("one", None, lambda _: Position(incarnation, 3))


def test_lag_counts_what_was_not_taken(log: Log) -> None:
    """Whether it was settled does not matter."""
    log.append("one", texts("a", "b", "c"))
    with log.join("one", "g") as member:
        take_all(member, 1)
        assert 2 == member.lag()
        log.append("one", texts("d"))
        assert 3 == member.lag()


def test_a_member_that_left_cannot_settle(log: Log) -> None:
    """Its place may be another's by now."""
    log.append("one", texts("a"))
    with log.join("one", "g") as member:
        batch = take_all(member, 1)

    with pytest.raises(FencedError):
        member.settle(batch.spans)
    assert {} == log.settled("one", "g")


def test_a_span_of_elsewhere_is_refused(log: Log) -> None:
    """Spans of another stream, life or future settle nothing."""
    log.append("one", texts("a"))
    incarnation = log.bounds("one").incarnation
    with log.join("one", "g") as member:
        take_all(member, 1)
        for span in (
            Span("news", 0, incarnation, 0, 1),
            Span("one", 0, "another", 0, 1),
            Span("one", 0, incarnation, 0, 9),
        ):
            with pytest.raises(FencedError):
                member.settle([span])
    assert {} == log.settled("one", "g")


def test_threads_share_one_log(log: Log) -> None:
    """Several appenders and a reader at once lose nothing and keep each thread's order."""

    def write(name: str) -> None:
        for number in range(20):
            log.append("one", texts(f"{name}{number}"))

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    with log.join("one", "g") as member:
        for writer in writers:
            writer.start()
        found = values(take_all(member, 60))
        for writer in writers:
            writer.join()

    for name in "abc":
        assert [f"{name}{n}" for n in range(20)] == [v for v in found if v.startswith(name)]


def test_close_finishes_the_append_in_hand(house: House, log: Log) -> None:
    """Whatever another thread was told is appended is there; afterwards the log says closed."""
    done = list[str]()

    def write() -> None:
        try:
            for number in range(1_000_000):
                log.append("one", texts(number))
                done.append(str(number))
        except LogError:
            return

    writer = threading.Thread(target=write)
    writer.start()
    while len(done) < 5:
        time.sleep(0.01)
    log.close()
    writer.join()

    with pytest.raises(LogError):
        log.append("one", texts("late"))
    with house.open().join("one", None) as reader:
        assert done == values(take_all(reader, len(done)))


def test_closing_twice_is_no_error(log: Log) -> None:
    """Neither for a member nor for the log."""
    member = log.join("one", "g")
    member.close()
    member.close()
    log.close()
    log.close()
