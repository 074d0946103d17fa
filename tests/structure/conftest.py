"""What the structure tests look at."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("wire", "ingest", "classifier", "alerts", "newsquake")


@dataclass(frozen=True)
class Sizes:
    """Lengths in lines, by place."""

    files: dict[str, int]
    functions: dict[str, int]


@pytest.fixture(scope="session")
def root() -> Path:
    """Name the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def packages() -> tuple[str, ...]:
    """Name the top-level packages."""
    return PACKAGES


@pytest.fixture(scope="session")
def sizes() -> Sizes:
    """Measure every file and function of the packages and of deploy/; empty files are none."""
    files: dict[str, int] = {}
    functions: dict[str, int] = {}
    for package in (*PACKAGES, "deploy"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text, place = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
            if text.strip():
                files[place] = len(text.splitlines())
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert node.end_lineno is not None
                    where = f"{place}:{node.lineno} {node.name}"
                    functions[where] = node.end_lineno - node.lineno + 1
    return Sizes(files, functions)
