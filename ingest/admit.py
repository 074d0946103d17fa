"""Which of the entries seen are new, and what they become. Pure: decides, and does nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wire.messages import Article, DeadLetter

from .entries import Entry
from .stories import Story, story_of, title_key
from .times import TICK


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may be admitted, under its id; not stamped before `not_before`."""

    id: str
    entry: Entry
    source: str
    not_before: datetime
    backfill: bool = False


@dataclass(slots=True)
class Memory:
    """What is known when a batch is decided; `admit` goes on from here and adds to it.

    `known`: stamps by article id. `stories`: by title key. `last`: the last stamp given, or
    the last heartbeat less a tick, whichever is later (None: none yet).
    """

    known: dict[str, datetime] = field(default_factory=dict)
    stories: dict[bytes, Story] = field(default_factory=dict)
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision: articles in the order of their stamps, dead letters, number of known ones.

    `last` is the last stamp, whether given now or recorded before.
    """

    articles: tuple[Article, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    duplicates: int = 0
    last: datetime | None = None


def is_backfill(now: datetime, succeeded: datetime | None, *, interval_s: float, gap_s: float) -> bool:
    """Tell whether a poll is a source's first, or the first after a gap.

    A gap is `gap_s` without a successful poll, and three intervals: a source that is asked
    once a day has none every day.
    """
    if succeeded is None:
        return True
    return now - succeeded > timedelta(seconds=max(gap_s, 3 * interval_s))


def admit(candidates: Iterable[Candidate], memory: Memory) -> Admission:
    """Admit what is new, in the given order, with strictly increasing stamps.

    A stamp is `max(not_before, last + 1 us)`. A known article keeps its stamp, is not
    admitted again, and moves `last` forward where it was stamped later: so whoever decides
    the same batch again after a crash gives the rest the stamps that they would have got.
    An entry without title and text becomes a dead letter.
    """
    articles: list[Article] = []
    dead: dict[str, DeadLetter] = {}
    duplicates = 0
    for candidate in candidates:
        recorded = memory.known.get(candidate.id)
        empty = not (candidate.entry.title or candidate.entry.text)
        if recorded is not None:
            # An empty entry never got that stamp: another one of its id did, in its own turn.
            if not empty:
                memory.last = recorded if memory.last is None else max(memory.last, recorded)
            duplicates += 1
        elif empty:
            dead[candidate.id] = _empty(candidate)
        else:
            articles.append(_article(candidate, memory))
    return Admission(tuple(articles), tuple(dead.values()), duplicates, memory.last)


def _article(candidate: Candidate, memory: Memory) -> Article:
    entry = candidate.entry
    stamp = candidate.not_before
    if memory.last is not None:
        stamp = max(stamp, memory.last + TICK)
    key = title_key(entry.title)
    story = story_of(candidate.id, key, stamp, memory.stories)
    memory.last = memory.known[candidate.id] = stamp
    if key:
        memory.stories[key] = story
    return Article(
        id=candidate.id, url=entry.link, title=entry.title, text=entry.text, source=candidate.source,
        language=entry.language, observed_at=stamp, story_id=story.id,
        published_at=entry.published_at, backfill=candidate.backfill,
    )


def _empty(candidate: Candidate) -> DeadLetter:
    entry = candidate.entry
    return DeadLetter(
        id=candidate.id, stage="ingest", reason="empty", detail="no title and no text",
        payload=f"source={candidate.source} link={entry.link} guid={entry.guid}", time=candidate.not_before,
    )


