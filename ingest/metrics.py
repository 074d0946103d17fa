"""The metrics of ingest. Labels come from closed lists only, never a URL or a headline."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class IngestMetrics:
    """Polls by outcome, sources by state, and what became of the articles."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.polls = Counter(
            "newsquake_polls", "Polls of sources, by source kind and outcome.",
            ["kind", "outcome"], registry=registry,
        )
        self.sources = Gauge(
            "newsquake_sources", "Configured sources, by state.", ["state"], registry=registry,
        )
        self.observed = Counter(
            "newsquake_articles_observed", "Items seen in sources, known ones too.", registry=registry,
        )
        self.admitted = Counter(
            "newsquake_articles_admitted", "Articles appended to the stream.", registry=registry,
        )
        self.duplicate = Counter(
            "newsquake_articles_duplicate", "Items that were known already.", registry=registry,
        )
        self.backfill = Counter(
            "newsquake_articles_backfill", "Articles admitted as backfill.", registry=registry,
        )
        self.healthy(0, 0)

    def healthy(self, sources: int, failing: int) -> None:
        """Say how many sources there are, and how many of them fail."""
        self.sources.labels("healthy").set(sources - failing)
        self.sources.labels("failing").set(failing)
