"""A real browser without a window, for pages that people open."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.machine import absent

NAMES = ("chromium", "google-chrome")
SECONDS = 60


def dom(url: str, folder: Path) -> str:
    """Open a page, run whatever it would run, and return what it then is, as HTML."""
    return _run(folder, "--dump-dom", url).decode()


def picture(url: str, folder: Path) -> bytes:
    """Open a page and return a PNG of what a person sees."""
    file = folder / "page.png"
    _run(folder, f"--screenshot={file}", "--window-size=1000,1600", "--hide-scrollbars", url)
    return file.read_bytes()


def _run(folder: Path, *given: str) -> bytes:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        absent("no Chromium (Debian: apt-get install chromium)")
    # Chromium's sandbox refuses root, under which containers run their tests.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    options = ["--headless", "--disable-gpu", "--disable-dev-shm-usage", *sandbox]
    done = subprocess.run(
        [program, *options, f"--user-data-dir={folder}/profile", *given],
        check=True, capture_output=True, timeout=SECONDS,
    )  # fmt: skip
    return done.stdout
