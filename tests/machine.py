"""What the tests ask of the machine that they run on."""

import os
import socket
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skip for want of something, with the reason; under CI=true that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
