"""When a surprise becomes an incident, how bad it is and when it is over: the desk's rules. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, Self

import msgspec
from pydantic import AwareDatetime, Field, model_validator

from wire.messages import Incident, Severity

from .frozen import Frozen

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

Turn = Literal["", "opened", "resolved"]


class Rule(Frozen):
    """A surge: volume that background alone shows too seldom for the desk's budget.

    `counts` says what volume is: stories, articles (their copies too), or origins (distinct first
    publishers in a bucket). An incident opens with `min_stories` of them from `min_origins` in its
    window; it is a warning or critical at so many times the surprise that opens, and over when
    surprise stays below `resolve_below` of that for `calm_s`. A key that surges again within
    `cooldown_s` goes on with the same incident. With `refractory_s`, what it takes to open another
    falls so long after the last one's end from its greatest surprise, evenly in its logarithm, to
    the usual: the day's news is told once, unless it gets worse.
    """

    kind: Literal["surge"] = "surge"
    counts: Literal["stories", "articles", "origins"] = "stories"
    min_stories: int = Field(default=4, ge=1)
    min_origins: int = Field(default=1, ge=1)
    warning_at: float = Field(default=10.0, ge=1)
    critical_at: float = Field(default=1000.0, ge=1)
    resolve_below: float = Field(default=0.25, gt=0, le=1)
    calm_s: int = Field(default=1800, ge=0)
    cooldown_s: int = Field(default=3600, ge=0)
    refractory_s: int = Field(default=0, ge=0)

    def severity(self, weeks: float, threshold: float, *, warm: bool) -> Severity:
        """Grade a surprise against the one that opens; a cold baseline says no more than info."""
        if not warm or weeks < self.warning_at * threshold:
            return "info"
        return "warning" if weeks < self.critical_at * threshold else "critical"


class Mention(Frozen):
    """One confident negative story whose subject is a watch, told at once: no volume is asked for.

    A watch is too rare for statistics of volume. `negative` is the least probability; topics,
    watches and sources choose, none choose all. Each story is told of once per watch.
    """

    kind: Literal["mention"]
    topics: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    negative: float = Field(default=0.6, ge=0, le=1)
    severity: Severity = "warning"


class Mute(Frozen):
    """A topic or a watch of which nobody is told, until a time; its incidents open all the same."""

    topic: str = ""
    watch: str = ""
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.topic) == bool(self.watch):
            raise ValueError("a mute names a topic or a watch")
        return self


def muted(incident: Incident, mutes: Sequence[Mute], at: dt.datetime) -> bool:
    """Whether nobody is to be told of an incident at this (observed) time.

    A mention has a topic and a watch: a mute of either is enough.
    """
    return any(
        (incident.topic == mute.topic if mute.topic else incident.watch == mute.watch)
        and (mute.until is None or at < mute.until)
        for mute in mutes
    )


class Surge(msgspec.Struct, frozen=True):
    """Whether a key is surging, and for how many seconds it has been calm while it was.

    `peak_weeks` is the greatest surprise of the present or last surge, `ended` its last bucket's start.
    """

    on: bool = False
    calm_s: int = 0
    peak_weeks: float = 0.0
    ended: int = 0

    def opens_at(self, threshold: float, rule: Rule, bucket: int) -> float:
        """Return the surprise, in weeks, that opens in a bucket (its start, in seconds)."""
        since_s = bucket - self.ended
        if self.peak_weeks <= threshold or not rule.cooldown_s < since_s < rule.refractory_s:
            return threshold
        return float(threshold * (self.peak_weeks / threshold) ** (1.0 - since_s / rule.refractory_s))

    def turn(
        self, weeks: float, threshold: float, rule: Rule, bucket: int, width_s: int, *, enough: bool
    ) -> tuple["Surge", Turn]:  # fmt: skip
        """Decide after a bucket of `width_s`; `enough` stories and origins are needed to open."""
        if not self.on:
            if enough and weeks >= self.opens_at(threshold, rule, bucket):
                return Surge(on=True, peak_weeks=weeks), "opened"
            return self, ""
        peak = max(self.peak_weeks, weeks)
        if weeks >= rule.resolve_below * threshold:
            return Surge(on=True, peak_weeks=peak), ""
        calm_s = self.calm_s + width_s
        if calm_s < rule.calm_s:
            return Surge(on=True, calm_s=calm_s, peak_weeks=peak), ""
        return Surge(peak_weeks=peak, ended=bucket), "resolved"
