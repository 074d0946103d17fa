"""From the outbox over real HTTP to a receiver."""

import json
import socket
import threading
from datetime import time, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from alerts import ledger
from alerts.errors import AlertsError, StoreError
from alerts.mailbox import Mailbox
from alerts.settings import AlertsSettings, Brief, Receiver
from alerts.webhook import BadSecretError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
OTHER = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy"


def states(rows):
    return {row.state for row in rows.values()}


def settled(state):
    return lambda rows: states(rows) == {state}


def tried(attempts):
    """Every row has been tried so often, and the last try is settled."""
    return lambda rows: all(row.attempts == attempts and row.last_outcome for row in rows.values())


def wait_of(desk, row):
    from_now = row.next_attempt_at / 1e6 - desk.now().timestamp()
    return round(from_now)


@pytest.fixture
def nobody():
    """Give an address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/hook"


def test_an_alert_is_delivered_signed_and_exactly_as_it_stands_in_the_outbox(desk, receiver):
    """An independent implementation of the standard verifies headers and body."""
    payload = '{"type":"alert","text":"Öl — 石油"}'.encode()
    message = desk.alert(payload=payload)
    rows = desk.deliver(settled("delivered"), desk=receiver.url)
    path, headers, body = receiver.requests[0]
    Webhook(SECRET).verify(body, headers)
    assert (path, headers["webhook-id"], body) == ("/hook", message, payload)
    assert headers["content-type"] == "application/json"
    assert (rows[message].attempts, rows[message].last_outcome) == (1, "accepted 200")
    assert (len(receiver.requests), desk.counted("delivered")) == (1, 1.0)


def test_during_a_rotation_old_and_new_secret_both_verify(desk, receiver):
    """Receivers change over whenever they like."""
    desk.alert()
    desk.deliver(settled("delivered"), desk=(receiver.url, f"{OTHER} {SECRET}"))
    _, headers, body = receiver.requests[0]
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers)


def test_a_retry_has_the_same_id_and_a_fresh_signature(desk, receiver):
    """The id is how a receiver tells a copy; the timestamp is the attempt's."""
    message = desk.alert()
    receiver.answering(500, 200)
    with desk.delivering(desk=receiver.url):
        rows = desk.until(tried(1))
        assert (rows[message].state, rows[message].last_outcome) == ("pending", "server_error 500")
        assert wait_of(desk, rows[message]) in (4, 5)
        desk.later(seconds=6)
        desk.until(settled("delivered"))
    assert receiver.ids == [message, message]
    first, second = (headers for _, headers, _ in receiver.requests)
    assert int(second["webhook-timestamp"]) >= int(first["webhook-timestamp"]) + 5
    Webhook(SECRET).verify(receiver.requests[1][2], second)
    assert (desk.counted("retried"), desk.counted("delivered")) == (1.0, 1.0)


def test_retries_survive_a_restart(desk, receiver):
    """How often and when is in the outbox row, not in the process."""
    message = desk.alert()
    receiver.answering(503)
    desk.deliver(tried(1), desk=receiver.url)
    desk.later(seconds=6)
    rows = desk.deliver(lambda _: desk.attempts() == 2, desk=receiver.url)
    assert 265 <= wait_of(desk, rows[message]) <= 300
    with desk.delivering(desk=receiver.url):
        threading.Event().wait(0.2)
    assert desk.rows()[message].attempts == 2


def test_after_the_whole_schedule_a_message_is_dead(desk, receiver):
    """Ten attempts over three days, one ERROR at the end."""
    message = desk.alert()
    receiver.answering(500)
    with capture_logs() as logs, desk.delivering(desk=receiver.url):
        for attempt in range(1, 11):
            desk.until(lambda _, sofar=attempt: desk.attempts() == sofar)
            desk.later(hours=27)
        rows = desk.until(settled("dead"))
    assert (rows[message].attempts, len(receiver.requests)) == (10, 10)
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [entry["event"] for entry in errors] == ["delivery.dead"]
    assert (desk.counted("retried"), desk.counted("dead")) == (9.0, 1.0)


