"""The command line starts quickly, and without torch."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "transformers", "onnxruntime", "pandas", "sqlalchemy", "kafka", "numpy"}
HELP = [sys.executable, "-m", "newsquake", "--help"]


def cpu_seconds(root: Path) -> float:
    """Run the help once; return its user and system time."""
    process = subprocess.Popen(HELP, cwd=root, stdout=subprocess.DEVNULL, env={**os.environ})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_help_takes_less_than_half_a_second_of_cpu(root: Path) -> None:
    """The best of three, so that a busy machine does not decide."""
    assert min(cpu_seconds(root) for _ in range(3)) < 0.5


def test_help_imports_nothing_heavy(root: Path) -> None:
    """Each command imports what it needs when it runs."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *HELP[1:]],
        cwd=root, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported & HEAVY == set()
