"""Signing, and what an answer means."""

import asyncio
import base64
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from alerts.network import open_client
from alerts.webhook import BadSecretError, Sender, judge, keys, retry_after, sign

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
KEY = base64.b64encode(b"k" * 24).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


def headers_for(body, secret):
    now_s = int(datetime.now(UTC).timestamp())
    signature = sign("msg_1", now_s, body, keys(secret))
    return {
        "webhook-id": "msg_1", "webhook-timestamp": str(now_s), "webhook-signature": signature,
    }


@given(text=st.text(), key=st.binary(min_size=24, max_size=64))
def test_any_body_under_any_key_is_verified_by_an_independent_receiver(text, key):
    """The signature is Standard Webhooks', byte for byte."""
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = headers_for(text.encode(), SecretStr(secret))
    Webhook(secret).verify(text, headers, json_parse=False)


def test_while_a_secret_is_rotated_both_keys_verify():
    """Two secrets give two signatures in one header, separated by a space."""
    both = SecretStr(f"whsec_{KEY} whsec_{OTHER}")
    headers = headers_for(b"{}", both)
    for secret in (KEY, OTHER):
        Webhook(secret).verify("{}", headers)
    assert [part[:3] for part in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]


def test_the_prefix_of_a_secret_may_be_left_out():
    """Some senders show the key alone."""
    assert keys(SecretStr(KEY)) == keys(SecretStr("whsec_" + KEY)) == (b"k" * 24,)


def test_a_known_signature():
    """The standard's documented construction, computed once with openssl's HMAC."""
    assert sign("msg_1", 1700000000, b"{}", [b"k" * 24]) == (
        "v1,E3sCg9uS8x43RKlJqcda1EcaYZxNkN+l2u7RBZBSZQQ="
    )


@pytest.mark.parametrize(
    "secret", ["", " ", "whsec_", "whsec_c2hvcnQ=", "no base64!", f"whsec_{KEY} oops-this-is-mine"]
)
def test_a_bad_secret_is_refused_without_repeating_it(secret):
    """Neither the message nor the traceback shows what was given."""
    with pytest.raises(BadSecretError) as caught:
        keys(SecretStr(secret))
    told = "".join(traceback.format_exception(caught.value))
    assert "c2hvcnQ" not in told
    assert "oops" not in told


def expected(status):
    """Give the policy, written the long way round."""
    if 200 <= status <= 299:
        return "delivered"
    if status == 410:
        return "gone"
    if status in (408, 425, 429) or not 300 <= status <= 499:
        return "retry"
    return "refused"


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_verdict(status):
    """Only 2xx is delivered; only 410 is gone; 5xx, 408, 425 and 429 are worth a retry."""
    attempt = judge(status)
    assert (attempt.verdict, attempt.status) == (expected(status), status)


def test_reasons_tell_what_to_mend():
    """The reason is from a closed list, and finer than the verdict."""
    reasons = {status: judge(status).reason for status in (204, 307, 400, 401, 403, 404, 408)}
    assert reasons == {
        204: "accepted", 307: "redirected", 400: "rejected", 401: "unauthorized",
        403: "unauthorized", 404: "not_found", 408: "request_timeout",
    }
    reasons = {status: judge(status).reason for status in (410, 422, 425, 429, 500, 503, 799)}
    assert reasons == {
        410: "gone", 422: "rejected", 425: "too_early", 429: "rate_limited",
        500: "server_error", 503: "server_error", 799: "unexpected_status",
    }


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("120", 120.0), (" 7 ", 7.0), ("0", None), ("-5", None),
        ("1e3", None), ("soon", None), ("\u0663", None), ("9" * 5000, 86400.0),
        ("Mon, 02 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 02 Nov 2026 12:01:30 -0000", 90.0),
        ("Mon, 02 Nov 2026 11:00:00 GMT", None),
        ("Mon, 02 Nov 2099 12:00:00 GMT", 86400.0),
        ("Mon, 32 Nov 2026 12:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_a_date(value, seconds):
    """What cannot be read is as if absent; nobody can put us off for more than a day."""
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_no_retry_after_breaks_the_reader(value):
    """The header is somebody else's."""
    wait = retry_after(value, NOW)
    assert wait is None or 0 < wait <= 86400


def test_over_real_http_every_final_status_means_what_it_should(receiver):
    """Each of 200 to 599, once, through the client and the wire."""
    receiver.answering(*range(200, 600))

    async def send_all():
        async with open_client() as client:
            sender = Sender(client, receiver.url, SecretStr(KEY), 5, lambda: datetime.now(UTC))
            return [await sender.send(f"m{n}", b"{}") for n in range(200, 600)]

    attempts = asyncio.run(send_all())
    assert [(a.status, a.verdict) for a in attempts] == [(n, expected(n)) for n in range(200, 600)]
    assert len(receiver.requests) == 400


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "nonsense"])
def test_an_address_that_is_none_is_refused_with_that_reason(url):
    """It is the settings that are wrong: trying for days would not help."""

    async def send():
        async with open_client() as client:
            return await Sender(client, url, SecretStr(KEY), 5, lambda: NOW).send("m", b"{}")

    attempt = asyncio.run(send())
    assert (attempt.verdict, attempt.reason) == ("refused", "bad_url")
