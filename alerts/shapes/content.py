"""What a person is told, in parts that chat and mail lay out each in its own way.

Titles, sources and links were written by strangers: here they become single lines of visible
text and links to the web or nothing; each shape escapes them for its own markup.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from alerts.incidents import MENTION, key_of
from alerts.payloads import Brief, Group, Mover, Passed, Payload, Sources
from wire.messages import Alert, Incident

LONGEST_TITLE = 300
LONGEST_LINK = 2000
# Controls, and the marks that turn the direction of a text round (so that it reads as another).
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_LINK = re.compile(r'[\s<>"|\\^`{}\x00-\x1f\x7f-\x9f\ud800-\udfff]')


class Line(NamedTuple):
    """A line of a section: text, where it leads to ("" for nowhere), and what is said beside it."""

    text: str
    link: str = ""
    note: str = ""


class Section(NamedTuple):
    """Lines under a heading."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """A title, one line that says it all, facts as (name, value), and sections."""

    title: str
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()


def unlinked(told: Content) -> Content:
    """The same without its links, for where there is no room."""
    sections = (
        Section(heading, tuple(line._replace(link="") for line in lines))
        for heading, lines in told.sections
    )
    return replace(told, sections=tuple(sections))


def plain(text: str, longest: int = LONGEST_TITLE) -> str:
    """Make a single line of visible text, cut with an ellipsis where it is longer."""
    line = " ".join(_INVISIBLE.sub(" ", text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def web(link: str) -> str:
    """Return a link to the web as it is; "" for any other scheme, and for what is no URL."""
    if len(link) > LONGEST_LINK or _NO_LINK.search(link):
        return ""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme in ("http", "https") and parts.hostname else ""


def content(payload: Payload) -> Content:
    """Tell what a payload says."""
    if isinstance(payload, Alert):
        return _alert(payload)
    return _group(payload) if isinstance(payload, Group) else _brief(payload)


def name_of(incident: Incident) -> str:
    """The incident's key as a person says it, in one line."""
    return plain(key_of(incident).shown, 200) or "(no name)"


def title_of(alert: Alert) -> str:
    """How it stands and about what: what a phone shows before anything else."""
    if alert.event == "resolved":
        return f"RESOLVED {name_of(alert.incident)}"
    now = " (updated)" if alert.event == "updated" else ""
    return f"{alert.incident.severity.upper()} {name_of(alert.incident)}{now}"


def clock(moment: datetime) -> str:
    """A time as people read it, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def facts_of(incident: Incident) -> tuple[tuple[str, str], ...]:
    """The figures behind an incident, each with its name."""
    if incident.rule == MENTION:
        return _mention_facts(incident)
    found = [
        ("Severity", incident.severity + (" (provisional)" if incident.provisional else "")),
        ("Negative stories", f"{incident.observed}, {incident.expected:.1f} expected"),
        ("Rarity", f"once in {incident.surprise_weeks:,.0f} weeks"),
        ("Opened", clock(incident.opened_at)),
    ]
    if incident.resolved_at is not None:
        found.append(("Resolved", clock(incident.resolved_at)))
    return (*found, *_proof(incident))


def _mention_facts(incident: Incident) -> tuple[tuple[str, str], ...]:
    likely = ", ".join(f"{one.negative:.0%}" for one in incident.evidence)
    return (
        ("Severity", incident.severity),
        ("Negative", likely),
        ("Topic", plain(incident.topic or "", 200) or "(no name)"),
        ("Seen", clock(incident.opened_at)),
    )


def _proof(incident: Incident) -> list[tuple[str, str]]:
    proof = incident.proof
    if proof is None:
        return []
    window = f"{proof.window_s // 60} minutes, {proof.factor:.1f} times the expected"
    share = f"{proof.negative_share:.0%}, {proof.negative_share_before:.0%} the day before"
    found = [
        ("Window", window),
        ("Negative share", share),
        ("First publishers", str(proof.origins)),
        ("Baseline", f"{proof.baseline_weeks:.1f} weeks"),
    ]
    if proof.sources:
        found.append(("Sources", _leaders([(one.name, one.stories) for one in proof.sources])))
    if proof.watches:
        found.append(("Watches", _leaders([(one.name, one.stories) for one in proof.watches])))
    if proof.counterfactual is not None:
        found.append(("Fires from", f"{proof.counterfactual.fires_from} stories"))
    return found


def _leaders(leaders: list[tuple[str, int]]) -> str:
    return plain(", ".join(f"{plain(name, 60)} {stories}" for name, stories in leaders[:5]))


def headlines(incident: Incident) -> tuple[Line, ...]:
    """The evidence: a headline, its link and its source each."""
    return tuple(
        Line(plain(one.title) or "(no title)", web(one.link), plain(one.source, 100))
        for one in incident.evidence
    )


def answers(alert: Alert) -> tuple[Line, ...]:
    """The links by which a reader answers whether the alert was right; none where none are set up."""
    links = ((answer.replace("_", " "), web(link)) for answer, link in alert.feedback.items())
    return tuple(Line(answer, link) for answer, link in links if link)


def _alert(alert: Alert) -> Content:
    incident = alert.incident
    sections = (Section("Evidence", headlines(incident)), Section("Was this right?", answers(alert)))
    filled = tuple(section for section in sections if section.lines)
    return Content(title_of(alert), plain(alert.text, 600), facts_of(incident), filled)


def _group(group: Group) -> Content:
    lines = tuple(
        Line(plain(alert.text), _first_link(alert.incident), alert.incident.id)
        for alert in group.alerts
    )
    return Content(f"{len(lines)} alerts", plain(group.text, 600), (), (Section("Alerts", lines),))


def _first_link(incident: Incident) -> str:
    return next((link for one in incident.evidence if (link := web(one.link))), "")


def _brief(brief: Brief) -> Content:
    sections = (
        Section("Incidents", tuple(map(_passed, brief.incidents)) or (Line("none"),)),
        Section("Watches that moved", tuple(map(_mover, brief.movers)) or (Line("none"),)),
        Section("Sources", _watched(brief.sources)),
        Section("Model", (Line(plain(brief.model) or "nothing was scored yet"),)),
    )
    facts = (("From", clock(brief.since)), ("To", clock(brief.until)))
    return Content(f"Newsquake brief {brief.day}", plain(brief.text, 600), facts, sections)


def _passed(one: Passed) -> Line:
    shown = f"{one.severity.upper()} {plain(one.name, 200)}: {_happened(one)}"
    if one.headline is None:
        return Line(shown)
    return Line(shown, web(one.headline.link), plain(one.headline.title, 150))


def _happened(one: Passed) -> str:
    if one.rule == MENTION:
        return f"negative story, {clock(one.opened_at)}"
    until = f", resolved {clock(one.resolved_at)}" if one.resolved_at else ", still open"
    figures = f"{one.observed} negative stories, {one.expected:.1f} expected"
    return f"{figures}; opened {clock(one.opened_at)}{until}"


def _mover(one: Mover) -> Line:
    share = f"{one.negative_share:.0%} of {one.articles} articles"
    return Line(f"{plain(one.watch, 200)}: {one.negative} negative ({share}), usually {one.usual:.1f}")


def _watched(one: Sources) -> tuple[Line, ...]:
    lines = [Line(f"{one.sources} watched, {len(one.failing)} failing; {one.worst_share:.0%} at the worst")]
    if one.unwatched_minutes:
        lines.append(Line(f"nobody watched for {one.unwatched_minutes} minutes"))
    return (*lines, *(Line(f"failing now: {plain(name, 200)}") for name in one.failing))
