"""Mail to one receiver over SMTP: one attempt, and what the server's answer means.

RFC 5321: 4xx is for now, 5xx for good. The connection is this attempt's alone.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from .errors import AlertsError
from .network import PrivateAddressError, dial, private_allowed, tls
from .settings import Receiver
from .webhook import Attempt

PERMANENT = 500
GOODBYE_S = 1.0
PORTS = {"starttls": 587, "implicit": 465, "none": 25}


class BadMailUrlError(AlertsError):
    """the URL of a mail receiver is not smtp://user@host:port"""


class Mailer:
    """Sends mails through the receiver's server. Raises BadMailUrlError when it is made."""

    def __init__(self, receiver: Receiver, deadline_s: float, clock: Callable[[], datetime]) -> None:
        self._receiver = receiver
        self._deadline_s = deadline_s
        self._clock = clock
        self._context = tls(receiver)
        self._host, self._port, self._user = _server(receiver)

    async def send(self, mail: EmailMessage) -> Attempt:
        """Make one attempt: the deadline is for connecting, and again for talking.

        No password is sent before TLS stands.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                allowed = private_allowed(self._receiver)
                connected = await dial(self._host, self._port, private_allowed=allowed)
        except TimeoutError:
            return Attempt("retry", "timeout")
        except PrivateAddressError:
            return Attempt("refused", "private_address")
        except OSError:
            return Attempt("retry", "unreachable")
        client = self._client(connected)
        try:
            return await self._converse(client, mail)
        finally:
            await _leave(client)
            connected.close()

    async def _converse(self, client: aiosmtplib.SMTP, mail: EmailMessage) -> Attempt:
        try:
            async with asyncio.timeout(self._deadline_s):
                await client.connect()
                return await self._encrypted(client) or await self._handed_over(client, mail)
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return Attempt("retry", "timeout")
        except (aiosmtplib.SMTPException, OSError) as error:
            return meaning(error)

    async def _encrypted(self, client: aiosmtplib.SMTP) -> Attempt | None:
        """Bring TLS about where it is still to come; the attempt ends here where that cannot be."""
        if self._receiver.tls != "starttls":
            return None
        await client.ehlo()
        if not client.supports_extension("starttls"):
            return Attempt("refused", "no_tls")
        await client.starttls(server_hostname=self._host, tls_context=self._context)
        return None

    async def _handed_over(self, client: aiosmtplib.SMTP, mail: EmailMessage) -> Attempt:
        password = self._receiver.secret.get_secret_value()
        if password:
            await client.login(self._user, password)
        refused, _ = await client.send_message(mail)
        return Attempt("delivered", "partly_accepted" if refused else "accepted", 250)

    def _client(self, connected: socket.socket) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            sock=connected,
            use_tls=self._receiver.tls == "implicit",
            start_tls=False,
            tls_context=self._context,
            local_hostname=self._receiver.sender.rpartition("@")[2],
            timeout=self._deadline_s,
        )


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye if the server listens; whatever it answers, the mail's fate is known."""
    transport = client.transport
    try:
        async with asyncio.timeout(GOODBYE_S):
            await client.quit()
    except (TimeoutError, aiosmtplib.SMTPException, OSError):
        pass
    finally:
        client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()  # a TLS connection would linger for its own goodbye


def meaning(error: Exception) -> Attempt:
    """Say what a failed conversation means for the delivery: 5xx is a refusal, the rest is tried again."""
    code = _code(error)
    if code is not None and code >= PERMANENT:
        unknown = isinstance(error, aiosmtplib.SMTPAuthenticationError)
        return Attempt("refused", "unauthorized" if unknown else "rejected", code)
    if code is not None:
        return Attempt("retry", "deferred", code)
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        return Attempt("retry", "bad_certificate")
    if isinstance(error, aiosmtplib.SMTPServerDisconnected) or not isinstance(error, OSError):
        return Attempt("retry", "connection_lost")
    return Attempt("retry", "unreachable")


def _code(error: Exception) -> int | None:
    """The reply code that an error carries; of several recipients' codes the most hopeful."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return min(each.code for each in error.recipients)
    return error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None


def _server(receiver: Receiver) -> tuple[str, int, str]:
    try:
        parts = urlsplit(receiver.url)
        port = parts.port or PORTS[receiver.tls]
    except ValueError:
        raise BadMailUrlError from None  # the cause would carry the URL
    if parts.scheme != "smtp" or not parts.hostname or parts.password or parts.path.strip("/"):
        raise BadMailUrlError
    return parts.hostname, port, unquote(parts.username or "")
