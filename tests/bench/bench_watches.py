"""The search for watches against the regular expression that it replaces, on the same texts.

    python tests/bench/bench_watches.py

200 watches with 1,000 names; 4,000 headlines, of which 6% name a watch, about as many as in a real
wire. The old form only searched; the new one also decides senses and roles. Both run in
turn in one process, the best of some rounds each, so the ratio is of one machine at one time.
"""

import csv
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

from alerts.settings import Watch
from alerts.watches import Matcher
from newsquake.demo.newswire import rows

WATCHES, NAMES_EACH, HEADLINES, ROUNDS = 200, 5, 4000, 5
START = datetime(2026, 1, 5, tzinfo=UTC)
LABELLED = Path(__file__).parents[1] / "alerts" / "watch_headlines.csv"
_BEGIN = ("Vel", "Kor", "Bran", "Sil", "Tor", "Mar", "Quin", "Hal", "Nor", "Zel", "Pal", "Ost")
_MIDDLE = ("ma", "vi", "to", "re", "ndi", "lo", "sta", "ki")
_END = ("ra", "dyne", "soft", "berg", "tex", "bank", "gas", "lux", "tra", "form")
_LETTER = r"0-9A-Za-z_\u00C0-\u024F\u0370-\u04FF"


def texts_and_watches() -> tuple[list[str], list[Watch]]:
    """The labelled headlines among those of the simulated wire; their watches and invented ones."""
    with LABELLED.open(encoding="utf-8", newline="") as file:
        labelled = list(csv.DictReader(file))
    known = sorted({row["watch"] for row in labelled})
    rng = Random(1)
    invented = sorted({a + b + c for a in _BEGIN for b in _MIDDLE for c in _END})
    rng.shuffle(invented)
    left = iter(invented)
    names = known + list(islice(left, WATCHES - len(known)))
    watches = [Watch(name=name, aliases=tuple(islice(left, NAMES_EACH - 1))) for name in names]
    texts = sorted({row["headline"] for row in labelled})
    texts += [row.title for row in islice(rows(START, 5), HEADLINES - len(texts))]
    rng.shuffle(texts)
    return texts, watches


def old_search(watches: Sequence[Watch]) -> Callable[[str], list[str]]:
    """One regular expression over all names at word boundaries, short ones by case."""
    def pattern(names: list[str], flags: int) -> re.Pattern[str]:
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        bounded = (f"(?<![{_LETTER}]){re.escape(name)}(?![{_LETTER}])" for name in longest_first)
        return re.compile("|".join(bounded), flags)

    names = [name for watch in watches for name in watch.names]
    exact = pattern([name for name in names if len(name) <= 5], 0)
    folded = pattern([name for name in names if len(name) > 5], re.IGNORECASE)
    return lambda text: exact.findall(text) + folded.findall(text)


def cost_us(ask: Callable[[str], object], texts: Sequence[str]) -> float:
    """Microseconds of processor time for a text."""
    start = time.process_time()
    for text in texts:
        ask(text)
    return (time.process_time() - start) / len(texts) * 1e6


def main() -> None:
    """Print both times and their ratio."""
    texts, watches = texts_and_watches()
    matcher, old = Matcher(watches), old_search(watches)
    hits = sum(bool(matcher.match(text)) for text in texts)
    rounds = [(cost_us(old, texts), cost_us(matcher.match, texts)) for _ in range(ROUNDS)]
    before, now = (min(times) for times in zip(*rounds, strict=True))
    names = sum(len(watch.names) for watch in watches)
    print(f"{len(watches)} watches, {names} names; {hits} of {len(texts)} headlines name one")
    print(f"regular expression  {before:7.1f} us a headline (search only)")
    print(f"Aho-Corasick        {now:7.1f} us a headline (search, senses, roles)")
    print(f"regular expression / Aho-Corasick: {before / now:.1f}")


if __name__ == "__main__":
    main()
