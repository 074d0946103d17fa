"""A house for each implementation: it opens logs, ages them, and recreates their streams."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import kafka
import pytest

from wire.embedded import EmbeddedLog
from wire.kafka import KafkaLog
from wire.log import Batch, Log, Member, NewRecord

CHILD = Path(__file__).parent / "child.py"


class Child:
    """A process of its own that works on the same log (see child.py)."""

    def __init__(self, house: "House", *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), *house.address, *words],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent,
        )

    def line(self) -> str:
        """Wait for its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> list[str]:
        """Kill -9, and return the lines it still had said."""
        self.process.kill()
        return self.rest()

    def rest(self) -> list[str]:
        """Wait for its end, and return the whole lines it still had said."""
        # Not by `communicate`, which misses what `line` has read ahead.
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        self.process.wait(60)
        return [line.strip() for line in said.splitlines(keepends=True) if line.endswith("\n")]


class House:
    """Opens logs and child processes, and closes them all."""

    kind: str
    partitions: int
    address: tuple[str, ...]

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.children: list[Child] = []

    def open(self) -> Log:
        """Open the log once more, as another process would."""
        self.logs.append(self.make())
        return self.logs[-1]

    def child(self, *words: str) -> Child:
        """Start a process that works on the log."""
        self.children.append(Child(self, *words))
        return self.children[-1]

    def close(self) -> None:
        """Close and end everything that was opened."""
        for child in self.children:
            if child.process.poll() is None:
                child.kill()
            if child.process.stdout is not None:
                child.process.stdout.close()
        for log in self.logs:
            log.close()
        self.logs.clear()

    def make(self) -> Log:
        """Make a log of the kind."""
        raise NotImplementedError

    def prune(self, stream: str) -> None:
        """Make everything that partition 0 holds go, then append one record, `new`."""
        raise NotImplementedError

    def recreate(self, stream: str) -> Log:
        """Remove the stream, create it again, and return a log that was opened since."""
        raise NotImplementedError


class EmbeddedHouse(House):
    """A file in a temporary folder; its clock can be put forward."""

    kind, partitions = "embedded", 1

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "home" / "log.db"
        self.address = ("embedded", str(self.path), "-")
        self.ahead_s = 0.0

    def make(self) -> EmbeddedLog:
        return EmbeddedLog(self.path, now=lambda: time.time() + self.ahead_s)

    def prune(self, stream: str) -> None:
        self.ahead_s += 30 * 86400
        with self.make() as log:
            log.append(stream, [NewRecord(b"new", b"new")])

    def recreate(self, stream: str) -> Log:
        for log in self.logs:
            log.close()
        for path in self.path.parent.glob("log.db*"):
            if path.is_file():
                path.unlink()
        log = self.open()
        log.create(stream)
        return log


class KafkaHouse(House):
    """A prefix of its own on the broker of this run."""

    kind, partitions = "kafka", 4

    def __init__(self, servers: str) -> None:
        super().__init__()
        self.servers = servers
        self.prefix = f"test-{uuid.uuid4().hex[:12]}."
        self.address = ("kafka", servers, self.prefix)
        self.admin = kafka.KafkaAdminClient(bootstrap_servers=servers)

    def make(self) -> KafkaLog:
        return KafkaLog([self.servers], self.prefix, timeout_s=15, session_s=6)

    def prune(self, stream: str) -> None:
        place = kafka.TopicPartition(self.prefix + stream, 0)
        with self.make() as log:
            self.admin.delete_records({place: log.bounds(stream).end[0]})
            log.append(stream, [NewRecord(b"new", b"new", 0)])

    def recreate(self, stream: str) -> Log:
        self.admin.delete_topics([self.prefix + stream])
        deadline = time.monotonic() + 20
        while self.prefix + stream in self.admin.list_topics() and time.monotonic() < deadline:
            time.sleep(0.1)
        log = self.open()
        log.create(stream)
        return log

    def close(self) -> None:
        super().close()
        names = [name for name in self.admin.list_topics() if name.startswith(self.prefix)]
        if names:
            self.admin.delete_topics(names)
        self.admin.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedHouse]:
    """Give the embedded log in a folder of its own."""
    house = EmbeddedHouse(tmp_path)
    yield house
    house.close()


@pytest.fixture
def on_kafka(kafka_servers: str) -> Iterator[KafkaHouse]:
    """Give the log on Kafka under a prefix of its own."""
    house = KafkaHouse(kafka_servers)
    yield house
    house.close()


@pytest.fixture(params=["embedded", "on_kafka"])
def house(request: pytest.FixtureRequest) -> House:
    """Give one implementation after the other."""
    found: House = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def log(house: House) -> Log:
    """Give an open log with the streams `news` (default) and `one` (a single partition)."""
    log = house.open()
    log.create("news")
    log.create("one", partitions=1)
    return log


def texts(*values: object, partition: int | None = None) -> list[NewRecord]:
    """Make records whose key and value are the text of each value."""
    return [NewRecord(str(value).encode(), str(value).encode(), partition) for value in values]


def take_all(member: Member, count: int, within_s: float = 20.0) -> Batch:
    """Take until there were `count` records, or the time is up; returns them as one batch."""
    deadline = time.monotonic() + within_s
    taken = Batch()
    while len(taken.records) < count and time.monotonic() < deadline:
        more = member.take(count - len(taken.records), 0.5)
        taken = Batch(taken.records + more.records, taken.spans + more.spans)
    return taken


def values(batch: Batch) -> list[str]:
    """Return the values of a batch as text."""
    return [record.value.decode() for record in batch.records]
