"""What `alerts` shows to Prometheus. Labels come from closed lists only."""

import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MAX_TOPICS = 64  # beyond it a taxonomy is not closed: the rest is labelled "other"

_TRENDS = {
    "net_sentiment": "Positive less negative share of the last hour's articles.",
    "negative_share": "Negative share of the last hour's articles.",
    "observed_negatives": "Negative stories of the last hour.",
    "expected_negatives": "Negative stories that are normal in the last hour.",
    "expected_negatives_upper": "Upper edge of the normal band of the last hour.",
    "surprise_weeks": "The present volume is seen once in so many weeks.",
}
_WINDOWS = {
    "net_sentiment": "Positive less negative share of the window's articles; NaN of none",
    "negative_share": "Negative share of the window's articles; NaN of none",
    "momentum": "The window's negative share less that of the window before",
}
_BOUNDS = {"": ".", "_low": ": lower bound at 95%.", "_high": ": upper bound at 95%."}


class AlertsMetrics:
    """Counters and gauges of counting, judging and delivery. Make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._topics: set[str] = set()
        self._counted = Counter(
            "newsquake_articles_counted", "Articles counted, by topic and sentiment.",
            ["topic", "sentiment"], registry=registry,
        )
        self._latency = Histogram(
            "newsquake_observed_to_counted_seconds", "From an article's observation to its count.",
            registry=registry, buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400),
        )
        self._trends = {
            name: Gauge(f"newsquake_trend_{name}", text, ["topic", "watch"], registry=registry)
            for name, text in _TRENDS.items()
        }
        key = ["topic", "watch", "window"]
        self._windows = {
            name + bound: Gauge(f"newsquake_window_{name}{bound}", text + end, key, registry=registry)
            for name, text in _WINDOWS.items() for bound, end in _BOUNDS.items()
        }
        self._volumes = Gauge(
            "newsquake_window_articles", "Live articles of the window, by sentiment.",
            [*key, "sentiment"], registry=registry,
        )
        self._precision = Gauge(
            "newsquake_alert_precision", "Share of the alerts that people answered about and called true.",
            ["rule"], registry=registry,
        )
        self._answers = Gauge(
            "newsquake_alert_answers", "Alerts that people called true, or a false alarm.",
            ["rule", "answer"], registry=registry,
        )
        self._open = Gauge(
            "newsquake_open_incidents", "Open incidents, by severity.", ["severity"],
            registry=registry,
        )
        self._incidents = Counter(
            "newsquake_incidents", "Incident events, by kind.", ["event"], registry=registry,
        )
        self._deliveries = Counter(
            "newsquake_deliveries", "Attempts to deliver an alert, by outcome.", ["outcome"],
            registry=registry,
        )
        self._watermark = Gauge(
            "newsquake_watermark_timestamp_seconds", "Everything observed before it is counted.",
            registry=registry,
        )
        self._watermark_age = Gauge(
            "newsquake_watermark_age_seconds", "Wall clock less watermark.", registry=registry,
        )

    def counted(self, topic: str, sentiment: str, articles: int) -> None:
        """Note articles that were counted."""
        self._counted.labels(self._topic(topic), sentiment).inc(articles)

    def latency(self, seconds: Iterable[float]) -> None:
        """Note how long articles took from observation to count."""
        for value in seconds:
            self._latency.observe(max(value, 0.0))

    def trend(self, topic: str, watch: str, values: dict[str, float]) -> None:
        """Show the state of one key; `values` are named as the gauges are."""
        for name, value in values.items():
            self._trends[name].labels(self._topic(topic), watch).set(value)

    def window(
        self, topic: str, watch: str, window: str, articles: dict[str, int], values: dict[str, float]
    ) -> None:
        """Show one window of one key: articles by sentiment, and values named as the gauges are."""
        labels = (self._topic(topic), watch, window)
        for name, value in values.items():
            self._windows[name].labels(*labels).set(value)
        for sentiment, number in articles.items():
            self._volumes.labels(*labels, sentiment).set(number)

    def precision(self, rule: str, true: int, false_alarm: int) -> None:
        """Show what people answered about a rule's alerts."""
        self._answers.labels(rule, "true").set(true)
        self._answers.labels(rule, "false_alarm").set(false_alarm)
        self._precision.labels(rule).set(true / (true + false_alarm) if true + false_alarm else math.nan)

    def open_incidents(self, by_severity: dict[str, int]) -> None:
        """Show how many incidents are open."""
        for severity in ("info", "warning", "critical"):
            self._open.labels(severity).set(by_severity.get(severity, 0))

    def incident(self, event: str) -> None:
        """Note that an incident opened, was updated or resolved."""
        self._incidents.labels(event).inc()

    def delivery(self, outcome: str) -> None:
        """Note one attempt to deliver; `outcome` is from the delivery's closed list."""
        self._deliveries.labels(outcome).inc()

    def watermark(self, through_s: float, now_s: float) -> None:
        """Show how far everything is counted."""
        self._watermark.set(through_s)
        self._watermark_age.set(max(now_s - through_s, 0.0))

    def _topic(self, topic: str) -> str:
        if topic and topic not in self._topics:
            if len(self._topics) >= MAX_TOPICS:
                return "other"
            self._topics.add(topic)
        return topic
