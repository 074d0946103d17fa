"""The page of a backtest: one file, no script, everything escaped, of bounded size."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from alerts.backtest import Backtest, Label
from alerts.hours import Hour
from alerts.keys import Key, microseconds
from newsquake.backtest_page import MOST_INCIDENTS, render, write
from newsquake.backtest_page_html import headline, text
from newsquake.backtest_page_plot import MOST_POINTS, thinned
from newsquake.backtesting import Outcome, Result
from tests.browser import dom, picture
from wire.messages import Evidence, Incident, Proof

START = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "</title><script>alert('x')</script>\x00\ud800\" onload=\"alert(1)"
RUNS = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, and that each is closed."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self._open = [], [], []
        self.feed(html)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self._open.pop()

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def incident(hour, *, topic="Legal", title=HOSTILE, link="javascript:alert(1)", severity="warning"):
    """Make an incident of two hours."""
    at = START + timedelta(hours=hour)
    seen = Evidence(title=title, link=link, source=HOSTILE, observed_at=at, negative=0.9)
    proof = Proof(window_s=3600, factor=5.0, baseline_weeks=2.0, negative_share=0.8,
                  negative_share_before=0.2, origins=3)  # fmt: skip
    return Incident(
        id=f"inc_{topic}_{hour}", topic=topic, watch=None, also=({"topic": None, "watch": "Acme"},),
        state="resolved", severity=severity, provisional=False, opened_at=at,
        resolved_at=at + timedelta(hours=2), observed=12, expected=2.4, surprise_weeks=80.0,
        evidence=(seen,) * 3, proof=proof,
    )  # fmt: skip


def outcome(*sets, hours=200, keys=3, labels=None):
    """Make an outcome of sets of rules, each with its incidents."""
    start = int(START.timestamp())
    lines = [Hour(start + 3600 * (number + 1), number % 7, 3.0, 8.0) for number in range(hours)]
    by_key = {Key(topic): lines for topic in ("Legal", *(f"Topic {n}" for n in range(keys)))}
    results = [
        Result(f"{HOSTILE}{number}.toml", hours / 24, list(found), 0.5, [])
        for number, found in enumerate(sets)
    ]
    stop = microseconds(START + timedelta(hours=hours))
    tested = [Backtest(list(found), by_key) for found in sets]
    return Outcome(results, tested, labels, microseconds(START), stop)


def test_nothing_is_run_or_loaded_and_everything_is_text():
    """Titles, sources and names of files are hostile; the page has a policy that forbids the rest."""
    html = render(outcome([incident(50)], [incident(60)]))
    page = Reader(html)
    assert {"html", "head", "meta", "title", "style", "body"} <= {name for name, _ in page.elements}
    assert not {"script", "iframe", "object", "img", "link", "form"} & {name for name, _ in page.elements}
    attributes = {key for _, given in page.elements for key in given}
    assert [] == [key for key in attributes if key.startswith("on") or key == "style"]
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    assert all(given["href"].startswith("#") for given in page.all("a"))
    assert any("<script>alert('x')</script>" in data for data in page.text)
    assert html.encode()


@pytest.fixture
def opened(tmp_path):
    """A page of hostile headlines as a browser opens it: the address of a file."""
    write(outcome([incident(50, title=RUNS), incident(90)]), tmp_path / "backtest.html")
    return (tmp_path / "backtest.html").as_uri()


def test_a_browser_shows_the_page_and_runs_nothing(opened, tmp_path):
    """The headline is there to read; it has made no element and changed no title."""
    shown = dom(opened, tmp_path)
    assert "<title>Backtest, " in shown
    assert "&lt;script&gt;document.title='run'&lt;/script&gt;" in shown
    assert not {"<script", "<img"} & set(re.findall("<[a-z]+", shown))


def test_in_a_browser_the_row_that_a_span_leads_to_stands_out(opened, tmp_path):
    """The same page looks the same; with the link followed it does not."""
    plain = picture(opened, tmp_path)
    assert plain == picture(opened, tmp_path)
    assert plain != picture(f"{opened}#s0-inc_Legal_50", tmp_path)


def test_every_link_within_the_page_leads_somewhere():
    """From a shaded span to the row of its incident, in each set of rules."""
    page = Reader(render(outcome([incident(50), incident(90)], [incident(50)])))
    anchors = {given["id"] for _, given in page.elements if "id" in given}
    assert 3 == len(anchors)
    assert anchors == {given["href"][1:] for given in page.all("a")}


def test_a_mention_stands_on_its_watch_and_claims_no_rarity():
    """It is one story, whatever its topic; the plot is the watch's."""
    seen = incident(50, title="Acme is fined", link="https://a.example/1")
    mention = replace(seen, rule="mention", watch="Acme", also=(), observed=1, proof=None,
                      expected=0.0, surprise_weeks=0.0, resolved_at=seen.opened_at)  # fmt: skip
    found = outcome([mention])
    found.backtests[0].hours[Key("", "Acme")] = found.backtests[0].hours[Key("Legal")]
    html = render(found)
    figure = html.partition("<h3>Acme</h3>")[2].partition("</figure>")[0]
    assert "one negative story" in figure
    assert "warning, mention</td><td>0:00</td><td>1</td><td></td><td></td>" in html


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://a.example/x?a=1&b=2", True), ("http://a.example", True), ("HTTPS://a.example", True),
        ("javascript:alert(1)", False), ("data:text/html,x", False), ("//a.example", False), ("", False),
        ("https://", False), ("http://[::1", False), ("java\nscript:alert(1)", False),
        ("https://a.example/" + "x" * 1000, False),
    ],
)  # fmt: skip
def test_only_http_and_https_become_links(url, leads):
    """Whatever else a feed calls its link is left out; the title stays."""
    shown = Reader(headline("A title", url))
    assert ([url] if leads else []) == [given["href"] for given in shown.all("a")]
    assert ["A title"] == shown.text


