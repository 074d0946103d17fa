"""The classifier's metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TOKENS = (16, 64, 256, 1024, 4096, 16384, 65536)
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ClassifierMetrics:
    """What the classifier counts, beside what every stage has. Make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batch_articles = Histogram(
            "newsquake_batch_articles", "Articles scored together.",
            buckets=_SIZES, registry=registry,
        )
        self.batch_tokens = Histogram(
            "newsquake_batch_tokens", "Tokens scored together, without padding.",
            buckets=_TOKENS, registry=registry,
        )
        self.model_seconds = Histogram(
            "newsquake_model_seconds", "Seconds to score one batch, tokenizer included.",
            buckets=_SECONDS, registry=registry,
        )
        self.scored = Counter(
            "newsquake_articles_scored", "Articles scored.", registry=registry
        )
        self.truncated = Counter(
            "newsquake_texts_truncated", "Texts of which the model read only the beginning.",
            registry=registry,
        )
        self.backend = Gauge(
            "newsquake_backend_info", "The backend and the model that score, and why this backend; always 1.",
            ["backend", "model", "reason"], registry=registry,
        )
