"""A log in memory with several partitions, whose appends can be cut off part-way as a crash does."""

from collections import defaultdict
from zlib import crc32

from wire.errors import StreamUnknownError
from wire.log import Batch, Bounds, Record, Span


class CrashError(Exception):
    """the process died here"""


class MemoryLog:
    """Keeps streams of `partitions`; `cut(records)` says which of an append's records survive.

    None means all; otherwise those are kept, in the order of their partitions, and the append
    raises CrashError.
    """

    def __init__(self, partitions=4):
        self._partitions, self._streams = partitions, {}
        self.cut = lambda records: None

    def create(self, stream, partitions=None, retain_s=None):
        """Create a stream."""
        self._streams.setdefault(stream, defaultdict(list))

    def streams(self):
        """Return the names."""
        return sorted(self._streams)

    def bounds(self, stream):
        """Return first and end offsets."""
        if stream not in self._streams:
            raise StreamUnknownError
        ends = {p: len(self._streams[stream][p]) for p in range(self._partitions)}
        return Bounds("life", dict.fromkeys(ends, 0), ends)

    def append(self, stream, records):
        """Append; or lose, in each partition, all from some record on."""
        by_partition = defaultdict(list)
        for record in records:
            place = crc32(record.key) % self._partitions if record.partition is None else record.partition
            by_partition[place].append(record)
        kept = self.cut(by_partition)
        for place, found in by_partition.items():
            for record in found[: None if kept is None else kept[place]]:
                partition = self._streams[stream][place]
                partition.append(Record(place, len(partition), record.key, record.value))
        if kept is not None:
            raise CrashError

    def join(self, stream, group, start=None):
        """Return a reader of all partitions."""
        return _Member(self, stream, start)

    def partition(self, stream, number):
        """Return a partition's records."""
        return self._streams[stream][number]


class _Member:
    def __init__(self, log, stream, start):
        ends = log.bounds(stream).end
        starts = {p: start(p) if start else None for p in ends}
        self._log, self._stream = log, stream
        self._next = {p: position.offset if position else 0 for p, position in starts.items()}

    def take(self, limit, within_s):
        """Return up to `limit` records of one partition after the other."""
        records, spans = [], []
        for place, begin in self._next.items():
            found = self._log.partition(self._stream, place)[begin : begin + limit - len(records)]
            if found:
                records += found
                self._next[place] = begin + len(found)
                spans.append(Span(self._stream, place, "life", begin, begin + len(found)))
        return Batch(tuple(records), tuple(spans))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        """Leave."""
