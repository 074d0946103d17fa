"""The web endpoints over real HTTP."""

from datetime import UTC, datetime

import httpx2
import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import insert

from alerts import tables
from alerts.settings import Watch
from alerts.store import open_store
from newsquake.errors import ConfigurationError
from newsquake.web import WebServer, app
from wire.messages import Incident

BUCKET = 1_762_084_800  # 2025-11-02T12:00:00Z, in seconds
LEGAL = "Legal | Regulation"


def incident(number, state="open", topic=LEGAL):
    opened = datetime.fromtimestamp(BUCKET + 300 * number, UTC)
    return Incident(
        id=f"incident{number}", topic=topic, watch=None, state=state, severity="warning",
        provisional=False, opened_at=opened, resolved_at=None if state == "open" else opened,
        observed=9, expected=1.5, surprise_weeks=12.0,
    )  # fmt: skip


def article(number, title, topic=LEGAL, sentiment="negative"):
    stamp = (BUCKET + number) * 1_000_000
    return {
        "id": f"a{number}", "story_id": f"s{number}", "observed_at": stamp, "bucket": BUCKET,
        "topic": topic, "sentiment": sentiment, "negative": 900_000, "title": title,
        "url": f"https://wire.example/{number}", "source": "Harbour Wire", "model": "m",
        "backfill": False, "late": False,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/store.db") as store, store.write() as connection:
        for number, state in enumerate(("resolved", "open", "open")):
            each = incident(number, state)
            connection.execute(insert(tables.incidents).values(
                id=each.id, topic=each.topic, watch="", state=state, severity=each.severity,
                opened_at=int(each.opened_at.timestamp()) * 1_000_000, resolved_at=None,
                body=msgspec.json.encode(each),
            ))  # fmt: skip
        rows = [
            article(1, "Police raid Corvane Savings Bank"), article(2, "Refinery fire", "Energy | Oil"),
            article(3, "Court clears broker", sentiment="positive"), article(4, "Judge fines Corvane"),
        ]  # fmt: skip
        connection.execute(insert(tables.articles), rows)
        connection.execute(insert(tables.watermarks).values(
            stream="s", partition=0, through=(BUCKET + 300) * 1_000_000
        ))  # fmt: skip
        connection.execute(insert(tables.judge).values(
            id=1, generation=1, expires_at=0, judged_through=(BUCKET + 300) * 1_000_000, state=b""
        ))  # fmt: skip
        connection.execute(insert(tables.detectors).values(
            topic=LEGAL, watch="", state=b"", observed=9, expected=1.5, upper=4.0, surprise_weeks=12.0
        ))  # fmt: skip
        connection.execute(insert(tables.sums), [
            {"bucket": BUCKET, "topic": LEGAL, "watch": "", "sentiment": sentiment,
             "arrival": "live", "articles": articles, "negative": 0}
            for sentiment, articles in (("negative", 3), ("positive", 1))
        ])  # fmt: skip
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        yield store


class Site:
    """A served application, and why it is not ready."""

    def __init__(self, store, watches=()):
        self.reason = None
        self.registry = CollectorRegistry()
        self.server = WebServer(app(self.registry, store, lambda: self.reason, watches=watches))

    def get(self, path, **more):
        return httpx2.get(self.server.url + path, **more)

    def refused(self, path):
        answer = self.get(path)
        assert answer.status_code == 400, answer.text
        return answer.json()["error"]


@pytest.fixture
def site(store):
    site = Site(store, [Watch(name="Corvane", aliases=("Corvane Savings Bank",))])
    with site.server:
        yield site


def test_metrics_are_the_registrys_in_the_form_that_is_asked_for(site):
    """Prometheus' text by default, OpenMetrics on demand."""
    Counter("newsquake_things", "Things.", registry=site.registry).inc(3)
    plain = site.get("/metrics")
    assert "newsquake_things_total 3.0" in plain.text
    assert plain.headers["content-type"].startswith("text/plain; version=")
    modern = site.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert modern.text.endswith("# EOF\n")


def test_a_process_that_is_not_ready_says_why_and_still_lives(site):
    """A readiness probe takes it out of service; a liveness probe leaves it alone."""
    assert (site.get("/readyz").status_code, site.get("/readyz").json()) == (200, {"status": "ready"})
    site.reason = "loading the model"
    unready = site.get("/readyz")
    assert (unready.status_code, unready.json()) == (
        503, {"status": "unready", "reason": "loading the model"},
    )  # fmt: skip
    assert (site.get("/healthz").status_code, site.get("/healthz").json()) == (200, {"status": "ok"})


def test_trends_describe_every_judged_key(site):
    """Counts by window and sentiment, and the normal band."""
    (trend,) = site.get("/api/trends").json()["trends"]
    hour = trend["windows"]["1h"]
    assert (trend["topic"], trend["watch"], hour["negative"], hour["positive"]) == (LEGAL, None, 3, 1)
    assert (trend["observed"], trend["expected"], trend["upper"]) == (9, 1.5, 4.0)
    assert (trend["net_sentiment"], trend["negative_share"]) == (-0.5, 0.75)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [2, 1, 0]), ("?state=open", [2, 1]), ("?state=resolved", [0]), ("?limit=1", [2]),
        ("?state=open&limit=1", [2]),
    ],
)  # fmt: skip
def test_incidents_are_listed_newest_first(site, query, ids):
    """All of them, or by state, with the fields that the design fixes."""
    found = site.get("/api/incidents" + query).json()["incidents"]
    assert [each["id"] for each in found] == [f"incident{n}" for n in ids]
    assert set(found[0]) == set(Incident.__struct_fields__)
    assert found[0]["opened_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["Judge fines Corvane", "Refinery fire", "Police raid Corvane Savings Bank"]),
        ("?topic=Energy+%7C+Oil", ["Refinery fire"]),
        ("?topic=&watch=&limit=1", ["Judge fines Corvane"]),
        ("?topic=No+such+topic", []),
    ],
)
def test_evidence_is_the_newest_negative_headlines_of_a_key(site, query, titles):
    """Newest first; without topic and watch, of everything."""
    found = site.get("/api/evidence" + query).json()["evidence"]
    assert [each["title"] for each in found] == titles


