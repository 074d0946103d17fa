"""Replays on the virtual clock."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from ingest.archive import Archive, Broken, Row
from ingest.errors import IngestBusyError, ReplayError
from ingest.index import Index
from ingest.replay import Replay
from wire.embedded import EmbeddedLog
from wire.messages import Article, Heartbeat

NOON = datetime(2022, 11, 8, 12, tzinfo=UTC)


def row(minutes, title, source="wire", **more):
    """Make a row so many minutes after noon."""
    return Row(NOON + timedelta(minutes=minutes), title, "text", f"https://x.org/{title}", source, **more)


def archive(rows, broken=()):
    """Make an archive of rows, sorted as `read` sorts them."""
    return Archive(tuple(sorted(rows, key=lambda r: (r.published, r.id))), tuple(broken), len(rows))


def made_rows(count=300, seed=7):
    """Make rows of a few sources with ties, quiet hours and syndicated titles."""
    draw = random.Random(seed)
    minute, rows = 0.0, []
    for number in range(count):
        minute += draw.choice([0, 0, 0, 0.5, 3, 7, 240])
        rows.append(row(minute, f"n{number}", f"s{number % 5}"))
        if number % 9 == 0:
            rows.append(Row(rows[-1].published, f"n{number}", "copy", f"https://y.org/{number}", "copycat"))
    return rows


def articles(found):
    """Return the articles among messages."""
    return [message for message in found if isinstance(message, Article)]


def test_articles_are_observed_when_they_were_published(log, tmp_path, parts, messages):
    """Ties are stamped in id order a microsecond apart, and each step ends with a heartbeat."""
    rows = [row(1, "a"), row(1, "b"), row(7, "c")]
    end = Replay(log, tmp_path, archive(rows), **parts).run(Event())
    found = messages(log, "articles")
    first = sorted([rows[0].id, rows[1].id])
    expected = [
        (first[0], NOON + timedelta(minutes=1)),
        (first[1], NOON + timedelta(minutes=1, microseconds=1)),
        ("beat", NOON + timedelta(minutes=5)),
        (rows[2].id, NOON + timedelta(minutes=7)),
        ("beat", NOON + timedelta(minutes=10)),
    ]
    assert expected == [
        ("beat", m.through) if isinstance(m, Heartbeat) else (m.id, m.observed_at) for m in found
    ]
    assert NOON + timedelta(minutes=10) == end


def test_http_and_direct_give_the_same_articles(log, tmp_path, parts, messages):
    """What travelled as RSS is byte for byte what was put in directly."""
    rows = [
        *made_rows(60), row(2, "<SRD> & Co &amp; \x07 5 < 6", language="en-US"),
        row(3, "Ã© café 新闻 😀"), Row(NOON, "", "only text"), Row(NOON, "no link", "", "", "a&b <c>"),
        Row(NOON, "urn", "", "urn:x:1", language="not a language"), Row(NOON, "rel", "", "rel/ative"),
    ]
    with EmbeddedLog(tmp_path / "direct.db") as other:
        Replay(log, tmp_path / "http", archive(rows), **parts).run(Event())
        Replay(other, tmp_path / "direct", archive(rows), direct=True, **parts).run(Event())
        assert messages(other, "articles") == messages(log, "articles")


def test_replaying_again_appends_nothing(log, tmp_path, parts, messages):
    """A second run over the same rows leaves both streams as they are."""
    rows, broken = made_rows(50), [Broken("x" * 32, "undated", "", "{}")]
    ends = [
        (Replay(log, tmp_path, archive(rows, broken), direct=True, **parts).run(Event()),
         log.bounds("articles"), log.bounds("dead-letters"))
        for _ in range(2)
    ]
    assert ends[0] == ends[1]
    assert ["undated"] == [letter.reason for letter in messages(log, "dead-letters")]


def test_a_file_replayed_later_is_backfill_where_it_is_older(log, tmp_path, parts, messages):
    """Rows before the clock are stamped at the clock, known rows do not come again."""
    early, late = made_rows(40, seed=1), [row(9, "late"), row(90_000, "new")]
    end = Replay(log, tmp_path, archive(early), direct=True, **parts).run(Event())
    Replay(log, tmp_path, archive(early + late), direct=True, **parts).run(Event())
    fresh = articles(messages(log, "articles"))[len(early):]
    assert [(late[0].id, end, True), (late[1].id, late[1].published, False)] == [
        (article.id, article.observed_at, article.backfill) for article in fresh
    ]


def test_copies_of_a_title_are_one_story_for_two_days(log, tmp_path, parts, messages):
    """A syndicated title joins the first article's story; three days later it begins another."""
    rows = [
        Row(NOON + timedelta(days=days), title, "", f"https://x.org/{days}")
        for days, title in [(0, "Bank fails!"), (1, "BANK  FAILS"), (3, "Bank fails"), (4, "")]
    ]
    rows[3] = Row(rows[3].published, "", "text without title", "https://x.org/4")
    Replay(log, tmp_path, archive(rows), direct=True, **parts).run(Event())
    found = articles(messages(log, "articles"))
    assert [rows[0].id, rows[0].id, rows[2].id, rows[3].id] == [a.story_id for a in found]


