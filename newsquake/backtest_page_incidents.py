"""The incidents on a backtest's page: a table with evidence and proof folded, and what hovering says."""

from collections.abc import Sequence

from alerts.incidents import MENTION, key_of
from alerts.keys import DAY_S, WEEK_S, Key
from alerts.rules import SEVERITIES
from wire.messages import Evidence, Incident, Leader, Proof

from .backtest_page_html import LONGEST_TITLE, Cell, Markup, element, headline, join, stamp, table

_HOVERED, _HOVERED_CHARACTERS = 3, 140
_HEAD = ("Opened (UTC)", "Key", "Severity", "Lasted", "Observed", "Expected", "Once in weeks", "Evidence")


def strongest(incidents: Sequence[Incident], most: int) -> list[Incident]:
    """Choose the gravest and rarest where there are more than a page can hold, in order of time."""
    def weight(incident: Incident) -> tuple[int, float]:
        return SEVERITIES.index(incident.severity), incident.surprise_weeks

    chosen = sorted(incidents, key=weight, reverse=True)[:most]
    return sorted(chosen, key=lambda incident: (incident.opened_at, incident.id))


def plotted_on(incident: Incident) -> Key:
    """Name the key whose volume an incident belongs to: of a mention the watch, whatever its topic."""
    return Key("", incident.watch or "") if incident.rule == MENTION else key_of(incident)


def anchor(number: int, incident: Incident) -> str:
    """Name the row of an incident of a set of rules."""
    return f"s{number}-{incident.id}"


def listed(number: int, incidents: Sequence[Incident]) -> Markup:
    """Make the table of a set's incidents."""
    return table(_HEAD, (_row(number, incident) for incident in incidents))


def hover(incident: Incident, rules: str, shown_on: Key) -> str:
    """Say in some lines what an incident is and rests on."""
    key = plotted_on(incident)
    joins = "" if key == shown_on else f" (as part of {key.shown})"
    until = f"to {stamp(incident.resolved_at)}" if incident.resolved_at else "on, still open"
    titles = (f"- {one.title[:_HOVERED_CHARACTERS]} ({one.source})" for one in incident.evidence[:_HOVERED])
    return "\n".join((
        f"{incident.severity.upper()} {shown_on.shown}{joins}, {rules}",
        f"{stamp(incident.opened_at)} {until} (UTC)",
        _volume(incident),
        *titles,
    ))  # fmt: skip


def _volume(incident: Incident) -> str:
    if incident.rule == MENTION:
        return "one negative story"
    rare = f"once in {_weeks(incident)} weeks"
    return f"{incident.observed} negative, {incident.expected:.1f} expected, {rare}"


def _row(number: int, incident: Incident) -> list[Cell]:
    also = ", ".join(Key(one.get("topic") or "", one.get("watch") or "").shown for one in incident.also)
    maybe = ", provisional" if incident.provisional else ""
    mention = incident.rule == MENTION
    return [
        element("span", stamp(incident.opened_at), id=anchor(number, incident)),
        join((key_of(incident).shown, element("div", f"also {also}", class_="faint") if also else "")),
        incident.severity + maybe + (", mention" if mention else ""),
        _lasted(incident),
        f"{incident.observed:,}",
        "" if mention else f"{incident.expected:,.1f}",
        "" if mention else _weeks(incident),
        element("details", element("summary", _top(incident)), _evidence(incident), _proof(incident.proof)),
    ]


def _top(incident: Incident) -> str:
    return incident.evidence[0].title[:LONGEST_TITLE] if incident.evidence else "no headline"


def _weeks(incident: Incident) -> str:
    return f"{incident.surprise_weeks:,.4g}" if incident.surprise_weeks < 1e6 else "a million or more"  # noqa: PLR2004


def _lasted(incident: Incident) -> str:
    if incident.resolved_at is None:
        return "still open"
    seconds = int((incident.resolved_at - incident.opened_at).total_seconds())
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{seconds / DAY_S:.1f} d" if seconds >= DAY_S else f"{hours}:{minutes:02}"


def _evidence(incident: Incident) -> Markup:
    return element("ol", *(element("li", *_cited(one)) for one in incident.evidence))


def _cited(one: Evidence) -> tuple[Cell, ...]:
    said = f" {one.source[:LONGEST_TITLE]}, {stamp(one.observed_at)}, negative {one.negative:.0%}"
    return headline(one.title, one.link), element("span", said, class_="faint")


def _proof(proof: Proof | None) -> Markup:
    if proof is None:
        return Markup("")
    lines = [
        f"{proof.factor:,.4g} times what is normal in a window of {proof.window_s // 60} minutes",
        f"baseline of {proof.baseline_weeks * WEEK_S / DAY_S:.1f} days",
        f"negative share {proof.negative_share:.0%}, {proof.negative_share_before:.0%} in the day before",
        f"{proof.origins} origins: {_leaders(proof.sources)}",
    ]
    if proof.watches:
        lines.append(f"watches: {_leaders(proof.watches)}")
    if proof.counterfactual is not None:
        without = len(proof.counterfactual.without)
        lines.append(
            f"fires from {proof.counterfactual.fires_from} stories on: would not have fired"
            f" without the last {without}"
        )
    return element("ul", *(element("li", line) for line in lines), class_="faint")


def _leaders(leaders: Sequence[Leader]) -> str:
    return ", ".join(f"{one.name[:LONGEST_TITLE]} {one.stories}" for one in leaders) or "none"
