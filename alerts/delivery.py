"""The delivery: from the outbox to the receivers, each in its shape.

For each receiver: (1) claim what is due, (2) send, (3) settle. A crash between (2) and (3)
sends the message again under the same `webhook-id`, by which receivers tell copies: delivery
is at least once. Messages of one incident reach a receiver in order, each only after the one
before it was delivered or given up; incidents do not wait for one another, nor receivers.
A receiver that is down is left alone for a while (circuit), and a storm becomes one message
(storm); both are kept per process and begin anew with it.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

import structlog

from .briefing import Briefing, Heard, nothing_heard
from .circuit import Circuit, Pace
from .courier import Courier
from .errors import AlertsError, StoreBusyError
from .mailbox import Letter, Mailbox
from .metrics import AlertsMetrics
from .retry import Decision, decide
from .settings import AlertsSettings, Kind, Receiver
from .store import Store
from .webhook import Attempt

DEADLINE_S = 10.0
POLL_S = 0.5
AT_ONCE = 8  # messages under way to one receiver
GRACE_S = 2.0  # what a request under way is given when we stop
CLAIM_MARGIN_S = 60.0  # more than settling waits for the store's lock
SINGLY: tuple[Kind, ...] = ("pagerduty",)  # takes one event a request, and groups by itself

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger()


@dataclass
class _Route:
    receiver: Receiver
    mailbox: Mailbox
    courier: Courier
    circuit: Circuit
    pace: Pace


class Delivery:
    """Delivers until stopped, and sends the brief. A receiver that fails stops no other.

    Raises AlertsError at once where a receiver's secret, URL or CA bundle cannot be used.
    """

    def __init__(
        self,
        store: Store,
        receivers: Sequence[Receiver],
        settings: AlertsSettings,
        metrics: AlertsMetrics,
        clock: Callable[[], datetime],
        *,
        heard: Heard = nothing_heard,
        chance: Callable[[], float] = random.random,
        deadline_s: float = DEADLINE_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._backoff_s = settings.backoff_s
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._deadline_s = deadline_s
        self._poll_s = poll_s
        # One of us at a time: SQLite's writers wait by sleeping, and wake in no order.
        self._turn = asyncio.Lock()
        names = [receiver.name for receiver in receivers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise AlertsError(f"two receivers have the same name: {', '.join(twice)}")
        self._briefing = Briefing(store, settings.brief, receivers, clock, heard)
        self._routes = [self._route(store, receiver) for receiver in receivers]

    def _route(self, store: Store, receiver: Receiver) -> _Route:
        try:
            courier = Courier(receiver, self._deadline_s, self._clock)
        except AlertsError as error:
            raise type(error)(f"receiver {receiver.name}: {error}") from None
        circuit, pace = Circuit(receiver.circuit), Pace(receiver.storm)
        return _Route(receiver, Mailbox(store, receiver), courier, circuit, pace)

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; it ends within about two seconds, messages intact."""
        try:
            asyncio.run(self._run(stop))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _run(self, stop: threading.Event) -> None:
        stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            for route in self._routes:
                await stack.enter_async_context(route.courier)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for route in self._routes:
                group.create_task(self._serve(route, stopping))
            group.create_task(self._brief(stopping))
            while not stop.is_set():  # noqa: ASYNC110  a thread's event cannot be awaited
                await asyncio.sleep(0.1)
            stopping.set()

    async def _serve(self, route: _Route, stopping: asyncio.Event) -> None:
        gone: bool | None = None
        while not stopping.is_set():
            pause_s = self._poll_s
            try:
                if gone is None and (gone := await self._stored(route.mailbox.disabled)):
                    log.error("delivery.receiver_disabled", receiver=route.receiver.name)
                if gone:
                    gone = await self._stored(route.mailbox.disabled)  # a replay takes it back
                if gone:
                    await self._bury(route)
                else:
                    gone = await self._round(route, stopping)
            except StoreBusyError as error:
                log.warning("delivery.store_busy", error=str(error))
                pause_s = self._backoff_s
            await _pause(stopping, pause_s)

    async def _brief(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                # Not in turn: once a day, and it reads the log.
                due = self._briefing.waiting() is not None
                if due and await asyncio.to_thread(self._briefing.step):
                    log.info("delivery.brief_written")
            except StoreBusyError as error:
                log.warning("delivery.store_busy", error=str(error))
            await _pause(stopping, self._poll_s)

    async def _round(self, route: _Route, stopping: asyncio.Event) -> bool:
        """Send everything that is due; say whether the receiver asked never to be called again."""
        while not stopping.is_set():
            letters = await self._take(route)
            if not letters:
                return False
            under_way = (self._deliver(route, letter, stopping) for letter in letters)
            if any(await asyncio.gather(*under_way)):
                log.error("delivery.receiver_disabled", receiver=route.receiver.name)
                return True
        return False

    async def _take(self, route: _Route) -> list[Letter]:
        """Claim what may be sent now: nothing to an open circuit, a probe to one half open."""
        now, lease_s = self._clock(), self._deadline_s + CLAIM_MARGIN_S
        state = route.circuit.state(now)
        if state == "open":
            return []
        allowance = None if route.receiver.kind in SINGLY else route.pace.allowance(now)
        while allowance and await self._stored(route.mailbox.gather, allowance):
            pass
        limit = AT_ONCE if state == "closed" else 1
        letters = await self._stored(route.mailbox.take, now, lease_s, limit, allowance)
        route.pace = route.pace.after(sum(letter.new for letter in letters), now)
        return letters

    async def _deliver(self, route: _Route, letter: Letter, stopping: asyncio.Event) -> bool:
        attempt = await _unless_stopped(route.courier.send(letter), stopping)
        if attempt is None:
            await self._stored(route.mailbox.release, letter, self._clock())
            return False
        self._note(route, attempt)
        return await self._settle(route, letter, attempt)

    def _note(self, route: _Route, attempt: Attempt) -> None:
        before, now = route.circuit, self._clock()
        route.circuit = before.after(attempt, now)
        here = log.bind(receiver=route.receiver.name, reason=attempt.reason)
        if route.circuit.until is None and before.until is not None:
            here.info("delivery.circuit_closed")
        elif route.circuit.until != before.until:
            here.warning("delivery.circuit_opened", until=str(route.circuit.until))

    async def _settle(self, route: _Route, letter: Letter, attempt: Attempt) -> bool:
        decision = decide(attempt, letter.attempt, self._clock(), self._chance())
        outcome = f"{attempt.reason} {attempt.status or ''}".strip()
        try:
            await self._stored(route.mailbox.settle, letter, decision, outcome)
        except StoreBusyError as error:
            # It stays claimed, and is sent again under its id when the claim has run out.
            log.warning("delivery.store_busy", message=letter.id, error=str(error))
        self._report(route, letter, attempt, decision)
        return decision.disable

    async def _stored(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._turn:
            return await asyncio.to_thread(work, *args, **kwargs)

    async def _bury(self, route: _Route) -> None:
        for _ in range(await self._stored(route.mailbox.bury)):
            self._metrics.delivery("disabled")

    def _report(self, route: _Route, letter: Letter, attempt: Attempt, decision: Decision) -> None:
        # Never the address: chat services put their secret there.
        here = log.bind(
            receiver=route.receiver.name, message=letter.id, incident=letter.incident_id,
            alert=letter.event, attempt=letter.attempt, reason=attempt.reason,
            status=attempt.status,
        )  # fmt: skip
        if decision.state == "delivered":
            self._metrics.delivery("delivered")
            here.info("delivery.delivered")
        elif decision.state == "dead":
            self._metrics.delivery("disabled" if decision.disable else "dead")
            here.error("delivery.dead")
        else:
            self._metrics.delivery("retried")
            here.warning("delivery.retried", next_at=str(decision.next_at))


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def _unless_stopped(
    sending: Coroutine[None, None, Attempt], stopping: asyncio.Event
) -> Attempt | None:
    """Return what the request came to, or None where it was broken off because we stop."""
    request = asyncio.ensure_future(sending)
    ending = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({request, ending}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({request}, timeout=GRACE_S)
        return request.result() if request.done() else None
    finally:
        ending.cancel()
        request.cancel()
        await asyncio.wait({request})
