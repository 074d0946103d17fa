"""What only the embedded log promises: one member a group, a file lock, several processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from tests.wire.conftest import EmbeddedHouse, take_all, texts, values
from wire.embedded import EmbeddedLog
from wire.errors import LogError, LogUnavailableError, MemberBusyError, StreamMismatchError
from wire.log import NewRecord


@pytest.fixture
def log(embedded: EmbeddedHouse) -> EmbeddedLog:
    """Give an open log with the stream `one`."""
    log = embedded.make()
    embedded.logs.append(log)
    log.create("one")
    return log


def test_a_second_member_is_refused_at_once(log: EmbeddedLog) -> None:
    """The error names the process that holds the group's place."""
    with log.join("one", "g"):
        began = time.monotonic()
        with pytest.raises(MemberBusyError, match=f"process {os.getpid()} "):
            log.join("one", "g")
        assert time.monotonic() - began < 0.5
        log.join("one", "h").close()
    log.join("one", "g").close()


def test_the_place_of_a_killed_process_is_free(embedded: EmbeddedHouse, log: EmbeddedLog) -> None:
    """The lock falls with its process, and the next member gets what that one held."""
    log.append("one", texts("a"))
    child = embedded.child("take", "one", "g", "1")
    assert ["a", "holding"] == [child.line(), child.line()]
    with pytest.raises(MemberBusyError, match=f"process {child.process.pid} "):
        log.join("one", "g")
    child.kill()

    with log.join("one", "g") as member:
        assert ["a"] == values(take_all(member, 1))


