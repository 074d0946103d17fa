"""The journey DSL: whole pipelines as a user runs them, in processes of their own."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

COLUMNS = ("published", "title", "summary", "link", "source", "language")
DEADLINE_S = 240
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def write_archive(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write an archive CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def same(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome without what may differ between two runs."""
    return {name: value for name, value in outcome.items() if name != "seconds"}


@dataclass
class Journey:
    """One home, and the commands that run in it."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def start(
        self, *arguments: str, outputs: Mapping[str, Any] = PIPES
    ) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group of its own."""
        command = [sys.executable, "-m", "newsquake", "--home", str(self.home), *arguments]
        return subprocess.Popen(
            command,
            env=os.environ | {"NEWSQUAKE_WEB__PORT": "0"} | self.env,
            **outputs,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> "Finished":
        """Run a command to its end."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=DEADLINE_S)
            finally:
                kill(process)
        return Finished(process.returncode, out, err)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs meanwhile, and is killed at the end."""
        process = self.start(*arguments)
        drain = threading.Thread(target=process.communicate, daemon=True)
        drain.start()
        try:
            yield process
        finally:
            kill(process)
            drain.join(10)

    @contextmanager
    def listening(
        self, file: Path, *arguments: str, stream: Literal["stdout", "stderr"] = "stderr"
    ) -> Iterator[subprocess.Popen[str]]:
        """A command that runs meanwhile, with one of its outputs going to a file."""
        with file.open("w") as heard:
            outputs = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: heard}
            process = self.start(*arguments, outputs=outputs)
        try:
            yield process
        finally:
            kill(process)

    def replay(self, *arguments: Path | str) -> dict[str, Any]:
        """Replay archives to the end and return the JSON that came out."""
        finished = self.run("replay", *map(str, arguments), "--json")
        assert finished.status == 0, finished.err
        outcome: dict[str, Any] = json.loads(finished.out.splitlines()[-1])
        return outcome

    def replay_killed(self, after_s: float, *arguments: Path | str) -> None:
        """Start a replay and `kill -9` its whole process group after a while."""
        process = self.start("replay", *map(str, arguments), "--json")
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        kill(process)
        process.communicate()


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    err: str


def kill(process: "subprocess.Popen[Any]") -> None:
    """`kill -9` the process group, if it still lives."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def eventually(what: Any, deadline_s: float = 60.0, poll_s: float = 0.2) -> Any:
    """The first true value of `what()`; fails after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(poll_s)
    raise AssertionError(f"nothing within {deadline_s:g} s")
