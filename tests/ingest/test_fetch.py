"""Fetching within limits."""

import gzip
import sys
import time
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from servers import Site, answer, document, drip, drip_head, hang

from ingest.fetch import Changed, Failed, Fetcher, Known, Unchanged
from ingest.network import is_public
from ingest.settings import IngestSettings

SETTINGS = IngestSettings(timeout_s=1.0, connect_timeout_s=0.5, max_bytes=1000, max_redirects=2)


@pytest.fixture
def fetcher():
    """Return a fetcher with tight limits."""
    with Fetcher(SETTINGS) as fetcher:
        yield fetcher


def test_a_document_comes_with_what_the_next_request_needs(fetcher):
    """The second, conditional request is answered with: unchanged."""
    with Site({"/a": document(b"body")}) as site:
        first = fetcher.get(site.url("/a"), allow_private=True)
        expected = Changed(b"body", "application/rss+xml", site.url("/a"), Known('"v1"', ""))
        assert expected == first
        assert Unchanged() == fetcher.get(site.url("/a"), first.known, allow_private=True)


@pytest.mark.parametrize("body", [gzip.compress(b"hello"), zlib.compress(b"hello")])
def test_compressed_bodies_are_decoded(fetcher, body):
    """Both forms that we accept."""
    with Site({"/a": answer(200, body, Content_Encoding="gzip")}) as site:
        assert b"hello" == fetcher.get(site.url("/a"), allow_private=True).body


@pytest.mark.parametrize(("act", "reason"), [
    (answer(404), "status"),
    (answer(500), "status"),
    (answer(200, b"x" * 1001), "size"),
    (answer(200, gzip.compress(b"x" * 10_000_000), Content_Encoding="gzip"), "size"),
    (answer(200, gzip.compress(b"hello world")[:-9], Content_Encoding="gzip"), "encoding"),
    (answer(200, b"not gzip", Content_Encoding="gzip"), "encoding"),
    (answer(200, b"?", Content_Encoding="zstd"), "encoding"),
    (answer(302, Location="/a"), "redirects"),
    (answer(302, Location="file:///etc/passwd"), "url"),
    (lambda handler: handler.wfile.write(b"garbage\r\n\r\n"), "protocol"),
    (lambda handler: setattr(handler, "close_connection", True), "protocol"),
    (hang, "timeout"), (drip, "timeout"), (drip_head, "timeout"),
])
def test_failures_are_values_with_a_reason(fetcher, act, reason):
    """Whatever a server does, the fetch ends in time and says why there is no document."""
    with Site({"/a": act}) as site:
        began = time.monotonic()
        found = fetcher.get(site.url("/a"), allow_private=True)
        assert (Failed, reason) == (type(found), found.reason)
        assert time.monotonic() - began < 3


def test_private_addresses_are_refused_unless_allowed(fetcher):
    """A source on the loopback is not even connected to, under any of its names."""
    with Site({"/a": answer(200)}) as site:
        port = site.url("/a").split(":")[2]
        hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
        found = [fetcher.get(f"http://{host}:{port}") for host in hosts]
        assert ["address"] * 5 == [item.reason for item in found]
        assert [] == site.asked


def test_nobody_there_is_a_failure_to_connect(fetcher):
    """A closed port and a name that does not resolve."""
    with Site({}) as site:
        url = site.url("/")
    assert "connect" == fetcher.get(url, allow_private=True).reason
    assert "connect" == fetcher.get("http://nowhere.invalid/", allow_private=True).reason


@pytest.mark.parametrize(("address", "expected"), [
    ("8.8.8.8", True), ("10.0.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
    ("::1", False), ("fe80::1%eth0", False), ("::ffff:10.0.0.1", False), ("224.0.0.1", False),
    ("2606:4700::1111", True), ("64:ff9b::a00:1", False), ("2002:a00:1::", False),
])
def test_public_addresses(address, expected):
    """Loopback, private, link-local, carrier and multicast ranges are not public."""
    assert expected == is_public(address)


def test_a_fetch_ends_soon_after_it_is_cancelled():
    """A stop does not wait for the deadline."""
    with Site({"/a": hang}) as site:
        began = time.monotonic()
        with Fetcher(IngestSettings(), lambda: time.monotonic() - began > 0.2) as fetcher:
            assert "timeout" == fetcher.get(site.url("/a"), allow_private=True).reason
        assert time.monotonic() - began < 3
