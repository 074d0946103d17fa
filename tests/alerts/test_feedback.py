"""Feedback links: signed, expiring, always the same; one answer each; and what the answers say."""

import math
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, update

from alerts import answers, report, tables
from alerts.feedback import ANSWERS, Claim, check, links, path
from alerts.metrics import AlertsMetrics
from alerts.settings import AlertsSettings, Feedback
from tests.alerts.builders import NOON, count, history, judge_all
from wire.messages import Alert, decode

KEY, OTHER = b"k" * 32, b"o" * 40
FEEDBACK = Feedback(base_url="https://desk.example/nq", secret=SecretStr(f"{KEY.decode()} {OTHER.decode()}"))
SETTINGS = AlertsSettings(topics=("Energy", "Legal"), feedback=FEEDBACK)
EXPIRES = int(NOON.timestamp()) + 100
CLAIM = Claim("inc_1", "true", EXPIRES)


def parts(claim, key=KEY):
    """Cut a path as a router does."""
    return path(claim, key).split("/")


@given(st.text(st.characters(blacklist_characters="/")), st.sampled_from(ANSWERS), st.integers(0, 10**11))
def test_what_was_signed_is_read_back(incident, answer, expires):
    """Any claim, while its time has not come."""
    claim = Claim(incident, answer, expires)
    now = NOON.fromtimestamp(0, NOON.tzinfo) - timedelta(seconds=1)
    assert claim == check(*parts(claim), [KEY], now)


@given(st.data())
def test_nothing_else_that_is_changed_is_read(data):
    """Any character of any part put another way: no claim."""
    given_ = parts(CLAIM)
    which = data.draw(st.integers(0, 3))
    place = data.draw(st.integers(0, len(given_[which])))
    put = data.draw(st.text(st.characters(blacklist_characters="/"), max_size=3))
    changed = list(given_)
    changed[which] = given_[which][:place] + put + given_[which][place + 1 :]
    if changed != given_:
        assert check(*changed, [KEY], NOON) in ("malformed", "forged")


@pytest.mark.parametrize("expires", ["", "-1", "1e9", "\uff19", "0" * 13, f"0{EXPIRES}", f" {EXPIRES}"])
def test_an_expiry_has_one_way_to_be_written(expires):
    """Another spelling of the same number is not what was signed."""
    incident, answer, _, signature = parts(CLAIM)
    assert check(incident, answer, expires, signature, [KEY], NOON) in ("malformed", "forged")


def test_a_link_expires_at_its_second():
    """Good until then; afterwards only a holder of the key is told why."""
    def said(seconds, key=KEY):
        return check(*parts(CLAIM, key), [KEY], NOON + timedelta(seconds=seconds))

    assert [CLAIM, "expired"] == [said(99.9), said(100)]
    assert "forged" == said(100, OTHER)


def test_keys_are_changed_without_breaking_links():
    """The first key signs; links of the others hold until their key is taken out."""
    assert [KEY, OTHER] == list(FEEDBACK.keys)
    assert CLAIM == check(*parts(CLAIM, OTHER), FEEDBACK.keys, NOON)
    assert "forged" == check(*parts(CLAIM, OTHER), [KEY], NOON)


def test_an_alert_carries_a_link_per_answer(store):
    """All alerts of an incident have the same links, from its opening and the settings alone."""
    count(store, history(6, surge_on=4), SETTINGS)
    judge_all(store, SETTINGS, receivers=("desk",))
    incident = report.incidents(store)[0]
    with store.read() as connection:
        alerts = [decode(one) for one in connection.execute(select(tables.outbox.c.payload)).scalars()]

    mine = [one.feedback for one in alerts if one.incident.id == incident.id]
    assert len(mine) >= 2
    assert [links(incident, FEEDBACK)] * len(mine) == mine
    assert list(ANSWERS) == list(mine[0])
    start, incident_id, answer, expires, _ = mine[0]["true"].rsplit("/", 4)
    assert ("https://desk.example/nq/feedback", incident.id, "true") == (start, incident_id, answer)
    assert int((incident.opened_at + timedelta(days=14)).timestamp()) == int(expires)


def test_without_a_base_url_there_are_no_links(store):
    """An alert of such an installation has none, and old readers know none."""
    settings = AlertsSettings(topics=("Energy", "Legal"))
    count(store, history(6, surge_on=4), settings)
    judge_all(store, settings, receivers=("desk",))
    with store.read() as connection:
        payload = connection.execute(select(tables.outbox.c.payload)).scalars().first()
    alert = decode(payload)
    assert isinstance(alert, Alert)
    assert {} == alert.feedback


@pytest.mark.parametrize(("settings", "reason"), [
    ({"base_url": "https://a.example"}, "go together"),
    ({"secret": "k" * 32}, "go together"),
    ({"base_url": "https://a.example", "secret": "short"}, "32 characters or more"),
    ({"base_url": "https://a.example/", "secret": "k" * 32}, "slash at its end"),
    ({"base_url": "https://a.example?x=", "secret": "k" * 32}, "without a query"),
    ({"base_url": "ftp://a.example", "secret": "k" * 32}, "http"),
    ({"base_url": "https://me:pw@a.example", "secret": "k" * 32}, "http"),
])
def test_settings_that_make_no_good_link_are_refused(settings, reason):
    """With the reason."""
    with pytest.raises(ValidationError, match=reason):
        Feedback(**settings)


