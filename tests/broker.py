"""One real Kafka broker for a whole test run, as `make kafka` starts it.

NEWSQUAKE_KAFKA=host:port uses an existing broker instead. Under CI=true a broker that does
not start fails the tests; elsewhere they are skipped with the reason.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.machine import absent

SCRIPT = Path(__file__).parent.parent / "deploy" / "kafka" / "broker.py"


@dataclass(frozen=True)
class Broker:
    """Where the broker is; the rest is known of our own only.

    On `sasl_servers` a client must give `sasl_options`.
    """

    servers: str
    process_id: int | None = None
    sasl_servers: str | None = None
    sasl_options: dict[str, Any] | None = None


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """A running broker, of our own or the one that NEWSQUAKE_KAFKA names."""
    existing = os.environ.get("NEWSQUAKE_KAFKA")
    if existing:
        yield Broker(existing.removeprefix("kafka://"))
        return
    home = Path(tempfile.mkdtemp(prefix="newsquake-kafka-"))
    password = secrets.token_hex(8)
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--home", str(home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"NEWSQUAKE_BROKER_SASL": f"newsquake:{password}"},
    )
    try:
        yield _started(process, password)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()  # and the node with it
            process.communicate()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_servers(kafka_broker: Broker) -> str:
    """Its address, "host:port"."""
    return kafka_broker.servers


def _started(process: "subprocess.Popen[str]", password: str) -> Broker:
    assert process.stdout is not None
    said = dict[str, str]()
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        said[name] = value
        if name == "NEWSQUAKE_LOG":
            break
    else:
        assert process.stderr is not None
        absent(f"no Kafka broker: {process.stderr.read().strip()[-1000:]}")
    options = {
        "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "newsquake", "sasl_plain_password": password,
    }
    servers = said["NEWSQUAKE_LOG"].removeprefix("kafka://")
    return Broker(servers, int(said["NEWSQUAKE_BROKER_PID"]), said["NEWSQUAKE_BROKER_SASL_ADDRESS"], options)

