"""A newswire on this machine: rows served over local HTTP as real RSS 2.0, one feed per source.

The replay and the demo read it as any other source, so they exercise fetching and parsing.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape as html_escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from wire.closing import Closing

from .entries import Entry
from .identity import digest

CONTENT_TYPE = "application/rss+xml; charset=utf-8"
_NAMESPACES = 'version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'


def render(source: str, entries: Iterable[Entry]) -> bytes:
    """Write RSS 2.0: ASCII only, valid XML whatever the texts, times to the microsecond.

    Titles and descriptions are HTML, as readers expect them, so that `feeds.parse` gives back
    exactly the entries (but for guids, which rows do not have).
    """
    items = "".join(map(_item, entries))
    channel = f"<title>{_xml(_html(source))}</title><link>http://127.0.0.1/</link><description/>"
    feed = f"<rss {_NAMESPACES}><channel>{channel}{items}</channel></rss>"
    return f'<?xml version="1.0" encoding="utf-8"?>{feed}'.encode("ascii")


def _item(entry: Entry) -> str:
    fields = {
        "title": _html(entry.title),
        "link": entry.link,
        "description": _html(entry.text),
        "dc:language": entry.language,
        **_dates(entry.published_at),
    }
    body = "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in fields.items() if value)
    return f"<item>{body}</item>"


def _dates(time: datetime | None) -> dict[str, str]:
    if time is None:
        return {}
    utc = time.astimezone(UTC)
    return {"pubDate": format_datetime(utc, usegmt=True), "dc:date": utc.isoformat()}


def _html(text: str) -> str:
    # References for all but ASCII: feedparser "repairs" some Latin-1 look-alikes of UTF-8.
    return html_escape(text, quote=False).encode("ascii", "xmlcharrefreplace").decode()


def _xml(text: str) -> str:
    return html_escape(text, quote=False)


class Newswire(Closing):
    """Serves what `show` was given last, on a free port of 127.0.0.1, until it is closed.

    `url(source)` is where a source's feed is; ETags are honoured (304). A source with nothing
    new has an empty feed. Refuses requests for anything else (404).
    """

    def __init__(self) -> None:
        self._window: dict[str, tuple[str, tuple[Entry, ...]]] = {}
        self._server = _Server(self._window)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="newswire", daemon=True)
        self._thread.start()

    def url(self, source: str) -> str:
        """Return the address of a source's feed."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{_path(source)}"

    def show(self, window: Mapping[str, Iterable[Entry]]) -> None:
        """Make these entries, by source, what is new now; nothing else is shown any more."""
        fresh = {_path(source): (source, tuple(entries)) for source, entries in window.items()}
        for gone in self._window.keys() - fresh.keys():
            self._window[gone] = (self._window[gone][0], ())
        self._window.update(fresh)

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _path(source: str) -> str:
    return f"/feeds/{digest('feed', source)[:16]}.xml"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, window: Mapping[str, tuple[str, tuple[Entry, ...]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.window = window

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a reader that goes away in mid-answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body
    server: _Server

    def do_GET(self) -> None:
        """Answer with the feed, 304 or 404."""
        shown = self.server.window.get(self.path)
        if shown is None:
            self._answer(HTTPStatus.NOT_FOUND, b"", {})
            return
        body = render(*shown)
        etag = f'"{digest("body", body.decode())}"'
        headers = {"ETag": etag, "Content-Type": CONTENT_TYPE}
        if self.headers.get("If-None-Match") == etag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", headers)
        else:
            self._answer(HTTPStatus.OK, body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Log nothing: the reader logs its polls."""
