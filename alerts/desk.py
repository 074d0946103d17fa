"""The judge's decisions, pure: closed buckets in, changes of incidents out.

Live, replay and backtest all go through `Desk.judge`. Its state is all there is: how
buckets are batched into calls does not change what it decides.
"""

from collections.abc import Container, Iterable, Mapping

import msgspec
import numpy as np

from wire.messages import Counterfactual, Incident, Proof

from . import incidents, proof, state
from .detector import WARM_S, Detectors
from .incidents import Change
from .keys import ALL, BUCKET_S, MICROSECONDS, Key, end_of
from .rules import Surge, Turn
from .settings import AlertsSettings
from .shape import HOUR_S
from .sources import Judged, Shared, by_bucket
from .stories import First, Row, Rows, counted, firsts
from .surprise import Surprise, likeliest
from .watches import Matcher

SIX_HOURS = 6 * 3600
DAY_AND_SIX_HOURS = 30 * 3600


class KeyState(msgspec.Struct):
    """One key's detector (a row of `state.ROW`), whether it surges, and its own incident.

    `incident` is the id of the open one ("" for none); `last` the resolved one, for the cooldown.
    """

    row: bytes = b""
    surge: Surge = Surge()
    incident: str = ""
    last: Incident | None = None


class Desk:
    """All keys of an installation, their pooled shape and the open incidents by id."""

    def __init__(
        self,
        settings: AlertsSettings,
        states: Mapping[Key, KeyState] | None = None,
        shared: Shared | None = None,
        open_ones: dict[str, Incident] | None = None,
    ) -> None:
        self._settings = settings
        self._matcher = Matcher(settings.watches)
        self.open = open_ones if open_ones is not None else {}
        self._states = dict(states or {})
        watched = {Key("", watch.name) for watch in settings.watches}
        wanted = {ALL, *(Key(topic, "") for topic in settings.topics), *watched}
        # A watch that was taken out of the settings keeps its state, and is not judged.
        wanted |= {key for key in self._states if not key.watch}
        self.shared = shared or Shared()
        self._detectors = Detectors(state.fresh(0), self.shared.pool, settings.calendar)
        self._keys: list[Key] = []
        self._meet(wanted)

    @property
    def states(self) -> dict[Key, KeyState]:
        """Every key's state as it is kept."""
        rows = self._detectors.rows
        for number, key in enumerate(self._keys):
            self._states[key].row = rows[number].tobytes()
        return self._states

    def rows(self) -> Iterable[tuple[Key, state.Rows]]:
        """Every judged key with its detector's row, as it is now."""
        return zip(self._keys, self._detectors.rows, strict=True)

    @property
    def threshold_weeks(self) -> float:
        """The surprise that opens: the desk's false alarms shared out over its keys."""
        return len(self._keys) / self._settings.false_alarms_per_week

    def judge(self, start: int, stop: int, rows: Rows, blind: Container[int]) -> list[Change]:
        """Judge the buckets `start <= bucket < stop`; nobody watched the `blind` ones."""
        heard = rows.between(start, stop)
        self.shared.sources.meet(heard)
        judged = Judged(rows, self.shared.sources)
        found = firsts(judged, start, stop, self._matcher)
        seen: dict[int, set[Key]] = {}
        for first in found:
            seen.setdefault(first.row.bucket, set()).update(first.keys)
        rule = self._settings.rule
        counts = counted(found, judged.between(start, stop), rule.counts, self._matcher)
        articles = by_bucket(heard)
        changes: list[Change] = []
        for bucket in range(start, stop, BUCKET_S):
            self._meet(seen.get(bucket, ()))
            before = self._detectors.rows.copy()
            self._step(bucket, counts.get(bucket, {}), watched=bucket not in blind)
            if bucket not in blind:
                changes += self._follow(bucket, judged, before)
                self._listen(bucket, articles.get(bucket, {}))
        return changes

    def _meet(self, keys: Iterable[Key]) -> None:
        """Begin to judge keys; the order of all stays that of their names."""
        new = set(keys).difference(self._keys)
        if not new:
            return
        held = dict(zip(self._keys, self._detectors.rows, strict=True))
        self._keys = sorted([*self._keys, *new])
        rows = state.fresh(len(self._keys))
        for number, key in enumerate(self._keys):
            kept = self._states.setdefault(key, KeyState())
            stored = held.get(key) if key in held else state.read(kept.row)
            if stored is not None:
                rows[number] = stored
        self._detectors.rows = rows
        self._pooled = np.array([bool(key.topic) and not key.watch for key in self._keys])

    def _step(self, bucket: int, counts: Mapping[Key, int], *, watched: bool) -> None:
        numbers = np.array([counts.get(key, 0) for key in self._keys], np.int64)
        self._detectors.coverage = self.shared.sources.coverage(bucket)
        self._detectors.step(bucket, numbers, np.full(len(numbers), watched), self._pooled)

    def _listen(self, bucket: int, articles: Mapping[str, int]) -> None:
        """Learn how much each source usually says, an hour at a time."""
        sources = self.shared.sources
        sources.hear(articles, self.shared.pool.hours[self._detectors.place(bucket).hour])
        if (bucket + BUCKET_S) % HOUR_S == 0:
            sources.learn(bucket)

    def _follow(self, bucket: int, rows: Rows, before: state.Rows) -> list[Change]:
        """Open, update and resolve, the most specific keys first."""
        weeks, threshold = self._detectors.rows["weeks"], self.threshold_weeks
        loud = [
            number for number, key in enumerate(self._keys)
            if weeks[number] >= threshold or self._states[key].surge.on
        ]
        loud.sort(key=lambda number: (self._keys[number].rank, self._keys[number]))
        scene = _Scene(bucket, rows, self._matcher)
        changes: list[Change] = []
        for number in loud:
            change = self._decide(number, scene, before)
            if change is not None:
                self._note(change)
                changes.append(change)
        return changes

    def _note(self, change: Change) -> None:
        incident = change.incident
        if incident.state == "open":
            self.open[incident.id] = incident
        else:
            self.open.pop(incident.id, None)

    def _decide(self, number: int, scene: "_Scene", before: state.Rows) -> Change | None:
        key, rule = self._keys[number], self._settings.rule
        kept = self._states[key]
        weeks = float(self._detectors.rows["weeks"][number])
        surprise = likeliest(self._detectors.rows[number], scene.bucket, BUCKET_S, weeks)
        turn: Turn = ""
        enough = kept.surge.on or proof.enough(scene.negatives(key, surprise), surprise, rule)
        opens_at = kept.surge.opens_at(self.threshold_weeks, rule, scene.bucket)
        kept.surge, turn = kept.surge.turn(
            weeks, self.threshold_weeks, rule, scene.bucket, BUCKET_S, enough=enough
        )
        if turn == "resolved":
            return self._resolve(kept, scene.at)
        if turn == "opened":
            return self._open(number, scene, surprise, before[number : number + 1], opens_at)
        own = self.open.get(kept.incident)
        if own and round(weeks, 2) > own.surprise_weeks:
            return self._worsen(number, own, scene, surprise)
        return None

    def _resolve(self, kept: KeyState, at: int) -> Change | None:
        incident, kept.incident = self.open.get(kept.incident), ""
        if incident is None:  # it surged along with a more specific key
            return None
        kept.last = incidents.resolved(incident, at)
        return Change(kept.last, at, "resolved")

    def _open(
        self, number: int, scene: "_Scene", surprise: Surprise, before: state.Rows, opens_at: float
    ) -> Change:
        key = self._keys[number]
        kept = self._states[key]
        stories = scene.negatives(key, surprise)
        existing = incidents.host(self.open.values(), key, scene.at, scene.fresh, stories)
        if existing is not None:
            return Change(incidents.joined(existing, key), scene.at, None)
        again = incidents.within_cooldown(kept.last, scene.at, self._settings.rule.cooldown_s)
        if again is not None:
            kept.incident = again.id
            return Change(again, scene.at, None)
        warm = bool(before["known"][0] * BUCKET_S >= WARM_S)
        grade = self._settings.rule.severity(surprise.weeks, self.threshold_weeks, warm=warm)
        needs = proof.counterfactual(
            self._detectors.if_counted, before, self._detectors.rows[number : number + 1],
            scene.bucket, surprise, lambda fewer: scene.negatives(key, fewer),
            threshold=opens_at, rule=self._settings.rule,
        )
        shown = scene.proof(key, surprise, self._detectors.rows[number], needs, self._matcher)
        incident = incidents.opened(
            key, scene.at, surprise, grade, warm=warm, stories=stories, proof=shown
        )
        kept.incident = incident.id
        return Change(incident, scene.at, "opened")

    def _worsen(self, number: int, own: Incident, scene: "_Scene", surprise: Surprise) -> Change:
        key = self._keys[number]
        rule = self._settings.rule
        grade = rule.severity(surprise.weeks, self.threshold_weeks, warm=not own.provisional)
        needs = own.proof.counterfactual if own.proof else None
        shown = scene.proof(key, surprise, self._detectors.rows[number], needs, self._matcher)
        after = incidents.worse(own, surprise, grade, scene.negatives(key, surprise), shown)
        return Change(after, scene.at, "updated" if after.severity != own.severity else None)


