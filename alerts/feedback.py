"""Feedback links: signed, expiring, the same whenever they are made. Pure.

Whoever has a link may give its one answer about its one incident, and nothing else. A link
depends on the incident and the settings alone, so a message keeps its bytes over retries.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec

from wire.messages import Incident

from .settings import Feedback

Answer = Literal["true", "false_alarm", "wrong_topic", "wrong_sentiment"]
ANSWERS: tuple[Answer, ...] = ("true", "false_alarm", "wrong_topic", "wrong_sentiment")
Flaw = Literal["malformed", "forged", "expired"]

_PURPOSE = "newsquake feedback 1"  # a signature made for anything else is none here
_MAX_DIGITS = 12


class Claim(msgspec.Struct, frozen=True):
    """What a link says: this answer about this incident, until `expires` (seconds since 1970)."""

    incident_id: str
    answer: Answer
    expires: int


def links(incident: Incident, settings: Feedback) -> dict[str, str]:
    """Make the link of every answer; none without a base URL."""
    if not settings.base_url:
        return {}
    expires = int((incident.opened_at + timedelta(days=settings.days)).timestamp())
    claims = (Claim(incident.id, answer, expires) for answer in ANSWERS)
    key = settings.keys[0]
    return {claim.answer: f"{settings.base_url}/feedback/{path(claim, key)}" for claim in claims}


def path(claim: Claim, key: bytes) -> str:
    """Write a claim as the end of its link's path, signed."""
    parts = (claim.incident_id, claim.answer, str(claim.expires))
    return "/".join((*parts, _signature(parts, key)))


def check(
    incident_id: str, answer: str, expires: str, signature: str, keys: Sequence[bytes], now: datetime
) -> Claim | Flaw:
    """Read a link's parts; a claim only if one of the keys signed it and it has not expired.

    Every key is tried, in constant time, before the time is looked at: who cannot sign
    learns nothing but that.
    """
    parts = (incident_id, answer, expires)
    if answer not in ANSWERS or not _is_number(expires):
        return "malformed"
    given = signature.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(_signature(parts, key).encode(), given) for key in keys]
    if not any(matches):
        return "forged"
    if now.timestamp() >= int(expires):
        return "expired"
    return Claim(incident_id, answer, int(expires))


def _signature(parts: tuple[str, str, str], key: bytes) -> str:
    """HMAC-SHA256 over purpose, expiry, answer and incident: only the last may hold any text."""
    incident_id, answer, expires = parts
    said = f"{_PURPOSE}\n{expires}\n{answer}\n{incident_id}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hmac.new(key, said, sha256).digest()).rstrip(b"=").decode()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
