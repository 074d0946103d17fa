"""The shipped feeds: settings that load, and enough of them."""

import tomllib
from collections import Counter
from urllib.parse import urlsplit

from ingest.settings import Source
from tests.deploy.expressions import ROOT

SOURCES = tomllib.loads((ROOT / "deploy" / "sources.toml").read_text(encoding="utf-8"))["sources"]


def test_there_are_at_least_25_sources() -> None:
    """As the issue asks."""
    assert len(SOURCES) >= 25


def test_each_is_a_source_by_the_settings() -> None:
    """Nothing is unknown to ingest, and intervals are polite."""
    read = [Source(**source) for source in SOURCES]
    assert [source.name for source in read if not 60 <= source.interval_s <= 900] == []


def test_names_and_urls_are_unique() -> None:
    """A name stands in every article; a URL polled twice would be two outlets."""
    for field in ("name", "url"):
        assert {v: n for v, n in Counter(each[field] for each in SOURCES).items() if n > 1} == {}


def test_urls_are_https_and_none_is_private() -> None:
    """Nobody between us and the publisher can change the news."""
    assert [each["url"] for each in SOURCES if urlsplit(each["url"]).scheme != "https"] == []
    assert [each["url"] for each in SOURCES if each.get("allow_private")] == []


def test_no_publisher_crowds_out_the_others() -> None:
    """A surge must be of many voices, so no host has a quarter of the sources."""
    hosts = Counter(urlsplit(each["url"]).hostname for each in SOURCES)
    assert max(hosts.values()) <= len(SOURCES) / 4
