"""Mail, to a real SMTP server."""

import email
import threading
from contextlib import contextmanager
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.mail import BadMailUrlError
from alerts.settings import Receiver
from tests.alerts.delivery.examples import alert, context_of
from tests.machine import free_port
from wire.messages import encode


class Mailboxes:
    """Keeps what it is handed; answers RCPT and DATA as it is told."""

    def __init__(self):
        self.mails = []
        self.refused = {}
        self.answer = "250 OK"
        self.wait_s = 0.0
        self.closing = threading.Event()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.closing.wait(self.wait_s)
        if self.answer.startswith("250"):
            self.mails.append((envelope, session, email.message_from_bytes(envelope.content, policy=default)))
        return self.answer


def authenticate(server, session, envelope, mechanism, given):
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (b"desk", b"hunter2")
    return AuthResult(success=known, handled=known)


@contextmanager
def listening(**options):
    """Run a mail server; the handler has its address as `url`."""
    handler = Mailboxes()
    implicit = options.pop("ssl_context", None)
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ssl_context=implicit, **options)
    handler.url = f"smtp://127.0.0.1:{port}"
    handler.port = port
    controller.start()
    try:
        yield handler
    finally:
        handler.closing.set()
        controller.stop()


@pytest.fixture
def plain():
    """A relay in the house that offers no TLS."""
    with listening() as server:
        yield server


def to(server, **more):
    given = {"url": server.url, "sender": "newsquake@bank.example", "to": ("a@b.example",), "tls": "none"}
    return Receiver(name="desk", kind="email", **(given | more))


def settled(rows):
    return all(row.last_outcome for row in rows.values())


def outcome(desk, receiver, **more):
    desk.alert(payload=encode(alert()))
    rows = desk.deliver(settled, desk=receiver, **more)
    return [(row.state, row.last_outcome) for row in rows.values()]


def test_an_alert_comes_as_a_mail(desk, plain):
    """To everybody at once, from whom the settings say, under the message's id."""
    receiver = to(plain, to=("a@b.example", "c@d.example"))
    assert [("delivered", "accepted 250")] == outcome(desk, receiver)
    ((envelope, session, mail),) = plain.mails
    assert "newsquake@bank.example" == envelope.mail_from
    assert ["a@b.example", "c@d.example"] == envelope.rcpt_tos
    assert ("<msg_1@bank.example>", "bank.example") == (mail["Message-ID"], session.host_name)
    assert "[Newsquake] CRITICAL Legal: CRITICAL inc_1" == mail["Subject"]
    assert "Bank fails" in mail.get_body(["html"]).get_content()


def test_mails_of_an_incident_are_one_thread_over_restarts(desk, plain):
    """Each later one answers the first, which the outbox remembers."""
    desk.alert("inc_1", payload=encode(alert()))
    desk.deliver(settled, desk=to(plain))
    desk.alert("inc_1", "resolved", payload=encode(alert("resolved")))
    desk.alert("inc_2", payload=encode(alert(name="inc_2")))
    desk.deliver(settled, desk=to(plain))
    threads = {mail["Message-ID"]: mail["In-Reply-To"] for _, _, mail in plain.mails}
    assert {"<msg_1@bank.example>": None, "<msg_2@bank.example>": "<msg_1@bank.example>",
            "<msg_3@bank.example>": None} == threads


def test_what_began_in_a_group_is_threaded_with_the_groups_mail(desk, plain):
    """The member was never sent by itself."""
    receiver = to(plain, storm={"messages": 1, "window_s": 60})
    for name in ("inc_1", "inc_2"):
        desk.alert(name, payload=encode(alert(name=name)))
    desk.deliver(lambda rows: any(row.state == "delivered" for row in rows.values()), desk=receiver)
    desk.alert("inc_1", "resolved", payload=encode(alert("resolved")))
    desk.deliver(lambda rows: rows["msg_3"].state == "delivered", desk=receiver)
    first, second = (mail for _, _, mail in plain.mails)
    assert "[Newsquake] 2 alerts: 2 alerts at once, such as: CRITICAL inc_1" == first["Subject"]
    assert first["Message-ID"] == second["In-Reply-To"]