def test_rows_may_be_endless(log, tmp_path, parts):
    """A lazy newswire is replayed until it is told to stop."""
    stop = Event()

    def newswire():
        number = 0
        while True:
            yield row(number, f"n{number}")
            number += 1

    seen = []
    replay = Replay(
        log, tmp_path, newswire(), direct=True, **parts,
        progress=lambda rows, clock: seen.append(rows) or (stop.set() if rows >= 20 else None),
    )
    end = replay.run(stop)
    assert NOON + timedelta(minutes=20) == end == replay.now()
    assert [5, 10, 15, 20] == seen


def test_unsorted_rows_are_refused(log, tmp_path, parts):
    """An iterator of rows that goes back in time is an error, not a silent loss."""
    with pytest.raises(ReplayError, match="sorted"):
        Replay(log, tmp_path, iter([row(2, "a"), row(1, "b")]), direct=True, **parts).run(Event())


def test_two_ingests_cannot_share_a_home(log, tmp_path, parts):
    """The home is held by a lock."""
    with Index(tmp_path), pytest.raises(IngestBusyError):
        Replay(log, tmp_path, archive([row(1, "a")]), **parts).run(Event())


class Watch(Event):
    """A stop event that nobody sets, and the clock that its waiting moves."""

    def __init__(self):
        super().__init__()
        self.at = 0.0

    def wait(self, timeout=None):
        """Let time pass without waiting."""
        self.at += timeout
        return False


def test_pace_beats_through_quiet_times(log, tmp_path, parts, messages):
    """At a speed the heartbeats go on between items, five minutes apart, at that speed."""
    rows, watch = [row(1, "a"), row(21, "b")], Watch()
    replay = Replay(
        log, tmp_path, archive(rows), direct=True, speed=60, monotonic=lambda: watch.at, **parts
    )
    replay.run(watch)
    beats = [m.through for m in messages(log, "articles") if isinstance(m, Heartbeat)]
    assert [NOON + timedelta(minutes=m) for m in (0, 5, 10, 15, 20, 25)] == beats
    assert 25.0 == pytest.approx(watch.at, abs=0.1)


def test_a_replay_waits_for_consumers_that_lag(log, tmp_path, parts):
    """While consumers are too far behind, the step that would run ahead is not begun."""
    answers, watch = [False, True, True, False], Watch()
    seen = []

    def too_far(end):
        seen.append((end.minute, log.bounds("articles").end[0]))
        return answers.pop(0)

    Replay(
        log, tmp_path, archive([row(1, "a"), row(21, "b")]), direct=True, max_lead=too_far, **parts
    ).run(watch)
    assert [(5, 0), (25, 1), (25, 2), (25, 2)] == seen


CHILD = """
import sys
from pathlib import Path
from pathlib import Path
from threading import Event
from prometheus_client import CollectorRegistry
sys.path[:0] = [{root!r}, {here!r}]
from test_replay import archive, made_rows
from ingest.metrics import IngestMetrics
from ingest.replay import Replay
from ingest.settings import IngestSettings
from wire.embedded import EmbeddedLog
from wire.metrics import StageMetrics
home = Path(sys.argv[1])
registry = CollectorRegistry()
with EmbeddedLog(home / "log.db") as log:
    Replay(log, home, archive(made_rows()), settings=IngestSettings(), metrics=IngestMetrics(registry),
           stage_metrics=StageMetrics(registry), progress=lambda *_: print(flush=True)).run(Event())
print("done")
"""


def test_killed_replays_end_as_undisturbed_ones(log, tmp_path, parts, messages, pytestconfig):
    """However often the process is killed, the stream ends with the same articles and stamps."""
    Replay(log, tmp_path / "calm", archive(made_rows()), direct=True, **parts).run(Event())
    home, draw = tmp_path / "killed", random.Random(3)
    home.mkdir()
    here = str(Path(__file__).parent)
    code = CHILD.format(root=str(pytestconfig.rootpath), here=here)
    kills = 0
    for steps in [3, 20, 2, 1000]:
        child = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE)
        for _ in range(steps):
            if not child.stdout.readline():
                break
        time.sleep(draw.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
    with EmbeddedLog(home / "log.db") as other:
        assert articles(messages(log, "articles")) == articles(messages(other, "articles"))
    assert kills >= 3
