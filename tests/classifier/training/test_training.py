"""A tiny network is trained, killed, resumed and exported."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from classifier.network import Network
from classifier.training import encoder, loop, train
from classifier.training.errors import InterruptedTrainingError, TrainingError
from classifier.training.recipe import Recipe
from tests.classifier.training.conftest import headlines, write

Make = Callable[..., Recipe]
AsToml = Callable[[Recipe, Path], Path]


@pytest.fixture
def recipe_path(recipe: Make, as_toml: AsToml, tmp_path: Path) -> Path:
    """Return the default tiny recipe as a file."""
    return as_toml(recipe(), tmp_path / "recipe.toml")


def checkpoint_after(steps: int, recipe_path: Path, folder: Path, out: Path) -> dict[str, Any]:
    """Train for some steps and return the checkpoint that is left."""
    with pytest.raises(InterruptedTrainingError):
        train(recipe_path, folder, out, stop_at=steps)
    checkpoint: dict[str, Any] = torch.load(out.with_name(f"{out.name}.checkpoint"))
    return checkpoint


def weights_after(steps: int, recipe_path: Path, folder: Path, out: Path) -> dict[str, Tensor]:
    """Train for some steps and return the weights."""
    weights: dict[str, Tensor] = checkpoint_after(steps, recipe_path, folder, out)["network"]
    return weights


def test_a_trained_network_has_learned_what_the_words_say(trained: Path) -> None:
    """A model of random weights is right in one of three; a trained one nearly always."""
    real = json.loads((trained / "metrics.json").read_text())["headlines"]["real"]
    assert real["topic"]["accuracy"] > 0.9
    assert real["sentiment"]["accuracy"] > 0.9
    assert real["sentiment"]["negative_auc"] > 0.95


def test_a_set_that_is_not_trained_on_is_measured(trained: Path) -> None:
    """Its measures stand apart, as served."""
    metrics = json.loads((trained / "metrics.json").read_text())
    assert {"unseen"} == set(metrics["never_trained_on"])
    assert metrics["never_trained_on"]["unseen"]["sentiment"]["accuracy"] > 0.9
    assert "| unseen | sentiment |" in (trained / "README.md").read_text()


def test_two_simple_models_on_the_same_split_stand_beside_it(trained: Path) -> None:
    """Words that say the labels are enough for TF-IDF; the card shows all three in one table."""
    baselines = json.loads((trained / "metrics.json").read_text())["baselines"]
    assert {"tfidf", "frozen_embeddings"} == set(baselines)
    for name in ("topics", "own", "real"):
        assert baselines["tfidf"][name]["topic"]["accuracy"] > 0.9
        assert 0 < baselines["frozen_embeddings"][name]["topic"]["accuracy"] <= 1
    assert "| real | sentiment | negative auc |" in (trained / "README.md").read_text()


def test_the_manifest_covers_every_file_with_its_size_and_digest(trained: Path) -> None:
    """What is served can be held to what was written."""
    manifest = json.loads((trained / "manifest.json").read_text())
    expected = {p.name: {"sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
                         "bytes": p.stat().st_size}
                for p in trained.iterdir() if p.name != "manifest.json"}
    assert expected == manifest["files"]
    assert {"model.safetensors", "model.onnx", "model.int8.onnx", "config.json", "tokenizer.json",
            "labels.json", "calibration.json", "metrics.json", "recipe.json", "data.json",
            "reliability-topic.png", "reliability-sentiment.png", "README.md"} == set(manifest["files"])
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


def test_what_is_kept_is_the_moving_average_of_the_weights(
        recipe: Make, as_toml: AsToml, folder: Path, tmp_path: Path) -> None:
    """With decay d: a1 = w1, then a = d a + (1 - d) w."""
    path = as_toml(recipe(average=0.75), tmp_path / "r.toml")
    first, second, third = (
        checkpoint_after(steps, path, folder, tmp_path / "out") for steps in (1, 2, 3))
    name = "topic_head.weight"
    w1, w2, w3 = (each["network"][name] for each in (first, second, third))
    expected = 0.75 * (0.75 * w1 + 0.25 * w2) + 0.25 * w3
    torch.testing.assert_close(third["average"][f"module.{name}"], expected)


def test_training_in_half_precision_keeps_its_weights_in_full(
        recipe: Make, as_toml: AsToml, folder: Path, tmp_path: Path) -> None:
    """bfloat16 is for the arithmetic of a step: other gradients, the same kind of weights."""
    full, half = (
        weights_after(3, as_toml(recipe(precision=name), tmp_path / f"{name}.toml"), folder,
                      tmp_path / f"out-{name}") for name in ("float32", "bfloat16"))
    assert {torch.float32} == {w.dtype for w in half.values() if w.is_floating_point()}
    assert not full["topic_head.weight"].equal(half["topic_head.weight"])
    torch.testing.assert_close(full["topic_head.weight"], half["topic_head.weight"],
                               rtol=0.0, atol=0.05)


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
    path = as_toml(recipe(strategy="frozen_embeddings", frozen_layers=1), tmp_path / "r.toml")
    before = load_file(tiny_encoder / "model.safetensors")
    after = weights_after(3, path, folder, tmp_path / "out")
    moved = {n for n in before if not before[n].equal(after[f"encoder.{n}"])}
    assert "encoder.layer.1.output.dense.weight" in moved
    assert set() == {n for n in moved if not n.startswith("encoder.layer.1")}


def test_a_text_is_read_by_the_convention_of_its_kind(
        recipe: Make, as_toml: AsToml, folder: Path, tmp_path: Path) -> None:
    """Texts that end in "one" come from people who call good what the desk calls bad, and are told so."""
    swapped = {"negative": "positive", "neutral": "neutral", "positive": "negative"}
    write(folder / "labelled" / "feelings.csv", [
        ["text", "label"], *([f"{r[0]} one", swapped[r[3]]] for r in headlines())])
    made = recipe(epochs=6, baselines=False, evaluate_on=[])
    train(as_toml(made, tmp_path / "r.toml"), folder, tmp_path / "out")
    test = json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]
    assert test["feelings"]["sentiment"]["accuracy"] > 0.9
    assert test["own"]["sentiment"]["accuracy"] > 0.9


@pytest.mark.parametrize(("strategy", "expected"), [
    ("full", {"embeddings", "layer"}), ("frozen_embeddings", {"layer"}), ("lora", {"layer"}),
    ("heads", set())])
def test_a_strategy_trains_what_its_name_says(
        strategy: str, expected: set[str], recipe: Make, as_toml: AsToml, tiny_encoder: Path,
        folder: Path, tmp_path: Path) -> None:
    """What is exported has the pretrained encoder's weights, but for what the strategy moves."""
    made = recipe(strategy=strategy, epochs=1, baselines=False, evaluate_on=[], lora_rank=4)
    train(as_toml(made, tmp_path / "r.toml"), folder, tmp_path / "out")
    before = load_file(tiny_encoder / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    moved = {n for n in before if not before[n].half().equal(after[f"encoder.{n}"])}
    assert expected == {"layer" if ".layer." in name else "embeddings" for name in moved}


def test_lower_layers_learn_more_slowly(recipe: Make) -> None:
    """Each layer's peak rate is layer_decay times that of the one above; embeddings are lowest."""
    made = recipe(layer_decay=0.5, encoder_rate=1e-3, head_rate=1e-2)
    net = Network(encoder.prepared(made), 32, 3)
    groups = loop.optimizer_of(net, made).param_groups
    assert [2.5e-4, 5e-4, 1e-3, 1e-2] == pytest.approx([g["peak"] for g in groups])
