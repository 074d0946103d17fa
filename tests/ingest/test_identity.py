"""The rule of identity, and stories."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import article_id, canonical_url, clean_link
from ingest.stories import Story, story_of, title_key


@pytest.mark.parametrize(("link", "expected"), [
    ("HTTP://User:pw@Example.ORG:80/A?b=2&a=1#frag", "https://example.org/A?a=1&b=2"),
    ("https://x.org", "https://x.org/"), ("https://x.org.:443/", "https://x.org/"),
    ("https://x.org:8443/?", "https://x.org:8443/"), (" https://x.org/a\n b ", "https://x.org/ab"),
    ("https://x.org/a?utm_source=rss&id=7&fbclid=x&UTM_Medium=y", "https://x.org/a?id=7"),
    ("https://x.org/é", "https://x.org/%C3%A9"), ("http://[::1]:80/", "https://[::1]/"),
    ("urn:x:1", None), ("/relative", None), ("http://[oops", None), ("https://x.org:port/", None), ("", None),
])
def test_canonical_urls(link, expected):
    """Host in lower case, no user, default port, fragment or tracking, the rest sorted."""
    assert expected == canonical_url(link)


@given(st.text() | st.text().map("https://x.org/{}".format) | st.text().map("http://{}/a?b".format))
def test_canonical_urls_are_their_own(link):
    """Making a link clean or canonical twice is the same as once, whatever it is."""
    assert clean_link(link) == clean_link(clean_link(link))
    url = canonical_url(link)
    assert url is None or url == canonical_url(url)


def identity(**given):
    """Return the id of an item of which only these fields are given."""
    return article_id(**{"link": "", "guid": "", "title": "t", "text": "", "source": "s", **given})


def test_the_first_of_url_guid_and_content_counts():
    """Links beat guids, guids beat content; a urn is a guid that holds for all sources."""
    same = [
        (identity(link="http://x.org/1?utm_id=2", guid="g"),
         identity(link="https://x.org/1", title="u", source="z")),
        (identity(link="urn:x:1", guid="g"), identity(guid="urn:x:1", title="u", source="z")),
        (identity(guid="g"), identity(guid="g", title="u")),
        (identity(), identity()),
    ]
    other = [
        (identity(guid="g"), identity(guid="g", source="z")), (identity(), identity(source="z")),
        (identity(title="ab", text="c"), identity(title="a", text="bc")), (identity(), identity(text="x")),
    ]
    assert [True] * 4 == [one == two for one, two in same]
    assert [False] * 4 == [one == two for one, two in other]
    assert (32, True) == (len(identity()), int(identity(), 16) > 0)


def test_an_id_never_changes():
    """Ids are kept by users: the digests of today are those of every later version."""
    expected = [
        "94e4d861873b895e4e58dd27ada1b5a8", "89ad775854acba2a49454fdb9d444677",
        "56c11e01b1cba5970c3365983f3e7cc1", "29ff20d1edaa319a7e436c7d64784168",
    ]
    given = [{"link": "http://x.org/1"}, {"guid": "g"}, {"link": "urn:x:1"}, {}]
    assert expected == [identity(**fields) for fields in given]


def test_titles_without_letters_are_no_story():
    """Case, accents' forms and punctuation do not count; a bare title joins nothing."""
    assert title_key("“Fed” RAISES rates…") == title_key("fed raises, rates")
    assert b"" == title_key(" … ")
    now = datetime(2022, 11, 8, tzinfo=UTC)
    assert Story("id", now) == story_of("id", b"", now, {b"": Story("other", now)})
    assert Story("id", now) == story_of("id", b"k", now, {b"k": Story("old", now - timedelta(days=3))})
