"""The messages that travel between the stages: JSON on the wire, typed structs in memory.

Every message carries its `type` (the tag of the union) and a `schema_version`. A reader
ignores fields it does not know and fills in fields it misses, so stages of neighbouring
versions can share a stream. Times are RFC 3339 with a zone, in UTC.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from wire.errors import BadMessageError

SENTIMENTS = ("negative", "neutral", "positive")

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Sentiment = Literal["negative", "neutral", "positive"]
Severity = Literal["info", "warning", "critical"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all messages share. `schema_version` rises when a field changes its meaning."""

    schema_version: int = 1


class Article(Message, frozen=True, kw_only=True, tag="article"):
    """One news item as it was observed.

    `observed_at` is written once, by the admitter, strictly increasing; `published_at` is
    the publisher's claim and decides nothing. `text` is the summary or body, plain text.
    `backfill` marks what was seen on a source's first poll or the first after a gap.
    """

    id: str
    url: str
    title: str
    text: str
    source: str
    language: str
    observed_at: Time
    story_id: str
    published_at: Time | None = None
    backfill: bool = False


class ScoredArticle(Message, frozen=True, kw_only=True, tag="scored_article"):
    """An article with what the classifier says of it: probabilities by label, summing to one."""

    article: Article
    topics: dict[str, Probability]
    sentiments: dict[Sentiment, Probability]
    model: str
    truncated: bool = False


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Everything observed before `through` stands before this record in its partition.

    `sources` is how many sources are polled; `failing` names those that were not healthy
    when it was written, so that calm can be told from blindness.
    """

    through: Time
    sources: int = 0
    failing: tuple[str, ...] = ()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One headline behind an incident; `negative` is its probability of being negative, by `model`."""

    title: str
    link: str
    source: str
    observed_at: Time
    negative: Probability
    model: str = ""


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """A source or a watch, and how many of the window's negative stories are its."""

    name: str
    stories: int


class Counterfactual(msgspec.Struct, frozen=True, kw_only=True):
    """The least that would have to be missing for nothing to open.

    Without the stories `without` (ids; the last seen first) it would not have fired; with all of
    them but one it would. `fires_from` is the least number of stories in the window that fires.
    """

    fires_from: int
    without: tuple[str, ...]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident rests on, in the window of `window_s` seconds that it was judged by.

    `factor` is observed over expected; `baseline_weeks` is how much the baseline had seen, leaving
    out what nobody watched; the shares are of negative stories, in the window and in the day
    before it; `origins` are distinct first publishers.
    """

    window_s: int
    factor: float
    baseline_weeks: float
    negative_share: float
    negative_share_before: float
    origins: int
    sources: tuple[Leader, ...] = ()
    watches: tuple[Leader, ...] = ()
    counterfactual: Counterfactual | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A surge on one key; `topic` and `watch` both None means everything.

    `observed` and `expected` are negative stories in the window that opened it (its worst
    window, once updated); `surprise_weeks` is how rare that is: once in so many weeks.
    Of the `rule` "mention" it is one story about a watch, over as soon as it is told: observed 1,
    expected and rarity 0, and a `topic` beside the watch.
    """

    id: str
    topic: str | None
    watch: str | None
    also: tuple[dict[str, str | None], ...] = ()
    state: Literal["open", "resolved"]
    severity: Severity
    provisional: bool
    opened_at: Time
    resolved_at: Time | None
    observed: int
    expected: float
    surprise_weeks: float
    evidence: tuple[Evidence, ...] = ()
    proof: Proof | None = None
    rule: str = "surge"


class Alert(Message, frozen=True, kw_only=True, tag="alert"):
    """What is sent about an incident. `text` is one line that can be read on a phone.

    `feedback` maps an answer (true, false_alarm, wrong_topic, wrong_sentiment) to the signed link
    that gives it, after a page that asks again; it is empty where no links are set up.
    """

    event: Literal["opened", "updated", "resolved"]
    incident: Incident
    text: str
    feedback: dict[str, str] = {}


class Label(Message, frozen=True, kw_only=True, tag="label"):
    """A person's correction of one field of one article, by which `way` (page, link, CLI)."""

    article_id: str
    field: Literal["topic", "sentiment"]
    old: str
    new: str
    author: str
    time: Time
    way: str


class DeadLetter(Message, frozen=True, kw_only=True, tag="dead_letter"):
    """What could not be processed, whole, with the stage and the reason; nothing is lost.

    `id` is the article's where one could be told, else a digest of the payload. `reason` is
    from a closed list of the stage (it becomes a metric label); `detail` is free text.
    """

    id: str
    stage: Literal["ingest", "classifier", "alerts"]
    reason: str
    detail: str
    payload: str
    time: Time


AnyMessage = Article | ScoredArticle | Heartbeat | Alert | Label | DeadLetter
MESSAGES: tuple[type[Message], ...] = (Article, ScoredArticle, Heartbeat, Alert, Label, DeadLetter)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """Write a message as JSON; raises BadMessageError where text is no Unicode."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError as error:  # a lone surrogate, which UTF-8 has no bytes for
        raise BadMessageError(str(error)) from error


def decode(payload: bytes) -> AnyMessage:
    """Read a message from JSON; raises BadMessageError, which says what is wrong and where."""
    try:
        message: AnyMessage = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError(str(error)) from error
    return message
