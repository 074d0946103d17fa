"""When a delivery is tried again, and when it is given up: pure, the only place that retries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal

from .webhook import Attempt

# The schedule that Standard Webhooks recommends: ten attempts over 75.6 hours. After the last
# delay's attempt there is no other.
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
SPAN_S = list(accumulate(DELAYS_S))[-1]

# A refusal (404, 401, ...) seldom heals, but a receiver that is just being deployed answers
# so for a few minutes: four attempts over 35 minutes, then it is dead.
REFUSALS = 3

JITTER = 0.1

State = Literal["delivered", "pending", "dead"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery: done, due again at `next_at`, or dead, and why."""

    state: State
    reason: str
    next_at: datetime | None = None
    disable: bool = False


def decide(attempt: Attempt, attempts: int, now: datetime, chance: float) -> Decision:
    """Decide after attempt number `attempts` (the first is 1); `chance` in [0, 1) is the jitter.

    The wait is the schedule's, 10% more or less, or the receiver's Retry-After if longer.
    """
    if attempt.verdict == "delivered":
        return Decision("delivered", attempt.reason)
    if attempt.verdict == "gone":
        return Decision("dead", attempt.reason, disable=True)
    if attempts > (REFUSALS if attempt.verdict == "refused" else len(DELAYS_S)):
        return Decision("dead", attempt.reason)
    wait_s = DELAYS_S[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    longest_s = max(wait_s, attempt.retry_after_s or 0.0)
    return Decision("pending", attempt.reason, now + timedelta(seconds=longest_s))
