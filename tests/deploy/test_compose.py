"""The compose files and the image: what can be told without a Docker engine."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.expressions import ROOT

FOLDER = ROOT / "deploy" / "compose"
FILES = sorted(FOLDER.glob("*.yaml"))
DOCKERFILE = (ROOT / "deploy" / "image" / "Dockerfile").read_text(encoding="utf-8")
DOCKERFILE_IGNORE = ROOT / "deploy" / "image" / "Dockerfile.dockerignore"
STAGES = {"newsquake", "ingest", "classifier", "alerts"}


def services(file: Path) -> dict[str, dict[str, Any]]:
    """Services of a compose file, those that extend another file's filled in."""
    read = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    for name, service in read.items():
        if source := service.get("extends"):
            other = services(file.parent / source["file"])[source["service"]]
            read[name] = {**other, **service}
    return read


every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_both_forms_are_there() -> None:
    """One process, and three stages on Kafka."""
    assert [file.stem for file in FILES] == ["embedded", "kafka"]
    assert set(services(FILES[0])) == {"newsquake", "prometheus", "grafana"}
    assert {"kafka", "ingest", "classifier", "alerts"} < set(services(FILES[1]))


@every_file
def test_docker_compose_reads_it(file: Path) -> None:
    """Compose's own reader, where it is installed; it needs no engine."""
    found = shutil.which("docker")
    command = [str(found), "compose"]
    if not found or subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    secrets = {"GRAFANA_PASSWORD": "a", "POSTGRES_PASSWORD": "b", "PATH": str(Path(found).parent)}
    done = subprocess.run(
        [*command, "-f", str(file), "config", "--quiet"],
        env=secrets, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@every_file
def test_what_is_mounted_from_the_repository_exists(file: Path) -> None:
    """Docker would make an empty folder in its place."""
    mounts = [each for service in services(file).values() for each in service.get("volumes", [])]
    ours = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert ours
    assert [mount for mount in ours if not (file.parent / mount).exists()] == []


@every_file
def test_named_volumes_are_declared(file: Path) -> None:
    """And none is declared in vain."""
    mounts = [each for service in services(file).values() for each in service.get("volumes", [])]
    used = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}
    assert used == set(yaml.safe_load(file.read_text(encoding="utf-8"))["volumes"])


@every_file
def test_images_are_pinned_by_a_tag(file: Path) -> None:
    """The same file gives the same machine next year."""
    images = {service["image"] for service in services(file).values()}
    assert [image for image in images if not re.search(r":v?\d+\.\d+", image)] == []


@every_file
def test_every_service_has_a_healthcheck_and_ours_asks_readyz(file: Path) -> None:
    """A service is up when it can work, not when its process exists."""
    for name, service in services(file).items():
        check = " ".join(service["healthcheck"]["test"])
        assert name not in STAGES or "/readyz" in check, name


@every_file
def test_prometheus_finds_every_process_of_ours(file: Path) -> None:
    """They share the name that prometheus.yml asks for, and the port."""
    scrape = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    (discovery,) = yaml.safe_load(scrape)["scrape_configs"][0]["dns_sd_configs"]
    assert f"EXPOSE {discovery['port']}" in DOCKERFILE
    for name, service in services(file).items():
        if name in STAGES:
            assert service["networks"]["default"]["aliases"] == discovery["names"], name


@every_file
def test_ports_are_open_to_this_machine_only(file: Path) -> None:
    """Whoever wants more puts a proxy with a login before it."""
    ports = [each for service in services(file).values() for each in service.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@every_file
def test_no_secret_has_a_default(file: Path) -> None:
    """A missing password stops the start, with the reason."""
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)(?!\w|:\?)", text)) == set()
    assert re.findall(r"PASSWORD: (?!\$\{)\S+", text) == []


def test_only_alerts_is_given_the_store() -> None:
    """No other stage opens it."""
    with_store = [
        name
        for name, service in services(FOLDER / "kafka.yaml").items()
        if "NEWSQUAKE_STORE" in service.get("environment", {})
    ]
    assert with_store == ["alerts"]


def test_the_image_copies_every_package_and_only_what_is_there() -> None:
    """A package that pyproject.toml lists and the image lacks would fail at its first start."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {"wire", "ingest", "classifier", "alerts", "newsquake", "constraints.txt"} <= names
    assert [name for name in names if not (ROOT / name).exists()] == []
    kept = DOCKERFILE_IGNORE.read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in names} <= set(kept)


def test_the_image_does_not_run_as_root() -> None:
    """And stops as Ctrl-C does: the first process of a container would ignore SIGTERM."""
    assert re.findall(r"^(USER|STOPSIGNAL) (\S+)$", DOCKERFILE, re.MULTILINE) == [
        ("USER", "10001"),
        ("STOPSIGNAL", "SIGINT"),
    ]
