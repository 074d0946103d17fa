"""kill -9 at every step of delivery: each letter arrives, in order, and always under its own id."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts import tables
from alerts.delivery import CLAIM_MARGIN_S, DEADLINE_S
from alerts.store import open_store
from tests.alerts.builders import count, judge_all
from tests.alerts.child import SETTINGS
from tests.alerts.delivery.conftest import serving
from tests.faults.course import course
from wire.messages import decode

ROOT = Path(__file__).parents[2]
CLAIM_S = DEADLINE_S + CLAIM_MARGIN_S + 1


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A store in whose outbox the letters of two incidents wait."""
    home = tmp_path_factory.mktemp("judged")
    with open_store(f"sqlite:///{home}/store.db") as store:
        count(store, course(), SETTINGS)
        judge_all(store, SETTINGS, receivers=("desk",))
    return (home / "store.db").read_bytes()


@pytest.fixture
def home(judged, tmp_path):
    """A home with that store."""
    (tmp_path / "store.db").write_bytes(judged)
    return tmp_path


@pytest.fixture
def receiver():
    """A real HTTP receiver, which outlives the deliveries."""
    with serving() as it:
        yield it


def start(home, step, ahead_s, url):
    """Start a delivery that dies at a step."""
    words = [str(home), str(step), str(ahead_s), url]
    return subprocess.Popen([sys.executable, "-m", "tests.faults.delivering", *words], cwd=ROOT)


def outbox(home):
    """Read the outbox by id."""
    with open_store(f"sqlite:///{home}/store.db") as store, store.read() as connection:
        return {row.id: row for row in connection.execute(select(tables.outbox))}


def events(receiver):
    """The incident and the event of each id, in the order in which they first came."""
    firsts = dict(zip(reversed(receiver.ids), reversed(receiver.requests), strict=True))
    alerts = [decode(firsts[each][2]) for each in dict.fromkeys(receiver.ids)]
    return [(alert.incident.id, alert.event) for alert in alerts]


def test_killed_at_every_step_each_letter_arrives_under_its_id(home, receiver):
    """Dead after a claim was written, or committed, after a letter was sent, after it was settled."""
    status, deaths = -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        with start(home, 1 + deaths % 7, deaths * CLAIM_S, receiver.url) as process:
            status = process.wait(60)
        deaths += status == -signal.SIGKILL
    assert (0, True) == (status, deaths >= 6)

    kept = outbox(home)
    assert {"delivered"} == {row.state for row in kept.values()}
    assert set(kept) == set(receiver.ids)
    assert {(name, row.payload) for name, row in kept.items()} == {
        (headers["webhook-id"], body) for _, headers, body in receiver.requests
    }
    assert max(Counter(receiver.ids).values()) > 1, "no kill fell between sending and settling"
    arrived = events(receiver)
    assert len(arrived) == len(set(arrived)) == 4
    for incident in {incident for incident, _event in arrived}:
        assert ["opened", "resolved"] == [event for name, event in arrived if name == incident]


def test_killed_while_a_request_is_under_way_it_is_sent_again_when_the_claim_has_run_out(
    home, receiver
):
    """Not before: until then another delivery leaves it alone."""
    receiver.answering(200, wait_s=30)
    with start(home, 0, 0, receiver.url) as process:
        for _ in range(1500):
            if len(receiver.requests) == 2:
                break
            threading.Event().wait(0.02)
        process.kill()
    under_way = set(receiver.ids)
    assert 2 == len(under_way)
    receiver.closing.set()
    with start(home, 0, 0, receiver.url) as process:
        threading.Event().wait(3)
        process.kill()
    assert 2 == len(receiver.requests)
    with start(home, 0, CLAIM_S, receiver.url) as process:
        assert 0 == process.wait(60)
    assert {name: 1 + (name in under_way) for name in outbox(home)} == Counter(receiver.ids)
