"""The size budgets: every code base that was measured has a god-file; this one has none."""

from statistics import median, quantiles
from typing import Any

# Functions that may exceed 80 lines: the composition root and the training script, if need be.
LONG_BY_DESIGN: frozenset[str] = frozenset()


def test_a_typical_function_is_short(sizes: Any) -> None:
    """Half have at most 9 lines, 95% at most 40."""
    lengths = list(sizes.functions.values())
    assert median(lengths) <= 9
    assert quantiles(lengths, n=20)[-1] <= 40


def test_no_function_is_long(sizes: Any) -> None:
    """None has more than 80 lines, but those that are listed."""
    long = {where: n for where, n in sizes.functions.items() if n > 80}
    assert {where: n for where, n in long.items() if where.split()[-1] not in LONG_BY_DESIGN} == {}


def test_a_typical_file_is_short(sizes: Any) -> None:
    """Half have at most 130 lines."""
    assert median(sizes.files.values()) <= 130


def test_no_file_is_long(sizes: Any) -> None:
    """None has more than 400 lines."""
    assert {place: n for place, n in sizes.files.items() if n > 400} == {}


def test_no_module_is_a_drawer(sizes: Any) -> None:
    """Modules are named after what they are about."""
    drawers = ("utils", "util", "common", "helpers", "helper", "manager", "misc")
    assert [place for place in sizes.files if place.split("/")[-1][:-3] in drawers] == []
