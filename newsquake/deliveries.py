"""`newsquake deliveries`: what became of each message, and asking for it again."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .calling import installation_of, settings_of
from .errors import ConfigurationError, NewsquakeError

if TYPE_CHECKING:
    from alerts.settings import Receiver
    from alerts.store import Store
    from alerts.webhook import Attempt

    from .settings import Settings

deliveries_app = typer.Typer(
    help="Look at what is sent to receivers; send it again; try a receiver.", no_args_is_help=True
)


class NotReplayedError(NewsquakeError):
    """not a message to send again"""


@deliveries_app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="pending, delivered, dead or grouped; default: all.")
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="Only those to this receiver.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Print messages, the latest first: id, state, receiver, event, incident, attempts, outcome, next."""
    import msgspec

    from alerts import ledger

    if state not in (None, *ledger.STATES):
        raise typer.BadParameter(f"one of {', '.join(ledger.STATES)}", param_hint="--state")
    with installation_of(context) as here:
        found = ledger.deliveries(here.store, state=state, receiver=receiver, limit=limit)
    for each in found:
        typer.echo(msgspec.json.encode(each).decode() if as_json else each.line())


@deliveries_app.command()
def replay(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    all_dead: Annotated[bool, typer.Option("--all-dead", help="Everything that was given up.")] = False,
) -> None:
    """Make messages due again, under their ids: what runs sends them."""
    if bool(ids) == all_dead:
        raise typer.BadParameter("give ids, or --all-dead")
    with installation_of(context) as here:
        number = replayed(here.store, ids)
    typer.echo(f"{number} due again")


@deliveries_app.command()
def test(context: typer.Context, receiver: str) -> None:
    """Send a marked test alert to a receiver now, and say what it came to."""
    chosen = receiver_of(settings_of(context), receiver)
    attempt = tried(chosen)
    typer.echo(told(chosen, attempt))
    raise typer.Exit(0 if attempt.verdict == "delivered" else 1)


def replayed(store: "Store", ids: Collection[str] | None) -> int:
    """Make messages due again; raises NotReplayedError, and changes nothing, where one cannot be."""
    from alerts import ledger

    for name in ids or ():
        found = ledger.state_of(store, name)
        if found is None:
            raise NotReplayedError(f"{name}: no such message", "newsquake deliveries list shows them")
        state, outcome = found
        if state == "grouped":
            raise NotReplayedError(f"{name}: it went with others", f"replay {outcome} instead")
        if state == "pending":
            raise NotReplayedError(f"{name}: it is pending, and will be sent", "")
    return ledger.replay(store, ids or None)


def receiver_of(settings: "Settings", name: str) -> "Receiver":
    """Find a receiver of the settings; raises ConfigurationError."""
    for each in settings.receivers:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in settings.receivers) or "none"
    raise ConfigurationError(f"no receiver {name!r}", f"the settings have: {known}")


def tried(receiver: "Receiver") -> "Attempt":
    """Send a test alert now; raises AlertsError where the receiver's settings cannot be used."""
    from alerts.delivery import DEADLINE_S
    from alerts.rehearsal import rehearse

    return asyncio.run(rehearse(receiver, DEADLINE_S, lambda: datetime.now(UTC)))


def told(receiver: "Receiver", attempt: "Attempt") -> str:
    """Say in a line what a test came to."""
    outcome = " ".join(map(str, filter(None, (attempt.reason, attempt.status))))
    done = "delivered" if attempt.verdict == "delivered" else "not delivered"
    return f"{receiver.name} ({receiver.kind}): {done}: {outcome}"
