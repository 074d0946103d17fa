"""Any Hugging Face encoder: each family is trained, exported and served, tiny and random."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    BertTokenizerFast,
    DebertaV2Config,
    ModernBertConfig,
    PretrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from classifier.model import load
from classifier.training import train
from classifier.training.recipe import Recipe
from tests.classifier.training.conftest import SPECIAL, WORDS

SHAPE = {"vocab_size": len(SPECIAL) + len(WORDS), "hidden_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64,
         "pad_token_id": 0}
FAMILIES = {
    "roberta": RobertaConfig(**SHAPE),
    "xlm-roberta": XLMRobertaConfig(**SHAPE),
    "deberta-v2": DebertaV2Config(**SHAPE, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "modernbert": ModernBertConfig(**SHAPE, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3),
}


def encoder(folder: Path, config: PretrainedConfig) -> Path:
    """Write a random encoder of a family, with a word tokenizer."""
    torch.manual_seed(1)
    AutoModel.from_config(config).save_pretrained(folder)
    vocabulary = {word: k for k, word in enumerate([*SPECIAL, *WORDS])}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_of_each_family_is_trained_exported_and_served(
        family: str, recipe: Callable[..., Recipe], as_toml: Callable[[Recipe, Path], Path],
        folder: Path, tmp_path: Path) -> None:
    """One short run with a frozen layer; both backends serve it and agree."""
    made = recipe(encoder=str(encoder(tmp_path / "encoder", FAMILIES[family])), epochs=1,
                  strategy="frozen_embeddings", frozen_layers=1, baselines=False, evaluate_on=[])
    train(as_toml(made, tmp_path / "r.toml"), folder, tmp_path / "out")
    texts = ["oil falls", "the chief of alpha bank said gold rises today", ""]
    with load(tmp_path / "out", "onnx", 1) as onnx, load(tmp_path / "out", "torch-cpu", 1) as torch_cpu:
        for one, other in zip(onnx.score(texts), torch_cpu.score(texts), strict=True):
            assert one.topics == pytest.approx(other.topics, abs=1e-3)
            assert one.sentiments == pytest.approx(other.sentiments, abs=1e-3)