def test_retry_after_is_honoured(desk, receiver):
    """A receiver that asks for two minutes gets them, not the five seconds of the schedule."""
    message = desk.alert()
    receiver.answering((429, {"retry-after": "120"}), 200)
    rows = desk.deliver(tried(1), desk=receiver.url)
    assert (118 <= wait_of(desk, rows[message]) <= 120, rows[message].state) == (True, "pending")


def test_a_refusal_is_dead_after_four_attempts(desk, receiver):
    """404 for half an hour means that nobody listens there."""
    desk.alert()
    receiver.answering(404)
    with desk.delivering(desk=receiver.url):
        for attempt in range(1, 5):
            desk.until(lambda _, sofar=attempt: desk.attempts() == sofar)
            desk.later(hours=1)
        rows = desk.until(settled("dead"))
    assert {row.last_outcome for row in rows.values()} == {"not_found 404"}
    assert len(receiver.requests) == 4


def test_gone_disables_the_receiver_over_restarts_until_its_address_changes(desk, receiver):
    """410: nothing waits for it any more, and nothing is sent, until it is somewhere else."""
    desk.alert("i1")
    desk.alert("i1", "resolved")
    receiver.answering(410)
    desk.deliver(settled("dead"), desk=receiver.url)
    desk.alert("i2")
    with capture_logs() as logs:
        desk.deliver(settled("dead"), desk=receiver.url)
    assert [entry["event"] for entry in logs] == ["delivery.receiver_disabled"]
    assert (len(receiver.requests), desk.counted("disabled")) == (1, 3.0)
    moved = desk.alert("i3")
    receiver.answering(200)
    rows = desk.deliver(lambda rows: rows[moved].state == "delivered", desk=receiver.url + "/new")
    assert [row.state for row in rows.values()] == ["dead", "dead", "dead", "delivered"]


def test_only_a_receiver_that_said_410_is_given_up(desk, receiver):
    """Somebody may have asked again meanwhile, and taken the mark away."""
    message = desk.alert()
    assert 0 == Mailbox(desk.store, Receiver(name="desk", url=receiver.url, secret=SecretStr(SECRET))).bury()
    assert "pending" == desk.rows()[message].state


def test_a_redirect_is_not_followed(desk, receiver, other):
    """An alert goes where the settings say, and nowhere else."""
    desk.alert()
    receiver.answering((307, {"location": other.url}))
    rows = desk.deliver(tried(1), desk=receiver.url)
    assert [row.last_outcome for row in rows.values()] == ["redirected 307"]
    assert other.requests == []


def test_a_receiver_that_is_not_there_is_tried_again(desk, nobody):
    """Connection refused says nothing about tomorrow."""
    desk.alert()
    rows = desk.deliver(tried(1), desk=nobody)
    assert [(row.state, row.last_outcome) for row in rows.values()] == [("pending", "unreachable")]


def test_a_slow_receiver_runs_into_the_deadline(desk, receiver):
    """The deadline is for everything, here half a second."""
    desk.alert()
    receiver.answering(200, wait_s=5)
    rows = desk.deliver(tried(1), desk=receiver.url)
    assert [(row.state, row.last_outcome) for row in rows.values()] == [("pending", "timeout")]


def test_a_receiver_that_drips_its_answer_runs_into_the_deadline(desk):
    """A byte now and then resets every read timeout; the deadline is none."""
    desk.alert()
    with socket.create_server(("127.0.0.1", 0)) as server, desk.delivering(
        desk=f"http://127.0.0.1:{server.getsockname()[1]}/"
    ):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(50):
                try:
                    connection.sendall(b"x: y\r\n")
                except OSError:
                    break
                threading.Event().wait(0.05)
        rows = desk.until(tried(1))
    assert [(row.state, row.last_outcome) for row in rows.values()] == [("pending", "timeout")]


