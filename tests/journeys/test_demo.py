"""The demo, as `make demo` runs it."""

import re
import signal
from pathlib import Path

from tests.journeys.journey import Journey, eventually


def test_the_demo_shows_a_verified_alert_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A surge's webhook is verified; Ctrl-C drains; a second start skips the history."""
    journey, heard = Journey(tmp_path / "home"), tmp_path / "stdout"
    with journey.listening(heard, "demo", "--plain", stream="stdout") as process:
        eventually(lambda: "[signature verified]" in heard.read_text(), deadline_s=240)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert heard.read_text().strip().endswith("make run")
    again = journey.run("demo", "--plain", "--seconds", "8")
    assert again.status == 0, again.err
    assert re.search(r"live, a minute a second", again.out)
    assert not re.search(r"history, at full speed · \w+ 2026-01-0[5-9]", again.out)
