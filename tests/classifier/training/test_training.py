"""A tiny network is trained, killed, resumed and exported."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from classifier.training.errors import InterruptedTrainingError, TrainingError
from classifier.training.recipe import Recipe
from classifier.training.run import train
from safetensors.torch import load_file

Make = Callable[..., Recipe]


def as_toml(recipe: Recipe, path: Path) -> Path:
    """Write a recipe as a person would: JSON scalars are TOML scalars."""
    content = recipe.model_dump(mode="json")
    sets = content.pop("sets")
    lines = [f"{k} = {json.dumps(v)}" for k, v in content.items()]
    for one in sets:
        lines += ["[[sets]]", *(f"{k} = {json.dumps(v)}" for k, v in one.items())]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def recipe_path(recipe: Make, tmp_path: Path) -> Path:
    """Return the default tiny recipe as a file."""
    return as_toml(recipe(), tmp_path / "recipe.toml")


def digest(folder: Path) -> str:
    """Return the sha256 of the weights of an artifact."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_trained_network_has_learned_what_the_words_say(
        recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """A model of random weights is right in one of three; a trained one nearly always."""
    metrics = train(recipe_path, folder, tmp_path / "out")
    real = metrics["headlines"]["real"]
    assert real["topic"]["accuracy"] > 0.9
    assert real["sentiment"]["accuracy"] > 0.9
    assert real["sentiment"]["negative_auc"] > 0.95


def test_the_manifest_covers_every_file_with_its_size_and_digest(
        recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """What is served can be held to what was written."""
    out = tmp_path / "out"
    train(recipe_path, folder, out)
    manifest = json.loads((out / "manifest.json").read_text())
    expected = {p.name: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
                         "bytes": p.stat().st_size}
                for p in out.iterdir() if p.name != "manifest.json"}
    assert expected == manifest["files"]
    assert {"model.safetensors", "model.onnx", "config.json", "tokenizer.json", "labels.json",
            "calibration.json", "metrics.json", "recipe.json", "data.json",
            "README.md"} == set(manifest["files"])
    assert ("tiny-1", 24) == (manifest["name"], manifest["max_tokens"])
    assert not (tmp_path / "out.checkpoint").exists()


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(
        recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """Killed in the first epoch and in the second, and started again, nothing is lost."""
    train(recipe_path, folder, tmp_path / "whole")
    for stop_at in (7, 60):
        with pytest.raises(InterruptedTrainingError):
            train(recipe_path, folder, tmp_path / "broken", stop_at=stop_at)
    train(recipe_path, folder, tmp_path / "broken")
    assert digest(tmp_path / "whole") == digest(tmp_path / "broken")


def test_another_seed_gives_other_weights(recipe: Make, folder: Path, tmp_path: Path) -> None:
    """The seed is what decides, so that the same seed proves something."""
    for seed in (1, 2):
        path = as_toml(recipe(seed=seed, epochs=1), tmp_path / f"{seed}.toml")
        train(path, folder, tmp_path / f"out-{seed}")
    assert digest(tmp_path / "out-1") != digest(tmp_path / "out-2")


def test_a_checkpoint_of_another_recipe_is_refused(
        recipe: Make, recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """Half a run of one recipe and half of another would be a run of none."""
    with pytest.raises(InterruptedTrainingError):
        train(recipe_path, folder, tmp_path / "out", stop_at=3)
    other = as_toml(recipe(dropout=0.3), tmp_path / "other.toml")
    with pytest.raises(TrainingError, match="another recipe"):
        train(other, folder, tmp_path / "out")


def test_the_convention_of_a_set_is_not_shipped_and_frozen_layers_stay(
        recipe: Make, tiny_encoder: Path, folder: Path, tmp_path: Path) -> None:
    """What only training needs stays behind; what the recipe freezes is as it was pretrained."""
    path = as_toml(recipe(epochs=1, frozen_embeddings=True, frozen_layers=1), tmp_path / "r.toml")
    train(path, folder, tmp_path / "out")
    before = load_file(tiny_encoder / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert not [name for name in after if "convention" in name]
    frozen = [n for n in before if n.startswith(("embeddings", "encoder.layer.0"))]
    assert [] == [n for n in frozen if not before[n].half().equal(after[f"encoder.{n}"])]
    assert not before["encoder.layer.1.output.dense.weight"].half().equal(
        after["encoder.encoder.layer.1.output.dense.weight"])
