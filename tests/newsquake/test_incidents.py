"""`newsquake incidents` as a user meets it: list, show, and what people do."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import insert

from alerts import tables
from alerts.store import open_store
from tests.journeys.journey import Journey
from wire.messages import Evidence, Incident

NOON = datetime(2025, 11, 2, 12, tzinfo=UTC)


def incident(number, state):
    opened = NOON + timedelta(minutes=5 * number)
    return Incident(
        id=f"inc_{number}", topic="Legal", watch=None, state=state, severity="warning", provisional=False,
        opened_at=opened, resolved_at=None, observed=9, expected=1.5, surprise_weeks=12.0,
        evidence=(Evidence(title="Judge fines Corvane", link="https://wire.example/1", source="Harbour Wire",
                           observed_at=opened, negative=0.9),),
    )  # fmt: skip


@pytest.fixture
def journey(tmp_path):
    """A home with a resolved incident and an open one."""
    home = tmp_path / "home"
    home.mkdir()
    with open_store(f"sqlite:///{home}/store.db") as store, store.write() as connection:
        for number, state in enumerate(("resolved", "open")):
            one = incident(number, state)
            connection.execute(insert(tables.incidents).values(
                id=one.id, topic="Legal", watch="", state=state, severity="warning", opened_at=number,
                body=msgspec.json.encode(one),
            ))  # fmt: skip
    return Journey(home)


def test_incidents_are_listed_and_shown_with_what_people_did(journey):
    """Lines for a person, JSON for a script."""
    for words in (("acknowledge", "inc_1"), ("assign", "inc_1", "Jo"), ("note", "inc_1", "Called the bank.")):
        done = journey.run("incidents", *words, "--author", "Anna Müller")
        assert (0, "") == (done.status, done.err)
    journey.env["NEWSQUAKE_AUTHOR"] = "Ben"
    assert "closed by Ben" in journey.run("incidents", "close", "inc_1").out

    first, second = journey.run("incidents", "list").out.splitlines()
    shown = journey.run("incidents", "show", "inc_1").out
    file = json.loads(journey.run("incidents", "show", "inc_1", "--json").out)
    (only,) = map(json.loads, journey.run("incidents", "list", "--state", "open", "--json").out.splitlines())

    said = "acknowledged by Anna Müller, assigned to Jo, closed by Ben"
    assert first == f"inc_1\t2025-11-02 12:05\topen\twarning\tLegal\t9 negative, 1.5 expected\t{said}"
    assert second == "inc_0\t2025-11-02 12:00\tresolved\twarning\tLegal\t9 negative, 1.5 expected"
    assert "Harbour Wire: Judge fines Corvane https://wire.example/1" in shown
    assert "Anna Müller: note: Called the bank.\n" in shown
    assert ["acknowledge", "assign", "note", "close"] == [one["action"] for one in file["actions"]]
    assert ("open", "Ben") == (file["incident"]["state"], file["standing"]["closed_by"])
    assert {"incident": file["incident"], "standing": file["standing"]} == only


@pytest.mark.parametrize(("words", "status", "said"), [
    (("show", "inc_9"), 1, "no incident of this id"),
    (("close", "inc_9", "--author", "Anna"), 1, "no incident of this id"),
    (("close", "inc_1"), 2, "--author"),
    (("note", "inc_1", " ", "--author", "Anna"), 2, "text: a note needs words"),
    (("close", "inc_1", "--author", "An\na"), 2, "author: a name is one line"),
    (("list", "--state", "closed"), 2, "one of open, resolved"),
])
def test_what_cannot_be_done_is_told_in_a_line(journey, words, status, said):
    """And nothing is noted."""
    done = journey.run("incidents", *words)
    assert (status, True) == (done.status, said in done.err), done.err
    assert "Traceback" not in done.err
    assert [] == json.loads(journey.run("incidents", "show", "inc_1", "--json").out)["actions"]
