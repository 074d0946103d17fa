"""kill -9 at every step of counting and judging, in the middle of an incident and its cooldown."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from alerts import report, tables
from alerts.backtest import backtest
from alerts.judging import blind
from alerts.keys import MICROSECONDS, microseconds
from alerts.store import open_store
from tests.alerts.builders import STREAM, Wire, bucket_at, dump, rows_of
from tests.alerts.child import SETTINGS, work
from tests.faults.course import COURSE, course, quiet
from tests.journeys.journey import eventually, kill
from wire.log import NewRecord
from wire.opening import open_log

ROOT = Path(__file__).parents[2]


def make_home(home: Path, log: str = "embedded") -> None:
    """Make streams, and put the quiet days on them."""
    home.mkdir()
    with open_log(log, home, f"{home.name}.") as opened:
        opened.create(STREAM)
        opened.create("dead-letters")
    append(home, quiet().records, log)


def append(home: Path, records, log: str = "embedded") -> None:
    """Append records: articles where their key says, heartbeats to every partition."""
    with open_log(log, home, f"{home.name}.") as opened:
        partitions = opened.bounds(STREAM).end
        opened.append(STREAM, [
            NewRecord(record.key, record.value, partition)
            for record in records for partition in ([None] if record.key else partitions)
        ])  # fmt: skip


def killed(home: Path, steps, through: int, log: str = "embedded") -> int:
    """Live until all is judged; return how many lives were cut short."""
    command = [sys.executable, "-m", "tests.faults.lives", str(home)]
    done = subprocess.run(
        [*command, ",".join(map(str, steps)), str(through), log], cwd=ROOT, check=False,
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr[-2000:])
    return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def wire() -> Wire:
    """The quiet days, and what follows them."""
    return course()


@pytest.fixture(scope="module")
def calm(wire: Wire, tmp_path_factory: pytest.TempPathFactory):
    """What one life of it says."""
    home = tmp_path_factory.mktemp("lives") / "calm"
    make_home(home)
    append(home, wire.records[len(quiet().records) :])
    work(home, 0, microseconds(wire.now))
    with open_store(f"sqlite:///{home}/store.db") as store:
        return dump(store)


def run(home: Path, wire: Wire, steps, log: str = "embedded") -> int:
    """Judge the quiet days in peace, and the rest over many deaths."""
    make_home(home, log)
    before = quiet()
    work(home, 0, microseconds(before.now), log=log)
    append(home, wire.records[len(before.records) :], log)
    return killed(home, steps, microseconds(wire.now), log)


def same_as_backtest(store) -> bool:
    """Whether a backtest over what is stored gives the stored incidents, byte for byte."""
    start, stop = first_bucket(store), report.judged_through(store) // MICROSECONDS
    with store.read() as connection:
        unseen = blind(connection, start, stop)
    found = backtest(rows_of(store), start, stop, SETTINGS, unseen).incidents
    return msgspec.json.encode(found) == msgspec.json.encode(report.incidents(store))


def first_bucket(store) -> int:
    """The first bucket that somebody watched."""
    with store.read() as connection:
        return min(connection.execute(select(tables.health.c.bucket)).scalars())


def test_the_course_opens_resolves_and_goes_on(calm, wire):
    """What the kills below fall into: one incident that resolves twice, and another beside it."""
    begin = bucket_at(wire.now) - len(COURSE) * 300
    incidents = {row[0]: row for row in calm["incidents"]}
    assert {"Legal", ""} == {row[1] for row in incidents.values()}
    (legal,) = (row for row in incidents.values() if row[1] == "Legal")
    opened, resolved = ((stamp // MICROSECONDS - begin) // 300 for stamp in legal[5:7])
    assert opened < 8 < 8 + 12 < resolved
    assert 4 == len(calm["outbox"])


def test_killed_at_every_step_it_neither_fires_again_nor_forgets(calm, wire, tmp_path):
    """Dozens of deaths: the tables of one life, the same letters under the same ids, and a backtest
    that agrees to the byte."""
    deaths = run(tmp_path / "killed", wire, range(3, 16))
    assert deaths > 20
    with open_store(f"sqlite:///{tmp_path}/killed/store.db") as store:
        assert calm == dump(store)
        assert same_as_backtest(store)


def test_on_kafka_a_backtest_gives_the_live_incidents_after_kills(
    calm, wire, tmp_path, kafka_servers
):
    """Four partitions of a real broker, and two deaths: the embedded log's incidents and letters."""
    home = tmp_path / f"killed-{tmp_path.name}-{os.getpid()}"
    deaths = run(home, wire, [9, 40, 0], f"kafka://{kafka_servers}")
    assert 2 == deaths
    with open_store(f"sqlite:///{home}/store.db") as store:
        found = dump(store)
        assert same_as_backtest(store)
    for name in ("article_ids", "articles", "sums", "detectors", "incidents", "outbox"):
        assert calm[name] == found[name]


def generation(store) -> int:
    """How often somebody took the judge's lease."""
    with store.read() as connection:
        return connection.execute(select(tables.judge.c.generation)).scalar() or 0


def test_where_the_judge_is_killed_another_counter_takes_its_place(
    calm, wire, tmp_path, kafka_servers, new_database
):
    """Two processes on a broker and PostgreSQL share the partitions; the last who came judges, and dies."""
    home, log, url = tmp_path / f"failover-{os.getpid()}", f"kafka://{kafka_servers}", new_database()
    make_home(home, log)
    before, half = quiet(), len(quiet().records) + 70
    work(home, 0, microseconds(before.now), log=log, store=url)
    end = str(microseconds(wire.now))
    command = [sys.executable, "-m", "tests.faults.lives", str(home), "0", end, log, url]
    with open_store(url) as store, ExitStack() as stack:
        processes = []
        for taken in (2, 3):
            process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
            stack.callback(kill, process)
            processes.append(process)
            eventually(lambda taken=taken: generation(store) >= taken)
        append(home, wire.records[len(before.records) : half], log)
        eventually(lambda: report.judged_through(store) > microseconds(before.now) + 3_600_000_000)
        kill(processes[1])
        append(home, wire.records[half:], log)
        assert 0 == processes[0].wait(120)
        found = dump(store)
        assert same_as_backtest(store)
    for name in ("article_ids", "articles", "sums", "detectors", "incidents", "outbox"):
        assert calm[name] == found[name]
