"""Channels of a feed-forward that others make up for are removed, and nothing is lost by it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2Model

from classifier.model import load
from classifier.network import Network
from classifier.training import encoder, export, train
from classifier.training.batches import Collator
from classifier.training.data import Example
from classifier.training.errors import RecipeError
from classifier.training.narrowing import narrow
from classifier.training.recipe import Recipe
from classifier.training.teaching import check

Make = Callable[..., Recipe]
TEXTS = ("oil falls", "the chief of alpha bank said gold rises today", "court keeps a fine of one two")


@pytest.fixture
def collate(tokenizer: PreTrainedTokenizerBase, recipe: Make) -> Collator:
    return Collator(tokenizer, ("a", "b"), 32, recipe())


def examples() -> list[Example]:
    return [Example(text, "", None, None, -1) for text in TEXTS]


def said(network: Network, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    with torch.inference_mode():
        return network(*export.tokens(tokenizer, TEXTS, 32))[0]


def test_what_is_twice_there_goes_first_and_unnoticed(
        tiny_encoder: Path, tokenizer: PreTrainedTokenizerBase, collate: Collator) -> None:
    """Half of the channels are copies of the others: with half of them the network says the same."""
    network = Network(encoder.load(str(tiny_encoder)), 32, 2).eval()
    with torch.no_grad():
        for block in encoder.blocks(network.encoder):
            first, second = block.get_submodule("intermediate.dense"), block.get_submodule("output.dense")
            first.weight[32:], first.bias[32:] = first.weight[:32].clone(), first.bias[:32].clone()
            second.weight.copy_(torch.randn(second.weight.shape))
    before = said(network, tokenizer)
    narrow(network, 32, examples(), collate)
    assert torch.allclose(before, said(network, tokenizer), atol=0.02)
    assert [32, 32] == [block.get_submodule("intermediate.dense").out_features
                        for block in encoder.blocks(network.encoder)]


def test_a_narrowed_artifact_is_smaller_and_served_the_same_by_all(
        recipe: Make, as_toml: Callable[[Recipe, Path], Path], folder: Path, tmp_path: Path) -> None:
    """In 8 bits, in fp32 and by torch, which builds the network from the artifact's own configuration."""
    made = recipe(feed_forward=40, epochs=1, baselines=False, evaluate_on=[])
    train(as_toml(made, tmp_path / "r.toml"), folder, tmp_path / "out")
    assert 40 == json.loads((tmp_path / "out" / "config.json").read_text())["intermediate_size"]
    with (load(tmp_path / "out", "onnx-int8", 1) as int8, load(tmp_path / "out", "onnx", 1) as whole,
          load(tmp_path / "out", "torch-cpu", 1) as torch_cpu):
        for one, two, three in zip(*(m.score(list(TEXTS)) for m in (int8, whole, torch_cpu)), strict=True):
            assert two.topics == pytest.approx(three.topics, abs=1e-3)
            assert one.topics == pytest.approx(two.topics, abs=0.15)


def test_more_channels_than_there_are_are_refused(tiny_encoder: Path, collate: Collator) -> None:
    """With both numbers in the message."""
    network = Network(encoder.load(str(tiny_encoder)), 32, 2)
    with pytest.raises(RecipeError, match="65 channels are wanted of 64"):
        narrow(network, 65, examples(), collate)


def test_layers_of_another_build_are_refused(collate: Collator) -> None:
    """Their names are not BERT's."""
    config = Qwen2Config(vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                         num_key_value_heads=2, intermediate_size=64)
    with pytest.raises(RecipeError, match="built as BERT's"):
        narrow(Network(Qwen2Model(config), 32, 2), 32, examples(), collate)


def test_what_was_narrowed_is_refused_as_a_teacher(recipe: Make) -> None:
    """Its recipe's encoder has other shapes."""
    with pytest.raises(RecipeError, match="cannot teach"):
        check(recipe(feed_forward=32), recipe())
