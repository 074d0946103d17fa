"""`newsquake incidents`: what there is, and what people do about it, in lines to print."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .calling import installation_of
from .errors import ConfigurationError, NewsquakeError

if TYPE_CHECKING:
    from alerts.operations import File, Kind, Standing
    from alerts.store import Store
    from wire.messages import Incident

incidents_app = typer.Typer(
    help="Look at incidents; acknowledge, assign, annotate and close them.", no_args_is_help=True
)

Author = Annotated[str, typer.Option(envvar="NEWSQUAKE_AUTHOR", help="Who does it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
STATES = ("open", "resolved")


class UnknownIncidentError(NewsquakeError):
    """no incident of this id"""


@incidents_app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="open or resolved; default: both.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Print the newest incidents, the newest first."""
    if state not in (None, *STATES):
        raise typer.BadParameter("one of open, resolved", param_hint="--state")
    with installation_of(context) as here:
        for line in listed(here.store, state, limit, as_json=as_json):
            typer.echo(line)


@incidents_app.command()
def show(context: typer.Context, incident: str, as_json: AsJson = False) -> None:
    """Print an incident, its headlines, and what people did about it."""
    import msgspec

    with installation_of(context) as here:
        file = read(here.store, incident)
    typer.echo(msgspec.json.encode(file).decode() if as_json else "\n".join(told(file)))


@incidents_app.command()
def acknowledge(context: typer.Context, incident: str, author: Author) -> None:
    """Say that somebody looks at it."""
    _act(context, incident, "acknowledge", author, "")


@incidents_app.command()
def assign(context: typer.Context, incident: str, to: str, author: Author) -> None:
    """Say whose it is."""
    _act(context, incident, "assign", author, to)


@incidents_app.command()
def note(context: typer.Context, incident: str, text: str, author: Author) -> None:
    """Write a note beside it."""
    _act(context, incident, "note", author, text)


@incidents_app.command()
def close(context: typer.Context, incident: str, author: Author, text: str = "") -> None:
    """Be told of no more updates. It still resolves by itself, which is told."""
    _act(context, incident, "close", author, text)


@incidents_app.command()
def reopen(context: typer.Context, incident: str, author: Author, text: str = "") -> None:
    """Be told of updates again."""
    _act(context, incident, "reopen", author, text)


def _act(context: typer.Context, incident: str, kind: "Kind", author: str, text: str) -> None:
    from alerts import operations

    asked = operations.Request(kind, author, text)
    if reason := operations.refusal(asked):
        raise ConfigurationError(reason)
    with installation_of(context) as here:
        if operations.act(here.store, incident, asked, datetime.now(UTC)) is None:
            raise UnknownIncidentError(hint="newsquake incidents list")
        typer.echo(standing_of(read(here.store, incident).standing) or "noted")


def read(store: "Store", incident: str) -> "File":
    """Read an incident; raises UnknownIncidentError."""
    from alerts import operations

    found = operations.read(store, incident)
    if found is None:
        raise UnknownIncidentError(hint="newsquake incidents list")
    return found


def listed(store: "Store", state: str | None, limit: int, *, as_json: bool) -> list[str]:
    """Return a line per incident, newest first: JSON (incident and standing), or for a person."""
    import msgspec

    from alerts import operations, report

    found = report.incidents(store, open_only=state == "open")[::-1]
    chosen = [one for one in found if state in (None, one.state)][:limit]
    where = operations.standings(store, [one.id for one in chosen])
    if as_json:
        pairs = ({"incident": one, "standing": where[one.id]} for one in chosen)
        return [msgspec.json.encode(pair).decode() for pair in pairs]
    return [
        "\t".join(filter(None, (line(one), standing_of(where[one.id])))) for one in chosen
    ]


def line(one: "Incident") -> str:
    """An incident in one line."""
    key = one.watch or one.topic or "all"
    counts = f"{one.observed} negative, {one.expected:.1f} expected"
    return f"{one.id}\t{one.opened_at:%Y-%m-%d %H:%M}\t{one.state}\t{one.severity}\t{key}\t{counts}"


def standing_of(standing: "Standing") -> str:
    """Where people stand with an incident; nothing where nobody did anything."""
    parts = (
        ("acknowledged by", standing.acknowledged_by),
        ("assigned to", standing.assigned_to),
        ("closed by", standing.closed_by),
    )
    return ", ".join(f"{words} {name}" for words, name in parts if name)


def told(file: "File") -> list[str]:
    """An incident for a person, in lines."""
    headlines = [f"  {one.source}: {one.title} {one.link}" for one in file.incident.evidence]
    done = [
        f"  {one.time:%Y-%m-%d %H:%M} {one.author}: {one.action}" + (f": {one.text}" if one.text else "")
        for one in file.actions
    ]
    return [line(file.incident), *headlines, *done, *filter(None, [standing_of(file.standing)])]
