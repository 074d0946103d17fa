"""The tables of the store. Every time is an integer: microseconds since 1970 (UTC).

Buckets are five minutes wide and named by their start, in seconds. A key is a pair of a
topic and a watch, each "" where it does not apply; ("", "") is everything.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# The counter's fence: it moves `next` only from where it believes it to be.
positions = Table(
    "positions", metadata,
    Column("stream", String(200), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", String(100), nullable=False),
    Column("next", BigInteger, nullable=False),
)

watermarks = Table(
    "watermarks", metadata,
    Column("stream", String(200), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("through", BigInteger, nullable=False),
)

# Ids stay when article rows are pruned: they are what makes counting exactly once. The time
# says when one may go (0, of which we do not know it, stays).
article_ids = Table(
    "article_ids", metadata,
    Column("id", String(200), primary_key=True),
    Column("observed_at", BigInteger, nullable=False, server_default="0"),
    Index("article_ids_by_time", "observed_at"),
)

articles = Table(
    "articles", metadata,
    Column("id", String(200), primary_key=True),
    Column("story_id", String(200), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("bucket", BigInteger, nullable=False),
    Column("topic", String(200), nullable=False),
    Column("sentiment", String(20), nullable=False),
    Column("negative", Integer, nullable=False),  # probability in millionths
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
    Index("articles_by_time", "observed_at"),
    Index("articles_by_story", "story_id", "observed_at"),
)

# Raw article counts. `arrival` is live, late or backfill; only live ones are judged.
sums = Table(
    "sums", metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("topic", String(200), primary_key=True),
    Column("watch", String(200), primary_key=True),
    Column("sentiment", String(20), primary_key=True),
    Column("arrival", String(20), primary_key=True),
    Column("articles", BigInteger, nullable=False),
    Column("negative", BigInteger, nullable=False),  # sum of probabilities in millionths
)

# What heartbeats said of the sources; a bucket without a row was not watched at all.
health = Table(
    "health", metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("sources", BigInteger, nullable=False),
    Column("failing", BigInteger, nullable=False),
)

# One row: who judges (generation is the fence) and how far.
judge = Table(
    "judge", metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # wall clock; only for failover
    Column("judged_through", BigInteger, nullable=False),  # end of the last judged bucket; 0: none
    Column("state", LargeBinary, nullable=False),  # what all keys share: the pooled shape
)

detectors = Table(
    "detectors", metadata,
    Column("topic", String(200), primary_key=True),
    Column("watch", String(200), primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("observed", Integer, nullable=False),  # the last hour, in stories
    Column("expected", Float, nullable=False),
    Column("upper", Float, nullable=False),
    Column("surprise_weeks", Float, nullable=False),
)

incidents = Table(
    "incidents", metadata,
    Column("id", String(64), primary_key=True),
    Column("topic", String(200), nullable=False),
    Column("watch", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("body", LargeBinary, nullable=False),  # the wire's Incident as JSON
    Index("incidents_by_time", "opened_at", "id"),
)

# Stories that were told of a watch, and by which article. They stay: a row is two ids and a time, and
# what was told is not told again, whatever became of articles and incidents.
mentions = Table(
    "mentions", metadata,
    Column("incident_id", String(64), primary_key=True),
    Column("observed_at", BigInteger, nullable=False),
    Column("article_id", String(200), nullable=False),
)

# One row per alert and receiver; `id` is the message id and stays over retries.
outbox = Table(
    "outbox", metadata,
    Column("id", String(100), primary_key=True),
    Column("incident_id", String(64), nullable=False),
    Column("event", String(20), nullable=False),
    Column("receiver", String(200), nullable=False),
    Column("payload", LargeBinary, nullable=False),  # the wire's Alert as JSON, sent as it is
    Column("created_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("state", String(20), nullable=False, default="pending"),  # pending, delivered, dead
    Column("last_outcome", Text, nullable=False, default=""),
    Index("outbox_due", "state", "next_attempt_at"),
    Index("outbox_by_incident", "incident_id"),
)

# What people did about incidents: added to, never changed. The judge never reads it.
incident_actions = Table(
    "incident_actions", metadata,
    Column("id", Integer, primary_key=True),
    Column("incident_id", String(64), nullable=False),
    Column("action", String(20), nullable=False),
    Column("author", String(200), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("text", Text, nullable=False),  # of an assignment: to whom
    Index("incident_actions_by_incident", "incident_id", "id"),
)

# The answers to feedback links: the first of each link counts. The rule and the key stand
# here too, so that precision outlasts the incident.
feedback = Table(
    "feedback", metadata,
    Column("incident_id", String(64), primary_key=True),
    Column("answer", String(20), primary_key=True),
    Column("author", String(200), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("rule", String(40), nullable=False),
    Column("topic", String(200), nullable=False),
    Column("watch", String(200), nullable=False),
)

# People's corrections (the wire's Label), for the next training. Past counts never change.
labels = Table(
    "labels", metadata,
    Column("id", Integer, primary_key=True),
    Column("article_id", String(200), nullable=False),
    Column("field", String(20), nullable=False),
    Column("old", String(200), nullable=False),
    Column("new", String(200), nullable=False),
    Column("author", String(200), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("way", String(20), nullable=False),
    Index("labels_by_article", "article_id", "field", "id"),
)
