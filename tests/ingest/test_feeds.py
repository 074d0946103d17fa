"""Feeds, sitemaps, and whatever else comes instead of them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.entries import entry
from ingest.feeds import parse
from ingest.newswire import CONTENT_TYPE, render

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>t</title><language>en-gb</language>
<item><title>Profit &lt;b&gt;up&lt;/b&gt; at R&amp;amp;D</title><link>/a?x=1</link><guid>g1</guid>
<description><![CDATA[<p>One<br>two</p><script>no()</script>]]></description>{dates}</item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><id>tag:x,1:2</id>
<title type="text">1 &lt; 2 &amp;amp; 3</title><link href="https://x.org/1"/>
<published>2026-03-08T22:16:00.123456+01:00</published><summary type="html">&lt;i&gt;a&lt;/i&gt;b</summary>
</entry></feed>"""


def test_rss_becomes_plain_text():
    """Markup is stripped, relative links are resolved, the channel's language counts."""
    found = parse(RSS.format(dates="").encode(), "application/rss+xml", "https://x.org/feed")
    expected = entry(
        title="Profit up at R&D", text="One two", link="https://x.org/a?x=1", guid="g1", language="en-gb"
    )
    assert (expected,) == found.entries


@pytest.mark.parametrize(("dates", "expected"), [
    ("<pubDate>Sun, 08 Mar 2026 22:16 GMT</pubDate>", datetime(2026, 3, 8, 22, 16, tzinfo=UTC)),
    ("<pubDate>Sun, 08 Mar 2026 07:23:46 -0400</pubDate>", datetime(2026, 3, 8, 11, 23, 46, tzinfo=UTC)),
    ("<dc:date>2026-03-08T22:16:00.25</dc:date>", datetime(2026, 3, 8, 22, 16, 0, 250000, tzinfo=UTC)),
    ("<pubDate>Sun, 08 Mar 2026 22:16:00 GMT</pubDate><dc:date>2026-03-08T22:16:00.7Z</dc:date>",
     datetime(2026, 3, 8, 22, 16, 0, 700000, tzinfo=UTC)),
    ("<pubDate>Sun, 08 Mar 2026 22:16:00 GMT</pubDate><dc:date>2026-03-09T00:00:00Z</dc:date>",
     datetime(2026, 3, 8, 22, 16, tzinfo=UTC)),
    ("<pubDate>yesterday</pubDate>", None),
])
def test_times_of_publication(dates, expected):
    """Naive is UTC; fractions are kept; a more precise form of the same instant is preferred."""
    assert expected == parse(RSS.format(dates=dates).encode()).entries[0].published_at


def test_atom_text_is_plain_and_html_is_stripped():
    """Atom says which of its texts are HTML; the others are taken as they stand."""
    expected = entry(
        title="1 < 2 &amp; 3", text="ab", link="https://x.org/1", guid="tag:x,1:2",
        published_at=datetime(2026, 3, 8, 21, 16, 0, 123456, tzinfo=UTC),
    )
    assert (expected,) == parse(ATOM.encode(), "application/atom+xml").entries


def test_a_news_sitemap_is_read():
    """Bloomberg's kind of sitemap gives entries too, with milliseconds."""
    sitemap = b"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
    xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"><url><loc> https://x.org/1 </loc>
    <news:news><news:publication><news:language>en</news:language></news:publication>
    <news:publication_date>2026-03-15T00:48:24.900Z</news:publication_date>
    <news:title>Shares &amp;amp; bonds</news:title></news:news></url></urlset>"""
    expected = entry(
        title="Shares & bonds", link="https://x.org/1", language="en",
        published_at=datetime(2026, 3, 15, 0, 48, 24, 900000, tzinfo=UTC),
    )
    assert (expected,) == parse(sitemap).entries


@pytest.mark.parametrize("body", [b"", b"<html><body>404</body></html>", b"/etc/passwd", b"\x00\xff"])
def test_what_is_no_feed_is_called_so(body):
    """A web page, a file name or noise has no entries and a problem, not an exception."""
    assert ((), "not_a_feed") == (parse(body).entries, parse(body).problem)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">
<!ENTITY f SYSTEM "file:///etc/passwd">]><%s><channel><item><title>&b;&f;</title></item></channel></%s>"""


@pytest.mark.parametrize("root", [b"rss", b"urlset"])
def test_entities_open_no_files_and_explode_nothing(root):
    """Entity declarations are no way to our files or our memory."""
    assert "root:" not in str(parse(BOMB.replace(b"%s", root)))


texts = st.text(max_size=60)
times = st.datetimes(datetime(1980, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(st.lists(st.builds(
    entry, title=texts, text=texts | st.sampled_from(["<b>x</b>", "&amp;", "&#233;", "Ã©", "</item>"]),
    link=texts | texts.map("https://x.org/{}".format), language=st.sampled_from(["", "en", "pt-BR"]),
    published_at=times,
), max_size=4))
def test_the_newswire_and_the_parser_are_inverse(entries):
    """Whatever the texts, RSS made of entries is read as exactly these entries."""
    body = render("any <source>", entries)
    expected = tuple(item for item in entries if item.title or item.text or item.link)
    found = parse(body, CONTENT_TYPE).entries
    assert expected == tuple(item for item in found if item.title or item.text or item.link)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400) | st.tuples(
    st.integers(0, len(RSS)), st.binary(max_size=30), st.integers(0, len(RSS)),
).map(lambda cut: RSS.encode()[: cut[0]] + cut[1] + RSS.encode()[cut[2]:]))
def test_hostile_bytes_never_crash_the_parser(body):
    """Noise, and feeds with noise in them, are values."""
    for found in parse(body, "text/xml; charset=utf-16").entries:
        assert isinstance(found.title, str)


def test_every_file_of_the_corpus_is_read(data):
    """feedparser's own corpus, ill-formed and oddly encoded files included, never crashes us."""
    files = list((data / "feeds/feedparser-corpus").rglob("*.xml"))
    found = {path.name: parse(path.read_bytes()) for path in files}
    assert not [name for name, item in found.items() if item.problem.startswith("parser_failed")]
    assert sum(len(item.entries) for item in found.values()) > 1000


def test_captured_feeds_are_read_whole(data):
    """The real feeds of five publishers give as many entries as they have items, all dated."""
    folder = data / "feeds/captured-2026-03"
    found = {path.stem: parse(path.read_bytes()).entries for path in folder.glob("*.xml")}
    expected = {"bloomberg": 16, "cnbc": 30, "google": 100, "nytimes": 50, "seekingalpha": 20}
    assert expected == {name: len(entries) for name, entries in found.items()}
    assert all(e.title and e.published_at and e.link for entries in found.values() for e in entries)
