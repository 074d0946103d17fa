"""Chat, PagerDuty and Alertmanager over real HTTP, and the way there: proxy, certificates, addresses."""

import json
import shutil
import socket
import subprocess
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.courier import address
from alerts.network import (
    BadCertificatesError,
    BadProxyError,
    is_public,
    private_allowed,
    proxy_of,
)
from alerts.payloads import write
from alerts.settings import Receiver
from tests.alerts.delivery.examples import BRIEF, alert, context_of
from tests.machine import absent, free_port
from wire.messages import encode

KEY = "R0UT1NGKEY"


def settled(rows):
    return all(row.last_outcome for row in rows.values())


def outcomes(rows):
    return [(row.state, row.last_outcome) for row in rows.values()]


def receiver_of(kind, url, **more):
    return Receiver(name="desk", kind=kind, url=url, **more)


@pytest.mark.parametrize(
    ("kind", "secret", "part"),
    [("slack", "", "blocks"), ("teams", "", "attachments"), ("pagerduty", KEY, "dedup_key")],
)
def test_each_kind_gets_its_shape_unsigned(desk, receiver, kind, secret, part):
    """The outbox holds the generic payload; the shape is made when it is sent."""
    payload = encode(alert())
    desk.alert(payload=payload)
    rows = desk.deliver(settled, desk=receiver_of(kind, receiver.url, secret=SecretStr(secret)))
    assert [("delivered", "accepted 200")] == outcomes(rows)
    ((path, headers, body),) = receiver.requests
    assert ("/hook", "application/json") == (path, headers["content-type"])
    assert part in json.loads(body)
    assert [] == [name for name in headers if name.startswith("webhook-") or name == "authorization"]
    assert payload == next(iter(rows.values())).payload


def test_alertmanager_is_asked_at_its_api_with_its_token(desk, receiver):
    """The URL is its own; the path is the API's."""
    desk.alert(payload=encode(alert()))
    base = receiver.url.removesuffix("/hook")
    desk.deliver(settled, desk=receiver_of("alertmanager", base, secret=SecretStr("t0ken")))
    ((path, headers, body),) = receiver.requests
    assert ("/api/v2/alerts", "Bearer t0ken") == (path, headers["authorization"])
    assert "NewsquakeIncident" == json.loads(body)[0]["labels"]["alertname"]


@pytest.mark.parametrize(
    ("kind", "url", "expected"),
    [
        ("pagerduty", "", "https://events.pagerduty.com/v2/enqueue"),
        ("pagerduty", "https://events.eu.pagerduty.com/v2/enqueue",
         "https://events.eu.pagerduty.com/v2/enqueue"),
        ("alertmanager", "http://am:9093/", "http://am:9093/api/v2/alerts"),
        ("alertmanager", "http://am/prefix", "http://am/prefix/api/v2/alerts"),
        ("alertmanager", "http://am/api/v2/alerts", "http://am/api/v2/alerts"),
        ("slack", "https://hooks.slack.com/x", "https://hooks.slack.com/x"),
    ],
)
def test_where_each_kind_is_asked(kind, url, expected):
    """PagerDuty has an address that everybody knows."""
    assert expected == address(receiver_of(kind, url, secret=SecretStr("s")))


@pytest.mark.parametrize("payload", [b"{", b'{"type":"alert"}', write(BRIEF)])
def test_what_a_kind_cannot_take_is_a_refusal_and_is_not_sent(desk, receiver, payload):
    """A payload that cannot be read, and a brief for a pager."""
    desk.alert(payload=payload)
    rows = desk.deliver(settled, desk=receiver_of("pagerduty", receiver.url, secret=SecretStr(KEY)))
    assert [("pending", "bad_payload")] == outcomes(rows)
    assert [] == receiver.requests


def test_a_chats_address_and_a_routing_key_are_never_logged(desk, receiver):
    """They are the secrets."""
    receiver.answering(400)
    desk.alert(payload=encode(alert()))
    with capture_logs() as logs:
        desk.deliver(settled, desk=receiver_of("pagerduty", receiver.url, secret=SecretStr(KEY)))
    assert ["delivery.retried"] == [entry["event"] for entry in logs]
    assert [] == [secret for secret in (KEY, "127.0.0.1", "/hook") if secret in repr(logs)]


@pytest.fixture
def trusted(receiver, certificate):
    """The receiver over TLS, with a certificate that only the bundle vouches for."""
    receiver.server.socket = context_of(certificate).wrap_socket(receiver.server.socket, server_side=True)
    receiver.url = f"https://localhost:{receiver.server.server_address[1]}/hook"
    return receiver


def test_a_ca_bundle_is_trusted(desk, trusted, certificate):
    """Beside what the machine trusts."""
    desk.alert(payload=encode(alert()))
    rows = desk.deliver(settled, desk=receiver_of("slack", trusted.url, ca_file=certificate / "cert.pem"))
    assert [("delivered", "accepted 200")] == outcomes(rows)


def test_without_the_bundle_the_certificate_is_what_is_wrong(desk, trusted):
    """Somebody has to mend something, and reads what."""
    desk.alert(payload=encode(alert()))
    rows = desk.deliver(settled, desk=receiver_of("slack", trusted.url))
    assert [("pending", "bad_certificate")] == outcomes(rows)


def test_a_ca_bundle_that_is_none_is_refused_at_the_start(desk, receiver, tmp_path):
    """Not at the first alert, at night."""
    file = tmp_path / "bundle.pem"
    file.write_text("no certificate")
    with pytest.raises(BadCertificatesError, match=r"receiver desk: .*bundle\.pem"):
        desk.delivery(desk=receiver_of("slack", receiver.url, ca_file=file))


