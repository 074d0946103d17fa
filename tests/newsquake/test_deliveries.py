"""`newsquake deliveries` as an operator meets it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from alerts.store import open_store
from alerts.tables import outbox
from tests.journeys.journey import Journey, eventually

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
NOON_US = 1_772_366_400_000_000  # 2026-03-01 12:00


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    """A home of its own."""
    (tmp_path / "home").mkdir()
    return Journey(tmp_path / "home")


class Endpoint:
    """Keeps what is posted, and answers with one status."""

    def __init__(self) -> None:
        self.status, self.requests = 204, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers), json.loads(body)))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def endpoint():
    """A real HTTP server."""
    it = Endpoint()
    thread = threading.Thread(target=it.server.serve_forever, args=(0.02,))
    thread.start()
    yield it
    it.server.shutdown()
    thread.join()
    it.server.server_close()


def filled(journey, *rows):
    """Put messages into the outbox, each with what it gives and the rest as usual."""
    usual = {"incident_id": "inc_1", "event": "opened", "receiver": "desk", "payload": b"{}",
             "next_attempt_at": NOON_US, "attempts": 0, "state": "pending", "last_outcome": ""}
    made = [usual | {"id": f"msg_{n}", "created_at": NOON_US + n} | row for n, row in enumerate(rows)]
    with open_store(f"sqlite:///{journey.home}/store.db") as store, store.write() as connection:
        connection.execute(insert(outbox), made)


def kept(journey):
    with open_store(f"sqlite:///{journey.home}/store.db") as store, store.read() as connection:
        return {row.id: row for row in connection.execute(select(outbox))}


def config(tmp_path, *lines):
    file = tmp_path / "c.toml"
    file.write_text("\n".join(["[[receivers]]", 'name = "desk"', *lines]) + "\n")
    return ("--config", str(file))


DEAD = {"state": "dead", "attempts": 10, "last_outcome": "server_error 503"}
DONE = {"state": "delivered", "attempts": 1, "last_outcome": "accepted 200", "receiver": "risk"}
LATER = {"attempts": 2, "last_outcome": "timeout", "incident_id": "inc_2", "event": "updated"}
GONE = {"state": "dead", "attempts": 1, "last_outcome": "gone 0123456789ab"}
INSIDE = {"state": "grouped", "last_outcome": "msg_2"}


def test_the_list_says_what_became_of_each_message(journey):
    """The latest first; what waits says when it is tried next."""
    filled(journey, DEAD, DONE, LATER, GONE, {})
    listed = journey.run("deliveries", "list")
    assert 0 == listed.status, listed.err
    assert [
        "msg_4\tpending\tdesk\topened\tinc_1\tattempts=0\tnot tried yet\tnext=-",
        "msg_3\tdead\tdesk\topened\tinc_1\tattempts=1\tgone 410\tnext=-",
        "msg_2\tpending\tdesk\tupdated\tinc_2\tattempts=2\ttimeout\tnext=2026-03-01T12:00:00Z",
        "msg_1\tdelivered\trisk\topened\tinc_1\tattempts=1\taccepted 200\tnext=-",
        "msg_0\tdead\tdesk\topened\tinc_1\tattempts=10\tserver_error 503\tnext=-",
    ] == listed.out.splitlines()


def test_the_list_can_be_narrowed_and_read_by_programs(journey):
    """By state, by receiver, by number; and as JSON."""
    filled(journey, DEAD, DONE, LATER, GONE)
    dead = journey.run("deliveries", "list", "--state", "dead", "--limit", "1").out
    assert ["msg_3"] == [line.split("\t")[0] for line in dead.splitlines()]
    (risk,) = journey.run("deliveries", "list", "--receiver", "risk", "--json").out.splitlines()
    found = json.loads(risk)
    assert ("msg_1", "delivered", None) == (found["id"], found["state"], found["next_at"])
    assert 2 == journey.run("deliveries", "list", "--state", "lost").status


def test_what_is_replayed_is_due_again_under_its_id_with_the_whole_schedule(journey):
    """One by its id, also where it was delivered; or all that were given up."""
    filled(journey, DEAD, DONE, LATER, GONE)
    assert "1 due again\n" == journey.run("deliveries", "replay", "msg_1").out
    assert "2 due again\n" == journey.run("deliveries", "replay", "--all-dead").out
    rows = kept(journey)
    again = {name for name, row in rows.items() if (row.state, row.attempts) == ("pending", 0)}
    assert {"msg_0", "msg_1", "msg_3"} == again
    assert (2, "timeout") == (rows["msg_2"].attempts, rows["msg_2"].last_outcome)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("msg_9",), 1, "no such message"), (("msg_0", "msg_1"), 1, "pending"),
        (("msg_2",), 1, "replay msg_2"),
        ((), 2, "--all-dead"), (("msg_0", "--all-dead"), 2, "--all-dead"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_said_and_nothing_changes(journey, arguments, status, said):
    """All of the ids, or none."""
    filled(journey, DEAD, LATER, INSIDE)
    finished = journey.run("deliveries", "replay", *arguments)
    assert (status, True) == (finished.status, said in finished.err), finished.err
    assert "dead" == kept(journey)["msg_0"].state


def test_a_replay_reaches_a_receiver_that_had_answered_410_while_it_runs(journey, endpoint, tmp_path):
    """The mark of the dead receiver goes with it, and the running process sees that."""
    options = config(tmp_path, f'url = "{endpoint.url}"', f'secret = "{SECRET}"')
    filled(journey, {"payload": b'{"n":1}'}, {"incident_id": "inc_2"})
    endpoint.status = 410
    with journey.started(*options, "run", "alerts"):
        eventually(lambda: {"dead"} == {row.state for row in kept(journey).values()})
        asked = len(endpoint.requests)
        endpoint.status = 204
        assert "1 due again\n" == journey.run("deliveries", "replay", "msg_0").out
        eventually(lambda: kept(journey)["msg_0"].state == "delivered")
    assert ["msg_0"] == [headers["webhook-id"] for headers, _ in endpoint.requests[asked:]]
    assert "dead" == kept(journey)["msg_1"].state


@pytest.mark.parametrize(
    ("lines", "requests"),
    [
        ((f'secret = "{SECRET}"',), 1), (('kind = "slack"',), 1), (('kind = "teams"',), 1),
        (('kind = "pagerduty"', 'secret = "k"'), 2), (('kind = "alertmanager"',), 2),
    ],
)  # fmt: skip
def test_a_test_is_sent_now_and_says_that_it_is_one(journey, endpoint, tmp_path, lines, requests):
    """Where it would stay open, its end follows."""
    finished = journey.run(*config(tmp_path, f'url = "{endpoint.url}"', *lines), "deliveries", "test", "desk")
    assert 0 == finished.status, finished.err
    assert finished.out.endswith("): delivered: accepted 204\n")
    assert requests == len(endpoint.requests)
    assert {True} == {"TEST: this is no incident" in json.dumps(body) for _, body in endpoint.requests}
    assert {} == kept(journey)


def test_a_test_that_fails_says_why_and_shows_no_secret(journey, endpoint, tmp_path):
    """Exit status 1; the address of a chat is a secret."""
    endpoint.status = 403
    options = config(tmp_path, 'kind = "slack"', f'url = "{endpoint.url}/T0KEN"')
    finished = journey.run(*options, "deliveries", "test", "desk")
    assert (1, "desk (slack): not delivered: unauthorized 403\n") == (finished.status, finished.out)
    assert "T0KEN" not in finished.out + finished.err
    unknown = journey.run(*options, "deliveries", "test", "nobody")
    assert (2, True) == (unknown.status, "the settings have: desk" in unknown.err)


def test_a_receiver_that_lacks_something_is_a_wrong_setting(journey, tmp_path):
    """Named with what it needs; the rest of it is not shown."""
    finished = journey.run(*config(tmp_path, 'kind = "slack"', 'proxy = "ftp://hunter2"'), "check")
    assert (2, True) == (finished.status, "kind slack needs url" in finished.err), finished.err
    assert "hunter2" not in finished.out + finished.err


def test_check_tries_each_receivers_settings_and_the_briefs(journey, tmp_path):
    """A CA bundle that is none, a mail server that is none, and a brief for nobody."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("none")
    slack = ('kind = "slack"', 'url = "https://hooks.example/T0KEN"', f'ca_file = "{bundle}"')
    mail = ("[[receivers]]", 'name = "mail"', 'kind = "email"', 'url = "http://relay"',
            'sender = "a@b.example"', 'to = ["c@d.example"]', "[alerts.brief]", 'receivers = ["nobody"]')
    finished = journey.run(*config(tmp_path, *slack, *mail), "check")
    bad = [line.split(": ")[0:2] for line in finished.out.splitlines() if line.startswith("BAD")]
    assert [["BAD receiver", "desk"], ["BAD receiver", "mail"], ["BAD receivers", "brief"]] == bad
    assert "T0KEN" not in finished.out + finished.err