def test_a_connection_that_breaks_is_tried_again(desk):
    """The receiver may or may not have it: the same id goes again."""
    desk.alert()
    with socket.create_server(("127.0.0.1", 0)) as server, desk.delivering(
        desk=f"http://127.0.0.1:{server.getsockname()[1]}/"
    ):
        connection, _ = server.accept()
        connection.close()
        rows = desk.until(tried(1))
    assert [row.last_outcome for row in rows.values()] == ["connection_lost"]


def test_a_receiver_that_fails_does_not_hold_up_another(desk, receiver, other):
    """Receivers are served side by side."""
    receiver.answering(200, wait_s=5)
    desk.alert("i1", receiver="slow")
    sent = [desk.alert(f"i{n}", receiver="quick") for n in range(5)]
    rows = desk.deliver(
        lambda rows: all(rows[each].state == "delivered" for each in sent),
        slow=receiver.url, quick=other.url,
    )
    assert rows["msg_1"].state == "pending"


def test_messages_of_one_incident_keep_their_order(desk, receiver):
    """While the first waits for its retry, what follows it waits too; others go on."""
    opened, updated = desk.alert("i1", "opened"), desk.alert("i1", "updated")
    resolved = desk.alert("i1", "resolved")
    receiver.answering(500, 200)
    with desk.delivering(desk=receiver.url):
        desk.until(lambda rows: rows[opened].last_outcome)
        elsewhere = desk.alert("i2", "opened")
        desk.until(lambda rows: rows[elsewhere].state == "delivered")
        assert receiver.ids == [opened, elsewhere]
        desk.later(seconds=6)
        desk.until(settled("delivered"))
    assert receiver.ids == [opened, elsewhere, opened, updated, resolved]


def test_alerts_of_one_instant_open_before_they_resolve(desk, receiver):
    """A judge that catches up writes both in one transaction."""
    resolved, opened = desk.alert("i1", "resolved"), desk.alert("i1", "opened")
    with desk.store.write() as connection:
        connection.exec_driver_sql("UPDATE outbox SET created_at = 7")
    desk.deliver(settled("delivered"), desk=receiver.url)
    assert receiver.ids == [opened, resolved]


def test_a_virtual_clock_that_runs_ahead_does_not_delay_an_alert(desk, receiver):
    """What was never tried is due, whatever the judge's clock said."""
    desk.alert()
    with desk.store.write() as connection:
        connection.exec_driver_sql("UPDATE outbox SET next_attempt_at = 4000000000000000")
    desk.deliver(settled("delivered"), desk=receiver.url)
    assert len(receiver.requests) == 1


def test_a_claim_keeps_a_second_process_away_until_it_has_run_out(desk, receiver):
    """After a crash between sending and settling it is sent again, under the same id."""
    message = desk.alert()
    settings = Receiver(name="desk", url=receiver.url, secret=SecretStr(SECRET))
    crashed, second = Mailbox(desk.store, settings), Mailbox(desk.store, settings)
    assert [each.id for each in crashed.take(desk.now(), 60, 8)] == [message]
    assert second.take(desk.now(), 60, 8) == []
    desk.later(seconds=61)
    assert [(each.id, each.attempt) for each in second.take(desk.now(), 60, 8)] == [(message, 2)]


def test_two_deliveries_on_one_store_send_everything_once(desk, receiver):
    """Replicas share the work by claims."""
    sent = [desk.alert(f"i{n}") for n in range(10)]
    with desk.delivering(desk=receiver.url), desk.delivering(desk=receiver.url):
        desk.until(settled("delivered"))
    assert sorted(receiver.ids) == sorted(sent)


def test_stopping_breaks_a_slow_request_off_and_gives_the_message_back(desk, receiver):
    """It ends within seconds; the message is due again at once, its attempt not counted."""
    message = desk.alert()
    receiver.answering(200, wait_s=8)
    delivery_s = 30.0
    began = desk.now()
    with desk.delivering(desk=receiver.url, deadline_s=delivery_s):
        desk.until(lambda _: receiver.requests)
    assert desk.now() - began < timedelta(seconds=5)
    row = desk.rows()[message]
    assert (row.state, row.attempts, row.last_outcome) == ("pending", 0, "")


