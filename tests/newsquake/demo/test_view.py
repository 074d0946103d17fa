"""The demo's view: what a snapshot looks like."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest
from rich.console import Console

from newsquake.demo.view import Snapshot, Trend, bar, line, screen, show, shown

LEGAL = Trend("Legal | Regulation", observed=11, expected=1.2, upper=4.0, surging=True)
MACRO = Trend("Macro", observed=1, expected=0.9, upper=3.0)
BUSY = Snapshot(
    time=datetime(2026, 11, 23, 7, 35, tzinfo=UTC),
    phase="live, a minute a second",
    articles=3210,
    scored=3208,
    counted=3205,
    lag=2,
    trends=(MACRO, LEGAL),
    incidents=("warning: Legal | Regulation, 11 negative, 1.2 expected",),
    webhooks=("ALERT Legal | Regulation: 11 negative [signature verified]",),
    urls=(("metrics", "http://127.0.0.1:8321/metrics"),),
)


def drawn(snapshot, width=100):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(screen(snapshot))
    return console.file.getvalue()


def test_the_screen_shows_every_part_of_a_snapshot():
    """Time, figures, trends, incidents, webhooks and where to look."""
    text = drawn(BUSY)
    for part in (
        "live, a minute a second", "Mon 2026-11-23 07:35 UTC", "articles in 3,210", "scored 3,208",
        "counted 3,205", "lag 2", "Legal | Regulation", "warning: Legal", "signature verified",
        "http://127.0.0.1:8321/metrics",
    ):  # fmt: skip
        assert part in text


def test_before_anything_happened_there_is_a_screen_too():
    """Nothing divides by zero, nothing is empty without a word."""
    text = drawn(Snapshot(None, "history"))
    assert "history · starting" in text
    assert "nothing is judged" in text
    assert "webhooks received: none yet" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_screen_fits_any_terminal(width):
    """Long lines are cut, never wrapped into a second screen."""
    wordy = replace(BUSY, webhooks=("ALERT " + "very long text " * 40,) * 50)
    text = drawn(wordy, width)
    assert all(len(each) <= width for each in text.splitlines())
    assert len(text.splitlines()) < 40


def test_a_bar_is_red_beyond_the_normal_band_only():
    """The edge of the band stands where the colour changes."""
    drawing = bar(LEGAL, scale=11, width=11)
    assert drawing.plain == "█" * 11
    assert next(each.start for each in drawing.spans if each.style == "red") == 4
    assert bar(MACRO, scale=11, width=11).plain == "█··|·······"


def test_what_surges_comes_first_then_what_is_furthest_above_its_band():
    """A surge is on the screen, however many topics there are; then what has most to tell."""
    calm = tuple(replace(MACRO, name=f"topic {n:02}") for n in range(30))
    high = replace(MACRO, name="above its band", observed=30, upper=5.0)
    busy = replace(MACRO, name="busy but normal", observed=40, upper=50.0)
    assert shown((*calm, busy, high, LEGAL))[:4] == [LEGAL, high, busy, calm[0]]
    assert len(shown(calm)) == 8


def test_only_what_has_an_open_incident_is_called_surging():
    """One story above a narrow band is no surge."""
    high = replace(MACRO, observed=4)
    assert "surging" not in line(replace(BUSY, trends=(high,)))


def test_a_line_tells_the_same_without_a_terminal():
    """Figures, and what surges."""
    assert line(BUSY) == (
        "live, a minute a second · Mon 2026-11-23 07:35 UTC · in 3210, scored 3208, counted 3205,"
        " lag 2, open incidents 1 · surging: Legal | Regulation 11 (normal 1.2)"
    )


class Ticks:
    """Snapshots in turn; the last one stops the show."""

    def __init__(self, *snapshots):
        self.left = list(snapshots)
        self.stop = Event()

    def __call__(self):
        if len(self.left) == 1:
            self.stop.set()
            return self.left[0]
        return self.left.pop(0)


def told(take, **how):
    console = Console(file=io.StringIO(), width=300, **how)
    show(take, take.stop, console)
    return console.file.getvalue()


def test_without_a_terminal_lines_are_printed_and_each_webhook_once():
    """A pipe gets the addresses, the webhooks as they come, and a last line at the end."""
    ticks = Ticks(replace(BUSY, webhooks=()), BUSY, BUSY)
    lines = told(ticks, force_terminal=False).splitlines()
    assert lines[0] == "metrics: http://127.0.0.1:8321/metrics"
    assert lines.count(BUSY.webhooks[0]) == 1
    assert lines[-1] == line(BUSY)
    assert not any("\x1b" in each for each in lines)


def test_on_a_terminal_the_screen_is_redrawn():
    """The last snapshot stays on the screen."""
    text = told(Ticks(Snapshot(None, "history"), BUSY), force_terminal=True)
    assert "Newsquake demo" in text
    assert "3,210" in text