class Proxy:
    """A forward proxy that notes what it is asked for, and answers itself."""

    def __init__(self):
        outer, self.asked = self, []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                outer.asked.append((self.path, self.headers.get("proxy-authorization")))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://user:hunter2@127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def proxy():
    it = Proxy()
    thread = threading.Thread(target=it.server.serve_forever, args=(0.02,))
    thread.start()
    yield it
    it.server.shutdown()
    thread.join()
    it.server.server_close()


def test_a_proxy_of_ones_own_is_used(desk, proxy):
    """The name is the proxy's to resolve: here nobody knows it."""
    desk.alert(payload=encode(alert()))
    with capture_logs() as logs:
        rows = desk.deliver(settled, desk=receiver_of("slack", "http://chat.example/hook", proxy=proxy.url))
    assert [("delivered", "accepted 204")] == outcomes(rows)
    assert [("http://chat.example/hook", "Basic dXNlcjpodW50ZXIy")] == proxy.asked
    assert "hunter2" not in repr(logs)


def test_a_proxy_that_is_none_is_refused_at_the_start_without_repeating_it(desk):
    """It may hold a password."""
    to = receiver_of("slack", "http://chat.example", proxy="http://u:p@h:hunter2")
    with pytest.raises(BadProxyError, match="receiver desk: ") as caught:
        desk.delivery(desk=to)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "environment", "own", "expected"),
    [
        ("https://chat.example/x", {}, None, None),
        ("https://chat.example/x", {"https_proxy": "http://p:1"}, None, "http://p:1"),
        ("https://chat.example/x", {"https_proxy": "p:1"}, None, "http://p:1"),
        ("https://chat.example/x", {"all_proxy": "http://a:1"}, None, "http://a:1"),
        ("https://chat.example/x", {"http_proxy": "http://p:1"}, None, None),
        ("https://chat.example/x", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None, None),
        ("https://chat.example/x", {"https_proxy": "http://p:1"}, "http://own:1", "http://own:1"),
        ("http://127.0.0.1:1/x", {"http_proxy": "http://p:1"}, "http://own:1", None),
        ("http://localhost:1/x", {"all_proxy": "http://p:1"}, None, None),
    ],
)
def test_which_proxy_a_receiver_has(monkeypatch, url, environment, own, expected):
    """Its own, else the environment's; loopback never has one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert expected == proxy_of(receiver_of("slack", url, proxy=own))


@pytest.mark.parametrize(
    ("url", "setting", "allowed"),
    [
        ("http://127.0.0.1:9/", False, True), ("http://10.0.0.7/", False, True),
        ("http://[::1]/", False, True), ("http://localhost/", False, True),
        ("http://alertmanager:9093", False, False),
        ("http://alertmanager:9093", True, True), ("https://hooks.example/x", False, False),
    ],
)  # fmt: skip
def test_a_private_address_has_to_be_asked_for(url, setting, allowed):
    """By writing it into the URL, or by the setting for a name."""
    assert allowed == private_allowed(receiver_of("slack", url, allow_private=setting))


@pytest.mark.parametrize(
    ("address_", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.1.2.3", False), ("169.254.169.254", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::a00:1", False), ("2002:7f00:1::", False), ("224.0.0.1", False),
        ("fe80::1%eth0", False), ("0.0.0.0", False), ("100.64.0.1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address_, public):
    """Wrapped ones are judged by what is inside."""
    assert public == is_public(address_)


def test_a_name_that_turns_out_to_be_private_is_refused(desk, receiver):
    """This machine's own name stands for any name that leads inside."""
    name = socket.gethostname()
    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
    except OSError:
        pytest.skip("this machine's name cannot be resolved")
    if all(map(is_public, found)):
        pytest.skip("this machine's name has a public address")
    desk.alert(payload=encode(alert()))
    url = receiver.url.replace("127.0.0.1", name)
    rows = desk.deliver(settled, desk=receiver_of("slack", url))
    assert [("pending", "private_address")] == outcomes(rows)
    assert [] == receiver.requests


@pytest.fixture
def alertmanager(tmp_path):
    """Run a real Alertmanager with an empty route."""
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        absent("prometheus-alertmanager is missing: deploy/install-tools installs it as root")
    config, said = tmp_path / "am.yml", tmp_path / "output"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    command = [binary, f"--config.file={config}", f"--storage.path={tmp_path}/data",
               f"--web.listen-address={url.removeprefix('http://')}", "--cluster.listen-address="]
    with said.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until_ready(url, process, said)
        yield url
    finally:
        process.kill()
        process.wait(10)


def until_ready(url, process, said):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(f"{url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(said.read_text())


def fired(url):
    with urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        return json.load(answer)


def test_a_real_alertmanager_takes_an_incident_and_its_end(desk, alertmanager):
    """It shows while it is open, an update is the same alert, and its end takes it away."""
    now = datetime.now(UTC).replace(microsecond=0)
    made = alert("updated", severity="info")
    made = replace(made, incident=replace(made.incident, opened_at=now - timedelta(minutes=30)))
    worse = replace(made, incident=replace(made.incident, severity="critical"))
    ended = replace(
        made, event="resolved", incident=replace(made.incident, state="resolved", resolved_at=now)
    )
    to = receiver_of("alertmanager", alertmanager)
    for payload in (made, worse):
        desk.alert(payload=encode(payload))
        assert {"delivered"} == {row.state for row in desk.deliver(settled, desk=to).values()}
        (seen,) = fired(alertmanager)
        assert payload.incident.severity == seen["annotations"]["severity"]
        assert {"alertname": "NewsquakeIncident", "incident": "inc_1", "topic": "Legal"} == seen["labels"]
    desk.alert(payload=encode(ended))
    assert {"delivered"} == {row.state for row in desk.deliver(settled, desk=to).values()}
    assert [] == fired(alertmanager)
