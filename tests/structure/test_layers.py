"""Who may import whom."""

import graphlib
import subprocess
import sys
from pathlib import Path

import grimp

CONTRACTS = Path(__file__).with_name("importlinter.ini")


def test_the_layers_and_the_place_of_torch(root: Path) -> None:
    """Stages never import each other, nobody imports newsquake, torch stays in classifier."""
    lint = "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--config", str(CONTRACTS), "--no-cache", "--no-logo"],
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken." in done.stdout


def test_there_is_no_import_cycle(packages: tuple[str, ...]) -> None:
    """Modules can be put in an order in which each imports only earlier ones."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(graphlib.TopologicalSorter(imports).static_order())
    assert len(order) == len(graph.modules)
