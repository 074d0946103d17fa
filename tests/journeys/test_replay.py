"""Archived news goes in; exact counts come out, whatever dies on the way."""

import random
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from newsquake.demo.newswire import rows as simulated
from tests.journeys.journey import Journey, same, write_archive

START = datetime(2026, 1, 5, tzinfo=UTC)


def wire(days: float) -> list[dict[str, str]]:
    """Rows of our simulated newswire, from the start of its history."""
    end = START + timedelta(days=days)
    found = []
    for row in islice(simulated(START, seed=5), 100_000):
        if row.published >= end:
            break
        found.append(
            {
                "published": row.published.isoformat(),
                "title": row.title,
                "summary": row.summary,
                "link": row.link,
                "source": row.source,
                "language": row.language,
            }
        )
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of news in one file."""
    return write_archive(tmp_path_factory.mktemp("archive") / "wire.csv", wire(4))


@pytest.fixture(scope="module")
def expected(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """What an undisturbed embedded replay of the archive says."""
    return same(Journey(tmp_path_factory.mktemp("undisturbed") / "home").replay(archive))


def test_every_article_is_counted_once(expected: Mapping[str, object]) -> None:
    """The number of distinct rows is the number counted, over all topics and sentiments."""
    rows = wire(4)
    assert expected["read"] == len(rows)
    assert expected["distinct"] == len({row["link"] for row in rows})
    assert expected["counted"] == expected["distinct"]
    counts = expected["counts"]
    assert isinstance(counts, dict)
    assert sum(sum(by.values()) for by in counts.values()) == expected["counted"]


def test_a_second_replay_changes_nothing(
    archive: Path, expected: Mapping[str, object], tmp_path: Path
) -> None:
    """The same file into the same home twice ends with the same numbers."""
    journey = Journey(tmp_path / "home")
    assert same(journey.replay(archive)) == expected
    assert same(journey.replay(archive)) == expected


def test_three_kills_change_nothing(
    archive: Path, expected: Mapping[str, object], tmp_path: Path
) -> None:
    """A replay killed at three random moments and started again ends with the same numbers."""
    journey, moments = Journey(tmp_path / "home"), random.Random(11)
    for _ in range(3):
        journey.replay_killed(moments.uniform(1.5, 5.0), archive)
    assert same(journey.replay(archive)) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_replay_stops_at_once_and_goes_on_later(
    archive: Path, expected: Mapping[str, object], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C says 130, prints no result and no traceback; the next run ends with the same numbers."""
    journey = Journey(tmp_path / "home")
    with journey.start("replay", str(archive), "--speed", "3600", "--json") as process:
        time.sleep(4)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert same(journey.replay(archive)) == expected


def test_http_and_log_direct_agree(
    archive: Path, expected: Mapping[str, object], tmp_path: Path
) -> None:
    """Skipping HTTP gives the same numbers."""
    assert same(Journey(tmp_path / "home").replay(archive, "--log-direct")) == expected


def test_disorder_overlap_and_broken_rows_are_counted_or_dead(
    archive: Path, expected: Mapping[str, object], tmp_path: Path
) -> None:
    """Overlapping files out of order, with two undated rows, add only two dead letters."""
    rows = wire(4)
    random.Random(3).shuffle(rows)
    undated = [{**rows[0], "published": when, "link": f"https://x.example/{when}"} for when in ("", "soon")]
    first = write_archive(tmp_path / "a.csv", rows[:400] + undated)
    second = write_archive(tmp_path / "b.csv", rows[300:])
    outcome = Journey(tmp_path / "home").replay(first, second)
    assert outcome["dead_letters"] == 2
    assert outcome["read"] == len(rows) + 100 + 2
    assert outcome["counts"] == expected["counts"]
    assert outcome["incidents"] == expected["incidents"]


def test_kafka_and_embedded_agree(
    archive: Path, expected: Mapping[str, object], tmp_path: Path, kafka_servers: str
) -> None:
    """A replay on a real broker says what the embedded one says, also after a kill."""
    journey = Journey(tmp_path / "home", {"NEWSQUAKE_LOG": f"kafka://{kafka_servers}"})
    journey.replay_killed(6.0, archive)
    assert same(journey.replay(archive)) == expected


def test_three_processes_on_kafka_survive_a_kill_each(
    archive: Path, expected: Mapping[str, object], tmp_path: Path, kafka_servers: str,
    new_database: Callable[[], str],
) -> None:
    """Stages as processes on a broker and PostgreSQL, each killed and started again, say the same."""
    journey = Journey(
        tmp_path / "home",
        {
            "NEWSQUAKE_LOG": f"kafka://{kafka_servers}", "NEWSQUAKE_STREAM_PREFIX": "three.",
            "NEWSQUAKE_STORE": new_database(),
        },
    )
    for stage in ("classifier", "alerts"):
        with journey.started("run", stage):
            journey.replay_killed(5.0, archive, "--ingest-only")
    with journey.started("run", "classifier"), journey.started("run", "alerts"):
        assert same(journey.replay(archive, "--ingest-only")) == expected
