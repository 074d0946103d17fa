"""Counting on one core, and what a key costs: time, memory and bytes in the store.

    python tests/bench/bench_counting.py

Counting: scored articles from their bytes to the commit (decoded, fenced, deduplicated, summed;
SQLite with its rollback journal and full synchronisation, batches of 500), in turn with the bare
insert of the same rows by the driver alone, so that the ratio is of one machine at one time. CPU is
the processor time of this process, user and system; of rounds the best.
Keys: each number of keys in a process of its own, whose peak memory is compared with that of one
key. The desk judges days of buckets in which one key in ten has news.
"""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.dialects import sqlite

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from alerts import state, tables  # noqa: E402
from alerts.counter import Counter  # noqa: E402
from alerts.counting import read  # noqa: E402
from alerts.desk import Desk  # noqa: E402
from alerts.detector import Detectors  # noqa: E402
from alerts.judging import Judge  # noqa: E402
from alerts.keys import BUCKET_S, MICROSECONDS, microseconds  # noqa: E402
from alerts.settings import AlertsSettings, Watch  # noqa: E402
from alerts.shape import Pool  # noqa: E402
from alerts.store import open_store  # noqa: E402
from alerts.stories import MemoryRows, Row  # noqa: E402
from wire.log import Record, Span  # noqa: E402
from wire.messages import Article, Heartbeat, ScoredArticle, encode  # noqa: E402

START = datetime(2026, 1, 5, tzinfo=UTC)
ARTICLES, BATCH, A_SECOND, ROUNDS = 20_000, 500, 50, 3
TOPICS = tuple(f"Topic {number}" for number in range(20))
WORDS = ("bank", "rate", "profit", "warning", "court", "oil", "deal", "cut", "bond", "strike", "ferry")
KEYS = (1, 30, 1_000, 10_000)
DAYS_OF_KEYS = {1: 6, 100: 6, 1_000: 6, 10_000: 3}
FROM_DAY = 3  # the first two are not judged: nothing is known yet


def scored(number: int, chance: random.Random) -> Record:
    """Make the record of an article as the classifier appends it, of about a kilobyte."""
    at = START + timedelta(seconds=number / A_SECOND)
    negative = chance.random()
    article = Article(
        id=f"{number:032x}", url=f"https://news.example/{number}", title=" ".join(chance.choices(WORDS, k=9)),
        text=" ".join(chance.choices(WORDS, k=60)), source=f"source {number % 50}", language="en",
        observed_at=at, story_id=f"story {number // 3}",
    )  # fmt: skip
    first, second = chance.sample(TOPICS, 2)
    return Record(0, number, article.id.encode(), encode(ScoredArticle(
        article=article, topics={first: 0.8, second: 0.2}, model="bench",
        sentiments={"negative": negative, "neutral": 1 - negative, "positive": 0.0},
    )))  # fmt: skip


def batches() -> list[list[Record]]:
    """The records in batches, with a heartbeat at the end of each."""
    chance = random.Random(1)
    records = [scored(number, chance) for number in range(ARTICLES)]
    found = []
    for begin in range(0, ARTICLES, BATCH):
        at = START + timedelta(seconds=(begin + BATCH) / A_SECOND)
        beat = Record(0, 0, b"", encode(Heartbeat(through=at, sources=50)))
        found.append([*records[begin : begin + BATCH], beat])
    return found


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Articles a second that some work on all of them does, by the wall and by the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return ARTICLES / (time.perf_counter() - wall), ARTICLES / (time.process_time() - cpu)


def count(folder: Path, name: str, records: Sequence[list[Record]], settings: AlertsSettings
          ) -> tuple[float, float]:  # fmt: skip
    """Count everything into a fresh store."""
    with open_store(f"sqlite:///{folder}/{name}.db") as store:
        counter = Counter(store, "scored-articles", settings)
        counter.begin([0])

        def work() -> None:
            begin = 0
            for each in records:
                counter.count([Span("scored-articles", 0, "life", begin, begin + len(each))], read(each)[0])
                begin += len(each)

        return timed(work)


def bare(folder: Path, name: str, source: str) -> tuple[float, float]:
    """Insert the article rows of a counted store into an empty one, by the driver alone."""
    with open_store(f"sqlite:///{folder}/{source}.db") as store, store.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(tables.articles))]
    open_store(f"sqlite:///{folder}/{name}.db").close()
    statement = str(insert(tables.articles).compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(folder / f"{name}.db", isolation_level=None)) as plain:
        plain.execute("PRAGMA journal_mode=TRUNCATE")
        plain.execute("PRAGMA synchronous=FULL")

        def work() -> None:
            for begin in range(0, len(rows), BATCH):
                plain.execute("BEGIN IMMEDIATE")
                plain.executemany(statement, rows[begin : begin + BATCH])
                plain.execute("COMMIT")

        return timed(work)


