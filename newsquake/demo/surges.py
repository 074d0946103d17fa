"""Episodes of bad news: invented events, each with a cast of invented names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from itertools import count
from random import Random
from typing import Any

FIRST_S = (15 * 60.0, 20 * 60.0)
PAUSE_S = (8 * 3600.0, 10 * 3600.0)
LENGTH_S = 3600.0
SIZE = (24, 32)


@dataclass(frozen=True, slots=True)
class Episode:
    """One event as the wire tells it: headlines (title, summary) in order, and their times."""

    event: str
    topic: str
    seed: str
    times: tuple[datetime, ...]
    headlines: tuple[tuple[str, str], ...]


def episodes(history_end: datetime, seed: int) -> Iterator[Episode]:
    """Yield the episodes after `history_end`, for ever: events in turn, then their casts."""
    events = _events()
    begin = history_end
    for number in count():
        rng = Random(f"{seed}:surge:{number}")  # noqa: S311  a simulation
        begin += timedelta(seconds=int(_between(rng, FIRST_S if number == 0 else PAUSE_S)))
        turn, which = divmod(number, len(events))
        yield _episode(events[which], turn, begin, rng, f"{seed}:surge:{number}")


def _episode(event: dict[str, Any], turn: int, begin: datetime, rng: Random, seed: str) -> Episode:
    cast = event["casts"][turn % len(event["casts"])]
    told = event["headlines"]
    size = int(_between(rng, (SIZE[0], min(SIZE[1], len(told)) + 1)))
    # The first headline breaks the news; of the others some are left out, in every telling anew.
    kept = [0, *sorted(sorted(range(1, len(told)), key=lambda _: rng.random())[: size - 1])]
    # The square crowds them towards the beginning, as news does.
    offsets = sorted(int(LENGTH_S * rng.random() ** 2) for _ in range(size))
    return Episode(
        event["name"],
        event["topic"],
        seed,
        tuple(begin + timedelta(seconds=each) for each in offsets),
        tuple((told[n][0].format(**cast), told[n][1].format(**cast)) for n in kept),
    )


def _between(rng: Random, bounds: tuple[float, float]) -> float:
    return bounds[0] + rng.random() * (bounds[1] - bounds[0])


def _events() -> list[dict[str, Any]]:
    file = resources.files(__package__ or "newsquake.demo") / "surges.json"
    return json.loads(file.read_text(encoding="utf-8"))["events"]  # type: ignore[no-any-return]
