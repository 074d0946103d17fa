"""One full message of every kind, as version 1 writes it."""

from datetime import UTC, datetime

from wire.messages import (
    Alert,
    Article,
    DeadLetter,
    Evidence,
    Heartbeat,
    Incident,
    Label,
    Message,
    ScoredArticle,
)

NOON = datetime(2026, 3, 2, 12, 0, 0, 1, tzinfo=UTC)

ARTICLE = Article(
    id="a1", url="https://news.example/1", title="Müller & Söhne: Gewinn \N{CHART WITH UPWARDS TREND}",
    text='He said "no"\nand left.', source="Example Wire", language="de",
    observed_at=NOON, story_id="s1", published_at=datetime(2026, 3, 2, 11, 58, tzinfo=UTC),
    backfill=True,
)
SCORED = ScoredArticle(
    article=ARTICLE, topics={"Earnings": 0.75, "Legal | Regulation": 0.25},
    sentiments={"negative": 0.5, "neutral": 0.25, "positive": 0.25},
    model="newsquake-1 sha256:0123", truncated=True,
)
HEARTBEAT = Heartbeat(through=NOON, sources=25, failing=("Example Wire",))
INCIDENT = Incident(
    id="i1", topic="Earnings", watch=None, also=({"topic": None, "watch": "Example Bank"},),
    state="open", severity="critical", provisional=False, opened_at=NOON, resolved_at=None,
    observed=14, expected=3.5, surprise_weeks=52.0,
    evidence=(
        Evidence(
            title="Example Bank halts withdrawals", link="https://news.example/2",
            source="Example Wire", observed_at=NOON, negative=0.98,
        ),
    ),
)
ALERT = Alert(event="opened", incident=INCIDENT, text="Earnings: 14 negative stories, 3.5 expected")
LABEL = Label(
    article_id="a1", field="sentiment", old="neutral", new="negative", author="desk",
    time=NOON, way="page",
)
DEAD_LETTER = DeadLetter(
    id="a1", stage="classifier", reason="poisonous", detail="it could not be scored",
    payload="{}", time=NOON,
)

MESSAGES: tuple[Message, ...] = (ARTICLE, SCORED, HEARTBEAT, ALERT, LABEL, DEAD_LETTER)
