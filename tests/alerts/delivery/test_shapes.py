"""Each shape: what it says, its limits, and what hostile titles can do to it: nothing."""

import email
import json
from email.policy import default
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerts.payloads import BadPayloadError, Brief, Sources, read, write
from alerts.shapes import alertmanager, content, generic, pagerduty, slack, teams
from alerts.shapes import email as mail
from tests.alerts.delivery.examples import BRIEF, NOON, alert, group, headline
from wire.messages import Alert, encode

EVIL = 'Bank <!channel> & "fails" <script>alert(1)</script> *bold* [x](http://evil)\r\nBcc: all@evil\u202e'
LINE = 'Bank <!channel> & "fails" <script>alert(1)</script> *bold* [x](http://evil) Bcc: all@evil'


QUIET = Brief(
    day="2026-11-02", zone="UTC", since=NOON, until=NOON, text="a quiet day", model="", incidents=(),
    movers=(), sources=Sources(sources=41, failing=(), worst_share=0, unwatched_minutes=0),
)

hostile = st.text(max_size=1000)
links = st.one_of(
    st.sampled_from(["https://n.example/a", "javascript:alert(1)", "http://[", "https://x/" + "&" * 1990]),
    st.text(max_size=300),
)
evidence = st.builds(headline, title=hostile, link=links, source=hostile)
alerts = st.builds(
    alert, event=st.sampled_from(["opened", "updated", "resolved"]),
    evidence=st.lists(evidence, max_size=10).map(tuple), text=hostile,
    topic=st.none() | hostile, watch=st.none() | hostile, feedback=st.just({"true": "https://d.example/f"}),
)
payloads = st.one_of(alerts, st.lists(alerts, min_size=1, max_size=50).map(group))


@pytest.mark.parametrize("payload", [alert(), group([alert()]), BRIEF])
def test_what_lies_in_the_outbox_is_read_back(payload):
    """Alerts, groups and briefs are told apart by their type."""
    written = encode(payload) if isinstance(payload, Alert) else write(payload)
    assert payload == read(written)
    assert written == generic.shape(written)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"type":"article"}', b'{"type":"alert"}', b"\xff", b"[" * 9999]
)
def test_what_cannot_be_read_is_said_so(payload):
    """A payload of another version, or none."""
    with pytest.raises(BadPayloadError):
        read(payload)


def test_a_line_is_one_line_of_visible_text():
    """No control, no turned direction, cut where it is too long."""
    assert LINE == content.plain(EVIL)
    assert "…" == content.plain("x" * 400)[-1]
    assert 300 == len(content.plain("x" * 400))


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://a.example/b?c=d&e=f", True), ("http://a.example", True), ("HTTPS://a.example", True),
        ("https://nachrichten.example/bör", True), ("javascript:alert(1)", False),
        ("data:text/html,x", False), ("https://", False), ("//a.example", False), ("http://[", False),
        ("https://a.example/|x>", False), ("https://a.example/\nx", False), ("https://a.example/ x", False),
        ('https://a.example/"x', False), ("https://a.example/" + "x" * 2000, False), ("", False),
    ],
)  # fmt: skip
def test_only_links_to_the_web_are_links(link, kept):
    """Nothing that a browser would run, and nothing that ends a link early in any markup."""
    assert (link if kept else "") == content.web(link)


def shaped(make, payload):
    return json.loads(make(payload))


def test_slack_gets_the_headline_the_figures_and_the_evidence_as_blocks():
    """A header, the line, the fields, the evidence with its link, and the answers."""
    said = shaped(slack.shape, alert(evidence=(headline(EVIL),), text="CRITICAL a < b",
                                     feedback={"false_alarm": "https://d.example/f?a=1&b=2"}))
    assert "CRITICAL a &lt; b" == said["text"]
    header, line, fields, more, shown, asked = said["blocks"]
    assert {"type": "plain_text", "text": "CRITICAL Legal", "emoji": False} == header["text"]
    assert "CRITICAL a &lt; b" == line["text"]["text"]
    texts = [field["text"] for field in (*fields["fields"], *more["fields"])]
    assert "*Negative stories*\n14, 2.0 expected" in texts
    assert "*Fires from*\n9 stories" in texts
    assert (
        '*Evidence*\n• <https://news.example/1|Bank &lt;!channel&gt; &amp; "fails" '
        "&lt;script&gt;alert(1)&lt;/script&gt; *bold* [x](http://evil) Bcc: all@evil> (wire)"
    ) == shown["text"]["text"]
    assert "*Was this right?*\n• <https://d.example/f?a=1&amp;b=2|false alarm>" == asked["text"]["text"]
    assert {True} == {field["verbatim"] for field in (line["text"], shown["text"])}


