# ruff: noqa: INP001, T201, S603, PLW1509  a script without threads that starts programs and prints
"""Run one Apache Kafka node without Docker: resolve its jars, format its storage, start it.

`python deploy/kafka/broker.py` stays in the foreground until Ctrl-C and prints, once the
node answers, the line to give to Newsquake: `NEWSQUAKE_LOG=kafka://127.0.0.1:PORT`. For
development and tests: one node, no replication, 512 MB of heap, only this machine can
reach it. With NEWSQUAKE_BROKER_SASL=user:password in the environment a second listener
asks for that (SASL PLAIN), and another line prints its address.

Needs Java 17 or newer, and Maven once. Standard library only.
"""

import argparse
import base64
import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
JARS = HERE / "target" / "jars"
START_S = 120.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{sasl_listener}
advertised.listeners=CLIENT://127.0.0.1:{port}{sasl_listener}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=4
# one node can hold one copy
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# a group's first member need not wait 3 s for others
group.initial.rebalance.delay.ms=0
# retention that a test can watch
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
# small enough for a small heap
log.cleaner.dedupe.buffer.size=16777216
"""
SASL_PROPERTIES = """\
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
"""


def main() -> int:
    """Do it all; 1 where Java or Maven is missing or fails, with the reason on stderr."""
    options = _options()
    try:
        jars = resolve()
        with contextlib.ExitStack() as stack:
            home = options.home.resolve()
            home.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(home / "lock"))
            return run(jars, home, options.port)
    except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, help="for clients; default: a free one")
    parser.add_argument("--home", type=Path, default=HERE / ".run", help="data and the node's log")
    return parser.parse_args()


def resolve() -> Path:
    """Copy the broker's jars out of Maven's repository, unless that was done for this pom."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None and not (program == "mvn" and _resolved()):
            raise RuntimeError(f"{program} is not installed (Java 17+ and Maven are needed)")
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with _locked(JARS.parent / "lock", wait=True):
        if not _resolved():
            print("kafka: resolving the broker with Maven (44 MB)", file=sys.stderr, flush=True)
            shutil.rmtree(JARS, ignore_errors=True)
            _call(
                [
                    "mvn",
                    "-B",
                    "-q",
                    "-f",
                    str(HERE / "pom.xml"),
                    "dependency:copy-dependencies",
                    f"-DoutputDirectory={JARS}",
                ]
            )
            (JARS / "resolved").write_bytes((HERE / "pom.xml").read_bytes())
    return JARS


def _resolved() -> bool:
    mark = JARS / "resolved"
    return mark.exists() and mark.read_bytes() == (HERE / "pom.xml").read_bytes()


def run(jars: Path, home: Path, wanted_port: int | None) -> int:
    """Format the storage if it is new, start the node, say where it is, wait for its end."""
    sasl = os.environ.get("NEWSQUAKE_BROKER_SASL")
    sasl_port = free_port() if sasl else None
    port, controller = ports(home, wanted_port)
    properties = configure(home, port, controller, sasl, sasl_port)
    java = ["java", "-cp", f"{jars}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    if not (home / "data" / "meta.properties").exists():
        # As `StorageTool random-uuid` makes it, without another second of Java.
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        _call([*java, "-Xmx256m", "kafka.tools.StorageTool", "format", "--standalone",
               f"--cluster-id={identity}", "-c", str(properties)])
    node = [*java, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "kafka.Kafka", str(properties)]
    with (home / "node.log").open("ab") as log:
        process = subprocess.Popen(
            node,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.terminate())
    _wait(process, port, home / "node.log")
    print(f"NEWSQUAKE_BROKER_PID={process.pid}")
    if sasl_port:
        print(f"NEWSQUAKE_BROKER_SASL_ADDRESS=127.0.0.1:{sasl_port}")
    print(f"NEWSQUAKE_LOG=kafka://127.0.0.1:{port}", flush=True)
    return _end(process)


def ports(home: Path, wanted: int | None) -> tuple[int, int]:
    """Choose the clients' and the controller's port: those of the last start, else free ones.

    The controller's must not change: the storage remembers where its quorum is.
    """
    path = home / "ports"
    last = [int(word) for word in path.read_text().split()] if path.exists() else []
    port, controller = last or (free_port(), free_port())
    port = wanted or port
    path.write_text(f"{port} {controller}\n")
    return port, controller


def configure(
    home: Path, port: int, controller: int, sasl: str | None, sasl_port: int | None
) -> Path:
    """Write the node's settings; only the owner may read them (a password can be in there)."""
    text = PROPERTIES.format(
        port=port,
        controller=controller,
        data=home / "data",
        sasl_listener=f",SASL://127.0.0.1:{sasl_port}" if sasl else "",
    )
    if sasl:
        user, _, password = sasl.partition(":")
        text += SASL_PROPERTIES.format(user=user, password=password)
    path = home / "node.properties"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    process.kill()
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the node did not start within {START_S:.0f} s; {log} ends:\n{tail}")


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the node; SIGTERM and Ctrl-C end it cleanly, and that counts as success."""
    code = process.wait()
    return 0 if code in (0, 128 + signal.SIGTERM, -signal.SIGTERM) else code


def _die_with_parent() -> None:
    # Linux only, best effort: a killed launcher must not leave a broker behind.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{output}")
    return done.stdout


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise RuntimeError(f"another node runs in {path.parent}") from error
        yield


if __name__ == "__main__":
    sys.exit(main())
