"""Which watches a text speaks of, and in which role. Pure: a backtest asks the same way.

All names are searched at once (Aho-Corasick, time linear in the text); what is found must end
at word boundaries, be written as a name is, and mean the company. Where names overlap, the longest
counts: "Bank of America" is not "America".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ahocorasick_rs import AhoCorasick

from .headline import Headline, fold, joins
from .roles import ROLES, Role, role
from .senses import ORDINARY, is_company, is_noun
from .settings import Watch

_SHORT = 5  # names this short are words or tickers: their case counts
_BARE_TICKER = 3  # shorter ones count only as $MS or (NYSE: MS): MS is also an illness
_SENTENCE_WORDS = 4  # "AAPL UP 5%" is in capitals, but no headline in which any word may be a ticker
# Tickers that are words in a headline, however correct their case: only marked ones count.
_WORDS_IN_CAPITALS = frozenset((
    "ALL", "AND", "ARE", "BIG", "CAN", "CAR", "CEO", "CFO", "CPI", "ECB", "EPS", "ETF", "FED", "FOR",
    "FREE", "FUN", "GDP", "HAS", "IPO", "KEY", "LOW", "NOW", "ONE", "OPEN", "OUT", "PMI", "SEC", "SEE",
    "TWO", "USA", "USD", "WELL", "NEW", "NOT", "BUT", "YOU", "FAST", "REAL", "GOOD", "CASH", "COST", "SAFE",
    "GOLD",
))  # fmt: skip
_LEGAL = re.compile(
    r"[ ,]+(?:inc|corp|corporation|co|company|plc|ltd|limited|llc|ag|sa|s\.a|se|nv|n\.v|spa|ab|asa|oyj|kgaa)"
    r"\.?$",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(?:\$|<|\([A-Za-z]{2,12} ?: ?)$")
_MARK_CHARS = 16

_Case = Literal["any", "exact", "noun", "ticker", "blocked"]
_Context = Literal["open", "given", "lacking", "vetoed"]


@dataclass(frozen=True, slots=True)
class Match:
    """A watch that a text speaks of."""

    watch: str
    role: Role


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is searched: whose it is and how it must be written; `blocked` hides shorter names."""

    watch: Watch
    written: str
    case: _Case


@dataclass(frozen=True, slots=True)
class _Found:
    """A name at its place in a folded text."""

    name: _Name
    start: int
    stop: int


class Matcher:
    """Names of all watches, compiled once."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        names: dict[str, list[_Name]] = {}
        tickers: dict[str, list[_Name]] = {}
        self._words: dict[str, tuple[_Words, _Words]] = {}
        for watch in watches:
            vetoes = _Words(word for word in watch.unless if not _about(watch, word))
            self._words[watch.name] = (_Words(watch.needs), vetoes)
            for name in _names(watch):
                if name.case == "ticker":
                    tickers.setdefault(name.written, []).append(name)
                else:
                    names.setdefault(name.written.lower(), []).append(name)
        self._searches = (_Search(names, small=True), _Search(tickers, small=False))

    def match(self, title: str, text: str = "") -> list[Match]:
        """Find the watches of a text, each once with its strongest role, in order of name.

        The title alone decides what an article is about; whom only the text names is mentioned.
        """
        best: dict[str, Role] = {}
        headline = Headline(fold(title))
        for found in self._find(headline):
            _keep(best, found.name.watch.name, role(headline, found.start, found.stop))
        if text:
            for found in self._find(Headline(fold(text))):
                best.setdefault(found.name.watch.name, "mention")
        return [Match(watch, best[watch]) for watch in sorted(best)]

    def subjects(self, title: str) -> list[str]:
        """Name the watches that a headline is about."""
        return [match.watch for match in self.match(title) if match.role == "subject"]

    def _find(self, headline: Headline) -> list[_Found]:
        candidates = [found for search in self._searches for found in search.run(headline)]
        if not candidates:
            return []
        kept = [found for found in _longest(candidates) if found.name.case != "blocked"]
        watches = {found.name.watch.name for found in kept}
        contexts = {watch: self._context(watch, headline.text) for watch in watches}
        return [found for found in kept if _meant(headline, found, contexts[found.name.watch.name])]

    def _context(self, watch: str, text: str) -> _Context:
        """Say what the words that the operator gave for a watch decide in this text."""
        needs, vetoes = self._words[watch]
        if vetoes.stand_in(text):
            return "vetoed"
        if not needs:
            return "open"
        return "given" if needs.stand_in(text) else "lacking"


def match(title: str, text: str, watches: Iterable[Watch]) -> list[Match]:
    """Find the watches of one text; compile a Matcher to ask about many."""
    return Matcher(watches).match(title, text)


class _Search:
    """One automaton over the keys of a table; `small`: on the text in small letters."""

    def __init__(self, table: dict[str, list[_Name]], *, small: bool) -> None:
        self._names = [table[key] for key in sorted(table)]
        self._small = small
        self._automaton = AhoCorasick(sorted(table)) if table else None

    def run(self, headline: Headline) -> Iterator[_Found]:
        """Yield the names that stand at word boundaries and are written as they must be."""
        if self._automaton is None:
            return
        text = headline.text.lower() if self._small else headline.text
        for index, start, stop in self._automaton.find_matches_as_indexes(text, overlapping=True):
            if _bounded(text, start, stop):
                for name in self._names[index]:
                    if _written(name, headline, start, stop):
                        yield _Found(name, start, stop)


class _Words:
    """Words or phrases one of which stands in a text, in any case."""

    def __init__(self, words: Iterable[str]) -> None:
        folded = sorted({fold(word).lower() for word in words if word.strip()})
        self._automaton = AhoCorasick(folded) if folded else None

    def __bool__(self) -> bool:
        return self._automaton is not None

    def stand_in(self, text: str) -> bool:
        """Say whether one of the words stands in a folded text, at word boundaries."""
        if self._automaton is None:
            return False
        small = text.lower()
        hits = self._automaton.find_matches_as_indexes(small, overlapping=True)
        return any(_bounded(small, start, stop) for _index, start, stop in hits)


def _names(watch: Watch) -> Iterator[_Name]:
    """Yield every way to write a watch's names, its tickers, and the longer names it is not."""
    written = dict.fromkeys(form for name in watch.names for form in _forms(fold(name)))
    longer = (fold(each) for each in watch.unless if _about(watch, each))
    yield from (_Name(watch, form, _case(form)) for form in written if form)
    yield from (_Name(watch, ticker, "ticker") for ticker in map(fold, watch.tickers) if ticker)
    yield from (_Name(watch, name, "blocked") for name in longer)


