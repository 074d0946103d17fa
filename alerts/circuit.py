"""Whether an endpoint may be called now, and how much at once: pure deciders, kept per process.

The circuit spares an endpoint that is down, and its messages their attempts. The pace keeps a
storm from flooding a chat: at most so many messages a window, what is more goes as one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from .settings import Circuit as CircuitSettings
from .settings import Storm
from .webhook import Attempt

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Circuit:
    """How an endpoint has answered: `failures` in a row, and until when it is left alone."""

    settings: CircuitSettings
    failures: int = 0
    until: datetime | None = None

    def state(self, now: datetime) -> State:
        """Closed: send. Open: send nothing. Half open: send one message, and see."""
        if self.until is None:
            return "closed"
        return "open" if now < self.until else "half_open"

    def after(self, attempt: Attempt, now: datetime) -> "Circuit":
        """Note what an attempt came to. An endpoint that refuses a message is alive."""
        if attempt.verdict != "retry":
            return replace(self, failures=0, until=None)
        failures = self.failures + 1
        over = failures - self.settings.failures
        if over < 0:
            return replace(self, failures=failures)
        # Attempts that were under way together fail together: one pause, not one doubling each.
        if self.state(now) == "open":
            return self
        return replace(self, failures=failures, until=now + timedelta(seconds=self._pause_s(over, attempt)))

    def _pause_s(self, over: int, attempt: Attempt) -> float:
        settings = self.settings
        pause_s = min(settings.pause_s * 2.0 ** min(over, 30), settings.longest_pause_s)
        return max(pause_s, attempt.retry_after_s or 0.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """When messages went to a receiver, as far as the window still knows them."""

    settings: Storm
    sent: tuple[datetime, ...] = ()

    def allowance(self, now: datetime) -> int:
        """How many new messages may go now."""
        return max(0, self.settings.messages - len(self._recent(now)))

    def after(self, messages: int, now: datetime) -> "Pace":
        """Note that so many new messages went."""
        return replace(self, sent=(*self._recent(now), *(now for _ in range(messages))))

    def _recent(self, now: datetime) -> tuple[datetime, ...]:
        since = now - timedelta(seconds=self.settings.window_s)
        return tuple(each for each in self.sent if each > since)
