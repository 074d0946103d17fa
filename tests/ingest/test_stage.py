"""The live stage against web servers of this machine."""

import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

sys.path.insert(0, str(Path(__file__).parent))
from servers import Site, answer, document, drip, hang

from ingest.errors import SourcesError, StreamRecreatedError
from ingest.index import Index
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings, Source
from ingest.stage import Ingest
from wire.embedded import EmbeddedLog
from wire.errors import LogUnavailableError
from wire.messages import Article, Heartbeat
from wire.metrics import StageMetrics

SETTINGS = IngestSettings(heartbeat_s=0.1, timeout_s=0.6, start_spread_s=0, backoff_max_s=0.2)


class Clock:
    """Wall time that a test can move."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


def feed(*numbers):
    """Write a feed with these items."""
    items = "".join(
        f"<item><title>n{n}</title><link>https://x.org/{n}</link></item>" for n in numbers
    )
    return f'<rss version="2.0"><channel><title>t</title>{items}</channel></rss>'.encode()


def source(site, name, path=None, interval_s=0.15):
    """Make a source of a site."""
    return Source(name=name, url=site.url(path or f"/{name}"), interval_s=interval_s, allow_private=True)


@contextmanager
def running(log, home, sources, clock=None, registry=None):
    """Run the stage in a thread, until the block ends; its errors come out."""
    registry, failures, stop = registry or CollectorRegistry(), [], Event()
    stage = Ingest(
        log, home, sources, SETTINGS, IngestMetrics(registry), StageMetrics(registry), clock or Clock()
    )

    def work():
        try:
            stage.run(stop)
        except Exception as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield registry
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def until(condition, within_s=15.0):
    """Wait until a condition holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def split(found):
    """Return articles and heartbeats."""
    return [m for m in found if isinstance(m, Article)], [m for m in found if isinstance(m, Heartbeat)]


def test_real_feeds_are_read_beside_sources_that_fail(log, tmp_path, data, messages):
    """Five publishers come in whole and once; a broken, a silent and a dripping source hurt nobody."""
    folder = data / "feeds/captured-2026-03"
    routes = {f"/{path.stem}": document(path.read_bytes()) for path in folder.glob("*.xml")}
    good = sorted(path.strip("/") for path in routes)
    routes |= {"/broken": answer(500), "/hang": hang, "/drip": drip, "/page": answer(200, b"<html>")}
    bad = ["broken", "drip", "hang", "page"]
    with Site(routes) as site, capture_logs() as logs:
        sources = [source(site, name) for name in [*good, *bad]]
        with running(log, tmp_path, sources) as registry:
            until(lambda: all(site.statuses(f"/{name}") >= 3 for name in good))
            until(lambda: registry.get_sample_value("newsquake_sources", {"state": "failing"}) == 4)
            until(lambda: split(messages(log, "articles"))[1][-1].failing == tuple(bad))
    articles, beats = split(messages(log, "articles"))
    assert 16 + 30 + 100 + 50 + 20 == len(articles) == len({article.id for article in articles})
    assert all(article.backfill for article in articles)
    stamps = [article.observed_at for article in articles]
    assert sorted(set(stamps)) == stamps
    assert {len(sources)} == {beat.sources for beat in beats}
    assert any("If-None-Match" in headers for _, headers in site.asked)
    unchanged = {"kind": "rss", "outcome": "unchanged"}
    assert registry.get_sample_value("newsquake_polls_total", unchanged) >= 5
    assert registry.get_sample_value("newsquake_articles_admitted_total") == 216
    assert bad == sorted(line["source"] for line in logs if line["event"] == "source.failing")


def test_heartbeats_never_overtake_articles(log, tmp_path, messages):
    """What stands behind a heartbeat was observed at its time or later."""
    bodies = iter(range(1000))

    def fresh(handler):
        answer(200, feed(next(bodies)))(handler)

    with Site({"/a": fresh}) as site, running(log, tmp_path, [source(site, "a", interval_s=0.02)]):
        until(lambda: site.statuses("/a") > 20)
    through = datetime(1970, 1, 1, tzinfo=UTC)
    for message in messages(log, "articles"):
        if isinstance(message, Heartbeat):
            assert through <= message.through
            through = message.through
        else:
            assert message.observed_at >= through


