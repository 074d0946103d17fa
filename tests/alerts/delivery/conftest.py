"""A real HTTP receiver that answers as it is told, and a store with alerts in its outbox."""

import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import insert, select

from alerts.delivery import Delivery
from alerts.metrics import AlertsMetrics
from alerts.settings import AlertsSettings, Receiver
from alerts.store import open_store
from alerts.tables import outbox

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"


class HttpReceiver:
    """Answers each request with the next of its answers (the last for ever), and keeps it."""

    def __init__(self):
        self.requests = []
        self.answers = [(200, {})]
        self.wait_s = 0.0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, dict(self.headers), body))
                status, headers = outer.answers[0]
                if len(outer.answers) > 1:
                    outer.answers.pop(0)
                outer.closing.wait(outer.wait_s)
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  what a followed redirect would ask

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def answering(self, *answers, wait_s=0.0):
        self.answers = [each if isinstance(each, tuple) else (each, {}) for each in answers]
        self.wait_s = wait_s
        return self

    @property
    def ids(self):
        return [headers["webhook-id"] for _, headers, _ in self.requests]


@contextmanager
def serving():
    """Run a receiver in a thread for as long as the context lasts."""
    receiver = HttpReceiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


@pytest.fixture
def receiver():
    with serving() as it:
        yield it


@pytest.fixture
def other():
    with serving() as it:
        yield it


def hook(name, at):
    """Make a receiver of signed webhooks."""
    url, secret = at if isinstance(at, tuple) else (at, SECRET)
    return Receiver(name=name, url=url, secret=SecretStr(secret))


class Desk:
    """A store with an outbox, deliveries over it, and a clock that can be moved."""

    def __init__(self, store):
        self.store = store
        self.ahead = timedelta()
        self.registry = CollectorRegistry()
        self.metrics = AlertsMetrics(self.registry)
        self.count = 0

    def now(self):
        return datetime.now(UTC) + self.ahead

    def later(self, **by):
        self.ahead += timedelta(**by)

    def alert(self, incident="i1", event="opened", receiver="desk", payload=b'{"type":"alert"}'):
        self.count += 1
        row = {
            "id": f"msg_{self.count}", "incident_id": incident, "event": event,
            "receiver": receiver, "payload": payload, "created_at": self.count,
            "next_attempt_at": 0, "attempts": 0, "state": "pending", "last_outcome": "",
        }
        with self.store.write() as connection:
            connection.execute(insert(outbox).values(row))
        return row["id"]

    def delivery(self, deadline_s=0.5, settings=AlertsSettings(), **receivers):  # noqa: B008  frozen
        """Make a delivery to receivers, given as name=url, name=(url, secret) or name=Receiver."""
        made = [each if isinstance(each, Receiver) else hook(name, each) for name, each in receivers.items()]
        return Delivery(
            self.store, made, settings, self.metrics, self.now,
            chance=lambda: 0.5, deadline_s=deadline_s, poll_s=0.02,
        )

    @contextmanager
    def delivering(self, **urls):
        """Run a delivery in a thread; leaving stops it and raises what it raised."""
        stop, errors, delivery = threading.Event(), [], self.delivery(**urls)

        def run():
            try:
                delivery.run(stop)
            except BaseException as error:  # noqa: BLE001  raised below
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)
        assert not thread.is_alive()
        if errors:
            raise errors[0]

    def until(self, done, within_s=10.0):
        """Wait for a condition on the rows of the outbox, by id."""
        pause = threading.Event()
        for _ in range(int(within_s / 0.02)):
            if done(rows := self.rows()):
                return rows
            pause.wait(0.02)
        raise AssertionError(f"not within {within_s} s: {self.rows()}")

    def deliver(self, done, **urls):
        with self.delivering(**urls):
            return self.until(done)

    def rows(self):
        with self.store.read() as connection:
            return {row.id: row for row in connection.execute(select(outbox))}

    def attempts(self):
        """Count the attempts of which the outcome is written."""
        return sum(self.counted(each) for each in ("delivered", "retried", "dead", "disabled"))

    def counted(self, outcome):
        labels = {"outcome": outcome}
        return self.registry.get_sample_value("newsquake_deliveries_total", labels) or 0.0


@pytest.fixture
def every_desk(store):
    """Make a desk on SQLite, and one on PostgreSQL."""
    return Desk(store)


@pytest.fixture
def desk(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        yield Desk(store)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of localhost that signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    return folder
