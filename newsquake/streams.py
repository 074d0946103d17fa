"""`newsquake streams`: what the log holds, in lines to print."""

from collections.abc import Iterator

import msgspec

from wire.log import Log, Position, Record

READERS = {"articles": "classifier", "scored-articles": "alerts"}


def listed(log: Log) -> Iterator[str]:
    """A line per stream and partition: name, partition, first and end offset, incarnation."""
    for stream in log.streams():
        bounds = log.bounds(stream)
        for partition, first in sorted(bounds.first.items()):
            end = bounds.end[partition]
            yield f"{stream}\t{partition}\tfirst={first}\tend={end}\t{bounds.incarnation}"


def lagging(log: Log) -> Iterator[str]:
    """A line per stage and partition of its stream: records that it has not settled."""
    present = set(log.streams())
    for stream, group in READERS.items():
        if stream not in present:
            continue
        bounds, settled = log.bounds(stream), log.settled(stream, group)
        for partition, end in sorted(bounds.end.items()):
            lag = end - settled.get(partition, bounds.first[partition])
            yield f"{group}\t{stream}\t{partition}\tlag={lag}"


def peek(log: Log, stream: str, count: int, *, last: bool) -> Iterator[str]:
    """The first (or last) `count` records of each partition, as they were written."""
    bounds = log.bounds(stream)

    def start(partition: int) -> Position:
        end, first = bounds.end[partition], bounds.first[partition]
        return Position(bounds.incarnation, max(first, end - count) if last else first)

    left = {p: min(count, bounds.end[p] - bounds.first[p]) for p in bounds.end}
    with log.join(stream, None, start) as member:
        while any(left.values()):
            batch = member.take(count, 10.0)
            if not batch.records:
                return
            for record in batch.records:
                if left[record.partition]:
                    left[record.partition] -= 1
                    yield line(record)


def line(record: Record) -> str:
    """The record as a JSON object; a value that is no JSON stands as a string."""
    try:
        value = msgspec.json.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = record.value.decode(errors="replace")
    key = record.key.decode(errors="replace")
    shown = {"partition": record.partition, "offset": record.offset, "key": key, "value": value}
    return msgspec.json.encode(shown).decode()
