"""Feedback links over real HTTP: following one stores nothing, its form stores one answer."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import httpx2
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import func, insert, select

from alerts import tables
from alerts.feedback import ANSWERS, links
from alerts.keys import microseconds
from alerts.settings import Feedback
from alerts.store import open_store
from newsquake.web import WebServer, app
from tests.browser import dom
from wire.messages import Evidence, Incident

NOON = datetime(2025, 11, 2, 12, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)>'
LINKS = ['https://wire.example/1?a=1&b="><script>', "javascript:alert(1)"]
SECRET = "a-secret-of-thirty-two-characters"


def evidence(number, title):
    return Evidence(
        title=title, link=LINKS[number], source=f"<b>Wire {number}</b>", negative=0.9,
        observed_at=NOON + timedelta(seconds=number),
    )  # fmt: skip


INCIDENT = Incident(
    id="inc_1", topic="Legal", watch=None, state="open", severity="warning", provisional=False,
    opened_at=NOON, resolved_at=None, observed=9, expected=1.5, surprise_weeks=12.0,
    evidence=(evidence(0, HOSTILE), evidence(1, "Judge fines Corvane")),
)  # fmt: skip


class Desk:
    """A served store with one incident, and its links."""

    def __init__(self, store):
        self.now = NOON
        self.store = store
        feedback = Feedback(base_url="http://desk.example", secret=SecretStr(SECRET))
        self.links = links(INCIDENT, feedback)
        self.server = WebServer(
            app(CollectorRegistry(), store, lambda: None, feedback=feedback, clock=lambda: self.now)
        )

    def url(self, answer):
        return self.links[answer].replace("http://desk.example", self.server.url)

    def get(self, answer):
        return httpx2.get(self.url(answer))

    def post(self, answer, **data):
        return httpx2.post(self.url(answer), data=data, headers=FORM)

    def stored(self):
        """How many answers and labels are stored."""
        with self.store.read() as connection:
            count = select(func.count())
            return tuple(
                connection.execute(count.select_from(table)).scalar()
                for table in (tables.feedback, tables.labels)
            )


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def desk(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        with store.write() as connection:
            connection.execute(insert(tables.incidents).values(
                id="inc_1", topic="Legal", watch="", state="open", severity="warning", opened_at=0,
                body=msgspec.json.encode(INCIDENT),
            ))  # fmt: skip
            connection.execute(insert(tables.articles), [
                {"id": f"a{number}", "story_id": "s", "observed_at": microseconds(one.observed_at),
                 "bucket": 0, "topic": "Legal", "sentiment": "negative", "negative": 900_000,
                 "title": one.title, "url": one.link, "source": one.source, "model": "m",
                 "backfill": False, "late": False}
                for number, one in enumerate(INCIDENT.evidence)
            ])  # fmt: skip
            connection.execute(insert(tables.detectors), [
                {"topic": topic, "watch": "", "state": b"", "observed": 0, "expected": 0.0, "upper": 0.0,
                 "surprise_weeks": 0.0}
                for topic in ("", "Energy | Oil", "Legal")
            ])  # fmt: skip
        desk = Desk(store)
        with desk.server:
            yield desk


def test_a_hundred_visits_store_nothing(desk):
    """Mail scanners and link previews follow links: 25 GETs and HEADs of each answer."""
    for answer in ANSWERS:
        for _ in range(25):
            assert 200 == desk.get(answer).status_code
            assert 200 == httpx2.head(desk.url(answer)).status_code
    assert (0, 0) == desk.stored()


def test_a_browser_that_opens_each_link_stores_nothing_and_runs_nothing(desk, tmp_path):
    """Whatever a page of hostile headlines would run has run; the button is there, nobody pressed it."""
    for answer in ANSWERS:
        shown = dom(desk.url(answer), tmp_path)
        assert "<form" in shown
        assert "<button" in shown
        assert not {"<script", "<img"} & set(re.findall("<[a-z]+", shown))
    assert (0, 0) == desk.stored()


def test_the_form_stores_one_answer_and_once(desk):
    """A second POST of the same link changes nothing and says so; so does a visit."""
    assert "Was this alert right?" in desk.get("true").text
    assert "Your answer is stored" in desk.post("true").text
    again = desk.post("true")
    assert (200, (1, 0)) == (again.status_code, desk.stored())
    assert "used before. Nothing was changed" in again.text
    assert "used before" in desk.get("true").text
    assert "Your answer is stored" in desk.post("false_alarm").text
    assert (2, 0) == desk.stored()


def test_a_correction_becomes_a_label(desk):
    """The form offers every headline that is kept, as it is, and the other values."""
    options = re.findall(r'<select id="(\w+)".*?</select>', desk.get("wrong_topic").text)
    assert ["a0", "a1"] == options
    assert 400 == desk.post("wrong_topic", a0="Legal", a1="Legal").status_code
    assert (0, 0) == desk.stored()
    assert 200 == desk.post("wrong_topic", a0="Legal", a1="Energy | Oil").status_code
    with desk.store.read() as connection:
        table = tables.labels.c
        columns = (table.article_id, table.field, table.old, table.new, table.way)
        label = tuple(connection.execute(select(*columns)).one())
    assert ("a1", "topic", "Legal", "Energy | Oil", "link") == label
    assert (200, (1, 1)) == (desk.post("wrong_topic", a0="Energy | Oil").status_code, desk.stored())


class Seen(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.mark.parametrize("answer", ANSWERS)
def test_headlines_cannot_become_markup(desk, answer):
    """Titles, sources and links come from anywhere: all escaped, no script, nothing but http links."""
    page = desk.get(answer)
    seen = Seen(page.text).tags
    known = {"html", "head", "meta", "title", "style", "body", "main", "h1", "p", "form", "fieldset", "ul",
             "li", "a", "button", "label", "select", "option"}  # fmt: skip
    assert {tag for tag, _ in seen} <= known
    assert not [name for _, attributes in seen for name in attributes if name.startswith("on")]
    shown = [attributes["href"] for tag, attributes in seen if tag == "a"]
    assert shown == ([] if answer.startswith("wrong") else LINKS[:1])
    assert "Judge fines Corvane" in page.text
    assert [{"method": "post"}] == [attributes for tag, attributes in seen if tag == "form"]


def test_pages_let_nothing_in_and_nothing_out(desk):
    """No script may run, nobody may frame, cache or index them, and no Referer carries the link."""
    for page in (desk.get("true"), desk.post("true"), httpx2.get(desk.url("true") + "x")):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        found = tuple(page.headers[name] for name in ("cache-control", "referrer-policy", "x-robots-tag"))
        assert ("no-store", "no-referrer", "noindex, nofollow") == found
        assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_every_choice_has_a_label(desk):
    """A screen reader says which headline a choice is of."""
    seen = Seen(desk.get("wrong_sentiment").text).tags
    choices = [attributes["id"] for tag, attributes in seen if tag == "select"]
    assert choices == [attributes["for"] for tag, attributes in seen if tag == "label"]
    assert [("html", {"lang": "en"})] == seen[:1]


def test_a_link_that_is_not_ours_or_is_over_stores_nothing(desk):
    """Forged and malformed: 404; expired: 410; both ways to ask."""
    good = desk.url("true")
    wrong = [good[:-1] + ("A" if good[-1] != "A" else "B"), good.replace("/true/", "/false_alarm/"),
             good.replace("inc_1", "inc_2"), good.replace("/true/", "/maybe/")]  # fmt: skip
    for url in wrong:
        assert [404, 404] == [httpx2.get(url).status_code, httpx2.post(url, headers=FORM).status_code]
    desk.now = NOON + timedelta(days=14)
    assert [410, 410] == [desk.get("true").status_code, desk.post("true").status_code]
    assert (0, 0) == desk.stored()


@pytest.mark.parametrize(("headers", "content", "status"), [
    ({"content-type": "application/json"}, b"{}", 415),
    (FORM, b"a" * 40_000, 413),
    (FORM, b"&".join(b"a%d=1" % n for n in range(60)), 400),
    (FORM, b"\xff", 400),
    (FORM, b"nonsense", 400),
])
def test_a_form_that_is_none_stores_nothing(desk, headers, content, status):
    """And says why."""
    answer = httpx2.post(desk.url("wrong_topic"), content=content, headers=headers)
    assert (status, True) == (answer.status_code, "Nothing was stored" in answer.text)
    assert (0, 0) == desk.stored()


def test_an_incident_or_headlines_that_are_gone_are_told(desk):
    """Retention may have been there first."""
    with desk.store.write() as connection:
        connection.execute(tables.articles.delete())
    assert 410 == desk.get("wrong_topic").status_code
    with desk.store.write() as connection:
        connection.execute(tables.incidents.delete())
    assert [404, 404] == [desk.get("true").status_code, desk.post("true").status_code]
    assert (0, 0) == desk.stored()


def test_precision_is_what_the_answers_say(desk):
    """By rule, and by rule and key."""
    assert {"rules": [], "keys": []} == httpx2.get(desk.server.url + "/api/precision").json()
    desk.post("true")
    found = httpx2.get(desk.server.url + "/api/precision").json()
    (rule,), (key,) = found["rules"], found["keys"]
    assert ("surge", None, 1, 0, 1.0) == (
        rule["rule"], rule["topic"], rule["true"], rule["false_alarm"], rule["precision"]["value"],
    )  # fmt: skip
    assert {**rule, "topic": "Legal"} == key


def test_without_links_there_are_no_pages(tmp_path):
    """An installation that set nothing up answers 404."""
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        server = WebServer(app(CollectorRegistry(), store, lambda: None))
        with server:
            assert 404 == httpx2.get(server.url + "/feedback/inc_1/true/1/x").status_code
