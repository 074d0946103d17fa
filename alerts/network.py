"""The way to a receiver: its proxy, its certificates, and which addresses it may have.

An operator chose the receiver. A URL with a private IP address or localhost in it says so
itself; a host name that turns out to be private when the connection is made (a mistake, or
DNS rebinding) is refused, unless the receiver's `allow_private` is set. Where a proxy is used,
the proxy resolves names, and no address is checked here.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from .errors import AlertsError
from .settings import Receiver

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain")


class PrivateAddressError(httpcore2.ConnectError):
    """the receiver's name leads to a private address (set allow_private if that is meant)"""


class BadCertificatesError(AlertsError):
    """the CA bundle of a receiver cannot be read"""


class BadProxyError(AlertsError):
    """the proxy (the receiver's or the environment's) is not an http:// or https:// URL"""


def open_client(receiver: Receiver | None = None) -> httpx2.AsyncClient:
    """Open the client of one receiver: no redirects, and its proxy, certificates and address check.

    Raises BadCertificatesError and BadProxyError.
    """
    context = tls(receiver)
    proxy = proxy_of(receiver) if receiver else None
    transport = (
        _through(proxy, context)
        if proxy
        else GuardedTransport(context, private_allowed=receiver is None or private_allowed(receiver))
    )
    return httpx2.AsyncClient(
        transport=transport, follow_redirects=False, timeout=None, trust_env=False
    )


def _through(proxy: str, context: ssl.SSLContext) -> httpx2.AsyncHTTPTransport:
    if not proxy.startswith(("http://", "https://")):
        raise BadProxyError
    try:
        own = context if proxy.startswith("https://") else None
        return httpx2.AsyncHTTPTransport(
            verify=context, proxy=httpx2.Proxy(proxy, ssl_context=own)
        )
    except (httpx2.InvalidURL, ValueError):
        raise BadProxyError from None  # the cause would carry the URL, which may hold a password


def tls(receiver: Receiver | None) -> ssl.SSLContext:
    """Make the TLS context: what the machine trusts, and the receiver's CA bundle beside it."""
    context = httpx2.create_ssl_context()
    if receiver is None or receiver.ca_file is None:
        return context
    try:
        # Its own context: the machine's verifier (truststore) knows nothing of a file.
        context = ssl.create_default_context()
        context.load_verify_locations(receiver.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BadCertificatesError(f"{receiver.ca_file}: no CA bundle that can be read") from error
    return context


def proxy_of(receiver: Receiver) -> str | None:
    """Find the proxy of a receiver: its own, or the environment's; loopback never has one."""
    parts = _parts(receiver.url)
    if parts is None or _is_loopback(parts[1]):
        return None
    if receiver.proxy is not None:
        return receiver.proxy.get_secret_value()
    scheme, host = parts
    found = getproxies()
    proxy = found.get(scheme) or found.get("all")
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def private_allowed(receiver: Receiver) -> bool:
    """Whether a private address is what the operator asked for."""
    parts = _parts(receiver.url)
    return receiver.allow_private or (parts is not None and _names_an_address(parts[1]))


def _parts(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.hostname or ""


def _names_an_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host in _LOOPBACK_NAMES
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public Internet, also where IPv6 wraps an IPv4 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        if (wrapped := inner or ip.ipv4_mapped or ip.sixtofour) is not None:
            return is_public(str(wrapped))
    return ip.is_global and not ip.is_multicast


async def addresses(host: str, port: int, *, private_allowed: bool) -> list[str]:
    """Resolve a host; raises OSError, or PrivateAddressError where one of them is private."""
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a host name") from error
    found = list(dict.fromkeys(str(info[4][0]) for info in infos))
    if not private_allowed and not all(map(is_public, found)):
        raise PrivateAddressError
    return found


async def dial(host: str, port: int, *, private_allowed: bool) -> socket.socket:
    """Connect to the first address of a host that answers; raises as `addresses` does."""
    failure = OSError("no address")
    for address in await addresses(host, port, private_allowed=private_allowed):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)  # noqa: FBT003  its only parameter
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except OSError as error:
            failure = error
            made.close()
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failure


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over connections that ask whether the address may be talked to."""

    def __init__(self, context: ssl.SSLContext, *, private_allowed: bool) -> None:
        super().__init__(verify=context)
        # httpcore2 takes its backend as a parameter, but httpx2 does not pass one on.
        self._pool._network_backend = _Backend(private_allowed)  # noqa: SLF001


class _Backend(httpcore2.AsyncNetworkBackend):
    def __init__(self, private_allowed: bool) -> None:
        self._private_allowed = private_allowed
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None,  # noqa: ASYNC109  the interface's
        local_address: str | None = None, socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        """Connect to the first address of the host that answers."""
        failure: Exception = httpcore2.ConnectError("no address")
        try:
            found = await addresses(host, port, private_allowed=self._private_allowed)
        except OSError as error:
            raise httpcore2.ConnectError("the name cannot be resolved") from error
        for address in found:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore2.ConnectError as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Sleep between attempts."""
        await asyncio.sleep(seconds)
