"""Mentions: one confident negative story about a watch, told at once. Pure.

Each story is told once per watch, by the least (observed_at, id) of its articles that meet a rule:
not by its first article, which may be of a topic, a source or a confidence that no rule chose.
The incident depends on that row and the settings alone.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from wire.messages import Incident, Severity

from .incidents import MENTION, shown
from .keys import MILLIONTHS, moment
from .rules import SEVERITIES, Mention
from .settings import AlertsSettings
from .stories import Row
from .watches import Matcher

Reason = Literal["no_rule", "not_negative", "unsure", "other_topic", "other_source", "other_watch"]


class Telling(NamedTuple):
    """An incident, and the row that tells it."""

    incident: Incident
    row: Row

    @property
    def place(self) -> tuple[int, str]:
        """Where the row stands among those of its story: the least tells."""
        return self.row.observed_at, self.row.id


def mention_id(watch: str, story_id: str) -> str:
    """Name the incident of a story on a watch: the same whichever of its articles tells."""
    return "inc_" + sha256(f"{MENTION}\0{watch}\0{story_id}".encode()).hexdigest()[:20]


def refusal(row: Row, rule: Mention) -> Reason | None:
    """Say why a rule passes over a row, whatever its watches; None where it does not."""
    if row.sentiment != "negative":
        return "not_negative"
    if row.negative < round(rule.negative * MILLIONTHS):
        return "unsure"
    if rule.topics and row.topic not in rule.topics:
        return "other_topic"
    if rule.sources and row.source not in rule.sources:
        return "other_source"
    return None


def decide(row: Row, watch: str, rules: Sequence[Mention]) -> Incident | Reason:
    """Open and close an incident for a row whose subject is a watch, or say why not.

    Of several rules that it meets the severest says how bad it is; where it meets none, the last
    says why. Rows that came late or of a backfill must not be given.
    """
    reason: Reason = "no_rule"
    met: list[Severity] = []
    for rule in rules:
        passed_over = refusal(row, rule)
        if passed_over is None and rule.watches and watch not in rule.watches:
            passed_over = "other_watch"
        if passed_over is None:
            met.append(rule.severity)
        else:
            reason = passed_over
    if not met:
        return reason
    at = moment(row.observed_at)
    return Incident(
        id=mention_id(watch, row.story_id), rule=MENTION, topic=row.topic, watch=watch,
        state="resolved", severity=max(met, key=SEVERITIES.index), provisional=False,
        opened_at=at, resolved_at=at, observed=1, expected=0.0, surprise_weeks=0.0,
        evidence=(shown(row),),
    )  # fmt: skip


def tellings(rows: Iterable[Row], rules: Sequence[Mention], matcher: Matcher) -> list[Telling]:
    """List what rows tell, once per story and watch, in order of (observed_at, id).

    Subjects are found in the title as it is stored, which is all that a backtest has.
    """
    found: dict[str, Telling] = {}
    for row in sorted(rows, key=lambda row: (row.observed_at, row.id)):
        if all(refusal(row, rule) for rule in rules):
            continue  # nearly all: their titles are not searched
        for watch in matcher.subjects(row.title):
            decided = decide(row, watch, rules)
            if isinstance(decided, Incident):
                found.setdefault(decided.id, Telling(decided, row))
    return list(found.values())


def mentioned(rows: Iterable[Row], settings: AlertsSettings) -> list[Incident]:
    """List the mentions that rows (live, in time) bring, in order of (opened_at, id): for backtests.

    It knows of no story that was told before the first row.
    """
    found = tellings(rows, settings.mentions, Matcher(settings.watches))
    return sorted((one.incident for one in found), key=lambda one: (one.opened_at, one.id))
