"""A process that works on a log until it is killed, and says each step once it is done.

child.py KIND PLACE PREFIX COMMAND WORDS...
"""

import sys
import time
from pathlib import Path

from wire.embedded import EmbeddedLog
from wire.log import Log, NewRecord


def main() -> None:
    """Open the log and do as told."""
    kind, place, prefix, command, *words = sys.argv[1:]
    {"append": append, "take": take, "share": share}[command](_open(kind, place, prefix), *words)


def _open(kind: str, place: str, prefix: str) -> Log:
    if kind == "embedded":
        return EmbeddedLog(Path(place))
    from wire.kafka import KafkaLog

    return KafkaLog([place], prefix, timeout_s=15, session_s=6)


def append(log: Log, stream: str, name: str, count: str) -> None:
    """Append `name-0`, `name-1`, ... and say each when it is durable."""
    for number in range(int(count)):
        text = f"{name}-{number}"
        log.append(stream, [NewRecord(text.encode(), text.encode())])
        say(text)
    log.close()


def take(log: Log, stream: str, group: str, count: str) -> None:
    """Join, take so many, say them, settle nothing, and stay."""
    member = log.join(stream, group)
    left = int(count)
    while left:
        batch = member.take(left, 0.5)
        left -= len(batch.records)
        for record in batch.records:
            say(record.value.decode())
    say("holding")
    while True:
        member.take(0, 0)
        time.sleep(0.2)


def share(log: Log, stream: str, group: str) -> None:
    """Take and settle for ever, and say each record before it is settled."""
    member = log.join(stream, group)
    say("joined")
    while True:
        batch = member.take(20, 0.5)
        for record in batch.records:
            say(record.value.decode())
        member.settle(batch.spans)


def say(text: str) -> None:
    """Say one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
