"""What is spared an endpoint that is down, and what a storm becomes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select
from structlog.testing import capture_logs

from alerts.circuit import Circuit, Pace
from alerts.mailbox import Mailbox
from alerts.settings import Circuit as CircuitSettings
from alerts.settings import Receiver, Storm
from alerts.tables import outbox
from alerts.webhook import Attempt
from tests.alerts.delivery.examples import alert
from wire.messages import encode

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
DOWN = Attempt("retry", "unreachable")
FINE = Attempt("delivered", "accepted", 200)
NO = Attempt("refused", "rejected", 400)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def after(*attempts, circuit=None, seconds=0):
    circuit = circuit or Circuit(CircuitSettings())
    for attempt in attempts:
        circuit = circuit.after(attempt, at(seconds))
    return circuit


def test_after_five_failures_in_a_row_the_circuit_is_open_for_half_a_minute():
    """Then one probe may go."""
    assert "closed" == after(*[DOWN] * 4).state(NOON)
    opened = after(*[DOWN] * 5)
    assert ["open", "open", "half_open"] == [opened.state(at(s)) for s in (0, 29, 30)]


@pytest.mark.parametrize("alive", [FINE, NO])
def test_an_endpoint_that_answers_is_alive_whatever_it_says(alive):
    """What it refuses is the message's business; the count begins anew."""
    assert "closed" == after(*[DOWN] * 4, alive, *[DOWN] * 4).state(NOON)
    probed = after(alive, circuit=after(*[DOWN] * 5), seconds=31)
    assert ("closed", 0) == (probed.state(at(31)), probed.failures)


def test_each_probe_that_fails_doubles_the_pause_up_to_ten_minutes():
    """Failures of requests that were under way together are one."""
    circuit, now, pauses = after(*[DOWN] * 9), 0.0, []
    for _ in range(7):
        pauses.append((circuit.until - at(now)).total_seconds())
        now += pauses[-1]
        circuit = after(DOWN, circuit=circuit, seconds=now)
    assert [30, 60, 120, 240, 480, 600, 600] == pauses


def test_the_endpoint_may_ask_for_a_longer_pause():
    """By Retry-After."""
    busy = Attempt("retry", "rate_limited", 429, 3600.0)
    assert at(3600) == after(*[DOWN] * 4, busy).until


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=40))
def test_no_window_ever_has_more_messages_than_it_may(steps):
    """Whenever they come: each takes what is allowed then."""
    pace, now, sent = Pace(Storm(messages=10, window_s=60)), 0, []
    for wait, wanted in steps:
        now += wait
        going = min(wanted, pace.allowance(at(now)))
        pace = pace.after(going, at(now))
        sent += [now] * going
    assert all(sum(start <= each < start + 60 for each in sent) <= 10 for start in sent)


def webhook(url, **more):
    return Receiver(name="desk", url=url, secret=SecretStr(SECRET), **more)


def test_while_the_circuit_is_open_nothing_is_sent_and_no_attempt_is_used_up(desk, receiver):
    """A probe finds the endpoint well again, and everything goes."""
    receiver.answering(503)
    to = webhook(receiver.url, circuit=CircuitSettings(failures=2))
    first = [desk.alert(f"i{n}") for n in range(2)]
    with capture_logs() as logs, desk.delivering(desk=to):
        desk.until(lambda rows: all(rows[name].last_outcome for name in first))
        later = [desk.alert(f"j{n}") for n in range(5)]
        desk.later(seconds=10)
        pending = desk.until(lambda rows: len(rows) == 7)
        assert [0] * 5 == [pending[name].attempts for name in later]
        receiver.answering(200)
        desk.later(seconds=30)
        desk.until(lambda rows: {row.state for row in rows.values()} == {"delivered"})
    assert (2 + 7) == len(receiver.requests)
    told = [entry["event"] for entry in logs if "circuit" in entry["event"]]
    assert ["delivery.circuit_opened", "delivery.circuit_closed"] == told


def test_a_probe_that_fails_is_the_only_request(desk, receiver):
    """Eight would be under way otherwise."""
    receiver.answering(503)
    to = webhook(receiver.url, circuit=CircuitSettings(failures=1))
    desk.alert("i0")
    with desk.delivering(desk=to):
        desk.until(lambda _: desk.attempts() == 1)
        for n in range(1, 9):
            desk.alert(f"i{n}")
        desk.later(seconds=31)
        desk.until(lambda _: desk.attempts() == 2)
        rows = desk.until(lambda rows: len(rows) == 9)
    assert (2, 2) == (len(receiver.requests), sum(row.attempts for row in rows.values()))


def storm(desk, names, event="opened"):
    return [desk.alert(name, event, payload=encode(alert(event, name=name))) for name in names]


SIX = [f"inc_{n}" for n in range(6)]


def sent(receiver):
    return [json.loads(body) for _, _, body in receiver.requests]


def done(rows):
    return {row.state for row in rows.values()} <= {"delivered", "grouped"}


