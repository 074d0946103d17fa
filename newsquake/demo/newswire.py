"""A simulated newswire: endless, and the same for the same start and seed.

Three weeks of ordinary news come first, then episodes of bad news (`demo.surges`) fall into
it. The outlets are invented and live under `.example`; the headlines are our own.
"""

import csv
import heapq
from bisect import bisect
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from io import StringIO
from itertools import accumulate
from random import Random
from typing import NamedTuple

from ingest.archive import Row

from .surges import Episode, episodes

LANGUAGE = "en"
HISTORY = timedelta(weeks=3)
DAY = timedelta(days=1)

# Items that are not copies, on a weekday and on a day of the weekend; one in three is copied,
# so that a quarter of everything is a copy.
WEEKDAY = (118, 160)
WEEKEND = (45, 70)
COPIED = 1 / 3
COPY_DELAY_S = (60.0, 2400.0)

# How busy each hour is, in UTC: quiet nights, the morning's results, the afternoon's markets.
RHYTHM = (3, 2, 2, 2, 3, 5, 10, 14, 15, 14, 13, 14, 15, 16, 16, 15, 14, 13, 11, 9, 8, 7, 5, 4)


class Outlet(NamedTuple):
    """An invented publisher, and how much of the news it is first with."""

    name: str
    host: str
    weight: int


OUTLETS = (
    Outlet("Harbour Wire", "harbourwire.example", 28),
    Outlet("Meridian Financial News", "meridianfinancial.example", 20),
    Outlet("Northgate Business Daily", "northgatedaily.example", 14),
    Outlet("The Quayside Ledger", "quaysideledger.example", 12),
    Outlet("Basis Point", "basispoint.example", 9),
    Outlet("Continental Markets Post", "continentalpost.example", 8),
    Outlet("Commodity Beacon", "commoditybeacon.example", 5),
    Outlet("Pacific Exchange Report", "pacificexchange.example", 4),
)


class Item(NamedTuple):
    """One item before it has an address; ordered by time, then text."""

    published: datetime
    title: str
    summary: str
    outlet: int


def rows(start: datetime, seed: int = 0) -> Iterator[Row]:
    """Yield the wire's items from `start` on, in order of time, for ever.

    A function of its arguments alone: whoever stopped calls again with the same start, and
    skips what is behind. Refuses a start without a zone.
    """
    if start.tzinfo is None:
        raise ValueError("the newswire's start needs a zone")
    start = start.astimezone(UTC)
    # Episodes last under two hours, copies included, and are eight apart: they never overlap.
    surges = (item for each in episodes(start + HISTORY, seed) for item in _surge(each))
    for number, item in enumerate(heapq.merge(_background(start, seed), surges)):
        yield _row(item, number)


def _row(item: Item, number: int) -> Row:
    outlet = OUTLETS[item.outlet]
    words = "".join(c if c.isalnum() else " " for c in item.title.lower()).split()
    link = f"https://{outlet.host}/{item.published:%Y/%m/%d}/{'-'.join(words[:7])}-{number}"
    return Row(item.published, item.title, item.summary, link, outlet.name, LANGUAGE)


def _background(start: datetime, seed: int) -> Iterator[Item]:
    stock = _headlines(seed)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    used = 0
    waiting: list[Item] = []
    while True:
        rng = Random(f"{seed}:day:{midnight:%Y-%m-%d}")  # noqa: S311  a simulation
        times = _day(midnight, rng)
        texts = (stock[(used + n) % len(stock)] for n in range(len(times)))
        fresh = (_with_copy(time, *text, rng) for time, text in zip(times, texts, strict=True))
        waiting = sorted([*waiting, *(item for items in fresh for item in items)])
        used += len(times)
        midnight += DAY
        ready = bisect(waiting, midnight, key=lambda item: item.published)
        yield from (item for item in waiting[:ready] if item.published >= start)
        waiting = waiting[ready:]


def _day(midnight: datetime, rng: Random) -> list[datetime]:
    """Choose the times of a day's items by the rhythm."""
    least, most = WEEKDAY if midnight.weekday() < 5 else WEEKEND  # noqa: PLR2004  Saturday
    count = least + int(rng.random() * (most - least + 1))
    edges = list(accumulate(RHYTHM))
    hours = [bisect(edges, rng.random() * edges[-1]) for _ in range(count)]
    seconds = (3600 * hour + int(3600 * rng.random()) for hour in hours)
    return sorted(midnight + timedelta(seconds=each) for each in seconds)


def _with_copy(time: datetime, title: str, summary: str, rng: Random) -> Iterable[Item]:
    """Make an item and, for one in three, its copy at another outlet minutes later."""
    first = _outlet(rng)
    yield Item(time, title, summary, first)
    if rng.random() < COPIED:
        least, most = COPY_DELAY_S
        later = time + timedelta(seconds=int(least + rng.random() * (most - least)))
        other = (first + 1 + int(rng.random() * (len(OUTLETS) - 1))) % len(OUTLETS)
        yield Item(later, title, summary, other)


def _outlet(rng: Random) -> int:
    edges = list(accumulate(outlet.weight for outlet in OUTLETS))
    return bisect(edges, rng.random() * edges[-1])


def _surge(episode: Episode) -> list[Item]:
    rng = Random(f"{episode.seed}:outlets")  # noqa: S311  a simulation
    return sorted(
        item
        for time, headline in zip(episode.times, episode.headlines, strict=True)
        for item in _with_copy(time, *headline, rng)
    )


def _headlines(seed: int) -> list[tuple[str, str]]:
    """Read our own headlines, each text once, in the seed's order.

    They are used in turn, about 150 a day: none comes again within 15 days.
    """
    file = resources.files("classifier") / "data" / "headlines_written.csv"
    lines = StringIO(file.read_text(encoding="utf-8"))
    texts = {row["text"]: row["summary"] for row in csv.DictReader(lines)}
    stock = list(texts.items())
    Random(f"{seed}:stock").shuffle(stock)  # noqa: S311  a simulation
    return stock
