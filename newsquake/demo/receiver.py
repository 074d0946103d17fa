"""A small webhook receiver, written as one of our users would write theirs.

It knows the Standard Webhooks text and a secret, nothing of the sender's code.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

TOLERANCE_S = 300.0
LARGEST_BYTES = 1_000_000
PATIENCE_S = 10.0

Finding = Literal["genuine", "headers missing", "timestamp off", "signature wrong"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One webhook that came in, and what its check found; `copy` if its id came before."""

    id: str
    finding: Finding
    copy: bool
    alert: Mapping[str, Any]


def check(headers: Mapping[str, str], body: bytes, secret: str, now_s: float) -> Finding:
    """Say whether a webhook is from somebody who knows the secret, and fresh.

    The time of comparison does not depend on where a wrong signature differs.
    """
    identity, stamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    given = headers.get("webhook-signature")
    if not (identity and stamp and given):
        return "headers missing"
    if not stamp.isdecimal() or len(stamp) > 12 or abs(now_s - int(stamp)) > TOLERANCE_S:  # noqa: PLR2004
        return "timestamp off"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{identity}.{stamp}.".encode() + body, "sha256")
    genuine = [hmac.compare_digest(expected, each) for each in _signatures(given)]
    return "genuine" if any(genuine) else "signature wrong"


def _signatures(header: str) -> list[bytes]:
    found = []
    for part in header.split(" "):
        version, _, signature = part.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(signature, validate=True))
            except binascii.Error:
                continue
    return found


def describe(receipt: Receipt) -> str:
    """Tell a receipt in one line that a person can read."""
    if receipt.finding != "genuine":
        return f"REFUSED a webhook: {receipt.finding}"
    text = " ".join(str(receipt.alert.get("text") or "an alert without text").split())
    again = " (again, the same id)" if receipt.copy else ""
    return f"ALERT {text} [signature verified]{again}"


class WebhookReceiver:
    """Listens on loopback while the context lasts; hands every webhook to `on_receipt`.

    Answers 204 to what is genuine, 401 to what is not, 400 to what is no JSON object, and
    413 to what is too large. Handlers run in threads; `on_receipt` is called by one at a time.
    """

    def __init__(
        self, secret: str, on_receipt: Callable[[Receipt], None],
        now: Callable[[], float] = time.time, port: int = 0,
    ) -> None:  # fmt: skip
        self._secret, self._on_receipt, self._now = secret, on_receipt, now
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self.receive))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="demo-receiver", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/alerts"

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take one webhook; return the status to answer with."""
        finding = check(headers, body, self._secret, self._now())
        try:
            alert = json.loads(body) if finding == "genuine" else {}
        except ValueError:
            return 400
        if not isinstance(alert, dict):
            return 400
        with self._lock:
            identity, genuine = headers.get("webhook-id", ""), finding == "genuine"
            receipt = Receipt(identity, finding, genuine and identity in self._seen, alert)
            if genuine:
                self._seen.add(identity)
            self._on_receipt(receipt)
        return 204 if finding == "genuine" else 401

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(receive: Callable[[Mapping[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_POST(self) -> None:
            self.send_response_only(self._receive())
            self.send_header("content-length", "0")
            self.end_headers()

        def _receive(self) -> int:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or len(length) > 12:  # noqa: PLR2004
                return 411
            if int(length) > LARGEST_BYTES:
                return 413
            headers = {name.lower(): value for name, value in self.headers.items()}
            return receive(headers, self.rfile.read(int(length)))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: the live view owns the terminal."""

    return Handler
