"""What every command opens: the home, the log, the store and one registry of metrics."""

import platform
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, Info

from alerts.store import Store, open_store
from wire.log import Log
from wire.metrics import StageMetrics
from wire.opening import open_log

from .settings import Settings, home_id

DEFAULT_PREFIX = "newsquake."


@dataclass(frozen=True)
class Installation:
    """Settings and the open things that live as long as `stack`; each is opened when first used.

    `own_prefix` gives the home streams of its own on a shared broker (a replay), unless a
    prefix is set.
    """

    settings: Settings
    stack: ExitStack
    own_prefix: bool = False
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        build = Info("newsquake_build", "The build that runs.", registry=self.registry)
        build.info({"version": version("newsquake"), "python": platform.python_version()})

    @property
    def home(self) -> Path:
        """The folder of every file that we write, made if absent."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        return self.settings.home

    @property
    def prefix(self) -> str:
        """The first part of our streams' names on a broker."""
        if self.settings.stream_prefix is not None:
            return self.settings.stream_prefix
        return f"newsquake-{home_id(self.home)}." if self.own_prefix else DEFAULT_PREFIX

    @cached_property
    def log(self) -> Log:
        """The log; raises LogError where it cannot be reached."""
        options = self.settings.kafka_options.revealed()
        return self.stack.enter_context(open_log(self.settings.log, self.home, self.prefix, options))

    @cached_property
    def store(self) -> Store:
        """The store of counts and incidents; raises StoreError."""
        _ = self.home
        store = open_store(self.settings.store_url)
        self.stack.callback(store.close)
        return store

    @cached_property
    def stage_metrics(self) -> StageMetrics:
        """The metrics that all stages share."""
        return StageMetrics(self.registry)
