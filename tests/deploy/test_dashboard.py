"""The dashboard is what its script writes, and can be read by Grafana's file provisioning."""

import json
from typing import Any

import pytest
import yaml

from deploy.grafana.build import TARGET, render
from tests.deploy.expressions import ROOT, metric_names

PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"


@pytest.fixture
def page() -> dict[str, Any]:
    """Read the committed dashboard."""
    return json.loads(TARGET.read_text(encoding="utf-8"))


def test_the_committed_dashboard_is_current() -> None:
    """Otherwise: `python -m deploy.grafana.build`."""
    assert TARGET.read_text(encoding="utf-8") == render()


def test_it_is_classic_json_with_a_fixed_uid(page: dict[str, Any]) -> None:
    """File provisioning rejects the v2 form, and links need a uid that lasts."""
    assert (page["uid"], page["schemaVersion"] >= 36, "spec" in page) == ("newsquake", True, False)


def test_panels_have_distinct_ids_and_targets_distinct_references(page: dict[str, Any]) -> None:
    """Grafana mixes up what shares an id."""
    ids = [panel["id"] for panel in page["panels"]]
    assert len(ids) == len(set(ids))
    for panel in page["panels"]:
        references = [target["refId"] for target in panel.get("targets", [])]
        assert all(references), panel["title"]
        assert len(references) == len(set(references)), panel["title"]


def test_panels_do_not_overlap(page: dict[str, Any]) -> None:
    """Each cell of the 24 columns belongs to one panel."""
    cells = [
        (place["x"] + dx, place["y"] + dy)
        for place in (panel["gridPos"] for panel in page["panels"])
        for dx in range(place["w"])
        for dy in range(place["h"])
    ]
    assert (len(cells), max(x for x, _ in cells)) == (len(set(cells)), 23)


def test_every_panel_uses_the_chosen_data_source(page: dict[str, Any]) -> None:
    """A dashboard with a fixed data source works on one installation only."""
    chosen = {panel["datasource"]["uid"] for panel in page["panels"] if panel["type"] != "row"}
    assert chosen == {"${datasource}"}


def test_the_first_row_is_what_is_alarming_now(page: dict[str, Any]) -> None:
    """A desk looks at the top of the page."""
    names = set()
    for panel in page["panels"][1:9]:
        for target in panel["targets"]:
            names |= metric_names(target["expr"])
    assert {"newsquake_open_incidents", "newsquake_trend_surprise_weeks", "ALERTS"} <= names


def test_one_can_choose_topics_and_watches(page: dict[str, Any]) -> None:
    """Both start with all of them, and repeat a panel for each."""
    variables = {each["name"]: each.get("includeAll") for each in page["templating"]["list"]}
    assert variables == {"datasource": False, "topic": True, "watch": True, "window": False}
    assert {panel.get("repeat") for panel in page["panels"]} == {None, "topic", "watch"}


def test_the_provisioned_data_source_is_a_default_prometheus() -> None:
    """The variable `datasource` finds it by its type."""
    file = PROVISIONING / "datasources" / "prometheus.yaml"
    (source,) = yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
