"""The Prometheus configuration, held by Prometheus's own tool."""

import re
import shutil
import subprocess

import yaml

from tests.deploy.expressions import ROOT, RULES
from tests.machine import absent

HERE = ROOT / "tests" / "deploy"


def promtool(*arguments: str) -> str:
    """Run promtool; return what it said, or an empty text if it found nothing wrong."""
    found = shutil.which("promtool")
    if found is None:
        absent("promtool is missing: deploy/install-tools installs it as root")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_promtool_accepts_the_scrape_configuration() -> None:
    """It reads the rules that the configuration names, too."""
    assert promtool("check", "config", str(RULES.with_name("prometheus.yml"))) == ""


def test_promtool_accepts_the_rules_without_a_lint() -> None:
    """Duplicates and bad templates are errors here."""
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES)) == ""


def test_each_rule_fires_on_what_it_is_for_and_is_silent_on_a_calm_day() -> None:
    """The cases are in rules_test.yml."""
    assert promtool("test", "rules", str(HERE / "rules_test.yml")) == ""


def test_every_rule_has_a_case() -> None:
    """A new rule needs a calm day and a bad one."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    cases = (HERE / "rules_test.yml").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules if cases.count(rule["alert"]) < 2] == []


def test_rules_begin_with_our_name_and_say_what_to_do() -> None:
    """A person reads them at night."""
    for rule in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]:
        assert rule["alert"].startswith("Newsquake")
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_rule_is_explained() -> None:
    """In the table of deploy/README.md, so that a person who is paged can look it up."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(Newsquake\w+)` \|", text, re.MULTILINE) == [rule["alert"] for rule in rules]