def texts_of(blocks):
    for block in blocks:
        yield from block.get("fields", [block["text"]] if "text" in block else [])


@given(payloads)
def test_slacks_limits_hold_whatever_the_news_says(payload):
    """50 blocks; 150 characters a header, 3000 a text, 2000 a field, ten fields a block."""
    blocks = shaped(slack.shape, payload)["blocks"]
    assert 2 <= len(blocks) <= 50
    assert all(len(block.get("fields", [])) <= 10 for block in blocks)
    assert 1 <= len(blocks[0]["text"]["text"]) <= 150
    for block in blocks:
        longest = 2000 if "fields" in block else 3000
        assert all(len(text["text"]) <= longest for text in texts_of([block]))


@given(st.text(alphabet="<>&!@#|*a\n", max_size=50))
def test_no_title_becomes_slacks_markup(title):
    """What stands between the angle brackets of a message is ours alone."""
    one = alert(evidence=(headline(title, link=""),), text=title, watch=title)
    for text in texts_of(shaped(slack.shape, one)["blocks"][1:]):
        assert "<" not in text["text"]
        assert ">" not in text["text"]


def test_every_alert_of_a_group_is_named_in_slack_however_long():
    """Where links take too much room they go, and the lines stay."""
    many = [alert(name=f"inc_{n}", text=f"alert number {n}:" + "&" * 280,
                  evidence=(headline(link="https://x.example/" + "&" * 100),)) for n in range(50)]
    said = json.dumps(shaped(slack.shape, group(many)))
    assert [n for n in range(50) if f"alert number {n}:" not in said] == []


def test_teams_gets_an_adaptive_card_in_its_envelope():
    """Text of strangers stands in text runs, which know no markup; a link is an action."""
    said = shaped(teams.shape, alert(evidence=(headline(EVIL),)))
    (attachment,) = said["attachments"]
    card = attachment["content"]
    assert ("message", "application/vnd.microsoft.card.adaptive") == (said["type"], attachment["contentType"])
    assert ("AdaptiveCard", "1.4") == (card["type"], card["version"])
    assert {"RichTextBlock"} == {block["type"] for block in card["body"]}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert "CRITICAL Legal" == runs[0]["text"]
    (linked,) = [run for run in runs if "selectAction" in run]
    assert {"type": "TextRun", "text": LINE,
            "selectAction": {"type": "Action.OpenUrl", "url": "https://news.example/1"}} == linked


@given(payloads)
def test_a_teams_message_is_never_too_large(payload):
    """28 KB for the whole of it; what is left out is counted."""
    assert len(teams.shape(payload)) <= 28 * 1024


def test_links_go_before_lines_where_there_is_no_room_in_teams():
    """Every alert of the group is named."""
    many = [alert(name=f"inc_{n}", text=f"alert number {n}:",
                  evidence=(headline(link="https://x.example/" + "y" * 700),)) for n in range(50)]
    said = teams.shape(group(many)).decode()
    assert [n for n in range(50) if f"alert number {n}:" not in said] == []


def test_what_did_not_fit_into_a_teams_message_is_counted():
    """Fifty alerts in an alphabet of three bytes a letter."""
    many = [alert(name=f"inc_{n}", text="石" * 290) for n in range(50)]
    runs = [run["text"] for block in shaped(teams.shape, group(many))["attachments"][0]["content"]["body"]
            for run in block["inlines"]]
    shown = sum("石" in text for text in runs)
    assert f"and {50 - shown} more" == runs[-1]
    assert shown > 20


def test_pagerduty_is_triggered_and_resolved_by_the_incidents_id():
    """Events of one incident have one dedup_key; severity is theirs."""
    said = [shaped(lambda one: pagerduty.shape(one, "R0UT1NG"), alert(event)) for event in
            ("opened", "updated", "resolved")]
    assert ["trigger", "trigger", "resolve"] == [one["event_action"] for one in said]
    assert {("inc_1", "R0UT1NG")} == {(one["dedup_key"], one["routing_key"]) for one in said}
    first = said[0]
    assert [{"href": "https://news.example/1", "text": "Bank fails"}] == first["links"]
    assert ("critical", "newsquake", "2026-11-02T12:00:00Z") == tuple(
        first["payload"][name] for name in ("severity", "source", "timestamp")
    )
    assert "14, 2.0 expected" == first["payload"]["custom_details"]["Negative stories"]


