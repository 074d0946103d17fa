"""A real Prometheus scrapes our metrics and answers every rule and every panel."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry, Info, start_http_server

from alerts.metrics import AlertsMetrics
from classifier.metrics import ClassifierMetrics
from ingest.metrics import IngestMetrics
from tests.deploy.expressions import (
    OF_PROMETHEUS,
    RULES,
    dashboard_expressions,
    metric_names,
    rule_expressions,
)
from tests.machine import absent, free_port
from wire.metrics import StageMetrics

DEADLINE_S = 60.0

# Empty here: no incident opens while we look.
EMPTY_WHEN_CALM = "delta(newsquake_open_incidents"


def busy_registry() -> CollectorRegistry:
    """Every metric of ours, as a process shows them after an hour with one surge."""
    registry = CollectorRegistry()
    Info("newsquake_build", "The build.", registry=registry).info({"version": "0", "python": "3"})
    stages = StageMetrics(registry)
    for stage in ("ingest", "classifier", "alerts"):
        stages.progressed(stage, lag=3)
        stages.dead_letter(stage, "too_large")
    ingest = IngestMetrics(registry)
    ingest.healthy(30, 1)
    ingest.polls.labels("rss", "changed").inc()
    classifier = ClassifierMetrics(registry)
    classifier.batch_articles.observe(8)
    classifier.batch_tokens.observe(300)
    classifier.model_seconds.observe(0.1)
    classifier.backend.labels("onnx", "small", "configured").set(1)
    alerts = AlertsMetrics(registry)
    alerts.counted("Legal | Regulation", "negative", 9)
    alerts.latency([0.5])
    alerts.open_incidents({"critical": 1})
    alerts.incident("opened")
    alerts.delivery("delivered")
    alerts.watermark(time.time() - 30, time.time())
    surge = {
        "net_sentiment": -0.5, "negative_share": 0.6, "observed_negatives": 9.0,
        "expected_negatives": 2.0, "expected_negatives_upper": 5.0, "surprise_weeks": 40.0,
    }  # fmt: skip
    day = {
        name + bound: value
        for name, value in (("net_sentiment", -0.4), ("negative_share", 0.6), ("momentum", 0.2))
        for bound in ("", "_low", "_high")
    }
    for topic, watch in (("", ""), ("Legal | Regulation", ""), ("", "Example Bank")):
        alerts.trend(topic, watch, surge)
        for window in ("5m", "1h", "24h", "7d"):
            alerts.window(topic, watch, window, {"negative": 9, "neutral": 4, "positive": 2}, day)
    alerts.precision("surge", true=3, false_alarm=1)
    return registry


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def api(self, path: str, **parameters: str) -> dict[str, Any]:
        """Ask the API; its own errors, and those on the way, come back as an answer, too."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                return {"error": error.read().decode()}
        except OSError as error:
            return {"error": str(error)}

    def result(self, expression: str) -> list[Any]:
        """Evaluate an expression now."""
        answer = self.api("query", query=expression)
        assert answer.get("status") == "success", f"{expression}: {answer}"
        return answer["data"]["result"]

    def has_scraped(self) -> bool:
        """Whether rates have something to work on, and the rules were evaluated."""
        ready = "count_over_time(newsquake_sources[1m]) > 2 and on() ALERTS"
        return bool(self.api("query", query=ready).get("data", {}).get("result"))


def configuration(target: str) -> dict[str, Any]:
    """Our configuration, with one fixed target and in a hurry."""
    ours = yaml.safe_load(RULES.with_name("prometheus.yml").read_text(encoding="utf-8"))
    ours["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    ours["rule_files"] = [str(RULES)]
    (job,) = ours["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [target]}]
    return ours


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Run a Prometheus that has scraped our metrics a few times; ended with the module."""
    binary = shutil.which("prometheus")
    if binary is None:
        absent("prometheus is missing: deploy/install-tools installs it as root")
    folder = tmp_path_factory.mktemp("prometheus")
    server, thread = start_http_server(0, "127.0.0.1", busy_registry())
    try:
        yield from running(binary, folder, f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def running(binary: str, folder: Path, target: str) -> Iterator[Prometheus]:
    """Start Prometheus, wait for its first scrapes, and kill it in the end."""
    config, said = folder / "prometheus.yml", folder / "output"
    config.write_text(yaml.safe_dump(configuration(target)), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    with said.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        server = Prometheus(f"http://{address}")
        deadline = time.monotonic() + DEADLINE_S
        while not server.has_scraped():
            assert process.poll() is None, said.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, said.read_text(encoding="utf-8")
            time.sleep(0.2)
        yield server
    finally:
        process.kill()
        process.wait(10)


def test_every_metric_that_is_asked_for_is_scraped(prometheus: Prometheus) -> None:
    """A name that no stage has would be an empty panel and a silent rule."""
    asked = set().union(*map(metric_names, rule_expressions() + dashboard_expressions()))
    assert [name for name in sorted(asked - OF_PROMETHEUS) if not prometheus.result(name)] == []


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_a_panel_shows_something(prometheus: Prometheus, expression: str) -> None:
    """Labels and their values are those of our metrics, so the answer is not empty."""
    assert bool(prometheus.result(expression)) == (EMPTY_WHEN_CALM not in expression)


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    """As Prometheus itself reports."""
    (group,) = prometheus.api("rules")["data"]["groups"]
    assert [rule["name"] for rule in group["rules"] if rule.get("lastError")] == []
    assert len(group["rules"]) == len(rule_expressions())
