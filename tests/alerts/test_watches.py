"""Which watches a headline speaks of, and in which role."""

import pytest

from alerts.settings import Watch
from alerts.watches import Match, match

WATCHES = (
    Watch(name="JPMorgan", aliases=("JPMorgan Chase", "JPM")),
    Watch(name="Apple", aliases=("AAPL", "苹果")),
    Watch(name="Meta"),
    Watch(name="AT&T"),
)


@pytest.mark.parametrize(("title", "expected"), [
    ("JPMorgan Chase to pay $200 million fine", [("JPMorgan", "subject")]),
    ("JPMorgan's Kolanovic expects stocks to fall", [("JPMorgan", "speaker")]),
    ("JPMorgan strategists turn bearish on Apple", [("Apple", "subject"), ("JPMorgan", "speaker")]),
    ("JPMorgan says it will cut 1,000 jobs", [("JPMorgan", "subject")]),
    ("Stocks may fall further this winter, according to JPMorgan", [("JPMorgan", "speaker")]),
    ("jpmorgan fined", [("JPMorgan", "subject")]),
    ("The meta of trading games", []),
    ("Meta fires thousands", [("Meta", "subject")]),
    ("Pineapples and AAPLX", []),
    ("AAPL down 5%", [("Apple", "subject")]),
    ("AT&T loses customers", [("AT&T", "subject")]),
    ("分析 苹果公司股价下跌", [("Apple", "subject")]),
    ("Why the biggest rally of the decade has left so many behind, from banks to Apple",
     [("Apple", "mention")]),
    ("", []),
])
def test_roles_in_headlines(title, expected):
    """Names count at word boundaries; short ones with their case; speakers are no subjects."""
    assert [Match(*one) for one in expected] == match(title, "", WATCHES)


def test_a_name_in_the_text_only_is_a_mention():
    """The headline decides what an article is about."""
    assert [Match("Apple", "mention")] == match("Tech falls", "Apple fell too.", WATCHES)


def test_no_watches_match_nothing():
    """An empty list of watches is fine."""
    assert [] == match("Apple falls", "", ())
