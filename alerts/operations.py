"""What people do about incidents: acknowledged, assigned, annotated, closed; each once written, kept.

The judge reads none of it: a backtest gives the same incidents whatever people did. Closing
silences further updates to people; the incident itself resolves when its surge is over, and
that is still sent, so that a page or ticket which the alert opened elsewhere ends too.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from wire.messages import Incident, Time

from . import tables
from .keys import microseconds, moment
from .rows import chunks
from .store import Store

Kind = Literal["acknowledge", "assign", "note", "close", "reopen"]
KINDS: tuple[Kind, ...] = ("acknowledge", "assign", "note", "close", "reopen")
MAX_AUTHOR, MAX_TEXT = 200, 4000  # characters

_JOINERS = str.maketrans("", "", "\u200c\u200d")  # invisible, and part of many names

_incident = msgspec.json.Decoder(Incident)


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants noted. `text` is the note; of an assignment, to whom."""

    action: Kind
    author: str
    text: str = ""


class Action(msgspec.Struct, frozen=True):
    """What somebody did, and when (wall clock)."""

    action: Kind
    author: str
    time: Time
    text: str


class Standing(msgspec.Struct, frozen=True):
    """Where people stand with an incident; None: nobody did that (or it was reopened)."""

    acknowledged_by: str | None = None
    assigned_to: str | None = None
    closed_by: str | None = None


class File(msgspec.Struct, frozen=True):
    """An incident with everything that people did about it, in order."""

    incident: Incident
    standing: Standing
    actions: list[Action]


def refusal(request: Request) -> str | None:
    """Say why a request cannot be noted as it stands; None where it can."""
    if reason := _not_a_name(request.author):
        return f"author: {reason}"
    if request.action == "assign" and (reason := _not_a_name(request.text)):
        return f"text: {reason}"
    if request.action == "note" and not request.text.strip():
        return "text: a note needs words"
    if len(request.text) > MAX_TEXT:
        return f"text: at most {MAX_TEXT} characters"
    if not all(map(_printable, request.text.splitlines())):
        return "text: has control characters"
    return None


def _not_a_name(text: str) -> str | None:
    """Names stand in lists, mails and chats: one line that shows all there is."""
    if not text.strip():
        return "a name is needed"
    return None if len(text) <= MAX_AUTHOR and _printable(text) else (
        f"a name is one line of at most {MAX_AUTHOR} characters, without control characters"
    )


def _printable(line: str) -> bool:
    return line.translate(_JOINERS).replace("\t", " ").isprintable()


def standing(actions: Iterable[Action]) -> Standing:
    """Fold actions, oldest first. Who closes has seen it: that acknowledges too."""
    acknowledged: str | None = None
    assigned: str | None = None
    closed: str | None = None
    for one in actions:
        if one.action in ("acknowledge", "close"):
            acknowledged = acknowledged or one.author
        if one.action == "assign":
            assigned = one.text
        if one.action in ("close", "reopen"):
            closed = one.author if one.action == "close" else None
    return Standing(acknowledged, assigned, closed)


def act(store: Store, incident_id: str, request: Request, now: datetime) -> Action | None:
    """Note an action; None where there is no such incident. Refuses what `refusal` names.

    Two equal requests are two actions: who did what twice is part of the record.
    """
    assert refusal(request) is None
    row = {
        "incident_id": incident_id, "action": request.action, "author": request.author.strip(),
        "time": microseconds(now), "text": request.text.strip(),
    }  # fmt: skip
    with store.write() as connection:
        if _body(connection, incident_id) is None:
            return None
        connection.execute(insert(tables.incident_actions), [row])
        if request.action == "close":
            _withdraw_updates(connection, incident_id)
    return Action(request.action, row["author"], now, row["text"])  # type: ignore[arg-type]


def read(store: Store, incident_id: str) -> File | None:
    """Read an incident and what people did about it; None where there is none of that id."""
    table = tables.incident_actions.c
    query = select(table.action, table.author, table.time, table.text)
    with store.read() as connection:
        body = _body(connection, incident_id)
        if body is None:
            return None
        mine = query.where(table.incident_id == incident_id).order_by(table.id)
        actions = [
            Action(kind, author, moment(time), text)
            for kind, author, time, text in connection.execute(mine)
        ]
    return File(_incident.decode(body), standing(actions), actions)


def standings(store: Store, incidents: Iterable[str]) -> dict[str, Standing]:
    """Say where people stand with each of these incidents."""
    table = tables.incident_actions.c
    query = select(table.incident_id, table.action, table.author, table.time, table.text)
    found: dict[str, list[Action]] = {name: [] for name in incidents}
    with store.read() as connection:
        for names in chunks(found):
            mine = query.where(table.incident_id.in_(names)).order_by(table.id)
            for name, kind, author, time, text in connection.execute(mine):
                found[name].append(Action(kind, author, moment(time), text))
    return {name: standing(actions) for name, actions in found.items()}


def closed(connection: Connection, incidents: Iterable[str]) -> set[str]:
    """Name those of these incidents that a person has closed: nobody is told of their updates."""
    names = sorted(incidents)
    if not names:  # as for nearly every bucket
        return set()
    table = tables.incident_actions.c
    wanted = table.incident_id.in_(names) & table.action.in_(("close", "reopen"))
    query = select(table.incident_id, table.action).where(wanted).order_by(table.id)
    last = {row.incident_id: row.action for row in connection.execute(query)}
    return {name for name, action in last.items() if action == "close"}


def _withdraw_updates(connection: Connection, incident_id: str) -> None:
    """Give up the updates that wait to be sent; one under way may still arrive."""
    table = tables.outbox
    mine = (table.c.incident_id == incident_id) & (table.c.event == "updated")
    waiting = mine & (table.c.state == "pending")
    connection.execute(update(table).where(waiting).values(state="dead", last_outcome="closed"))


def _body(connection: Connection, incident_id: str) -> bytes | None:
    if not incident_id.isprintable():  # a NUL or half a surrogate is none that a database could look for
        return None
    table = tables.incidents.c
    return connection.execute(select(table.body).where(table.id == incident_id)).scalar()
