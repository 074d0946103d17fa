"""How a letter goes to each kind of receiver: its shape, its headers, one attempt."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from wire.messages import Alert

from .mail import Mailer
from .mailbox import Letter
from .network import open_client
from .payloads import BadPayloadError, Group, Payload, read
from .settings import Receiver
from .shapes import alertmanager, email, generic, pagerduty, slack, teams
from .webhook import Attempt, Poster, Sender

Clock = Callable[[], datetime]
UNREADABLE = Attempt("refused", "bad_payload")


class _Carrier(Protocol):
    """Makes one attempt with a letter; never retries, and never raises for what a receiver does."""

    async def send(self, letter: Letter) -> Attempt:
        """Make one attempt."""
        ...


class Courier:
    """The courier of one receiver with what it holds open, for as long as the context lasts.

    Raises AlertsError at once where the receiver's secret, URL or CA bundle cannot be used.
    """

    def __init__(self, receiver: Receiver, deadline_s: float, clock: Clock) -> None:
        self._stack = AsyncExitStack()
        if receiver.kind == "email":
            self._carrier: _Carrier = _Mail(receiver, deadline_s, clock)
            return
        self._client = open_client(receiver)
        self._stack.push_async_callback(self._client.aclose)
        if receiver.kind == "webhook":
            sender = Sender(self._client, receiver.url, receiver.secret, deadline_s, clock)
            self._carrier = _Webhook(sender)
        else:
            poster = Poster(self._client, address(receiver), deadline_s, clock)
            self._carrier = _Shaped(receiver, poster)

    async def send(self, letter: Letter) -> Attempt:
        """Make one attempt with a letter."""
        return await self._carrier.send(letter)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def address(receiver: Receiver) -> str:
    """Where a receiver's requests go."""
    if receiver.kind == "pagerduty":
        return receiver.url or pagerduty.URL
    if receiver.kind == "alertmanager":
        base = receiver.url.rstrip("/")
        return base if base.endswith(alertmanager.PATH) else base + alertmanager.PATH
    return receiver.url


class _Webhook:
    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def send(self, letter: Letter) -> Attempt:
        return await self._sender.send(letter.id, generic.shape(letter.payload))


class _Shaped:
    def __init__(self, receiver: Receiver, poster: Poster) -> None:
        self._receiver = receiver
        self._poster = poster
        token = receiver.secret.get_secret_value().strip()
        bearer = receiver.kind == "alertmanager" and token
        self._headers = {"authorization": f"Bearer {token}"} if bearer else {}

    async def send(self, letter: Letter) -> Attempt:
        try:
            body = shaped(self._receiver, read(letter.payload))
        except BadPayloadError:
            return UNREADABLE
        return UNREADABLE if body is None else await self._poster.post(body, self._headers)


class _Mail:
    def __init__(self, receiver: Receiver, deadline_s: float, clock: Clock) -> None:
        self._receiver = receiver
        self._mailer = Mailer(receiver, deadline_s, clock)
        self._clock = clock

    async def send(self, letter: Letter) -> Attempt:
        try:
            payload = read(letter.payload)
        except BadPayloadError:
            return UNREADABLE
        receiver = self._receiver
        envelope = email.Envelope(
            receiver.sender, receiver.to, self._clock(), letter.id, letter.first
        )
        return await self._mailer.send(email.shape(payload, envelope))


def shaped(receiver: Receiver, payload: Payload) -> bytes | None:
    """Write a payload in the shape of a receiver; None where that kind takes no such thing."""
    if receiver.kind == "slack":
        return slack.shape(payload)
    if receiver.kind == "teams":
        return teams.shape(payload)
    if receiver.kind == "alertmanager" and isinstance(payload, Alert | Group):
        return alertmanager.shape(payload.alerts if isinstance(payload, Group) else (payload,))
    if receiver.kind == "pagerduty" and isinstance(payload, Alert):
        return pagerduty.shape(payload, receiver.secret.get_secret_value().strip())
    return None
