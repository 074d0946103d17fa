"""Replays on a log of several partitions that dies in the middle of appends."""

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

sys.path.insert(0, str(Path(__file__).parent))
from memory_log import CrashError, MemoryLog

from ingest.archive import Archive, Broken, Row
from ingest.metrics import IngestMetrics
from ingest.replay import Replay
from ingest.settings import IngestSettings
from wire.messages import Article, Heartbeat, decode
from wire.metrics import StageMetrics

NOON = datetime(2022, 11, 8, 12, tzinfo=UTC)
BROKEN = (Broken("b" * 32, "undated", "", "{}"), Broken("c" * 32, "empty", "", "{}"))


def rows_of(minutes):
    """Make rows at these minutes; many share a time, and every third a title."""
    rows = [
        Row(NOON + timedelta(minutes=minute), f"title {number % 3 or number}", link=f"https://x.org/{number}")
        for number, minute in enumerate(minutes)
    ]
    return tuple(sorted(rows, key=lambda row: (row.published, row.id)))


def replay(log, home, rows):
    """Replay rows directly, once."""
    registry = CollectorRegistry()
    return Replay(
        log, home, Archive(rows, BROKEN, len(rows)), settings=IngestSettings(), direct=True,
        metrics=IngestMetrics(registry), stage_metrics=StageMetrics(registry),
    ).run(Event())


def contents(log):
    """Return the articles by partition, in order, after checking them against the heartbeats."""
    found = []
    for number in log.bounds("articles").end:
        through, articles = datetime(1970, 1, 1, tzinfo=UTC), []
        for record in log.partition("articles", number):
            message = decode(record.value)
            if isinstance(message, Heartbeat):
                through = max(through, message.through)
            else:
                assert isinstance(message, Article)
                assert message.observed_at >= through
                articles.append(message)
        found.append(sorted(articles, key=lambda article: article.observed_at))
    return found


minutes = st.lists(st.sampled_from([0, 0.5, 1, 4.999999999, 5, 5.1, 11, 12, 700]), min_size=1, max_size=24)


@settings(deadline=None, max_examples=120)
@given(minutes, minutes, st.integers(0, 1 << 30))
def test_a_crash_between_partitions_changes_no_article(early, late, seed):
    """Whichever records of an append survive, the ends are those of a calm replay, late file included."""
    draw = random.Random(seed)
    calm, shaken = MemoryLog(), MemoryLog()
    files = [rows_of(early), rows_of([*early, *late])]

    def cut(by_partition):
        if draw.random() < 0.7:
            return None
        return {place: draw.randint(0, len(found)) for place, found in by_partition.items()}

    with TemporaryDirectory() as folder:
        for rows in files:
            expected = replay(calm, Path(folder, "calm"), rows)
            for attempt in range(50):
                shaken.cut = cut if attempt < 40 else (lambda by_partition: None)
                try:
                    end = replay(shaken, Path(folder, "shaken"), rows)
                    break
                except CrashError:
                    continue
            assert expected == end
            assert contents(calm) == contents(shaken)
        letters = [record for number in range(4) for record in shaken.partition("dead-letters", number)]
        assert {letter.id for letter in BROKEN} == {decode(record.value).id for record in letters}
        assert len(BROKEN) == len(letters)