@pytest.fixture
def incident(store):
    """An incident in the store, and the articles of its evidence."""
    count(store, history(6, surge_on=4), SETTINGS)
    judge_all(store, SETTINGS)
    return report.incidents(store)[0]


def stored(store, table):
    """Read a table."""
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_an_answer_is_stored_once(store, incident):
    """The second of the same link changes nothing; another answer is another link."""
    claim = Claim(incident.id, "true", EXPIRES)
    said = [answers.answer(store, claim, {}, NOON), answers.answer(store, claim, {}, NOON + timedelta(1))]
    assert ["stored", "again"] == said
    assert "stored" == answers.answer(store, Claim(incident.id, "false_alarm", EXPIRES), {}, NOON)
    rows = stored(store, tables.feedback)
    assert ["false_alarm", "true"] == sorted(row["answer"] for row in rows)
    assert {("link", "Legal", "", "surge")} == {
        (row["author"], row["topic"], row["watch"], row["rule"]) for row in rows
    }
    assert {int(NOON.timestamp()) * 1_000_000} == {row["time"] for row in rows}


def test_corrections_become_labels(store, incident):
    """One per headline that is not as it was, with the old and the new value."""
    claim = Claim(incident.id, "wrong_topic", EXPIRES)
    found = answers.case(store, claim)
    assert [one.title for one in incident.evidence] == [one.title for one in found.headlines]
    assert ["Energy", "Legal"] == found.choices
    first, second, third = found.headlines[:3]
    given_ = {first.article_id: "Energy", second.article_id: second.value, third.article_id: "Nonsense",
              "a0": "Energy"}

    assert "stored" == answers.answer(store, claim, given_, NOON)
    assert "again" == answers.answer(store, claim, {second.article_id: "Energy"}, NOON)

    (label,) = stored(store, tables.labels)
    assert {
        "article_id": first.article_id, "field": "topic", "old": "Legal", "new": "Energy",
        "author": "link", "way": "link", "time": int(NOON.timestamp()) * 1_000_000,
    }.items() <= label.items()


def test_a_correction_that_corrects_nothing_stores_nothing(store, incident):
    """The link can still be used."""
    claim = Claim(incident.id, "wrong_sentiment", EXPIRES)
    assert "unchosen" == answers.answer(store, claim, {}, NOON)
    name = answers.case(store, claim).headlines[0].article_id
    assert "unchosen" == answers.answer(store, claim, {name: "negative"}, NOON)
    assert [] == stored(store, tables.feedback) == stored(store, tables.labels)
    assert "stored" == answers.answer(store, claim, {name: "neutral"}, NOON)


def test_an_incident_that_is_gone_has_no_case(store):
    """And no answer."""
    claim = Claim("inc_0", "true", EXPIRES)
    assert (None, "unknown") == (answers.case(store, claim), answers.answer(store, claim, {}, NOON))


def test_precision_is_true_of_true_and_false(store, incident):
    """Per rule and key, with its interval; corrections of headlines do not count."""
    for number, said in enumerate(["true", "true", "true", "false_alarm"]):
        name = f"inc_{number}"
        with store.write() as connection:
            row = connection.execute(
                select(tables.incidents).where(tables.incidents.c.id == incident.id)
            ).mappings().one()
            body = msgspec.json.encode(msgspec.structs.replace(incident, id=name))
            connection.execute(tables.incidents.insert().values({**row, "id": name, "body": body}))
        assert "stored" == answers.answer(store, Claim(name, said, EXPIRES), {}, NOON)
    with store.write() as connection:
        one = tables.feedback.c.incident_id == "inc_0"
        connection.execute(update(tables.feedback).where(one).values(watch="Acme", topic=""))

    found = answers.precision(store)
    assert [("surge", None, "Acme", 1, 0), ("surge", "Legal", None, 2, 1)] == [
        (one.rule, one.topic, one.watch, one.true, one.false_alarm) for one in found
    ]
    (total,) = answers.by_rule(found)
    assert (3, 1, 0.75) == (total.true, total.false_alarm, total.precision.value)
    assert total.precision.low < 0.75 < total.precision.high


def test_precision_is_a_gauge_by_rule():
    """With the number of answers it rests on; without any it is NaN."""
    registry = CollectorRegistry()
    metrics = AlertsMetrics(registry)
    metrics.precision("surge", 3, 1)
    metrics.precision("mention", 0, 0)
    value = registry.get_sample_value
    assert 0.75 == value("newsquake_alert_precision", {"rule": "surge"})
    assert math.isnan(value("newsquake_alert_precision", {"rule": "mention"}))
    assert (3, 1) == tuple(
        value("newsquake_alert_answers", {"rule": "surge", "answer": answer})
        for answer in ("true", "false_alarm")
    )


def test_before_any_answer_there_is_no_precision(store):
    """Nothing is made up."""
    assert [] == answers.precision(store)
