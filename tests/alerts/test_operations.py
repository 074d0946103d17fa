"""What people do about incidents is kept, with author and time, and changes no decision."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from alerts import report, tables
from alerts.counter import Counter
from alerts.counting import read as read_records
from alerts.judging import Judge
from alerts.operations import KINDS, Action, Request, Standing, act, closed, read, refusal, standing
from alerts.settings import AlertsSettings
from alerts.store import open_store
from tests.alerts.builders import (
    NOON,
    STREAM,
    clock,
    count,
    dump,
    history,
    judge_all,
    receiver,
    span,
)

SETTINGS = AlertsSettings(topics=("Energy", "Legal"))


@pytest.fixture
def incident(store):
    """An incident in the store."""
    count(store, history(6, surge_on=4), SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))
    return report.incidents(store)[0]


def test_actions_are_kept_in_order_with_author_and_time(store, incident):
    """The file of an incident says who did what, when, and where it stands now."""
    done = [("acknowledge", ""), ("assign", "Jo"), ("note", "Called the bank.\nNo answer."), ("close", "")]
    for number, (kind, text) in enumerate(done):
        at = NOON + timedelta(minutes=number)
        act(store, incident.id, Request(kind, "Anna Müller", text), at)

    file = read(store, incident.id)

    expected = [
        Action(kind, "Anna Müller", NOON + timedelta(minutes=number), text)
        for number, (kind, text) in enumerate(done)
    ]
    assert expected == file.actions
    assert Standing("Anna Müller", "Jo", "Anna Müller") == file.standing
    assert incident == file.incident


def test_an_incident_that_is_not_there_has_no_file(store):
    """Nothing is noted of it."""
    for name in ("inc_0", "", "a\0b", "\udcff"):
        assert None is act(store, name, Request("note", "Anna", "x"), NOON)
        assert None is read(store, name)
    with store.read() as connection:
        assert [] == connection.execute(select(tables.incident_actions)).all()


@pytest.mark.parametrize(("actions", "expected"), [
    ([], Standing()),
    ([("acknowledge", "Anna"), ("acknowledge", "Ben")], Standing(acknowledged_by="Anna")),
    ([("close", "Ben")], Standing(acknowledged_by="Ben", closed_by="Ben")),
    ([("close", "Ben"), ("reopen", "Anna")], Standing(acknowledged_by="Ben")),
    ([("close", "Ben"), ("close", "Anna")], Standing(acknowledged_by="Ben", closed_by="Anna")),
    ([("note", "Anna")], Standing()),
])
def test_where_an_incident_stands(actions, expected):
    """The first acknowledgement counts, the last assignment, the last close or reopening."""
    done = [Action(kind, author, NOON, "") for kind, author in actions]
    assert expected == standing(done)


@pytest.mark.parametrize(("request_", "reason"), [
    (Request("note", "Anna", " \n"), "text: a note needs words"),
    (Request("close", " "), "author: a name is needed"),
    (Request("assign", "Anna", ""), "text: a name is needed"),
    (Request("assign", "Anna", "a\nb"), "text: a name is one line"),
    (Request("close", "A" * 201), "author: a name is one line of at most 200"),
    (Request("close", "An\u202ena"), "author: a name is one line"),
    (Request("close", "An\udcffna"), "author: a name is one line"),
    (Request("note", "Anna", "x" * 4001), "text: at most 4000"),
    (Request("note", "Anna", "a\0b"), "text: has control characters"),
])
def test_what_cannot_be_noted_is_refused_with_the_reason(request_, reason):
    """Authors and assignees are bounded lines; notes are bounded text."""
    assert refusal(request_).startswith(reason)


@pytest.mark.parametrize("name", ["Anna", "क्\u200dषमा", "O'Brien, Jo (risk)", "李雷"])
def test_names_of_all_the_world_are_names(name):
    """An invisible joiner is part of a name; an override of direction is not."""
    assert None is refusal(Request("assign", name, name))


@given(st.sampled_from(KINDS), st.text(max_size=210), st.text(max_size=300))
def test_what_is_not_refused_is_read_back_as_it_was_written(kind, author, text):
    """Any text that passes is stored and comes back, but for space around it."""
    asked = Request(kind, author, text)
    if refusal(asked) is not None:
        return
    with open_store("sqlite://") as store:
        with store.write() as connection:
            connection.execute(tables.incidents.insert().values(
                id="i", topic="", watch="", state="open", severity="info", opened_at=0, body=BODY,
            ))
        act(store, "i", asked, NOON)
        (found,) = read(store, "i").actions
    assert Action(kind, author.strip(), NOON, text.strip()) == found


BODY = (
    b'{"id":"i","topic":null,"watch":null,"state":"open","severity":"info","provisional":false,'
    b'"opened_at":"2024-01-03T12:00:00Z","resolved_at":null,"observed":1,"expected":1,"surprise_weeks":1}'
)


def worsening(days=16):
    """Quiet weeks, then an hour that gets ever worse: an incident with updates."""
    wire = history(days)
    for number in range(200):
        wire.later(1 if number < 20 else 0.25).article(f"x{number}", source=f"outlet{number % 7}")
        if number % 5 == 4:
            wire.beat()
    return wire.later(5).beat()


def events(store):
    """Count what is in the outbox, by event and state."""
    with store.read() as connection:
        rows = connection.execute(select(tables.outbox.c.event, tables.outbox.c.state)).all()
    return sorted(map(tuple, rows))


def test_closing_silences_updates_and_changes_no_incident(store, new_url):
    """The judge says the same with and without; only the updates to people are missing."""
    small = SETTINGS.model_copy(update={"buckets_per_transaction": 1})
    wire = worsening()
    quiet = next(place for place, record in enumerate(wire.records) if record.key == b"x0")
    with open_store(new_url("other")) as other:
        for each in (store, other):
            counter = Counter(each, STREAM, SETTINGS)
            for start, stop in ((0, quiet), (quiet, len(wire.records))):
                counter.count([span(start, stop)], read_records(wire.records[start:stop])[0])
                if stop == quiet:
                    judge_all(each, SETTINGS, receivers=("desk",))
        judge = Judge(store, STREAM, small, clock, [receiver("desk")])
        judge.take_lease(at_once=True)
        while not (found := report.incidents(store, open_only=True)):
            judge.step()
        act(store, found[0].id, Request("close", "Anna"), NOON)
        judge_all(store, SETTINGS, receivers=("desk",))
        judge_all(other, SETTINGS, receivers=("desk",))

        closed_by_hand, left_alone = dump(store), dump(other)

    silenced = [one for one in left_alone["outbox"] if (one[1], one[2]) == (found[0].id, "updated")]
    assert silenced
    assert [one for one in left_alone["outbox"] if one not in silenced] == closed_by_hand["outbox"]
    assert {**left_alone, "outbox": []} == {**closed_by_hand, "outbox": []}


def test_closing_withdraws_updates_that_wait(store, incident):
    """What was not sent yet is not sent; the opening and the resolution are."""
    with store.write() as connection:
        connection.execute(update(tables.outbox).values(event="updated", state="pending"))
        row = connection.execute(select(tables.outbox)).mappings().first()
        connection.execute(tables.outbox.insert().values({**row, "id": "msg_1", "event": "resolved"}))
    act(store, incident.id, Request("close", "Anna"), NOON)
    assert ("resolved", "pending") in events(store)
    assert {"dead"} == {state for event, state in events(store) if event == "updated"}


def test_a_reopened_incident_is_not_silent(store, incident):
    """The last of close and reopen counts."""
    said = []
    for kind in ("note", "close", "reopen", "close"):
        act(store, incident.id, Request(kind, "Anna", "x"), NOON)
        with store.read() as connection:
            said.append(closed(connection, [incident.id, "other"]))
    assert [set(), {incident.id}, set(), {incident.id}] == said
    assert [] != dump(store)["incidents"]
