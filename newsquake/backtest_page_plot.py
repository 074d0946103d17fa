"""The plots of a backtest's page as SVG: volume against what is normal, and alerts by week. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from alerts.hours import Hour
from alerts.keys import MICROSECONDS, WEEK_S, moment

from .backtest_page_html import Cell, Markup, element, join, stamp
from .backtest_page_style import SETS

MOST_POINTS = 1000
WIDTH, HEIGHT, LEFT, LANE, FOOT = 1000, 170, 40, 9, 18
_STEPS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168)
_MARKS = 6
_MONDAY_S = 4 * 86_400  # 1970-01-05


class Span(NamedTuple):
    """An incident on a plot, from `start` to `stop` (microseconds), of a set of rules by number."""

    number: int
    start: int
    stop: int
    title: str
    target: str


def thinned(hours: Sequence[Hour]) -> tuple[int, list[Hour]]:
    """Return at most MOST_POINTS hours, each the one furthest above normal among so many.

    So a peak of an hour is not lost, and every point is an hour with the band of that hour.
    """
    least = -(-len(hours) // MOST_POINTS)
    step = next((one for one in _STEPS if one >= least), least)
    groups = (hours[first : first + step] for first in range(0, len(hours), step))
    return step, [max(group, key=lambda hour: hour.observed - hour.upper) for group in groups]


def volume(
    points: Sequence[Hour], start: int, stop: int, spans: Iterable[Span], sets: int, name: str
) -> Markup:
    """Draw hours from `start` to `stop` (microseconds), the spans of incidents behind them."""
    across = _across(start, stop)
    top = max((max(hour.observed, hour.upper) for hour in points), default=0.0) * 1.05 or 1.0
    lanes = sets * LANE if sets > 1 else 0

    def line(heights: Iterable[float]) -> str:
        ends = (across(hour.end * MICROSECONDS) for hour in points)
        pairs = zip(ends, heights, strict=True)
        return "L".join(f"{x:.0f} {HEIGHT * (1 - value / top):.1f}" for x, value in pairs)

    edge = line(hour.upper for hour in points)
    first, last = (across(points[at].end * MICROSECONDS) for at in (0, -1))
    return _svg(
        HEIGHT + lanes + FOOT, f"Negative stories an hour: {name}",
        element("path", class_="band", d=f"M{first:.0f} {HEIGHT}L{edge}L{last:.0f} {HEIGHT}Z"),
        *(_span(span, across, lanes) for span in spans),
        element("path", class_="expected", d=f"M{line(hour.expected for hour in points)}"),
        element("path", class_="volume", d=f"M{line(hour.observed for hour in points)}"),
        *_axes(start, stop, top, HEIGHT + lanes),
    )


def weekly(starts: Sequence[Sequence[int]], start: int, stop: int) -> Markup:
    """Draw how many alerts opened in each week from Monday on, a bar for each set of rules."""
    weeks = range(_week(start), _week(stop) + 1)
    step = -(-len(weeks) * len(starts) // (MOST_POINTS // 4))  # bars of four points at least
    columns = range(0, len(weeks), step)
    found = [[0] * len(columns) for _ in starts]
    for number, times in enumerate(starts):
        for time in times:
            found[number][(_week(time) - weeks[0]) // step] += 1
    top = max(map(max, found)) or 1
    width = (WIDTH - LEFT) / len(columns)
    bars = [
        _bar(number, LEFT + width * (column + 0.1 + 0.8 * number / len(starts)),
             0.8 * width / len(starts), count / top,
             f"{_monday(weeks[at])}{f' and {step - 1} weeks more' if step > 1 else ''}: {count}")
        for number, counts in enumerate(found)
        for column, (at, count) in enumerate(zip(columns, counts, strict=True)) if count
    ]  # fmt: skip
    return _svg(HEIGHT + FOOT, "Alerts by week", *bars, *_axes(start, stop, float(top), HEIGHT))


def _week(time: int) -> int:
    return (time // MICROSECONDS - _MONDAY_S) // WEEK_S


def _monday(week: int) -> str:
    return f"week of {moment((week * WEEK_S + _MONDAY_S) * MICROSECONDS):%Y-%m-%d}"


def _across(start: int, stop: int) -> Callable[[int], float]:
    return lambda time: LEFT + (WIDTH - LEFT) * (time - start) / max(stop - start, 1)


def _bar(number: int, x: float, width: float, share: float, title: str) -> Markup:
    return element(
        "rect", element("title", title), class_=f"s{number % SETS}", x=f"{x:.1f}", width=f"{width:.1f}",
        y=f"{HEIGHT * (1 - share):.1f}", height=f"{HEIGHT * share:.1f}",
    )


def _span(span: Span, across: Callable[[int], float], lanes: int) -> Markup:
    x = across(span.start)
    place: dict[str, Cell] = {"x": f"{x:.1f}", "width": f"{max(across(span.stop) - x, 3.0):.1f}"}
    colour = f"s{span.number % SETS}"
    shapes = [element("rect", class_=f"{colour} shade", y=0, height=HEIGHT, **place)]
    if lanes:
        top = HEIGHT + span.number * LANE + 1
        shapes.append(element("rect", class_=colour, y=top, height=LANE - 2, **place))
    return element("a", element("title", span.title), *shapes, href=f"#{span.target}")


def _axes(start: int, stop: int, top: float, foot: int) -> list[Markup]:
    marks = [start + (stop - start) * part // _MARKS for part in range(_MARKS)]
    return [
        element("path", class_="axis", d=f"M{LEFT} {HEIGHT}H{WIDTH}M{LEFT} 0V{foot}"),
        element("text", f"{top:.3g}", x=0, y=12),
        element("text", "0", x=0, y=HEIGHT),
        *(element("text", stamp(mark)[: None if stop - start < WEEK_S * MICROSECONDS else 10],
                  x=f"{_across(start, stop)(mark):.0f}", y=foot + FOOT - 4) for mark in marks),
    ]  # fmt: skip


def _svg(height: int, label: str, *parts: Cell) -> Markup:
    drawn = element("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=label)
    return element("div", join([drawn]), class_="wide")