def test_alerts_for_a_receiver_that_is_not_configured_wait(desk, receiver):
    """They are sent when it comes back to the settings."""
    desk.alert(receiver="elsewhere")
    sent = desk.alert()
    rows = desk.deliver(lambda rows: rows[sent].state == "delivered", desk=receiver.url)
    assert rows["msg_1"].state == "pending"


def test_secrets_and_addresses_are_never_logged(desk, receiver, other, nobody):
    """Not for success, retry, death or a disabled receiver: chat addresses are secrets too."""
    receiver.answering(200)
    other.answering(410)
    for name in ("good", "gone", "down"):
        desk.alert(receiver=name)
    with capture_logs() as logs:
        desk.deliver(
            lambda rows: all(row.last_outcome for row in rows.values()),
            good=receiver.url, gone=other.url, down=nobody,
        )
    assert {entry["event"] for entry in logs} == {
        "delivery.delivered", "delivery.dead", "delivery.receiver_disabled", "delivery.retried",
    }
    assert SECRET.removeprefix("whsec_") not in repr(logs)
    assert "127.0.0.1" not in repr(logs)
    assert SECRET not in repr(vars(desk.delivery(desk=receiver.url)))


def test_a_bad_secret_is_refused_at_the_start_and_names_the_receiver(desk, receiver):
    """Not at the first alert, at night."""
    with pytest.raises(BadSecretError, match="receiver desk: ") as caught:
        desk.delivery(desk=(receiver.url, "whsec_c2hvcnQ="))
    assert "c2hvcnQ" not in str(caught.value)


def test_two_receivers_of_one_name_are_refused_at_the_start(desk, receiver):
    """They would share what is sent to the name."""
    one = Receiver(name="risk", url=receiver.url, secret=SecretStr(SECRET))
    with pytest.raises(AlertsError, match="same name: risk"):
        desk.delivery(first=one, second=one)


def test_a_store_that_fails_stops_the_delivery_with_its_error(desk, receiver):
    """A bug, or a store that is gone, is nothing to carry on from."""
    with desk.store.write() as connection:
        connection.exec_driver_sql("DROP TABLE outbox")
    stop = threading.Event()
    with pytest.raises(StoreError):
        desk.delivery(desk=receiver.url).run(stop)


def test_the_brief_is_written_when_it_is_due_and_delivered_once(desk, receiver):
    """Signed as everything else; a restart on the same day sends no other."""
    settings = AlertsSettings(brief=Brief(at=time(0), zone="UTC", receivers=("desk",)))
    for _ in range(2):
        with desk.delivering(desk=receiver.url, settings=settings):
            desk.until(lambda rows: rows and states(rows) == {"delivered"})
            threading.Event().wait(0.2)
    ((_, headers, body),) = receiver.requests
    Webhook(SECRET).verify(body, headers)
    assert ("brief", f"{desk.now():%Y-%m-%d}") == tuple(json.loads(body)[name] for name in ("type", "day"))


def test_what_was_given_up_is_sent_again_under_its_id(every_desk, receiver):
    """On either database: all that is dead, or what is named; what waits is left alone."""
    desk = every_desk
    given_up, waiting = desk.alert("i1"), desk.alert("i2", receiver="elsewhere")
    receiver.answering(410)
    desk.deliver(lambda rows: rows[given_up].state == "dead", desk=receiver.url)
    receiver.answering(200)
    assert (1, 0) == (ledger.replay(desk.store), ledger.replay(desk.store, [waiting]))
    rows = desk.deliver(lambda rows: rows[given_up].state == "delivered", desk=receiver.url)
    assert ([given_up] * 2, 1) == (receiver.ids, rows[given_up].attempts)
    assert [given_up] == [one.id for one in ledger.deliveries(desk.store, state="delivered")]
