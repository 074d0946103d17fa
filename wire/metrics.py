"""The metrics that every stage has, so that one registry can hold several stages."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class StageMetrics:
    """Dead letters, lag and progress by stage. Make one per registry and share it."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._dead_letters = Counter(
            "newsquake_dead_letters", "Records set aside, by stage and reason.",
            ["stage", "reason"], registry=registry,
        )
        self._lag = Gauge(
            "newsquake_consumer_lag_records", "Records of its stream that a stage has not taken.",
            ["stage"], registry=registry,
        )
        self._progress = Gauge(
            "newsquake_last_progress_timestamp_seconds", "Wall time of a stage's last finished step.",
            ["stage"], registry=registry,
        )

    def dead_letter(self, stage: str, reason: str) -> None:
        """Count one record that was set aside; `reason` is from the stage's closed list."""
        self._dead_letters.labels(stage, reason).inc()

    def progressed(self, stage: str, lag: int = 0) -> None:
        """Note that the stage finished a step now, with `lag` records of its stream to go."""
        self._lag.labels(stage).set(lag)
        self._progress.labels(stage).set(self._now())
