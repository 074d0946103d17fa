"""A search tries what the recipe names, remembers it through a kill, and trains with the best."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from classifier.training import search, train
from classifier.training.errors import RecipeError
from classifier.training.recipe import Recipe, read_recipe

Make = Callable[..., Recipe]
BOUNDS = {"encoder_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "batch": {"low": 4, "high": 16}}


class Hill:
    """Runs whose score is best at a rate of 1e-3; keeps the recipes that it was given."""

    def __init__(self, fail_at: int = -1) -> None:
        self.tried: list[Recipe] = []
        self._fail_at = fail_at

    def __call__(self, recipe: Recipe, _: Path, heed: search.Heed) -> float:
        if len(self.tried) == self._fail_at:
            raise KeyboardInterrupt
        self.tried.append(recipe)
        score = -abs(recipe.encoder_rate - 1e-3)
        heed(0, score)
        return score


def test_the_best_of_what_was_tried_is_returned(recipe: Make, tmp_path: Path) -> None:
    """Within the bounds, by short runs, and everything else as the recipe says."""
    hill = Hill()
    found = search.best(recipe(search=BOUNDS, search_epochs=1, epochs=7), 12, tmp_path, hill)
    assert {1} == {tried.epochs for tried in hill.tried}
    assert all(1e-5 <= tried.encoder_rate <= 1e-2 and 4 <= tried.batch <= 16 for tried in hill.tried)
    assert max(hill.tried, key=lambda r: -abs(r.encoder_rate - 1e-3)).encoder_rate == found.encoder_rate
    assert (7, int) == (found.epochs, type(found.batch))


def test_a_search_that_was_killed_goes_on(recipe: Make, tmp_path: Path) -> None:
    """What it knows lies in its folder; only the runs that are left are made."""
    made = recipe(search=BOUNDS)
    with pytest.raises(KeyboardInterrupt):
        search.best(made, 9, tmp_path, Hill(fail_at=5))
    rest = Hill()
    search.best(made, 9, tmp_path, rest)
    assert 3 <= len(rest.tried) <= 4


def test_a_recipe_that_names_nothing_to_search_is_refused(recipe: Make, tmp_path: Path) -> None:
    """So is one that names what is no number."""
    with pytest.raises(RecipeError, match=r"no \[search\] table"):
        search.best(recipe(), 3, tmp_path, Hill())
    path = tmp_path / "r.toml"
    path.write_text('model = "m"\nencoder = "e"\nsets = [{name = "a", kind = "topic"}]\n'
                    "[search]\nencoder = { low = 1, high = 2 }\n")
    with pytest.raises(RecipeError, match="encoder is no number of a recipe"):
        read_recipe(path)


def test_training_takes_the_recipe_that_was_found(
        recipe: Make, as_toml: Callable[[Recipe, Path], Path], folder: Path, tmp_path: Path) -> None:
    """The artifact's recipe holds the choices that won; the trials lie beside it."""
    path = as_toml(recipe(epochs=1, baselines=False, evaluate_on=[]), tmp_path / "r.toml")
    path.write_text(path.read_text().replace("search = {}", "search = {dropout = {low = 0.2, high = 0.4}}"))
    train(path, folder, tmp_path / "out", trials=2)
    found = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert 0.2 <= found["dropout"] <= 0.4
    assert (tmp_path / "out.search" / "trials.jsonl").exists()