def test_with_starttls_the_password_goes_under_tls(desk, certificate):
    """The server asks for both; the receiver's CA bundle vouches for it."""
    offered = {"tls_context": context_of(certificate), "require_starttls": True,
               "authenticator": authenticate, "auth_required": True}
    with listening(**offered) as server:
        url = f"smtp://desk@localhost:{server.port}"
        receiver = to(server, url=url, tls="starttls", secret=SecretStr("hunter2"),
                      ca_file=certificate / "cert.pem")
        assert [("delivered", "accepted 250")] == outcome(desk, receiver)
        assert (True, 1) == (server.mails[0][1].authenticated, len(server.mails))


def test_with_implicit_tls(desk, certificate):
    """Port 465's way, which needs no upgrade."""
    with listening(ssl_context=context_of(certificate)) as server:
        receiver = to(server, url=f"smtp://localhost:{server.port}", tls="implicit",
                      ca_file=certificate / "cert.pem")
        assert [("delivered", "accepted 250")] == outcome(desk, receiver)


def test_a_certificate_that_nobody_vouches_for_is_said_so_and_nothing_is_sent(desk, certificate):
    """Neither the password nor the mail."""
    with listening(tls_context=context_of(certificate), authenticator=authenticate) as server:
        url = f"smtp://desk@localhost:{server.port}"
        receiver = to(server, url=url, tls="starttls", secret=SecretStr("hunter2"))
        assert [("pending", "bad_certificate")] == outcome(desk, receiver)
        assert [] == server.mails


def test_a_server_without_tls_gets_nothing_unless_the_settings_say_so(desk, plain):
    """It may be somebody in between who takes the offer out."""
    assert [("pending", "no_tls")] == outcome(desk, to(plain, tls="starttls"))
    assert [] == plain.mails


def test_a_wrong_password_is_a_refusal_and_is_never_shown(desk, certificate):
    """Neither in the outcome nor in a log."""
    with listening(tls_context=context_of(certificate), authenticator=authenticate) as server:
        receiver = to(server, url=f"smtp://desk@localhost:{server.port}", tls="starttls",
                      secret=SecretStr("wrong-hunter2"), ca_file=certificate / "cert.pem")
        with capture_logs() as logs:
            assert [("pending", "unauthorized 535")] == outcome(desk, receiver)
    assert "hunter2" not in repr(logs)
    assert "localhost" not in repr(logs)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("451 later", ("pending", "deferred 451")), ("552 too large", ("pending", "rejected 552")),
        ("250 fine", ("delivered", "accepted 250")),
    ],
)
def test_an_answer_to_the_mail_means_what_smtp_says(desk, plain, answer, expected):
    """4xx is for now and goes on for three days; 5xx is for good and ends after half an hour."""
    plain.answer = answer
    assert [expected] == outcome(desk, to(plain))


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ({"a@b.example": "550 no such user"}, ("delivered", "partly_accepted 250")),
        ({"a@b.example": "550 no", "c@d.example": "551 no"}, ("pending", "rejected 550")),
        ({"a@b.example": "550 no", "c@d.example": "450 full"}, ("pending", "deferred 450")),
    ],
)
def test_recipients_that_are_refused(desk, plain, refused, expected):
    """One that takes it is enough; where nobody does, the most hopeful answer counts."""
    plain.refused = refused
    assert [expected] == outcome(desk, to(plain, to=("a@b.example", "c@d.example")))


def test_a_slow_server_runs_into_the_deadline(desk, plain):
    """The deadline is for the whole conversation."""
    plain.wait_s = 3.0
    assert [("pending", "timeout")] == outcome(desk, to(plain))


def test_a_server_that_is_not_there_is_tried_again(desk, plain):
    """Connection refused says nothing about tomorrow."""
    assert [("pending", "unreachable")] == outcome(desk, to(plain, url=f"smtp://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize(
    "url", ["http://host", "smtp://u:hunter2@host", "smtp://", "smtp://h:99999999", "host"]
)
def test_a_url_that_is_no_mail_servers_is_refused_at_the_start(desk, plain, url):
    """With the receiver's name, and without what was given: it may hold a password."""
    with pytest.raises(BadMailUrlError, match="receiver desk: ") as caught:
        desk.delivery(desk=to(plain, url=url))
    assert "hunter2" not in str(caught.value)


def test_a_payload_that_cannot_be_read_is_a_refusal(desk, plain):
    """It is somebody else's, or of a later version."""
    desk.alert(payload=b'{"type":"later"}')
    rows = desk.deliver(settled, desk=to(plain))
    assert ["bad_payload"] == [row.last_outcome for row in rows.values()]
