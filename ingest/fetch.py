"""Fetching one URL within limits. What is expected to fail is a value, never an exception."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpcore2
import httpx2

from wire.closing import Closing

from .network import AddressRefusedError, Deadline, GuardedTransport
from .settings import IngestSettings

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Known:
    """What the server said the last time, for a conditional request."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """The document, decoded, and where it was found after redirects."""

    body: bytes
    content_type: str
    url: str
    known: Known


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server says that nothing changed (304)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no document.

    `reason` is one of: "url", "address", "connect", "timeout", "status", "redirects",
    "size", "encoding", "protocol".
    """

    reason: str
    detail: str


Result = Changed | Unchanged | Failed


class _Refusal(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.failed = Failed(reason, detail)


class Fetcher(Closing):
    """One guarded HTTP client, shared by threads: kept-alive connections, no cookies, no proxies.

    Every fetch ends within `settings.timeout_s` (name resolution apart, which the system
    bounds), and soon after `cancelled()` is true. A body above `settings.max_bytes`, decoded,
    is refused as soon as it is seen; of content encodings only gzip and deflate are accepted.
    """

    def __init__(self, settings: IngestSettings, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._settings = settings
        self._deadline = Deadline()
        self._transports = {
            private: GuardedTransport(
                allow_private=private, deadline=self._deadline, cancelled=cancelled,
                connections=settings.concurrency * 4,
            )
            for private in (False, True)
        }

    def get(  # noqa: PLR0911 - one return for each kind of failure
        self, url: str, known: Known = Known(), *, allow_private: bool = False
    ) -> Result:
        """Fetch a URL, conditionally where something is known of it."""
        self._deadline.at = time.monotonic() + self._settings.timeout_s
        try:
            return self._follow(url, known, self._transports[allow_private])
        except _Refusal as refusal:
            return refusal.failed
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpcore2.UnsupportedProtocol) as error:
            return Failed("url", str(error))
        except AddressRefusedError as error:
            return Failed("address", str(error))
        except (httpx2.TimeoutException, httpcore2.TimeoutException) as error:
            return Failed("timeout", str(error) or type(error).__name__)
        except (httpx2.ConnectError, httpcore2.ConnectError) as error:
            refused = isinstance(error.__cause__, AddressRefusedError)
            return Failed("address" if refused else "connect", str(error))
        except (httpx2.TransportError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            return Failed("protocol", str(error) or type(error).__name__)

    def _follow(self, url: str, known: Known, transport: GuardedTransport) -> Result:
        for _ in range(self._settings.max_redirects + 1):
            response = transport.handle_request(self._request(url, known))
            try:
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    return self._read(url, response)
                url = _joined(url, location)
            finally:
                response.close()
        raise _Refusal("redirects", f"more than {self._settings.max_redirects} redirects")

    def _request(self, url: str, known: Known) -> httpx2.Request:
        headers = {
            "User-Agent": self._settings.user_agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate",
        }
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        connect, total = self._settings.connect_timeout_s, self._settings.timeout_s
        timeout = {"connect": connect, "read": total, "write": total, "pool": total}
        return httpx2.Request("GET", url, headers=headers, extensions={"timeout": timeout})

    def _read(self, url: str, response: httpx2.Response) -> Result:
        if response.status_code == 304:  # noqa: PLR2004 - the number is its name
            return Unchanged()
        if not response.is_success:
            return Failed("status", f"HTTP {response.status_code}")
        headers = response.headers
        body = _decoded(response.iter_raw(), headers.get("content-encoding", ""), self._settings.max_bytes)
        known = Known(headers.get("etag", ""), headers.get("last-modified", ""))
        return Changed(body, headers.get("content-type", ""), url, known)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()


def _joined(url: str, location: str) -> str:
    try:
        return str(httpx2.URL(url).join(location))
    except ValueError as error:  # of urllib; httpx2.InvalidURL is no ValueError
        raise _Refusal("url", f"redirect: {error}") from error


def _decoded(chunks: Iterator[bytes], encoding: str, limit: int) -> bytes:
    """Return the decoded body; never holds more than `limit` and one chunk of it."""
    inflate = _inflater(encoding)
    body = bytearray()
    try:
        for chunk in chunks:
            body += chunk if inflate is None else inflate.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit:
                raise _Refusal("size", f"more than {limit} bytes")
        if inflate is not None and body and not inflate.eof:
            raise _Refusal("encoding", f"{encoding} body is cut short")
    except zlib.error as error:
        raise _Refusal("encoding", f"{encoding}: {error}") from error
    return bytes(body)


def _inflater(encoding: str) -> "zlib._Decompress | None":
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=47)  # gzip or zlib, told by the header
    raise _Refusal("encoding", f"content encoding {name[:40]} was not asked for")
