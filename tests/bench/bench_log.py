"""Measure both logs side by side: `python tests/bench/bench_log.py`.

Kafka is the broker that NEWSQUAKE_KAFKA=host:port names, else one started for this run (and
left out where there is no Java). Records are 1 KB. Figures are medians over a few rounds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from wire.log import Bounds, Log, NewRecord, Position  # noqa: E402
from wire.opening import open_log  # noqa: E402

ROUNDS = 3
VALUE = os.urandom(500).hex().encode()


def records(count: int) -> list[NewRecord]:
    """Make records with different keys, so that they spread over partitions."""
    return [NewRecord(b"key-%d" % number, VALUE) for number in range(count)]


def append(log: Log, stream: str, count: int, at_once: int) -> float:
    """Return records appended per second, `at_once` in each append."""
    batch = records(at_once)
    began = time.perf_counter()
    for _ in range(count // at_once):
        log.append(stream, batch)
    return count / (time.perf_counter() - began)


def take_and_settle(log: Log, stream: str, count: int, limit: int) -> float:
    """Return records taken per second, each batch settled; joining is not counted."""
    taken = 0
    with log.join(stream, uuid.uuid4().hex) as member:
        while not (batch := member.take(1, 5)).records:
            pass
        member.seek(batch.records[0].partition, batch.records[0].offset)
        began = time.perf_counter()
        while taken < count:
            batch = member.take(limit, 5)
            member.settle(batch.spans)
            taken += len(batch.records)
    return taken / (time.perf_counter() - began)


def latency_ms(log: Log, stream: str, count: int) -> float:
    """Return the median time from before an append to the record's arrival at a reader."""
    times = []
    start = partial(_end, log.bounds(stream))
    with log.join(stream, None, start) as reader:
        reader.take(1, 0)
        for _ in range(count):
            began = time.perf_counter()
            log.append(stream, records(1))
            while not reader.take(1, 5).records:
                pass
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _end(bounds: Bounds, partition: int) -> Position:
    return Position(bounds.incarnation, bounds.end[partition])


def measure(log: Log) -> dict[str, float]:
    """Return every figure of one log."""
    stream = f"bench-{uuid.uuid4().hex[:8]}"
    log.create(stream, retain_s=3600)
    log.append(stream, records(10))
    rounds: list[tuple[str, Callable[[], float]]] = [
        ("append, 1 a call, records/s", lambda: append(log, stream, 200, 1)),
        ("append, 100 a call, records/s", lambda: append(log, stream, 5_000, 100)),
        ("append, 1000 a call, records/s", lambda: append(log, stream, 20_000, 1000)),
        ("take 64 + settle, records/s", lambda: take_and_settle(log, stream, 10_000, 64)),
        ("take 1000 + settle, records/s", lambda: take_and_settle(log, stream, 50_000, 1000)),
        ("append to taken, ms", lambda: latency_ms(log, stream, 50)),
    ]
    return {name: statistics.median(once() for _ in range(ROUNDS)) for name, once in rounds}


@contextmanager
def broker() -> Iterator[str | None]:
    """Give the address of a broker, or None where none can be started."""
    if existing := os.environ.get("NEWSQUAKE_KAFKA"):
        yield existing.removeprefix("kafka://")
        return
    with tempfile.TemporaryDirectory() as home:
        script = ROOT / "deploy" / "kafka" / "broker.py"
        process = subprocess.Popen(
            [sys.executable, str(script), "--home", home], stdout=subprocess.PIPE, text=True
        )
        said = dict[str, str]()
        for line in process.stdout or ():
            name, _, value = line.strip().partition("=")
            said[name] = value
            if name == "NEWSQUAKE_LOG":
                break
        yield said.get("NEWSQUAKE_LOG", "").removeprefix("kafka://") or None
        process.terminate()
        process.communicate()


def main() -> None:
    """Print one table."""
    found = {}
    # Beside the project, because /tmp can be memory, where fsync costs nothing.
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as home,
        open_log("embedded", Path(home)) as log,
    ):
        found["embedded"] = measure(log)
    with broker() as servers:
        if servers is not None:
            with open_log(f"kafka://{servers}", Path(), f"bench-{uuid.uuid4().hex[:8]}.") as log:
                found["kafka"] = measure(log)
    print(f"{'':34}" + "".join(f"{name:>12}" for name in found))
    for what in next(iter(found.values())):
        print(f"{what:34}" + "".join(f"{figures[what]:12,.1f}" for figures in found.values()))


if __name__ == "__main__":
    main()
