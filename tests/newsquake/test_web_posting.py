"""What people do about incidents, over real HTTP: who may, in which form, and what is kept."""

from datetime import UTC, datetime

import httpx2
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import insert, select

from alerts import tables
from alerts.store import open_store
from newsquake.web import WebServer, app
from wire.messages import Incident

NOON = datetime(2025, 11, 2, 12, tzinfo=UTC)
TOKEN = "0123456789abcdef"
INCIDENT = Incident(
    id="inc_1", topic="Legal", watch=None, state="open", severity="warning", provisional=False,
    opened_at=NOON, resolved_at=None, observed=9, expected=1.5, surprise_weeks=12.0,
)  # fmt: skip
CLOSE = {"action": "close", "author": "Anna"}


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        with store.write() as connection:
            connection.execute(insert(tables.incidents).values(
                id="inc_1", topic="Legal", watch="", state="open", severity="warning", opened_at=0,
                body=msgspec.json.encode(INCIDENT),
            ))  # fmt: skip
        yield store


def served(store, token=TOKEN):
    token = SecretStr(token) if token else None
    return WebServer(app(CollectorRegistry(), store, lambda: None, token=token, clock=lambda: NOON))


@pytest.fixture
def site(store):
    with served(store) as server:
        yield server


def post(site, body=CLOSE, incident="inc_1", token=TOKEN, **more):
    """Post an action with the token, as JSON."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx2.post(
        f"{site.url}/api/incidents/{incident}/actions", **given,
        headers={**headers, "content-type": "application/json", **more},
    )


def actions(store):
    """Read what is kept."""
    table = tables.incident_actions.c
    with store.read() as connection:
        return list(map(tuple, connection.execute(select(table.action, table.author, table.text))))


def test_an_action_is_kept_and_shown_with_its_author_and_time(site, store):
    """201 with the incident's file, which GET shows from then on."""
    posted = post(site, {"action": "note", "author": "Anna Müller", "text": "Called.\nNo answer."})
    assert 201 == posted.status_code
    post(site, {"action": "assign", "author": "Anna", "text": "Jo"})

    file = httpx2.get(f"{site.url}/api/incidents/inc_1").json()

    assert {
        "action": "note", "author": "Anna Müller", "time": "2025-11-02T12:00:00Z",
        "text": "Called.\nNo answer.",
    } == file["actions"][0] == posted.json()["actions"][0]
    assert {"acknowledged_by": None, "assigned_to": "Jo", "closed_by": None} == file["standing"]
    assert ("inc_1", "open") == (file["incident"]["id"], file["incident"]["state"])
    assert 2 == len(actions(store))


def test_closing_leaves_the_incident_itself_open(site):
    """Its state is the judge's; that somebody closed it stands beside it."""
    file = post(site).json()
    assert ("open", "Anna") == (file["incident"]["state"], file["standing"]["closed_by"])


@pytest.mark.parametrize("given", [
    None, "Bearer 0123456789abcdeX", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {'é' * 16}",
])
def test_who_has_not_the_token_changes_nothing(site, store, given):
    """401, and how to ask."""
    answer = httpx2.post(
        f"{site.url}/api/incidents/inc_1/actions", json=CLOSE,
        headers={"authorization": given.encode()} if given else {},
    )
    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    assert {"error": "a bearer token is needed, that of web.token"} == answer.json()
    assert [] == actions(store)


def test_without_a_token_in_the_settings_nobody_changes_anything(store):
    """403 and what to set; whatever is sent."""
    with served(store, None) as site:
        for token in (TOKEN, None):
            answer = post(site, token=token)
            assert 403 == answer.status_code
            assert "set web.token" in answer.json()["error"]
    assert [] == actions(store)


@pytest.mark.parametrize(("body", "status", "reason"), [
    (b"{", 400, "the body: Input data was truncated"),
    (b"\xff", 400, "the body: "),
    (b"[" * 9000, 400, "the body: "),
    ({"action": "delete", "author": "Anna"}, 400, "the body: Invalid enum value 'delete'"),
    ({"action": "close"}, 400, "the body: Object missing required field `author`"),
    ({**CLOSE, "incident": "x"}, 400, "the body: Object contains unknown field `incident`"),
    ({**CLOSE, "author": " "}, 400, "author: a name is needed"),
    ({**CLOSE, "author": "A" * 201}, 400, "author: a name is one line"),
    ({"action": "note", "author": "Anna", "text": "x" * 4001}, 400, "text: at most 4000"),
    ({"action": "note", "author": "Anna", "text": "x" * 40_000}, 413, "the body is longer than 32768"),
])
def test_a_wrong_body_is_refused_with_what_is_wrong(site, store, body, status, reason):
    """And nothing is kept."""
    answer = post(site, body)
    assert (status, True) == (answer.status_code, answer.json()["error"].startswith(reason)), answer.text
    assert [] == actions(store)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_foreign_page_may_send_is_refused(site, store, kind):
    """A browser sends JSON to another site only after asking; with other types it would not ask."""
    answer = post(site, **{"content-type": kind})
    assert (415, {"error": "the body must be application/json"}) == (answer.status_code, answer.json())
    asked = httpx2.options(f"{site.url}/api/incidents/inc_1/actions", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in asked.headers
    assert (405, []) == (asked.status_code, actions(store))


@pytest.mark.parametrize("incident", ["inc_2", "%00", "a%0Ab", "'--"])
def test_an_incident_that_is_not_there_is_404(site, store, incident):
    """Shown or acted upon."""
    error = {"error": "no incident of this id"}
    shown = httpx2.get(f"{site.url}/api/incidents/{incident}")
    posted = post(site, incident=incident)
    assert [(404, error)] * 2 == [(one.status_code, one.json()) for one in (shown, posted)]
    assert [] == actions(store)
