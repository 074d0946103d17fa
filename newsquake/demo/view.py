"""The demo's live view: a snapshot -> what the terminal shows. Rendering is pure.

On a terminal one screen that is redrawn; elsewhere (a pipe, CI) a plain line every few
seconds. Webhooks are printed as they come, in both.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

REFRESH_S = 0.5
PLAIN_S = 5.0
TOPICS: Final = 8
WEBHOOKS: Final = 6
BAR: Final = 24
CALM: Final = 8.0  # the least scale of the bars, so that one story fills none


@dataclass(frozen=True, slots=True)
class Trend:
    """One key's last hour: negative stories, how many are normal, and the edge of normal.

    `surging`: an incident is open on it. A story above the band is none yet.
    """

    name: str
    observed: int
    expected: float
    upper: float
    surging: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the view shows, at one moment; `webhooks` are all since the start."""

    time: datetime | None
    phase: str
    articles: int = 0
    scored: int = 0
    counted: int = 0
    lag: int = 0
    trends: tuple[Trend, ...] = ()
    incidents: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    urls: tuple[tuple[str, str], ...] = ()


def bar(trend: Trend, scale: float, width: int = BAR) -> Text:
    """Draw observed negatives as a bar, red beyond the normal band; `|` marks its edge."""
    per_cell = max(scale, 1.0) / width
    filled = min(width, round(trend.observed / per_cell))
    edge = min(width - 1, round(trend.upper / per_cell))
    text = Text()
    for cell in range(width):
        symbol = "█" if cell < filled else "|" if cell == edge else "·"
        text.append(symbol, "red" if cell < filled and cell >= edge else "" if cell < filled else "dim")
    return text


def shown(trends: tuple[Trend, ...]) -> list[Trend]:
    """Choose the trends to show: what surges first, then the most negatives, seen and normal."""
    return sorted(trends, key=_interest)[:TOPICS]


def _interest(trend: Trend) -> tuple[bool, float, float, float, str]:
    excess = max(0.0, trend.observed - trend.upper)
    return (not trend.surging, -excess, -trend.observed, -trend.expected, trend.name)


def screen(snapshot: Snapshot) -> RenderableType:
    """Draw a snapshot."""
    parts: list[RenderableType] = [_figures(snapshot), _trends(snapshot)]
    parts.append(_section("open incidents", snapshot.incidents, "none", "bold red"))
    parts.append(_section("webhooks received", snapshot.webhooks[-WEBHOOKS:], "none yet", "green"))
    parts.append(_urls(snapshot))
    return Panel(Group(*parts), title=f"Newsquake demo · {_clock(snapshot)}", title_align="left")


def _clock(snapshot: Snapshot) -> str:
    at = f"{snapshot.time:%a %Y-%m-%d %H:%M} UTC" if snapshot.time else "starting"
    return f"{snapshot.phase} · {at}"


def _figures(snapshot: Snapshot) -> Text:
    return Text.assemble(
        ("articles in ", "dim"), f"{snapshot.articles:,}",
        ("   scored ", "dim"), f"{snapshot.scored:,}",
        ("   counted ", "dim"), f"{snapshot.counted:,}",
        ("   lag ", "dim"), (f"{snapshot.lag:,}", "yellow" if snapshot.lag > 100 else ""),  # noqa: PLR2004
    )  # fmt: skip


def _trends(snapshot: Snapshot) -> RenderableType:
    trends = shown(snapshot.trends)
    if not trends:
        return Text("no trend yet: nothing is judged", "dim")
    scale = max(CALM, *(max(each.observed, each.upper) for each in trends))
    table = Table.grid(padding=(0, 2))
    table.add_row(*(Text(head, "dim") for head in ("negatives, last hour", "", "seen", "normal")))
    for each in trends:
        name = Text(each.name, "bold red" if each.surging else "", no_wrap=True, overflow="ellipsis")
        table.add_row(name, bar(each, scale), f"{each.observed}", f"{each.expected:.1f}")
    return table


def _section(title: str, lines: tuple[str, ...], empty: str, style: str) -> Text:
    text = Text(f"{title}: ", "dim", no_wrap=True, overflow="ellipsis")
    if not lines:
        return text.append(empty, "dim")
    for line in lines:
        text.append("\n  ").append(line, style)
    return text


def _urls(snapshot: Snapshot) -> Text:
    pairs = (part for name, url in snapshot.urls for part in (f"  {name} ", (url, "underline")))
    return Text.assemble(("open:", "dim"), *pairs)


def line(snapshot: Snapshot) -> str:
    """Tell a snapshot in one plain line."""
    surging = ", ".join(
        f"{each.name} {each.observed} (normal {each.expected:.1f})"
        for each in shown(snapshot.trends)
        if each.surging
    )
    return (
        f"{_clock(snapshot)} · in {snapshot.articles}, scored {snapshot.scored},"
        f" counted {snapshot.counted}, lag {snapshot.lag},"
        f" open incidents {len(snapshot.incidents)}" + (f" · surging: {surging}" if surging else "")
    )


def show(
    take: Callable[[], Snapshot], stop: Event, console: Console | None = None, *,
    plain: bool = False, monotonic: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Show snapshots until `stop` is set, and the last one after it."""
    console = console or Console(file=sys.stdout)
    if plain or not console.is_terminal:
        _show_lines(take, stop, console, monotonic)
        return
    told = 0
    with Live(screen(take()), console=console, auto_refresh=False) as live:
        while True:
            ending = stop.wait(REFRESH_S)
            now = take()
            told = _tell(now, told, console)
            live.update(screen(now), refresh=True)
            if ending:
                return


def _tell(snapshot: Snapshot, told: int, console: Console) -> int:
    """Print the webhooks that came since the last look; return how many there are."""
    for each in snapshot.webhooks[told:]:
        console.print(each, markup=False, highlight=False, soft_wrap=True)
    return len(snapshot.webhooks)


def _show_lines(
    take: Callable[[], Snapshot], stop: Event, console: Console, monotonic: Callable[[], float]
) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    first = take()
    for name, url in first.urls:
        say(f"{name}: {url}")
    told, due = 0, monotonic()
    while True:
        ending = stop.wait(REFRESH_S)
        now = take()
        told = _tell(now, told, console)
        if ending or monotonic() >= due:
            say(line(now))
            due = monotonic() + PLAIN_S
        if ending:
            return
