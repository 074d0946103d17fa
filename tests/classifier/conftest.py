"""Artifacts for the classifier's tests: a tiny one, built once; and the shipped one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifier.manifest import SHIPPED
from classifier.model import Model, load
from tests.classifier import tiny


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory) -> Path:
    """An artifact with random weights; not to be changed."""
    return tiny.build(tmp_path_factory.mktemp("artifact") / "tiny")


@pytest.fixture
def own_artifact(tiny_artifact, tmp_path) -> Path:
    """A copy of the tiny artifact that a test may damage."""
    return Path(shutil.copytree(tiny_artifact, tmp_path / "artifact"))


@pytest.fixture(scope="session")
def tiny_model(tiny_artifact) -> Iterator[Model]:
    """The tiny artifact on onnxruntime."""
    with load(tiny_artifact, "onnx", threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def shipped_model() -> Iterator[Model]:
    """The artifact that the project ships, as it is served on a processor."""
    if not (SHIPPED / "manifest.json").is_file():
        pytest.skip(f"no trained model at {SHIPPED}")
    with load(None, "onnx-int8", threads=2) as model:
        yield model