def test_evidence_of_a_watch_names_it(site):
    """A watch of the settings, whatever the topic."""
    found = site.get("/api/evidence", params={"watch": "Corvane"}).json()["evidence"]
    assert {"Judge fines Corvane", "Police raid Corvane Savings Bank"} >= {e["title"] for e in found}
    assert found[0]["source"] == "Harbour Wire"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/api/incidents?state=closed", "state: must be open or resolved"),
        ("/api/incidents?limit=0", "limit: must be a whole number from 1 to 1000"),
        ("/api/incidents?limit=1001", "limit: must be a whole number from 1 to 1000"),
        ("/api/evidence?limit=ten", "limit: must be a whole number from 1 to 1000"),
        ("/api/evidence?limit=%D9%A3", "limit: must be a whole number from 1 to 1000"),
        ("/api/evidence?limit=" + "9" * 5000, "limit: longer than 200, or control characters"),
        ("/api/evidence?topic=a%00b", "topic: longer than 200, or control characters"),
        ("/api/evidence?topic=a&topic=b", "topic: given more than once"),
        ("/api/evidence?watch=Nobody", "watch: no watch of this name in the settings"),
        ("/api/evidence?topics=a", "topics: no such parameter; known: topic, watch, limit"),
        ("/api/trends?x=1", "x: no such parameter; this path takes none"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_wrong(site, path, error):
    """400 and one JSON object; nothing is guessed at."""
    assert site.refused(path) == error


def test_errors_are_json_too(site):
    """An unknown path, and a method that would change something."""
    missing = site.get("/nothing")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})
    posted = httpx2.post(site.server.url + "/api/incidents")
    assert (posted.status_code, posted.json()) == (405, {"error": "Method Not Allowed"})
    assert "GET" in posted.headers["allow"]


def test_the_root_lists_what_there_is(site):
    """Somebody who opens the port sees where to go."""
    assert "/api/incidents?state=open" in site.get("/").json()["paths"]


def test_a_process_without_the_alerts_stage_says_so():
    """Metrics and health are everywhere, counts are not."""
    site = Site(None)
    with site.server:
        assert site.get("/healthz").status_code == 200
        answer = site.get("/api/trends")
    assert (answer.status_code, answer.json()) == (
        404, {"error": "the alerts stage does not run in this process"},
    )  # fmt: skip


def test_a_store_in_trouble_is_no_crash(store, site):
    """503 and the reason; the other pages go on."""
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE incidents")
    answer = site.get("/api/incidents")
    assert (answer.status_code, "incidents" in answer.json()["error"]) == (503, True)
    assert site.get("/healthz").status_code == 200


def test_an_address_that_is_taken_is_told_at_once(site):
    """Not from a thread, later."""
    with pytest.raises(ConfigurationError, match=f"port {site.server.port}"):
        WebServer(site.server, port=site.server.port)


def test_leaving_the_context_frees_the_port(store):
    """A second server can have it straight away."""
    with Site(store).server as first:
        port = first.port
    again = WebServer(app(CollectorRegistry(), store, lambda: None), port=port)
    with again:
        assert httpx2.get(again.url + "/healthz").status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(again.url + "/healthz")
