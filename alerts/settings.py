"""What the desk decides: watches, receivers and how often it may be woken for nothing."""

import datetime as dt
import re
from typing import Literal, Self

from pydantic import (
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)

from wire.messages import Severity

from .calendar import Calendar
from .frozen import Frozen
from .rules import Mention, Mute, Rule
from .zones import Zone

Kind = Literal["webhook", "slack", "teams", "pagerduty", "alertmanager", "email"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NEEDED: dict[Kind, tuple[str, ...]] = {
    "webhook": ("url", "secret"), "slack": ("url",), "teams": ("url",), "pagerduty": ("secret",),
    "alertmanager": ("url",), "email": ("url", "sender", "to"),
}  # fmt: skip
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
SHORTEST_KEY = 32  # characters of a key that signs feedback links


class Watch(Frozen):
    """A named entity and the names under which headlines speak of it.

    `tickers` count in capitals only (bare, $TICK or (NYSE: TICK); of one or two letters only marked). With
    `needs`, a name counts only where one of these words stands in the same text; `unless` names
    words beside which it does not count, or longer names that are somebody else ("Apple Bank").
    """

    name: str = Field(min_length=1, max_length=200)
    aliases: tuple[str, ...] = ()
    tickers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases, each once."""
        return tuple(dict.fromkeys(text for text in (self.name, *self.aliases) if text.strip()))


class Hours(Frozen):
    """When a receiver may be disturbed: from `start` to `end` on these days, in a time zone.

    A span that ends before it starts goes over midnight and belongs to the day it starts on.
    `outside` says what still comes through then.
    """

    days: tuple[Day, ...] = DAYS
    start: dt.time = dt.time(0)
    end: dt.time = dt.time(0)
    zone: Zone = "UTC"
    outside: Literal["critical", "nothing"] = "critical"


class Storm(Frozen):
    """At most `messages` in `window_s` seconds; what is more goes as one message that names all."""

    messages: int = Field(default=5, ge=1)
    window_s: float = Field(default=30.0, gt=0)


class Circuit(Frozen):
    """After `failures` failures in a row nothing is sent for `pause_s`; then one probe.

    A probe that fails doubles the pause. What waits meanwhile uses up no attempt.
    """

    failures: int = Field(default=5, ge=1)
    pause_s: float = Field(default=30.0, gt=0)
    longest_pause_s: float = Field(default=600.0, gt=0)


class Receiver(Frozen):
    """Where alerts go, in which shape, and which of them.

    `secret` is for webhook a key (base64, with or without the prefix `whsec_`; several, separated
    by spaces, while it is changed), for pagerduty the routing key, for alertmanager a bearer token
    if it asks for one, for email the password of the user in the URL. Slack and Teams have
    theirs in the URL, which is why no URL is ever shown.

    `topics` and `watches` choose by what an incident is about (either is enough); none choose all.
    The proxy and the CA bundle are used beside what the environment names. A URL with a private
    IP address or localhost says so itself; a host name that turns out to be private is refused
    unless `allow_private`.
    """

    name: str = Field(min_length=1, max_length=200)
    kind: Kind = "webhook"
    url: str = Field(default="", repr=False)
    secret: SecretStr = SecretStr("")
    to: tuple[str, ...] = ()
    sender: str = ""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    topics: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    min_severity: Severity = "info"
    events: tuple[Literal["opened", "updated"], ...] = ("opened", "updated")
    hours: Hours | None = None
    storm: Storm = Storm()
    circuit: Circuit = Circuit()
    proxy: SecretStr | None = None
    ca_file: FilePath | None = None
    allow_private: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := [each for each in NEEDED[self.kind] if not _given(getattr(self, each))]:
            raise ValueError(f"kind {self.kind} needs {', '.join(missing)}")
        proxy = self.proxy.get_secret_value() if self.proxy else "http://"
        if not proxy.startswith(("http://", "https://")):
            raise ValueError("a proxy is http:// or https://")
        if self.kind != "email":
            return self
        if self.proxy is not None:
            raise ValueError("mail goes through no proxy")
        if self.tls == "none" and self.secret.get_secret_value():
            raise ValueError("a password is not sent without TLS")
        if any(not _ADDRESS.fullmatch(each) for each in (self.sender, *self.to)):
            raise ValueError("a mail address is name@host in ASCII, without a display name")
        return self


class Brief(Frozen):
    """The daily brief: at a local time, to these receivers (by name; none: no brief).

    `at` is a wall clock's time in `zone`; where the clock jumps over it, the brief comes just after.
    """

    at: dt.time = dt.time(7, 30)
    zone: Zone = "UTC"
    receivers: tuple[str, ...] = ()


def _given(value: SecretStr | str | tuple[str, ...]) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


class Feedback(Frozen):
    """Links in every alert by which people say whether it was right; none without `base_url`.

    `base_url` is where people reach this process's web endpoints (through a proxy that speaks TLS).
    `secret` holds one key or, while it is changed, several separated by spaces: the first signs,
    all are accepted. Links expire `days` after their incident opened.
    """

    base_url: str = ""
    secret: SecretStr = SecretStr("")
    days: int = Field(default=14, ge=1, le=365)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The signing keys, the present one first."""
        return tuple(part.encode() for part in self.secret.get_secret_value().split())

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.base_url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?", self.base_url):
            raise ValueError("base_url is http(s)://host, without a query or a slash at its end")
        if bool(self.base_url) != bool(self.keys):
            raise ValueError("base_url and secret go together")
        if any(len(key) < SHORTEST_KEY for key in self.keys):
            raise ValueError(f"each key of the secret needs {SHORTEST_KEY} characters or more")
        return self


class Retention(Frozen):
    """After how many days of observed time something may go; None keeps it for ever.

    `articles`: rows that the judge, evidence and backtests read. `buckets`: sums and health, which
    trends read. `incidents`: resolved ones with their letters and what people did about them.
    `ids`: what makes counting exactly once, so they outlive the articles and the log.
    The least values are what is still needed: the judge looks a day and six hours back, and two days
    further for copies; the longest trend compares a week with the one before.
    """

    articles: int | None = Field(default=None, ge=4)
    buckets: int | None = Field(default=None, ge=15)
    incidents: int | None = Field(default=None, ge=7)
    ids: int | None = Field(default=None, ge=4)

    @model_validator(mode="after")
    def _ids_last(self) -> Self:
        if self.ids is not None and (self.articles is None or self.ids < self.articles):
            raise ValueError("ids must be kept at least as long as articles")
        return self


class AlertsSettings(Frozen):
    """How to count and judge.

    `false_alarms_per_week` is for the whole desk and shared out over its keys. `topics`
    names the taxonomy, so that rare topics have a baseline from the first day; topics that
    appear later join. A hop of more than `blind_after_s` between heartbeats was not watched.
    """

    false_alarms_per_week: float = Field(default=1.0, gt=0)
    topics: tuple[str, ...] = ()
    watches: tuple[Watch, ...] = Field(default=(), max_length=200)
    rule: Rule = Rule()
    mentions: tuple[Mention, ...] = ()
    mutes: tuple[Mute, ...] = ()
    allowed_lateness_s: int = Field(default=0, ge=0)
    blind_after_s: int = Field(default=900, ge=300)
    batch_articles: int = Field(default=500, ge=1)
    batch_wait_s: float = Field(default=0.5, ge=0)
    buckets_per_transaction: int = Field(default=288, ge=1)
    lease_s: float = Field(default=10.0, gt=0)
    backoff_s: float = Field(default=0.5, gt=0)
    feedback: Feedback = Feedback()
    calendar: Calendar = Calendar()
    retention: Retention = Retention()
    brief: Brief = Brief()

    @field_validator("watches")
    @classmethod
    def _one_name_each(cls, watches: tuple[Watch, ...]) -> tuple[Watch, ...]:
        names = [watch.name for watch in watches]
        if len(names) != len(set(names)):
            raise ValueError("two watches have the same name")
        return watches
