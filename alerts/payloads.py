"""What may lie in the outbox: an alert, a group of alerts, or a brief; JSON, told apart by `type`."""

from typing import Annotated

import msgspec

from wire.messages import Alert, Evidence, Probability, Severity, Time

from .errors import AlertsError


class BadPayloadError(AlertsError):
    """the payload of a message cannot be read"""


class Group(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="alerts"):
    """Alerts that were due together and go as one message; `text` names how many and the worst."""

    schema_version: int = 1
    text: str
    alerts: tuple[Alert, ...]


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """An incident of the day, as short as it can be told."""

    id: str
    name: str
    state: str
    severity: Severity
    opened_at: Time
    resolved_at: Time | None
    observed: int
    expected: float
    headline: Evidence | None = None
    rule: str = "surge"


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """A watch: its articles of the day, and how many were negative, against a usual day's.

    `usual` is the mean of negative articles a day over the week before. `negative_share` is the
    day's.
    """

    watch: str
    articles: int
    negative: int
    usual: float
    negative_share: Probability


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """How well the day was watched: sources polled now (0: not known), and which of them fail.

    `worst_share` is the largest share that failed in five minutes of the day;
    `unwatched_minutes` is how much of the day nobody watched at all.
    """

    sources: int
    failing: tuple[str, ...]
    worst_share: Probability
    unwatched_minutes: int


class Brief(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="brief"):
    """The day before `until`: `day` is the local date, in `zone`, that it was sent on."""

    schema_version: int = 1
    day: str
    zone: str
    since: Time
    until: Time
    text: str
    incidents: tuple[Passed, ...]
    movers: tuple[Mover, ...]
    sources: Sources
    model: str


Payload = Alert | Group | Brief
_decoder: msgspec.json.Decoder[Alert | Group | Brief] = msgspec.json.Decoder(
    Annotated[Alert | Group | Brief, msgspec.Meta()]
)


def read(payload: bytes) -> Alert | Group | Brief:
    """Read what lies in the outbox; raises BadPayloadError, which says where it is wrong."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayloadError(str(error)) from error


def write(payload: Group | Brief) -> bytes:
    """Write a group or a brief as JSON."""
    return msgspec.json.encode(payload)