def test_a_storm_is_one_message_that_names_all(desk, receiver):
    """More than three were due: one request, one id, every alert in it."""
    names = storm(desk, SIX)
    rows = desk.deliver(done, desk=webhook(receiver.url, storm=Storm(messages=3)))
    (said,) = sent(receiver)
    assert ("alerts", "6 alerts at once, such as: CRITICAL inc_0") == (said["type"], said["text"])
    assert SIX == [one["incident"]["id"] for one in said["alerts"]]
    (group,) = receiver.ids
    assert {("grouped", group)} == {(rows[name].state, rows[name].last_outcome) for name in names}
    assert ("delivered", "grouped") == (rows[group].state, rows[group].event)


def test_as_many_as_may_go_go_one_by_one(desk, receiver):
    """Grouping loses detail, so it waits for a storm."""
    names = storm(desk, SIX)
    desk.deliver(done, desk=webhook(receiver.url, storm=Storm(messages=6)))
    assert sorted(names) == sorted(receiver.ids)


def test_what_comes_after_many_waits_for_the_window_and_goes_as_one(desk, receiver):
    """Three have gone this minute; what trickles in is gathered."""
    with desk.delivering(desk=webhook(receiver.url, storm=Storm(messages=3))):
        first = storm(desk, SIX[:3])
        desk.until(done)
        storm(desk, SIX[3:5])
        desk.later(seconds=30)
        storm(desk, SIX[5:])
        desk.until(lambda rows: [row.state for row in rows.values()].count("pending") == 3)
        assert sorted(first) == sorted(receiver.ids)
        storm(desk, ["inc_7"])
        desk.later(seconds=31)
        desk.until(done)
    assert [1, 1, 1, 4] == [len(said.get("alerts", [0])) for said in sent(receiver)]


def test_a_groups_retry_has_its_id_over_restarts_and_what_follows_waits(desk, receiver):
    """The end of an incident that began in it comes after it."""
    to = webhook(receiver.url, storm=Storm(messages=3))
    storm(desk, SIX)
    receiver.answering(500, 200)
    desk.deliver(lambda rows: any(row.last_outcome.startswith("server") for row in rows.values()), desk=to)
    (end,) = storm(desk, SIX[:1], "resolved")
    with desk.delivering(desk=to):
        (other,) = storm(desk, ["inc_9"])
        desk.until(lambda rows: rows[other].state == "delivered")
        desk.later(seconds=6)
        desk.until(done)
    assert [receiver.ids[0], other, receiver.ids[0], end] == receiver.ids


def test_what_was_tried_alone_is_never_put_into_a_group(desk, receiver):
    """It may have arrived; its id tells."""
    receiver.answering(500, 200)
    to = webhook(receiver.url, storm=Storm(messages=3))
    (alone,) = storm(desk, ["inc_a"])
    desk.deliver(lambda rows: rows[alone].last_outcome, desk=to)
    storm(desk, SIX)
    (behind,) = storm(desk, ["inc_a"], "resolved")
    desk.later(seconds=6)
    rows = desk.deliver(done, desk=to)
    assert ("delivered", "delivered") == (rows[alone].state, rows[behind].state)
    assert (6, alone) == (sum(row.state == "grouped" for row in rows.values()), receiver.ids[0])


def test_two_processes_make_one_group_of_a_storm(every_desk):
    """Who comes second finds nothing left."""
    desk = every_desk
    storm(desk, SIX)
    one, two = (Mailbox(desk.store, webhook("http://r")) for _ in range(2))
    assert [6, 0] == [one.gather(3), two.gather(3)]
    with desk.store.read() as connection:
        events = list(connection.execute(select(outbox.c.event)).scalars())
    assert 1 == events.count("grouped")


class Overtaken:
    """A store in which somebody else is quicker: `before` runs just before the first write."""

    def __init__(self, store, before):
        self._store, self._before = store, [before]

    def write(self):
        while self._before:
            self._before.pop()()
        return self._store.write()

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_what_another_process_claims_meanwhile_is_not_put_into_the_group(every_desk):
    """It is on its way under its own id."""
    desk = every_desk
    names, to = storm(desk, SIX), webhook("http://r")
    taken = []
    other = Mailbox(desk.store, to)
    store = Overtaken(desk.store, lambda: taken.extend(other.take(desk.now(), 60, 2)))
    assert 4 == Mailbox(store, to).gather(3)
    rows = desk.rows()
    assert {letter.id for letter in taken} == {name for name in names if rows[name].state == "pending"}


def test_a_large_storm_is_several_groups_and_no_alert_is_in_two(desk, receiver):
    """Fifty in one are as many as a chat shows."""
    names = [f"inc_{n}" for n in range(120)]
    storm(desk, names)
    desk.deliver(done, desk=webhook(receiver.url))
    told = sent(receiver)
    assert [20, 50, 50] == sorted(len(said["alerts"]) for said in told)
    assert sorted(names) == sorted(one["incident"]["id"] for said in told for one in said["alerts"])


def test_a_pager_is_told_of_each_incident_by_itself(desk, receiver):
    """It groups by itself, and each has to be resolved."""
    storm(desk, SIX)
    alone = Storm(messages=1)
    to = Receiver(
        name="desk", kind="pagerduty", url=receiver.url, secret=SecretStr("k"), storm=alone
    )
    desk.deliver(done, desk=to)
    assert sorted(SIX) == sorted(said["dedup_key"] for said in sent(receiver))