class _Scene:
    """What stands around a bucket that closed, read when somebody asks."""

    def __init__(self, bucket: int, rows: Rows, matcher: Matcher) -> None:
        self.bucket = bucket
        self.at = end_of(bucket)
        self._rows, self._matcher = rows, matcher
        self._fresh: list[First] | None = None

    @property
    def fresh(self) -> list[First]:
        """The news of the last thirty hours."""
        if self._fresh is None:
            stop = self.bucket + BUCKET_S
            self._fresh = firsts(self._rows, stop - DAY_AND_SIX_HOURS, stop, self._matcher)
        return self._fresh

    def since(self, surprise: Surprise) -> int:
        """The first bucket of a surprise's window."""
        return self.at // MICROSECONDS - surprise.buckets * BUCKET_S

    def negatives(self, key: Key, surprise: Surprise) -> list[Row]:
        """The negative stories of a key in the window."""
        return incidents.negatives(self.fresh, key, self.since(surprise))

    def proof(
        self, key: Key, surprise: Surprise, row: state.Rows, needs: Counterfactual | None,
        matcher: Matcher,
    ) -> Proof:  # fmt: skip
        """What an incident on this key rests on."""
        known = int(row["known"])
        return proof.made(self.fresh, key, surprise, self.since(surprise), known, needs, matcher)
