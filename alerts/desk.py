"""The judge's decisions, pure: closed buckets in, changes of incidents out.

Live, replay and backtest all go through `Desk.judge`. Its state is all there is: how
buckets are batched into calls does not change what it decides.
"""

from collections import Counter
from collections.abc import Container, Sequence

import msgspec

from wire.messages import Incident

from . import incidents
from .detector import Detector, Verdict
from .incidents import Change
from .keys import ALL, BUCKET_S, Key, end_of
from .settings import AlertsSettings
from .shape import Place, Pool, place
from .stories import First, Rows, firsts
from .watches import Matcher

SIX_HOURS = 6 * 3600


class KeyState(msgspec.Struct):
    """One key's detector, and the id of its own open incident ("" for none)."""

    detector: Detector = msgspec.field(default_factory=Detector)
    incident: str = ""


class Desk:
    """All keys of an installation, their pooled shape and the open incidents by id."""

    def __init__(
        self,
        settings: AlertsSettings,
        states: dict[Key, KeyState] | None = None,
        pool: Pool | None = None,
        open_ones: dict[str, Incident] | None = None,
    ) -> None:
        self._settings = settings
        self._matcher = Matcher(settings.watches)
        self.states = states if states is not None else {}
        self.pool = pool or Pool()
        self.open = open_ones if open_ones is not None else {}
        watched = {Key("", watch.name) for watch in settings.watches}
        for key in (ALL, *(Key(topic, "") for topic in settings.topics), *watched):
            self.states.setdefault(key, KeyState())
        # A watch that was taken out of the settings keeps its state, and is not judged.
        self._keys = sorted(key for key in self.states if not key.watch or key in watched)

    def judge(self, start: int, stop: int, rows: Rows, blind: Container[int]) -> list[Change]:
        """Judge the buckets `start <= bucket < stop`; nobody watched the `blind` ones."""
        counts: dict[int, Counter[Key]] = {}
        seen: dict[int, set[Key]] = {}
        for first in firsts(rows, start, stop, self._matcher):
            seen.setdefault(first.row.bucket, set()).update(first.keys)
            if first.row.sentiment == "negative":
                counts.setdefault(first.row.bucket, Counter()).update(first.keys)
        changes: list[Change] = []
        for bucket in range(start, stop, BUCKET_S):
            self._meet(seen.get(bucket, ()))
            if bucket in blind:
                self._skip()
            else:
                loud = self._update(bucket, counts.get(bucket, Counter()))
                changes += self._follow(bucket, loud, rows) if loud else []
        return changes

    @property
    def threshold_weeks(self) -> float:
        """The surprise that opens: the desk's false alarms shared out over its keys."""
        return len(self._keys) / self._settings.false_alarms_per_week

    def _meet(self, keys: Sequence[Key] | set[Key] | tuple[()]) -> None:
        new = [key for key in keys if key not in self.states]
        if new:
            self.states.update((key, KeyState()) for key in new)
            self._keys = sorted([*self._keys, *new])

    def _skip(self) -> None:
        for key in self._keys:
            self.states[key].detector.skip()

    def _update(self, bucket: int, counts: Counter[Key]) -> dict[Key, Verdict]:
        """Advance every detector; return the verdicts that an incident may follow."""
        here: Place = place(bucket)
        weeks = self.threshold_weeks
        floor = self._settings.rule.min_stories
        hours = self.pool.hours
        loud = {}
        for key in self._keys:  # everything comes first: ALL is the least key
            state = self.states[key]
            verdict, relative, weight = state.detector.update(
                here, counts.get(key, 0), hours, weeks, floor
            )
            if key == ALL:
                self.pool.learn(here, relative, weight)
            if verdict.change or (state.incident and verdict.surprise.weeks):
                loud[key] = verdict
        return loud

    def _follow(self, bucket: int, loud: dict[Key, Verdict], rows: Rows) -> list[Change]:
        """Open, update and resolve, the most specific keys first."""
        at = end_of(bucket)
        changes: list[Change] = []
        fresh: list[First] | None = None
        for key in sorted(loud, key=lambda one: (one.rank, one)):
            verdict = loud[key]
            if verdict.change == "resolved":
                changes += self._resolve(key, at)
                continue
            own = self.open.get(self.states[key].incident)
            if own and round(verdict.surprise.weeks, 2) <= own.surprise_weeks:
                continue
            if fresh is None:
                first_bucket = bucket + BUCKET_S - SIX_HOURS
                fresh = firsts(rows, first_bucket, bucket + BUCKET_S, self._matcher)
            change = self._worsen(key, own, at, verdict, fresh) if own else self._open(
                key, at, verdict, fresh
            )
            self.open[change.incident.id] = change.incident
            changes.append(change)
        return changes

    def _resolve(self, key: Key, at: int) -> list[Change]:
        state = self.states[key]
        incident = self.open.pop(state.incident, None)
        state.incident = ""
        if incident is None:  # it surged along with a more specific key
            return []
        return [Change(incidents.resolved(incident, at), at, "resolved")]

    def _open(self, key: Key, at: int, verdict: Verdict, fresh: list[First]) -> Change:
        state, surprise = self.states[key], verdict.surprise
        since = at // 1_000_000 - surprise.buckets * BUCKET_S
        stories = incidents.negatives(fresh, key, since)
        existing = incidents.host(self.open.values(), key, at, fresh, stories)
        if existing is not None:
            return Change(incidents.joined(existing, key), at, None)
        warm = state.detector.warm
        grade = incidents.severity(surprise.weeks, self.threshold_weeks, warm=warm)
        incident = incidents.opened(key, at, surprise, grade, warm=warm, stories=stories)
        state.incident = incident.id
        return Change(incident, at, "opened")

    def _worsen(
        self, key: Key, own: Incident, at: int, verdict: Verdict, fresh: list[First]
    ) -> Change:
        surprise = verdict.surprise
        since = at // 1_000_000 - surprise.buckets * BUCKET_S
        grade = incidents.severity(
            surprise.weeks, self.threshold_weeks, warm=not own.provisional
        )
        after = incidents.worse(own, surprise, grade, incidents.negatives(fresh, key, since))
        return Change(after, at, "updated" if after.severity != own.severity else None)
