"""Standard Webhooks, the sending side: signing, one attempt, and what its answer means.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
from pydantic import SecretStr

from .errors import AlertsError
from .network import PrivateAddressError

PREFIX = "whsec_"
LONGEST_WAIT_S = 86400.0

# delivered: the receiver has it. retry: worth another try for as long as the schedule goes.
# refused: the receiver understood and said no; a deployment under way is the one hope.
# gone: the receiver asks never to be called again.
Verdict = Literal["delivered", "retry", "refused", "gone"]
Reason = Literal[
    "accepted", "redirected", "request_timeout", "too_early", "rate_limited", "server_error",
    "rejected", "unauthorized", "not_found", "gone", "unexpected_status",
    "timeout", "unreachable", "connection_lost", "bad_url", "private_address", "bad_certificate",
    "bad_payload", "deferred", "partly_accepted", "no_tls",
]  # fmt: skip


class BadSecretError(AlertsError):
    """a webhook secret is not base64 of 24 to 64 bytes (with or without whsec_ before it)"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one request came to, and why; `retry_after_s` is the receiver's own wish."""

    verdict: Verdict
    reason: Reason
    status: int | None = None
    retry_after_s: float | None = None


def keys(secret: SecretStr) -> tuple[bytes, ...]:
    """Read the keys of a secret: several, separated by spaces, while it is being rotated.

    Raises BadSecretError, which never repeats any part of the secret.
    """
    found = tuple(_key(part) for part in secret.get_secret_value().split())
    if not found:
        raise BadSecretError
    return found


def _key(part: str) -> bytes:
    text = part.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:  # noqa: PLR2004  the standard's limits
        # From None: the cause would carry the secret into a traceback.
        raise BadSecretError from None
    return key


def sign(message_id: str, timestamp_s: int, body: bytes, keys: Sequence[bytes]) -> str:
    """Sign `id.timestamp.body` with every key: space separated `v1,` signatures."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def judge(status: int, retry_after_s: float | None = None) -> Attempt:
    """Say what a response status means for the delivery.

    Redirects are refusals: following one would hand the alert to whoever wrote it.
    """
    verdict, reason = _meaning(status)
    return Attempt(verdict, reason, status, retry_after_s if verdict == "retry" else None)


_STATUSES: dict[int, tuple[Verdict, Reason]] = {
    401: ("refused", "unauthorized"),
    403: ("refused", "unauthorized"),
    404: ("refused", "not_found"),
    407: ("refused", "unauthorized"),
    408: ("retry", "request_timeout"),
    410: ("gone", "gone"),
    425: ("retry", "too_early"),
    429: ("retry", "rate_limited"),
}
_CLASSES: dict[int, tuple[Verdict, Reason]] = {
    2: ("delivered", "accepted"),
    3: ("refused", "redirected"),
    4: ("refused", "rejected"),
    5: ("retry", "server_error"),
}


def _meaning(status: int) -> tuple[Verdict, Reason]:
    fallback = _CLASSES.get(status // 100, ("retry", "unexpected_status"))
    return _STATUSES.get(status, fallback)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date, as seconds from now, at most a day.

    Returns None for what is absent, unreadable or already past.
    """
    wait_s = _seconds(value.strip(), now) if value else None
    return min(wait_s, LONGEST_WAIT_S) if wait_s is not None and wait_s > 0 else None


def _seconds(value: str, now: datetime) -> float | None:
    if value.isascii() and value.isdecimal():
        # Cut before float(): int() refuses thousands of digits, and a day is the cap anyway.
        return float(value[:12])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    zoned = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (zoned - now).total_seconds()


def after_failure(error: httpx2.RequestError) -> Attempt:
    """Say what a request that got no answer means: whose certificate or address is wrong, or try again."""
    if isinstance(error, httpx2.UnsupportedProtocol):
        return Attempt("refused", "bad_url")
    causes = list(_causes(error))
    if any(isinstance(cause, PrivateAddressError) for cause in causes):
        return Attempt("refused", "private_address")
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Attempt("retry", "bad_certificate")
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return Attempt("retry", "unreachable")
    return Attempt("retry", "connection_lost")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class Poster:
    """Posts to one address. `post` makes one attempt; it never retries."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        deadline_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._url = url
        self._deadline_s = deadline_s
        self._clock = clock

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Post the body once, within the deadline for everything from connect to status.

        The response's body is not read: nothing in it matters, and it may be endless.
        """
        sent = {"content-type": "application/json", "user-agent": "newsquake", **headers}
        try:
            async with asyncio.timeout(self._deadline_s):
                request = self._client.stream("POST", self._url, content=body, headers=sent)
                async with request as response:
                    wait = retry_after(response.headers.get("retry-after"), self._clock())
                    return judge(response.status_code, wait)
        except (TimeoutError, httpx2.TimeoutException):
            return Attempt("retry", "timeout")
        except httpx2.InvalidURL:
            return Attempt("refused", "bad_url")
        except httpx2.RequestError as error:
            return after_failure(error)


class Sender:
    """Sends signed webhooks to one receiver. `send` makes one attempt; it never retries."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        secret: SecretStr,
        deadline_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._poster = Poster(client, url, deadline_s, clock)
        self._keys = keys(secret)
        self._clock = clock

    async def send(self, message_id: str, body: bytes) -> Attempt:
        """Post the body once, signed for this moment."""
        return await self._poster.post(body, self._headers(message_id, body))

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp_s = int(self._clock().timestamp())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(message_id, timestamp_s, body, self._keys),
        }
