"""A tiny artifact with random weights, of the same form as the one that is shipped."""

import hashlib
import json
import logging
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from classifier.network import Network, without_pooler

TOPICS = tuple(f"Topic {number:02}" for number in range(20))
SENTIMENTS = ("negative", "neutral", "positive")
WORDS = ("shares", "fall", "rise", "bank", "the", "profit", "of", "rate", "dividend", "oil")
PROBES = (
    {"text": "shares fall", "topic": "", "sentiment": ""},
    {"text": "the bank kept its rate", "topic": "", "sentiment": ""},
    {"text": "oil", "topic": "", "sentiment": ""},
)


def build(folder: Path, max_tokens: int = 64) -> Path:
    """Write a whole artifact into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128,
    )
    encoder = BertModel(config, **without_pooler(config))
    network = Network(encoder, config.hidden_size, len(TOPICS), conventions=1).eval()
    with torch.no_grad():
        for weight in network.parameters():
            # Large enough that texts differ, and exact in half precision.
            weight.mul_(4).copy_(weight.half().float())
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    save_file({k: v.half().contiguous() for k, v in network.state_dict().items()
               if v.is_floating_point()}, folder / "model.safetensors", {"format": "pt"})
    _write_onnx(network, folder / "model.onnx")
    write(folder / "labels.json", {"topics": TOPICS, "sentiments": SENTIMENTS})
    write(folder / "calibration.json", {
        "topic_temperature": 1.25, "sentiment_temperature": 0.8, "sentiment_bias": [0.1, 0, -0.1],
        "topic_bend": 0.5, "sentiment_bend": 0.1,
    })
    sign(folder, max_tokens)
    return folder


def write(path: Path, content: object) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content))


def sign(folder: Path, max_tokens: int = 64, probes: tuple[dict[str, str], ...] = ()) -> None:
    """Write a manifest that agrees with the files as they are now."""
    files = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size,
        }
        for path in sorted(folder.iterdir()) if path.name != "manifest.json"
    }
    write(folder / "manifest.json", {
        "format": 1, "name": "tiny-1", "max_tokens": max_tokens, "files": files, "probes": probes,
    })


def _write_tokenizer(folder: Path) -> int:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    signs = [*"0123456789.,$%-", "中", "央"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *signs,
              *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece(
        {token: number for number, token in enumerate(tokens)}, unk_token="[UNK]",
    ))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(tokens)


def _write_onnx(network: Network, path: Path) -> None:
    ids = torch.tensor([[2, 5, 6, 3], [2, 5, 3, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("length")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network, (ids, mask), dynamo=True, verbose=False,
            input_names=["input_ids", "attention_mask"],
            output_names=["topic_logits", "sentiment_logits", "vectors"], dynamic_shapes=(shape, shape),
        )
        assert program is not None
        program.save(path, external_data=False)