def test_a_failed_join_leaves_the_place_free(log: EmbeddedLog) -> None:
    """An error in the caller's start function does not keep the lock."""
    with pytest.raises(ZeroDivisionError):
        log.join("one", "g", lambda _: 1 // 0)  # type: ignore[arg-type, return-value]
    log.join("one", "g").close()


def test_several_processes_write_one_stream(embedded: EmbeddedHouse, log: EmbeddedLog) -> None:
    """Three writing processes and this reader lose nothing and keep each writer's order."""
    children = [embedded.child("append", "one", name, "50") for name in "abc"]
    with log.join("one", "g") as member:
        found = values(take_all(member, 150))
    for child in children:
        child.rest()

    for name in "abc":
        assert [f"{name}-{n}" for n in range(50)] == [v for v in found if v.startswith(name)]


def test_a_reader_soon_sees_what_another_process_appended(
    embedded: EmbeddedHouse, log: EmbeddedLog
) -> None:
    """Polling across processes costs a fraction of a second, not the whole wait."""
    with log.join("one", "g") as member:
        other = embedded.open()
        began = time.monotonic()
        timer = threading.Timer(0.1, other.append, ("one", texts("a")))
        timer.start()
        assert ["a"] == values(member.take(1, 30))
        assert time.monotonic() - began < 2
        timer.join()


def test_a_stream_has_one_partition(log: EmbeddedLog) -> None:
    """More than one is refused when asked for, not later."""
    with pytest.raises(StreamMismatchError):
        log.create("many", partitions=2)


def test_a_full_disk_is_an_error_that_may_pass(tmp_path: Path) -> None:
    """The append fails whole, what was there stays, and smaller ones work again."""
    with EmbeddedLog(tmp_path / "log.db", max_bytes=300_000) as log:
        log.create("one")
        log.append("one", texts("a"))
        with pytest.raises(LogUnavailableError, match="full") as caught:
            log.append("one", [NewRecord(b"k", bytes(100_000)) for _ in range(10)])
        assert caught.value.retryable
        log.append("one", texts("b"))

        with log.join("one", "g") as member:
            assert ["a", "b"] == values(take_all(member, 2))


FILE_TOO_LARGE = """
import resource, sys
from pathlib import Path
from wire.embedded import EmbeddedLog
from wire.errors import LogUnavailableError
from wire.log import NewRecord
with EmbeddedLog(Path(sys.argv[1])) as log:
    log.create("one")
    log.append("one", [NewRecord(b"a", b"a")])
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        log.append("one", [NewRecord(b"k", bytes(100_000)) for _ in range(10)])
    except LogUnavailableError:
        print("unavailable")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.append("one", [NewRecord(b"b", b"b")])
    with log.join("one", "g") as member:
        print(*(record.value.decode() for record in member.take(20, 1).records))
"""


def test_a_write_that_the_system_refuses_is_an_error_that_may_pass(tmp_path: Path) -> None:
    """A process that may not write further keeps a sound log, and goes on when it may again."""
    done = subprocess.run(
        [sys.executable, "-c", FILE_TOO_LARGE, str(tmp_path / "log.db")],
        capture_output=True, text=True, check=True,
    )

    assert ["unavailable", "a b"] == done.stdout.splitlines()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """The path is in the message."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailableError, match="file"):
        EmbeddedLog(tmp_path / "file" / "log.db")


def test_a_file_that_is_no_log_is_a_clear_error(tmp_path: Path) -> None:
    """It is not overwritten."""
    path = tmp_path / "log.db"
    path.write_text("no database, this" * 100)
    with pytest.raises(LogError) as caught:
        EmbeddedLog(path)

    assert not caught.value.retryable
    assert path.read_text().startswith("no database")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """An older Newsquake does not guess at what a newer one wrote."""
    EmbeddedLog(tmp_path / "log.db").close()
    with apsw.Connection(str(tmp_path / "log.db")) as connection:
        connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(LogError, match="newer"):
        EmbeddedLog(tmp_path / "log.db")


def test_a_writer_waits_for_another_only_so_long(tmp_path: Path) -> None:
    """A process that holds the write lock for too long does not hang the others."""
    with EmbeddedLog(tmp_path / "log.db", busy_s=0.3) as log:
        log.create("one")
        other = apsw.Connection(str(tmp_path / "log.db"))
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LogUnavailableError) as caught:
            log.append("one", texts("a"))
        assert time.monotonic() - began < 3
        assert caught.value.retryable
        other.execute("ROLLBACK")
        other.close()
        log.append("one", texts("b"))

        assert {0: 1} == log.bounds("one").end


def test_a_removed_file_is_noticed(embedded: EmbeddedHouse, log: EmbeddedLog) -> None:
    """Nothing is written into a file that nobody can open any more."""
    with log.join("one", "g") as member:
        embedded.path.unlink()
        with pytest.raises(LogError, match="removed"):
            log.append("one", texts("a"))
        with pytest.raises(LogError, match="removed"):
            member.take(1, 1)


def test_one_take_is_bounded_in_bytes(log: EmbeddedLog) -> None:
    """A generous limit does not read a day of large records into memory."""
    for _ in range(3):
        log.append("one", [NewRecord(b"k", bytes(2 << 20)) for _ in range(4)])

    with log.join("one", "g") as member:
        assert [8, 4] == [len(member.take(1000, 1).records) for _ in range(2)]


def test_an_append_prunes_only_so_much(embedded: EmbeddedHouse, log: EmbeddedLog) -> None:
    """After a long pause old records go in several appends, so that none of them is slow."""
    log.append("one", [NewRecord(b"k", b"v") for _ in range(25_000)])
    embedded.ahead_s = 30 * 86400
    firsts = []
    for _ in range(4):
        log.append("one", texts("new"))
        firsts.append(log.bounds("one").first[0])

    assert [10_000, 20_000, 25_000, 25_000] == firsts


def test_many_processes_may_open_a_new_log_at_once(embedded: EmbeddedHouse) -> None:
    """Creating the file and its tables is safe in parallel."""
    log = embedded.open()
    log.create("one")
    log.close()
    for path in embedded.path.parent.glob("log.db*"):
        path.unlink()
    program = (
        "import sys; from pathlib import Path; from wire.embedded import EmbeddedLog; "
        "log = EmbeddedLog(Path(sys.argv[1])); log.create('one'); print(log.bounds('one'))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(embedded.path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = {child.communicate(timeout=60)[0] for child in children}

    assert 1 == len(said)
