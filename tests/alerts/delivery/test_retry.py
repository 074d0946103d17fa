"""When a delivery is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.retry import DELAYS_S, REFUSALS, SPAN_S, decide
from alerts.webhook import Attempt

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DOWN = Attempt("retry", "unreachable")


def test_the_schedule_goes_on_for_three_days():
    """Ten attempts over about 75 hours, as Standard Webhooks recommends."""
    assert (len(DELAYS_S) + 1, round(SPAN_S / 3600)) == (10, 76)


@pytest.mark.parametrize("attempts", range(1, 10))
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_a_failure_is_tried_again_after_the_schedules_delay_give_or_take_a_tenth(attempts, chance):
    """The jitter spreads many alerts that failed together."""
    decision = decide(DOWN, attempts, NOW, chance)
    wait_s = (decision.next_at - NOW).total_seconds()
    assert decision.state == "pending"
    assert wait_s == pytest.approx(DELAYS_S[attempts - 1] * (0.9 + 0.2 * chance))


def test_after_the_last_attempt_it_is_dead_with_the_last_reason():
    """Nothing is tried for ever."""
    decision = decide(DOWN, 10, NOW, 0.5)
    assert (decision.state, decision.reason, decision.next_at) == ("dead", "unreachable", None)


def test_a_refusal_is_tried_for_half_an_hour_and_then_dead():
    """A receiver that is being deployed says 404 for minutes; after that nobody listens."""
    refused = Attempt("refused", "not_found", 404)
    states = [decide(refused, n, NOW, 0.5).state for n in range(1, REFUSALS + 2)]
    assert states == ["pending", "pending", "pending", "dead"]
    assert sum(DELAYS_S[:REFUSALS]) == 2105


def test_gone_is_dead_at_once_and_disables_the_receiver():
    """410 is the receiver's own wish."""
    decision = decide(Attempt("gone", "gone", 410), 1, NOW, 0.5)
    assert (decision.state, decision.disable) == ("dead", True)


def test_what_is_delivered_is_done():
    """Whatever number the attempt had."""
    assert decide(Attempt("delivered", "accepted", 200), 10, NOW, 0.5).state == "delivered"


@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, 5), (2.0, 5), (600.0, 600)])
def test_retry_after_lengthens_a_wait_and_never_shortens_it(asked_s, wait_s):
    """The receiver knows when it is back; it cannot make us hammer it."""
    busy = Attempt("retry", "rate_limited", 429, asked_s)
    assert decide(busy, 1, NOW, 0.5).next_at == NOW + timedelta(seconds=wait_s)