def test_text_is_escaped_for_attributes_too():
    """Quotes, brackets, ampersands; what HTML cannot hold becomes a mark."""
    assert "&lt;&amp;&quot;&#x27;\N{REPLACEMENT CHARACTER}" == text("<&\"'\x00")


def test_the_missed_label_comes_first_and_the_other_says_its_delay():
    """Per set of rules."""
    labels = [
        Label("Legal", "", *(microseconds(START + timedelta(hours=hour)) for hour in (49, 52))),
        Label("", "Nobody", *(microseconds(START + timedelta(hours=hour)) for hour in (60, 62))),
    ]
    html = render(outcome([incident(50)], [], labels=labels))
    table = html.partition("<h2>Labels")[2].partition("</table>")[0]
    assert ["Nobody", "Legal"] == re.findall(r"<tr><td>(\w+)</td>", table)
    assert 3 == html.count(">missed<")
    assert 1 == html.count(">after 60 min<")


def test_a_long_period_has_few_points_and_keeps_its_peak():
    """Each point is the hour furthest above normal among its neighbours."""
    hours = [Hour(3600 * n, 99 if n == 5003 else n % 7, 3.0, 8.0) for n in range(24 * 365)]
    step, points = thinned(hours)
    assert 12 == step
    assert len(points) <= MOST_POINTS
    assert 99 == max(hour.observed for hour in points)
    assert (1, hours[:900]) == thinned(hours[:900])


def test_a_page_stays_small_whatever_the_rules():
    """A year in which two sets of rules open thousands of incidents on a hundred topics."""
    link = "https://a.example/" + "y" * 500
    loud = [incident(hour, topic=f"Topic {hour % 100}", title="x" * 5000, link=link)
            for hour in range(0, 8000, 3)]  # fmt: skip
    html = render(outcome(loud, loud, hours=24 * 365, keys=100))
    assert len(html) < 5_000_000
    assert html.count("<details>") <= MOST_INCIDENTS
    assert f"{len(loud) - MOST_INCIDENTS // 2:,} more incidents" in html


def test_the_gravest_are_kept_where_not_all_can_be():
    """By severity, then by how rare they are."""
    many = [incident(hour, severity="info") for hour in range(700)] + [incident(700, severity="critical")]
    html = render(outcome(many, hours=800))
    assert 'id="s0-inc_Legal_700"' in html


def test_a_period_without_anything_is_a_page_too():
    """Nothing judged: no hours, no plots."""
    page = Reader(render(outcome([], hours=0)))
    assert "None in 0.0 days." in page.text
