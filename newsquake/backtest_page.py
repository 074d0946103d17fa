"""A backtest as one HTML page that needs nothing else: no script, and nothing is loaded."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from alerts.backtest import Label, first_hits
from alerts.hours import Hour
from alerts.keys import DAY_S, MICROSECONDS, Key, microseconds
from alerts.rules import SEVERITIES
from wire.messages import Incident

from . import backtest_page_plot as plot
from .backtest_page_html import Cell, Markup, element, join, stamp, table, text
from .backtest_page_incidents import anchor, hover, listed, plotted_on, strongest
from .backtest_page_style import POLICY, SETS, STYLE
from .backtesting import Outcome, Result

# What a page holds at most: some MB, whatever the rules.
MOST_INCIDENTS, MOST_PLOTS, MOST_QUIET, MOST_ROWS = 600, 40, 6, 200


def write(outcome: Outcome, target: Path) -> None:
    """Write the page; the file appears when it is whole."""
    part = target.with_name(target.name + ".part")
    part.write_text(render(outcome), encoding="utf-8")
    part.replace(target)


def render(outcome: Outcome) -> str:
    """Return the page; every text is escaped."""
    each = MOST_INCIDENTS // len(outcome.results)
    shown = [strongest(result.incidents, each) for result in outcome.results]
    period = f"{stamp(outcome.start)} to {stamp(outcome.stop)} (UTC)"
    body = (
        element("h1", "Backtest"),
        element("p", f"{period}, {outcome.results[0].days:.1f} days."),
        element("h2", "Side by side" if len(shown) > 1 else "Numbers"), _numbers(outcome),
        element("h2", "Alerts by week"), _weeks(outcome),
        element("h2", "By key"), _by_key(outcome.results),
        *_labels(outcome),
        element("h2", "Volume"), *_plots(outcome, shown),
        element("h2", "Incidents"), *_incidents(outcome, shown),
    )  # fmt: skip
    head = (
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        element("title", f"Backtest, {period}"),
        Markup(f"<style>{STYLE}</style>"),
    )
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8">{join(head)}</head><body>{join(body)}</body></html>\n'  # noqa: E501


def _names(results: Iterable[Result]) -> list[Markup]:
    """Name the sets of rules, each with its colour."""
    return [
        element("span", _swatch(number), f" {result.rules}") for number, result in enumerate(results)
    ]


def _swatch(number: int) -> Markup:
    square = element("rect", class_=f"s{number % SETS}", width=10, height=10)
    return element("svg", square, class_="key", viewBox="0 0 10 10", aria_hidden="true")


def _numbers(outcome: Outcome) -> Markup:
    results = outcome.results
    rows: list[list[Cell]] = [["Incidents", *(len(one.incidents) for one in results)]]
    rows += [[severity, *(_many(one, severity) for one in results)] for severity in reversed(SEVERITIES)]
    rows += [
        ["provisional", *(sum(each.provisional for each in one.incidents) for one in results)],
        ["Alerts a day", *(f"{one.alerts_per_day:.2f}" for one in results)],
        ["Alerts a week", *(f"{one.alerts_per_day * 7:.2f}" for one in results)],
    ]
    if outcome.labels is not None:
        rows += [
            ["Precision", *(_share(one.precision) for one in results)],
            ["Recall", *(_share(one.recall) for one in results)],
            ["Median delay, minutes", *(_delay(one.median_delay_minutes) for one in results)],
        ]
    return table(["", *_names(results)], rows)


def _many(result: Result, severity: str) -> int:
    return sum(one.severity == severity for one in result.incidents)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _delay(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"


def _weeks(outcome: Outcome) -> Markup:
    starts = [[microseconds(each.opened_at) for each in one.incidents] for one in outcome.results]
    return plot.weekly(starts, outcome.start, outcome.stop)


def _by_key(results: Sequence[Result]) -> Markup:
    counts = _counts(results)
    keys = _loudest(counts)
    rows: list[list[Cell]] = [[key.shown, *(count[key] for count in counts)] for key in keys[:MOST_ROWS]]
    return join((table(["Key", *_names(results)], rows), _more(len(keys), MOST_ROWS, "keys")))


def _counts(results: Sequence[Result]) -> list[Counter[Key]]:
    """Count the incidents of each set of rules by the key that they are plotted on."""
    return [Counter(map(plotted_on, result.incidents)) for result in results]


def _loudest(counts: Sequence[Counter[Key]]) -> list[Key]:
    """Order the keys by their incidents under all sets of rules, the most first."""
    return sorted({key for count in counts for key in count},
                  key=lambda key: (-sum(count[key] for count in counts), key))  # fmt: skip


def _more(number: int, most: int, what: str) -> Markup:
    if number <= most:
        return Markup("")
    return element("p", f"{number - most:,} more {what} are in the JSON and the CSV.", class_="faint")


def _labels(outcome: Outcome) -> Iterator[Markup]:
    """Show what deserved an alert, what most sets of rules missed first, and when each hit it."""
    labels = outcome.labels
    if labels is None:
        return
    hits = [first_hits(result.incidents, labels) for result in outcome.results]
    rows = list(zip(labels, *hits, strict=True))
    rows.sort(key=lambda row: (len(row) - row.count(None), row[0].start))
    yield element("h2", "Labels")
    head = ["Key", "From", "To", *_names(outcome.results)]
    yield table(head, [[*_named(label), *(_hit(label, hit) for hit in own)]
                       for label, *own in rows[:MOST_ROWS]])  # fmt: skip
    yield _more(len(rows), MOST_ROWS, "labels")


def _named(label: Label) -> tuple[str, str, str]:
    name = " and ".join(filter(None, (label.topic, label.watch))) or "any"
    return name, stamp(label.start), stamp(label.end)


def _hit(label: Label, hit: Incident | None) -> Cell:
    if hit is None:
        return element("span", "missed", class_="missed")
    return f"after {(microseconds(hit.opened_at) - label.start) / MICROSECONDS / 60:.0f} min"


def _plots(outcome: Outcome, shown: Sequence[Sequence[Incident]]) -> Iterator[Markup]:
    """Plot the keys that had the most incidents, then the busiest of the others."""
    hours = _hours(outcome)
    counts = _counts(outcome.results)
    loud = [key for key in _loudest(counts) if key in hours]
    busy = sorted(hours.keys() - set(loud), key=lambda key: (-sum(h.observed for h in hours[key]), key))
    yield _legend(outcome)
    for key in (*loud[:MOST_PLOTS], *busy[:MOST_QUIET]):
        step, points = plot.thinned(hours[key])
        spans = list(_spans(outcome, shown, key))
        drawn = plot.volume(points, outcome.start, outcome.stop, spans, len(shown), key.shown)
        said = f"; each point is, of {step} hours, the one furthest above normal" if step > 1 else ""
        caption = element("figcaption", f"{sum(count[key] for count in counts)} incidents{said}")
        yield element("figure", element("h3", key.shown), drawn, caption)


def _legend(outcome: Outcome) -> Markup:
    named = join(element("span", name, "; ") for name in _names(outcome.results))
    said = (
        "Negative stories an hour (line), what is expected (dashed), the normal band (shaded up to two"
        " standard deviations above). Incidents are shaded: "
    )
    return element("p", said, named, "hover for the evidence, click for the row.", class_="faint")


def _hours(outcome: Outcome) -> dict[Key, Sequence[Hour]]:
    """Return every key's hours of the period, as the first set of rules that knows the key has them."""
    found: dict[Key, Sequence[Hour]] = {}
    for backtest in outcome.backtests:
        for key, hours in backtest.hours.items():
            within = [hour for hour in hours if outcome.start < hour.end * MICROSECONDS <= outcome.stop]
            if within:
                found.setdefault(key, within)
    return found


def _spans(
    outcome: Outcome, shown: Sequence[Sequence[Incident]], key: Key
) -> Iterator[plot.Span]:
    """List the incidents that opened on a key, or that it surged along with."""
    name = {"topic": key.topic or None, "watch": key.watch or None}
    for number, incidents in enumerate(shown):
        for incident in incidents:
            if plotted_on(incident) == key or name in incident.also:
                ended = microseconds(incident.resolved_at) if incident.resolved_at else outcome.stop
                yield plot.Span(
                    number, microseconds(incident.opened_at), min(ended, outcome.stop),
                    hover(incident, outcome.results[number].rules, key), anchor(number, incident),
                )  # fmt: skip


def _incidents(outcome: Outcome, shown: Sequence[Sequence[Incident]]) -> Iterator[Markup]:
    for number, (name, result) in enumerate(zip(_names(outcome.results), outcome.results, strict=True)):
        yield element("h3", name)
        if not result.incidents:
            yield element("p", f"None in {(outcome.stop - outcome.start) / MICROSECONDS / DAY_S:.1f} days.")
            continue
        yield listed(number, shown[number])
        yield _more(len(result.incidents), len(shown[number]), "incidents")
