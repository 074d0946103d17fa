"""A log in memory with several partitions and troubles to order, and a model to order."""

from collections.abc import Callable, Sequence

from classifier.errors import MemoryExhaustedError
from classifier.scores import Scores
from wire.errors import (
    FencedError,
    LogUnavailableError,
    RecordTooLargeError,
    StreamMismatchError,
    StreamUnknownError,
)
from wire.log import Batch, Bounds, NewRecord, Record, Span


class MemoryLog:
    """Keeps what Log promises, in one process; `fail_appends` and `fence` make trouble."""

    def __init__(self) -> None:
        self.held: dict[str, list[list[NewRecord]]] = {}
        self.settled: dict[int, int] = {}
        self.events: list[str] = []
        self.failures = 0
        self.fences = 0
        self.largest = 1 << 20

    def fail_appends(self, times: int) -> "MemoryLog":
        """The next appends to scored-articles are done in part, and raise."""
        self.failures = times
        return self

    def fence(self, times: int) -> "MemoryLog":
        """The next settles are refused."""
        self.fences = times
        return self

    def refuse_above(self, size: int) -> "MemoryLog":
        """Larger records are refused."""
        self.largest = size
        return self

    def create(self, stream, partitions=None, retain_s=None) -> None:
        if partitions not in (None, len(self.held.setdefault(stream, [[] for _ in range(partitions or 1)]))):
            raise StreamMismatchError

    def streams(self) -> list[str]:
        return sorted(self.held)

    def bounds(self, stream) -> Bounds:
        if stream not in self.held:
            raise StreamUnknownError
        ends = {number: len(held) for number, held in enumerate(self.held[stream])}
        return Bounds("life", dict.fromkeys(ends, 0), ends)

    def append(self, stream, records: Sequence[NewRecord]) -> None:
        if any(len(record.value) > self.largest for record in records):
            raise RecordTooLargeError
        self.events.append(f"append {stream}")
        failing = stream == "scored-articles" and self.failures > 0
        for record in records[: len(records) // 2] if failing else records:
            self.held[stream][record.partition or 0].append(record)
        if failing:
            self.failures -= 1
            raise LogUnavailableError

    def join(self, stream, group, start=None) -> "MemoryMember":
        self.bounds(stream)
        self.events.append("join")
        return MemoryMember(self, stream)

    def values(self, stream, partition=0) -> list[bytes]:
        """What a partition holds."""
        return [record.value for record in self.held[stream][partition]]


class MemoryMember:
    """Reads all partitions from what was settled."""

    def __init__(self, log: MemoryLog, stream: str) -> None:
        self.log, self.stream = log, stream
        self.next = {n: log.settled.get(n, 0) for n in range(len(log.held[stream]))}

    def take(self, limit, within_s) -> Batch:
        self.log.events.append(f"take {limit}")
        records: list[Record] = []
        spans = []
        for number, held in enumerate(self.log.held[self.stream]):
            start = self.next[number]
            stop = min(len(held), start + limit - len(records))
            if stop > start:
                records += [Record(number, n, held[n].key, held[n].value) for n in range(start, stop)]
                spans.append(Span(self.stream, number, "life", start, stop))
                self.next[number] = stop
        return Batch(tuple(records), tuple(spans))

    def settle(self, spans) -> None:
        if self.log.fences > 0:
            self.log.fences -= 1
            raise FencedError
        self.log.events.append("settle")
        for span in spans:
            self.log.settled[span.partition] = span.stop

    def lag(self) -> int:
        return sum(len(h) - self.next[n] for n, h in enumerate(self.log.held[self.stream]))

    def close(self) -> None:
        self.log.events.append("leave")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ScriptedModel:
    """Scores everything alike, except texts that hold `poison`; may be broken, or small."""

    name, backend_name, backend_reason = "scripted@1", "scripted", "configured"

    def __init__(self, *, poison: str = "poison", broken: bool = False, fits: int = 10**9) -> None:
        self.poison, self.broken, self.fits = poison, broken, fits
        self.on_score: Callable[[], None] = lambda: None

    def score(self, texts: Sequence[str]) -> list[Scores]:
        self.on_score()
        if len(texts) > self.fits:
            raise MemoryExhaustedError
        if self.broken or any(self.poison in text for text in texts):
            raise ValueError("no answer")
        return [
            Scores({"A": 0.75, "B": 0.25}, {"negative": 0.5, "neutral": 0.25, "positive": 0.25},
                   truncated=len(text) > 99, tokens=len(text)) for text in texts
        ]

    def check(self) -> None:
        if self.broken:
            raise RuntimeError("the device is gone")
