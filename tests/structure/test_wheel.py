"""What an installation puts on a machine."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel, without a network, and list what is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=root, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    with ZipFile(file) as archive:
        return archive.namelist()


def test_the_wheel_has_our_packages_and_nothing_else(wheel: list[str], packages: tuple[str, ...]) -> None:
    """Tests, deploy and data stay at home."""
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(packages)
    assert len(tops) == len(packages) + 1


def test_the_wheel_has_every_tracked_file_of_the_packages(
    wheel: list[str], root: Path, packages: tuple[str, ...]
) -> None:
    """The model, the migrations and the recipe travel with the code."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *packages], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = {name for name in listed.stdout.split("\0") if name and (root / name).exists()}
    assert tracked - set(wheel) == set()
