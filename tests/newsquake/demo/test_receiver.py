"""The demo's receiver, against an independent sender."""

import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from standardwebhooks import Webhook

from newsquake.demo.receiver import Receipt, WebhookReceiver, check, describe

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
OTHER = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy"
BODY = json.dumps({"type": "alert", "text": "Legal | Regulation: 9 negative, 1.2 expected"})
NOW = datetime.now(UTC).replace(microsecond=0)


def signed(body=BODY, secret=SECRET, at=NOW, identity="msg_1"):
    signature = Webhook(secret).sign(identity, at, body)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def finding(headers, body=BODY):
    return check(headers, body.encode(), SECRET, NOW.timestamp())


def test_what_is_signed_with_the_secret_is_genuine():
    """Signed by the standard's own library."""
    assert finding(signed()) == "genuine"


def test_one_right_signature_among_several_is_enough():
    """The sender is rotating its secret; unknown versions and junk are passed over."""
    headers = signed()
    wrong = signed(secret=OTHER)["webhook-signature"]
    both = f"v2,xyz junk v1,%%% {wrong} {headers['webhook-signature']}"
    assert finding(headers | {"webhook-signature": both}) == "genuine"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, "headers missing"),
        (signed(secret=OTHER), "signature wrong"),
        (signed(body=BODY + " "), "signature wrong"),
        (signed() | {"webhook-id": "msg_2"}, "signature wrong"),
        (signed() | {"webhook-signature": "v1,"}, "signature wrong"),
        (signed(at=NOW - timedelta(minutes=6)), "timestamp off"),
        (signed(at=NOW + timedelta(minutes=6)), "timestamp off"),
        (signed() | {"webhook-timestamp": "now"}, "timestamp off"),
        (signed() | {"webhook-timestamp": "1" * 400}, "timestamp off"),
    ],
)
def test_what_is_forged_stale_or_incomplete_is_not(headers, found):
    """Each for its own reason."""
    assert finding(headers) == found


def test_over_http_it_answers_and_tells_what_it_got():
    """204 to the genuine, which is told as a copy the second time; 401 to the forged."""
    receipts = []
    with WebhookReceiver(SECRET, receipts.append, NOW.timestamp) as receiver, httpx2.Client() as client:
        statuses = [
            client.post(receiver.url, content=BODY, headers=headers).status_code
            for headers in (signed(), signed(), signed(secret=OTHER))
        ]
    assert statuses == [204, 204, 401]
    assert [(each.finding, each.copy) for each in receipts] == [
        ("genuine", False), ("genuine", True), ("signature wrong", False),
    ]


@pytest.mark.parametrize(("body", "status"), [("[1]", 400), ("{", 400), ("x" * 1_000_001, 413)])
def test_what_is_no_alert_is_refused(body, status):
    """Even with a right signature: no object, no JSON, or no end."""
    receipts = []
    with WebhookReceiver(SECRET, receipts.append, NOW.timestamp) as receiver:
        answer = httpx2.post(receiver.url, content=body, headers=signed(body))
    assert (answer.status_code, receipts) == (status, [])


def test_a_receipt_is_told_in_one_line():
    """What happened, and that it was checked."""
    alert = {"text": "Legal | Regulation:\n9 negative"}
    assert describe(Receipt("m", "genuine", copy=False, alert=alert)) == (
        "ALERT Legal | Regulation: 9 negative [signature verified]"
    )
    assert describe(Receipt("m", "genuine", copy=True, alert=alert)).endswith("the same id)")
    assert describe(Receipt("m", "timestamp off", copy=False, alert={})) == (
        "REFUSED a webhook: timestamp off"
    )
