"""Connections that ask, as they are made, whether the address may be talked to.

Checked when connecting and not before, so a name that resolves to another address the
second time (DNS rebinding) or a redirect does not get past it.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2
import httpx2

SLICE_S = 0.25
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


class AddressRefusedError(httpcore2.ConnectError):
    """the address is private"""


class Deadline(threading.local):
    """When the fetch of this thread must be over, on the monotonic clock."""

    at = float("inf")

    def left(self, timeout: float | None = None) -> float:
        """Return the seconds left, `timeout` at most; raises httpcore2.ReadTimeout if there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the fetch as a whole took too long")
        return left if timeout is None else min(left, timeout)


class GuardedTransport(httpx2.HTTPTransport):
    """httpx2's transport over guarded connections. Uses no proxy, whatever the environment says.

    `allow_private` lets connections to private and loopback addresses through.
    """

    def __init__(
        self, *, allow_private: bool, deadline: Deadline, cancelled: Callable[[], bool], connections: int
    ) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(limits=limits)
        # httpcore2 takes its backend as a parameter, but httpx2 does not pass one on.
        self._pool._network_backend = _GuardedBackend(allow_private, deadline, cancelled)  # noqa: SLF001


class _GuardedBackend(httpcore2.NetworkBackend):
    def __init__(self, allow_private: bool, deadline: Deadline, cancelled: Callable[[], bool]) -> None:
        self._allow_private, self._deadline, self._cancelled = allow_private, deadline, cancelled
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of the host that answers; all must be allowed."""
        failure: Exception = httpcore2.ConnectError(f"no address: {host}")
        for address in _resolve(host, port, allow_private=self._allow_private):
            try:
                stream = self._inner.connect_tcp(
                    address, port, self._deadline.left(timeout), local_address, socket_options
                )
                return _Stream(stream, self._deadline, self._cancelled)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def sleep(self, seconds: float) -> None:
        """Sleep between attempts, never past the deadline."""
        time.sleep(self._deadline.left(seconds))


def _resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"cannot resolve {host}: {error}") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    refused = [] if allow_private else [a for a in addresses if not is_public(a)]
    if refused:
        raise AddressRefusedError(f"{host} is at {refused[0]}, which is not a public address")
    return addresses


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public Internet.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that too.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _inner(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class _Stream(httpcore2.NetworkStream):
    """A stream whose reads end at the deadline, and soon after the fetch was cancelled."""

    def __init__(
        self, inner: httpcore2.NetworkStream, deadline: Deadline, cancelled: Callable[[], bool]
    ) -> None:
        self._inner, self._deadline, self._cancelled = inner, deadline, cancelled

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not self._cancelled():
            try:
                return self._inner.read(max_bytes, min(SLICE_S, self._deadline.left(timeout)))
            except httpcore2.ReadTimeout:
                self._deadline.left()
        raise httpcore2.ReadTimeout("cancelled")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline, self._cancelled)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