def _forms(name: str) -> Iterator[str]:
    """Yield a name with and without its legal form, with "and" for "&", a space for a hyphen."""
    for bare in dict.fromkeys((name, _LEGAL.sub("", name))):
        yield bare
        if " & " in bare:
            yield bare.replace(" & ", " and ")
            yield bare.replace(" & ", "&")
        elif " and " in bare:
            yield bare.replace(" and ", " & ")
        elif "&" in bare:
            yield bare.replace("&", " & ")
        if "-" in bare:
            yield bare.replace("-", " ")


def _case(name: str) -> _Case:
    if name.islower():
        return "noun"
    return "exact" if len(name) <= _SHORT or name.lower() in ORDINARY else "any"


def _meant(headline: Headline, found: _Found, context: _Context) -> bool:
    """Say whether a name that is rightly written also means its watch here.

    A ticker needs no other sign, and where the operator named the signs, the built-in ones are not asked.
    """
    case = found.name.case
    if context == "vetoed" or case == "ticker":
        return context != "vetoed"
    if context != "open":
        return context == "given"
    sense = is_noun if case == "noun" else is_company
    return sense(headline, found.start, found.stop)


def _about(watch: Watch, phrase: str) -> bool:
    """Say whether an `unless` phrase is a longer name ("Apple Bank"): it then hides only itself."""
    low = fold(phrase).lower()
    names = (fold(name).lower() for name in watch.names)
    return any(name and name in low for name in names)


def _bounded(text: str, start: int, stop: int) -> bool:
    """Say whether no word goes on over the edges; scripts without spaces have no such edges."""
    if start and joins(text[start - 1]) and joins(text[start]):
        return False
    return stop == len(text) or not (joins(text[stop]) and joins(text[stop - 1]))


def _written(name: _Name, headline: Headline, start: int, stop: int) -> bool:
    """Say whether a name is written as it must be, given how the headline uses capitals."""
    here = headline.text[start:stop]
    match name.case:
        case "ticker":
            return _ticker(name.written, headline, start)
        case "exact":
            if here in (name.written, name.written.capitalize()) or headline.manner == "small":
                return not (name.written.isupper() and len(here) <= 1)
            return here.isupper() and (headline.manner == "capitals" or here.lower() not in ORDINARY)
        case _:
            return True


def _ticker(ticker: str, headline: Headline, start: int) -> bool:
    if _MARKED.search(headline.text[max(0, start - _MARK_CHARS) : start]):
        return True
    if len(ticker) < _BARE_TICKER or ticker in _WORDS_IN_CAPITALS:
        return False
    return headline.manner != "capitals" or sum(word.isalpha() for word in headline.words) < _SENTENCE_WORDS


def _longest(candidates: list[_Found]) -> list[_Found]:
    """Keep of overlapping names the longest; of equally long ones the first; in order of place."""
    if len(candidates) == 1:
        return candidates
    kept: list[_Found] = []
    taken: dict[int, tuple[int, int]] = {}
    for found in sorted(candidates, key=lambda one: (one.start - one.stop, one.start)):
        span = (found.start, found.stop)
        if all(taken.get(place, span) == span for place in range(*span)):
            kept.append(found)
            taken.update(dict.fromkeys(range(*span), span))
    return sorted(kept, key=lambda one: one.start)


def _keep(best: dict[str, Role], watch: str, role: Role) -> None:
    if watch not in best or ROLES.index(role) < ROLES.index(best[watch]):
        best[watch] = role