@given(alerts)
@example(alert(watch=" ", text=" "))
def test_pagerdutys_limits_hold_whatever_the_news_says(one):
    """512 KB, a summary of 1 to 1024 characters, links that are links."""
    body = pagerduty.shape(one, "key")
    said = json.loads(body)
    assert len(body) <= 512 * 1024
    assert 1 <= len(said["payload"]["summary"]) <= 1024
    assert all(link["href"].startswith(("http://", "https://")) for link in said["links"])


def test_alertmanager_gets_labels_that_stay_while_the_incident_lives():
    """An update in another severity and the end are the same alert there."""
    first, worse, end = (
        shaped(alertmanager.shape, [one])[0]
        for one in (alert(severity="info"), alert("updated"), alert("resolved"))
    )
    labels = {"alertname": "NewsquakeIncident", "incident": "inc_1", "topic": "Legal"}
    assert labels == first["labels"] == worse["labels"] == end["labels"]
    assert ("info", "critical") == (first["annotations"]["severity"], worse["annotations"]["severity"])
    assert ("2026-11-02T12:00:00Z", "2026-11-09T12:00:00Z") == (first["startsAt"], first["endsAt"])
    assert "2026-11-02T14:00:00Z" == end["endsAt"]


def test_several_alerts_of_one_incident_become_its_last_for_alertmanager():
    """It would refuse none of them, and show the first."""
    said = shaped(alertmanager.shape, [alert(), alert(name="inc_2"), alert("resolved")])
    assert [("inc_1", "resolved"), ("inc_2", "opened")] == [
        (one["labels"]["incident"], one["annotations"]["event"]) for one in said
    ]


def posted(payload, first=""):
    envelope = mail.Envelope("desk@bank.example", ("a@b.example", "c@d.example"), NOON, "msg_2", first)
    return email.message_from_bytes(mail.shape(payload, envelope).as_bytes(), policy=default)


def body(said, kind):
    return said.get_body([kind]).get_content().replace("\r\n", "\n")


def test_a_mail_is_text_and_html_from_and_to_whom_it_should_be():
    """Both say the same; answers by machines are unwanted."""
    said = posted(alert(evidence=(headline(EVIL, "https://news.example/1?a=1&b=2"),)))
    assert ("desk@bank.example", "a@b.example, c@d.example") == (said["From"], said["To"])
    assert "[Newsquake] CRITICAL Legal: CRITICAL inc_1" == said["Subject"]
    assert ("<msg_2@bank.example>", None) == (said["Message-ID"], said["In-Reply-To"])
    assert "auto-generated" == said["Auto-Submitted"]
    text, html = (body(said, kind) for kind in ("plain", "html"))
    assert f"- {LINE} (wire)\n  https://news.example/1?a=1&b=2" in text
    assert "Negative stories: 14, 2.0 expected" in text
    assert '<a href="https://news.example/1?a=1&amp;b=2">Bank &lt;!channel&gt; &amp; &quot;fails' in html


def test_a_mail_answers_the_first_of_its_incident():
    """By which mail programs thread them."""
    later, itself = posted(alert("resolved"), first="msg_1"), posted(alert(), first="msg_2")
    assert ("<msg_1@bank.example>",) * 2 == (later["In-Reply-To"], later["References"])
    assert (None, None) == (itself["In-Reply-To"], itself["References"])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.seen |= {name for name, _ in attributes}


@given(payloads)
def test_no_news_adds_a_header_or_a_tag_to_a_mail(payload):
    """The headers are ours, one of each; the HTML has our tags and attributes alone."""
    said = posted(payload)
    assert sorted(said.keys()) == sorted(
        ["Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
    tags = Tags()
    tags.feed(body(said, "html"))
    assert tags.seen <= {"html", "head", "meta", "charset", "body", "h2", "p", "table", "tr", "td", "h3",
                         "ul", "li", "a", "href"}


@pytest.mark.parametrize("brief", [BRIEF, QUIET])
def test_a_brief_can_be_read_in_a_mail_and_in_a_chat(brief):
    """Incidents, watches, sources and the model, on quiet days too."""
    text = body(posted(brief), "plain")
    chats = json.dumps(shaped(slack.shape, brief)) + teams.shape(brief).decode()
    for heading in ("Incidents", "Watches that moved", "Sources", "Model"):
        assert heading in text
        assert chats.count(heading) >= 2


def test_a_brief_says_what_happened():
    """Line by line."""
    text = body(posted(BRIEF), "plain")
    for line in (
        "- WARNING Legal: 9 negative stories, 2.0 expected; opened 2026-11-02 12:00 UTC, still open",
        "- Example Bank: 6 negative (75% of 8 articles), usually 1.5",
        "- 41 watched, 1 failing; 5% at the worst", "- nobody watched for 15 minutes", "- failing now: Wire",
        "- newsquake-minilm-4",
    ):
        assert line in text
