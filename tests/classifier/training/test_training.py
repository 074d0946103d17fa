"""A tiny network is trained, killed, resumed and exported."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from classifier.training import train
from classifier.training.errors import InterruptedTrainingError, TrainingError
from classifier.training.recipe import Recipe

Make = Callable[..., Recipe]
AsToml = Callable[[Recipe, Path], Path]


@pytest.fixture
def recipe_path(recipe: Make, as_toml: AsToml, tmp_path: Path) -> Path:
    """Return the default tiny recipe as a file."""
    return as_toml(recipe(), tmp_path / "recipe.toml")


def weights_after(steps: int, recipe_path: Path, folder: Path, out: Path) -> dict[str, Tensor]:
    """Train for some steps and return the weights of the checkpoint that is left."""
    with pytest.raises(InterruptedTrainingError):
        train(recipe_path, folder, out, stop_at=steps)
    weights: dict[str, Tensor] = torch.load(out.with_name(f"{out.name}.checkpoint"))["network"]
    return weights


def test_a_trained_network_has_learned_what_the_words_say(trained: Path) -> None:
    """A model of random weights is right in one of three; a trained one nearly always."""
    real = json.loads((trained / "metrics.json").read_text())["headlines"]["real"]
    assert real["topic"]["accuracy"] > 0.9
    assert real["sentiment"]["accuracy"] > 0.9
    assert real["sentiment"]["negative_auc"] > 0.95


def test_the_manifest_covers_every_file_with_its_size_and_digest(trained: Path) -> None:
    """What is served can be held to what was written."""
    manifest = json.loads((trained / "manifest.json").read_text())
    expected = {p.name: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
                         "bytes": p.stat().st_size}
                for p in trained.iterdir() if p.name != "manifest.json"}
    assert expected == manifest["files"]
    assert {"model.safetensors", "model.onnx", "config.json", "tokenizer.json", "labels.json",
            "calibration.json", "metrics.json", "recipe.json", "data.json",
            "README.md"} == set(manifest["files"])
    assert ("tiny-1", 24) == (manifest["name"], manifest["max_tokens"])
    assert not trained.with_name("out.checkpoint").exists()


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(
        trained: Path, recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """Stopped in the first epoch and in the second, and started again, nothing is lost."""
    out = tmp_path / "out"
    for stop_at in (7, 60):
        weights_after(stop_at, recipe_path, folder, out)
    train(recipe_path, folder, out)
    whole, broken = (load_file(f / "model.safetensors") for f in (trained, out))
    assert [] == [name for name in whole if not whole[name].equal(broken[name])]


def test_another_seed_gives_other_weights(
        recipe: Make, as_toml: AsToml, folder: Path, tmp_path: Path) -> None:
    """The seed is what decides, so that the same seed proves something."""
    first, second = (
        weights_after(3, as_toml(recipe(seed=seed), tmp_path / f"{seed}.toml"), folder,
                      tmp_path / f"out-{seed}") for seed in (1, 2))
    assert not first["topic_head.weight"].equal(second["topic_head.weight"])


def test_a_checkpoint_of_another_recipe_is_refused(
        recipe: Make, as_toml: AsToml, recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """Half a run of one recipe and half of another would be a run of none."""
    weights_after(3, recipe_path, folder, tmp_path / "out")
    other = as_toml(recipe(dropout=0.3), tmp_path / "other.toml")
    with pytest.raises(TrainingError, match="another recipe"):
        train(other, folder, tmp_path / "out")


def test_frozen_weights_stay_as_they_were_pretrained(
        recipe: Make, as_toml: AsToml, tiny_encoder: Path, folder: Path, tmp_path: Path) -> None:
    """Embeddings and lower layers that the recipe freezes do not move; the others do."""
    path = as_toml(recipe(frozen_embeddings=True, frozen_layers=1), tmp_path / "r.toml")
    before = load_file(tiny_encoder / "model.safetensors")
    after = weights_after(3, path, folder, tmp_path / "out")
    moved = {n for n in before if not before[n].equal(after[f"encoder.{n}"])}
    assert "encoder.layer.1.output.dense.weight" in moved
    assert set() == {n for n in moved if not n.startswith("encoder.layer.1")}


def test_the_conventions_of_single_sets_are_learned_and_not_shipped(
        trained: Path, recipe_path: Path, folder: Path, tmp_path: Path) -> None:
    """What is served speaks the convention of the headlines, whose own bias stays zero."""
    conventions = weights_after(9, recipe_path, folder, tmp_path / "out")["conventions"]
    assert [False, True, False] == (conventions != 0).any(dim=1).tolist()
    assert [] == [n for n in load_file(trained / "model.safetensors") if "convention" in n]