def test_failing_and_recovering_is_reported_once(log, tmp_path, messages):
    """Many failed polls are one warning, and the recovery one line."""
    with (
        capture_logs() as logs, Site({"/a": answer(500)}) as site,
        running(log, tmp_path, [source(site, "a")]),
    ):
        until(lambda: site.statuses("/a") >= 4)
        site.routes["/a"] = document(feed(1))
        until(lambda: split(messages(log, "articles"))[0])
        until(lambda: split(messages(log, "articles"))[1][-1].failing == ())
    events = [line["event"] for line in logs if line["event"].startswith("source.")]
    assert ["source.failing", "source.recovered"] == events


def test_known_items_do_not_come_again_after_a_restart(log, tmp_path, messages):
    """Only what is new is appended; it is no backfill, unless there was a gap."""
    clock = Clock()
    with Site({"/a": document(feed(1, 2), '"1"')}) as site:
        sources = [source(site, "a")]

        def admitted(count):
            with running(log, tmp_path, sources, clock):
                until(lambda: len(split(messages(log, "articles"))[0]) >= count)

        admitted(2)
        site.routes["/a"] = document(feed(1, 2, 3), '"2"')
        admitted(3)
        site.routes["/a"] = document(feed(2, 3, 4), '"3"')
        clock.ahead = timedelta(hours=2)
        admitted(4)
        assert '"2"' in [headers.get("If-None-Match") for _, headers in site.asked]
    found = [(a.title, a.backfill) for a in split(messages(log, "articles"))[0]]
    assert [("n1", True), ("n2", True), ("n3", False), ("n4", True)] == found


def test_what_was_appended_and_not_indexed_is_read_back(log, tmp_path, messages):
    """Losing the index costs nothing but the ETags: it is rebuilt from the stream."""
    with Site({"/a": document(feed(1, 2))}) as site:
        for _ in range(2):
            asked = site.statuses("/a")
            with running(log, tmp_path, [source(site, "a")]):
                until(lambda asked=asked: site.statuses("/a") >= asked + 2)
            for path in tmp_path.glob("ingest.db*"):
                path.unlink()
    assert 2 == len(split(messages(log, "articles"))[0])


def test_a_recreated_stream_is_a_clear_error(log, tmp_path):
    """Positions of another stream's life are not read on from."""
    with Site({"/a": document(feed(1))}) as site:
        with running(log, tmp_path, [source(site, "a")]):
            until(lambda: site.statuses("/a") >= 1)
        with Index(tmp_path) as index:
            index.catch_up(log)
        with (
            EmbeddedLog(tmp_path / "other.db") as other,
            pytest.raises(StreamRecreatedError, match="articles"),
            running(other, tmp_path, [source(site, "a")]),
        ):
            time.sleep(0.5)


class Flaky:
    """A log whose first appends of articles fail: before, or after they were written."""

    def __init__(self, log, answers):
        self._log, self._answers = log, answers

    def __getattr__(self, name):
        return getattr(self._log, name)

    def append(self, stream, records):
        """Append, or fail as told."""
        answer = self._answers.pop(0) if self._answers else "ok"
        if answer != "before":
            self._log.append(stream, records)
        if answer != "ok":
            raise LogUnavailableError(answer)


def test_a_log_that_is_away_costs_time_and_nothing_else(log, tmp_path, messages):
    """Whether an append that failed was written or not, every item is there once."""
    with Site({"/a": document(feed(1, 2, 3))}) as site, capture_logs() as logs:
        flaky = Flaky(log, ["ok", "after", "before", "after"])
        with running(flaky, tmp_path, [source(site, "a", interval_s=5)]):
            until(lambda: len(split(messages(log, "articles"))[1]) > 5)
    assert ["n1", "n2", "n3"] == [a.title for a in split(messages(log, "articles"))[0]]
    events = [line["event"] for line in logs if line["event"].startswith("log.")]
    assert set(events) == {"log.unavailable", "log.recovered"}


def test_names_of_sources_are_unique(log, tmp_path):
    """Two sources of one name would share an identity."""
    twins = [Source(name="a", url="https://x.org/1"), Source(name="a", url="https://x.org/2")]
    registry = CollectorRegistry()
    with pytest.raises(SourcesError, match="a"):
        Ingest(log, tmp_path, twins, SETTINGS, IngestMetrics(registry), StageMetrics(registry), Clock())


def test_a_stop_does_not_wait_for_slow_sources(log, tmp_path):
    """With polls under way that never end, the stage returns soon."""
    with Site({"/a": hang, "/b": hang}) as site:
        began = time.monotonic()
        with running(log, tmp_path, [source(site, "a"), source(site, "b")]):
            until(lambda: len(site.asked) == 2)
        assert time.monotonic() - began < 8
