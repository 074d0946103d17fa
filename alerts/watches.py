"""Which watches a text speaks of, and in which role. Pure: a backtest asks the same way.

A simple honest first form: one regular expression over all names at word boundaries, and
a few patterns that tell "Goldman cuts jobs" from "Goldman sees rates higher".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .settings import Watch

Role = Literal["subject", "speaker", "mention"]
_ROLES: tuple[Role, ...] = ("subject", "speaker", "mention")

SUBJECT_CHARS = 60  # a headline's subject stands in its first part
_SHORT = 5  # names this short are words or tickers: their case counts

# Letters that join words in scripts with spaces; a Chinese neighbour ends a Latin name.
_LETTER = r"0-9A-Za-z_\u00C0-\u024F\u0370-\u04FF"
_SPEAKS = (
    r"says|said|sees|expects?|warns?|forecasts?|predicts?|recommends?|reiterates?|initiates?"
    r"|upgrades?|downgrades?|strategists?|analysts?|economists?"
)
_SPEAKER_AFTER = re.compile(
    rf"(?:['\u2019]s?)?(?:\s+[\w.\-]+){{0,3}}?\s+"
    rf"(?:{_SPEAKS}|(?:raises|cuts)\s+(?:price\s+)?target)\b",
    re.IGNORECASE,
)
# "Goldman says it will cut jobs" speaks of itself
_OF_ITSELF = re.compile(r"\s+(?:says|said|expects?|warns?)\s+(?:it|its|it['\u2019]s)\b", re.IGNORECASE)
_SPEAKER_BEFORE = re.compile(
    r"(?:according\s+to|says|said|tells?|told|by|\s[-\u2013\u2014])\s+$|(?:,|:)\s+$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Match:
    """A watch that a text speaks of."""

    watch: str
    role: Role


class Matcher:
    """Names of all watches, compiled once."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        for watch in watches:
            for name in watch.names:
                table, key = self._table(name)
                table.setdefault(key, []).append(watch.name)
        self._patterns = (
            (_pattern(self._exact, 0), self._exact, False),
            (_pattern(self._folded, re.IGNORECASE), self._folded, True),
        )

    def match(self, title: str, text: str = "") -> list[Match]:
        """Find the watches of a text, each once with its strongest role, in order of name."""
        best: dict[str, Role] = {}
        for watch, start, stop in self._find(title):
            _keep(best, watch, _role(title, start, stop))
        for watch, _start, _stop in self._find(text):
            _keep(best, watch, "mention")
        return [Match(watch, best[watch]) for watch in sorted(best)]

    def subjects(self, title: str) -> list[str]:
        """Name the watches that a headline is about."""
        return [match.watch for match in self.match(title) if match.role == "subject"]

    def _table(self, name: str) -> tuple[dict[str, list[str]], str]:
        short = len(name) <= _SHORT
        return (self._exact, name) if short else (self._folded, name.casefold())

    def _find(self, text: str) -> Iterable[tuple[str, int, int]]:
        for pattern, table, folded in self._patterns:
            if pattern is None:
                continue
            for found in pattern.finditer(text):
                name = found.group().casefold() if folded else found.group()
                for watch in table.get(name, ()):
                    yield watch, found.start(), found.end()


def match(title: str, text: str, watches: Iterable[Watch]) -> list[Match]:
    """Find the watches of one text; compile a Matcher to ask about many."""
    return Matcher(watches).match(title, text)


def _pattern(names: Iterable[str], flags: int) -> re.Pattern[str] | None:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    if not longest_first:
        return None
    return re.compile("|".join(_bounded(name) for name in longest_first), flags)


def _bounded(name: str) -> str:
    edge = re.compile(f"[{_LETTER}]")
    before = f"(?<![{_LETTER}])" if edge.match(name[0]) else ""
    after = f"(?![{_LETTER}])" if edge.match(name[-1]) else ""
    return before + re.escape(name) + after


def _role(title: str, start: int, stop: int) -> Role:
    if _OF_ITSELF.match(title, stop):
        return "subject"
    if _SPEAKER_AFTER.match(title, stop):
        return "speaker"
    if start > 0 and _SPEAKER_BEFORE.search(title[:start]) and stop == len(title.rstrip()):
        return "speaker"
    if re.search(r"according\s+to\s+$", title[:start], re.IGNORECASE):
        return "speaker"
    return "subject" if start < SUBJECT_CHARS else "mention"


def _keep(best: dict[str, Role], watch: str, role: Role) -> None:
    if watch not in best or _ROLES.index(role) < _ROLES.index(best[watch]):
        best[watch] = role