def counting() -> None:
    """Print what is counted a second."""
    records = batches()
    watched = AlertsSettings(
        topics=TOPICS, watches=tuple(Watch(name=f"Company {number}") for number in range(200))
    )
    rounds = []
    # Beside the project, because /tmp can be memory, where fsync costs nothing.
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name:
            folder = Path(name)
            rounds.append((
                count(folder, "plain", records, AlertsSettings(topics=TOPICS)),
                count(folder, "watched", records, watched), bare(folder, "bare", "plain"),
            ))  # fmt: skip
    best = [tuple(map(max, zip(*each, strict=True))) for each in zip(*rounds, strict=True)]
    for what, (wall, cpu) in zip(("counted", "counted, 200 watches", "bare insert"), best, strict=True):
        print(f"{what:22}{wall:10,.0f} articles/s {cpu:10,.0f} per second of CPU")
    print(f"counted / bare insert, CPU: {best[0][1] / best[2][1]:.2f}")


def update_us(keys: int) -> tuple[float, float]:
    """Microseconds of processor time for a bucket of so many keys, and for one of them."""
    kept = Detectors(state.fresh(keys), Pool())
    kept.rows["known"] = 5000  # everything is judged, as after the first two days
    counts = np.random.default_rng(1).poisson(0.3, (50, keys))
    on, steps = np.ones(keys, bool), max(20, min(400, 200_000 // keys))
    start = time.process_time()
    for step in range(steps):
        kept.step(step * BUCKET_S, counts[step % 50], on, on)
    spent = (time.process_time() - start) * 1e6 / steps
    return spent, spent / keys


def peak_kb() -> int:
    """The most memory that this program ever had, in KiB (getrusage counts its parent's, too)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def judge_days(keys: int) -> None:
    """Judge days of buckets with a desk; print the peak memory after each day."""
    desk = Desk(AlertsSettings(topics=tuple(f"t{number}" for number in range(keys - 1))))
    chance, begin, names = random.Random(1), int(START.timestamp()), 0
    for day in range(DAYS_OF_KEYS[keys]):
        for hour in range(begin + day * 86_400, begin + (day + 1) * 86_400, 3600):
            rows = []
            for bucket in range(hour, hour + 3600, BUCKET_S):
                for _ in range(max(keys // 10, 1)):
                    names += 1
                    topic = f"t{chance.randrange(max(keys - 1, 1))}"
                    rows.append(Row(
                        bucket * MICROSECONDS + len(rows), f"a{names}", f"a{names}", bucket, topic,
                        "negative", 900_000, "A title", "https://x.example", f"s{names % 50}",
                    ))  # fmt: skip
            desk.judge(hour, hour + 3600, MemoryRows(rows), ())
        print(peak_kb(), flush=True)


def memory() -> None:
    """Print the growth of peak memory by keys."""
    peaks = {}
    for keys in DAYS_OF_KEYS:
        command = [sys.executable, __file__, "--judge", str(keys)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        peaks[keys] = [int(line) for line in said.split()]
    for keys, days in peaks.items():
        each = (days[-1] - peaks[1][-1]) / max(keys - 1, 1)
        print(f"{keys:6,} keys: peak {days[FROM_DAY - 1] / 1024:6.0f} MiB after {FROM_DAY} days, "
              f"{days[-1] / 1024:6.0f} after {len(days)}; {each:6.1f} KiB a key above one key's")  # fmt: skip


def live_bucket_s(keys: int) -> float:
    """Seconds of processor time of the judge's transaction for one bucket that closed just now."""
    settings = AlertsSettings(topics=tuple(f"t{number}" for number in range(keys - 1)))
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name,
        open_store(f"sqlite:///{name}/store.db") as store,
    ):
        judge = Judge(store, "scored-articles", settings, lambda: START)
        judge.take_lease(at_once=True)
        for number in range(3):
            through = microseconds(START + number * timedelta(seconds=BUCKET_S))
            with store.write() as connection:
                connection.execute(store.insert(tables.watermarks).on_conflict_do_update(
                    index_elements=["stream", "partition"], set_={"through": through},
                ), [{"stream": "scored-articles", "partition": 0, "through": through}])  # fmt: skip
                connection.execute(store.insert(tables.health), [
                    {"bucket": through // MICROSECONDS - BUCKET_S, "sources": 9, "failing": 0}
                ])  # fmt: skip
            start = time.process_time()
            judge.step()
            spent = time.process_time() - start
        with store.read() as connection:
            stored = connection.execute(select(tables.detectors.c.state)).scalars().first()
    print(f"{keys:6,} keys: {spent:6.3f} s of CPU for a live bucket's transaction; "
          f"{len(stored or b''):,} bytes a key in the store")  # fmt: skip
    return spent


def main() -> None:
    """Print everything."""
    counting()
    print(f"a key's row: {state.ROW.itemsize:,} bytes; the shared state: "
          f"{len(msgspec.msgpack.encode(Pool())):,}")  # fmt: skip
    for keys in KEYS:
        bucket, each = update_us(keys)
        print(f"{keys:6,} keys: {bucket:10,.0f} us a bucket, {each:7.1f} us a key")
    for keys in KEYS:
        live_bucket_s(keys)
    memory()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        judge_days(int(sys.argv[2]))
    else:
        main()
