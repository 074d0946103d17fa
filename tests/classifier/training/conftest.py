"""A tiny random BERT and a few dozen rows, made on the spot: nothing is downloaded."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    PreTrainedTokenizerBase,
)

from classifier.training import train
from classifier.training.recipe import Recipe

WORDS = (
    "alpha", "bank", "beta", "corp", "oil", "gold", "rises", "falls", "keeps", "profit", "loss",
    "rate", "dividend", "court", "fine", "names", "chief", "shares", "steady", "today", "said",
    "the", "a", "of", "one", "two", "three", "four", "five", "six",
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a two-layer BERT with random weights."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    config = BertConfig(vocab_size=len(SPECIAL) + len(WORDS), hidden_size=32, num_hidden_layers=2,
                        num_attention_heads=2, intermediate_size=64, max_position_embeddings=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    vocabulary = {word: k for k, word in enumerate([*SPECIAL, *WORDS])}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tiny_encoder: Path) -> PreTrainedTokenizerBase:
    """Return the tiny encoder's tokenizer."""
    return AutoTokenizer.from_pretrained(tiny_encoder)


def write(path: Path, rows: list[list[str]]) -> None:
    """Write rows as a CSV, the first being the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


TOPICS = {"oil": "Energy | Oil", "gold": "Gold", "court": "Legal"}
SENTIMENTS = {"falls": "negative", "keeps": "neutral", "rises": "positive"}
FILLERS = ("alpha bank", "beta corp", "the chief", "one two", "three four", "five six",
           "shares today", "said steady", "a rate", "profit of")


def headlines() -> list[list[str]]:
    """Return ninety headlines whose words say the labels."""
    return [[f"{filler} {thing} {verb}", f"{filler} said" if n % 2 else "", topic, sentiment]
            for n, filler in enumerate(FILLERS)
            for thing, topic in TOPICS.items() for verb, sentiment in SENTIMENTS.items()]


def lay_out(folder: Path) -> Path:
    """Write a topic set, a sentiment set, headlines and real headlines; return the folder."""
    rows = headlines()
    data = folder / "labelled"
    write(data / "topics.csv", [["text", "label"], *([f"{r[0]} two", r[2]] for r in rows)])
    write(data / "feelings.csv", [["text", "label"], *([f"{r[0]} one", r[3]] for r in rows)])
    write(data / "unseen.csv", [["text", "label"], *([f"{r[0]} three", r[3]] for r in rows)])
    write(data / "own.csv", [["text", "summary", "topic", "sentiment"], *rows])
    write(data / "real.csv", [
        ["text", "summary", "topic", "topics_ok", "sentiment", "sentiments_ok"],
        *([f"{r[0]} today", r[1], r[2], f"{r[2]};Other", r[3], r[3]] for r in rows)])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder of the test's own."""
    return lay_out(tmp_path / "data")


@pytest.fixture(scope="session")
def recipe(tiny_encoder: Path) -> Callable[..., Recipe]:
    """Return a maker of recipes for the tiny encoder; keywords change single choices."""
    def make(**changes: object) -> Recipe:
        choices = {
            "model": "tiny-1", "encoder": str(tiny_encoder), "threads": 1, "max_length": 16,
            "max_tokens": 24, "epochs": 3, "batch": 8, "encoder_rate": 5e-3, "head_rate": 1e-2,
            "checkpoint_steps": 10, "test_percent": 15, "validation_percent": 15,
            "patience_epochs": 3, "strategy": "full", "calibrate_on": "real",
            "evaluate_on": ["unseen"],
            "sets": [{"name": "topics", "kind": "topic", "share": 0.8},
                     {"name": "feelings", "kind": "sentiment", "convention": "feelings"},
                     {"name": "own", "kind": "headlines", "repeat": 2}],
        }
        return Recipe.model_validate({**choices, **changes})
    return make


@pytest.fixture(scope="session")
def as_toml() -> Callable[[Recipe, Path], Path]:
    """Return a writer of recipes as a person would write them: JSON scalars are TOML scalars."""
    def write_recipe(recipe: Recipe, path: Path) -> Path:
        content = recipe.model_dump(mode="json")
        sets = content.pop("sets")
        lines = [f"{k} = {json.dumps(v)}" for k, v in content.items()]
        for one in sets:
            lines += ["[[sets]]", *(f"{k} = {json.dumps(v)}" for k, v in one.items())]
        path.write_text("\n".join(lines))
        return path
    return write_recipe


@pytest.fixture(scope="session")
def trained(recipe: Callable[..., Recipe], as_toml: Callable[[Recipe, Path], Path],
            tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the artifact of one unbroken run, for the tests that only look at it."""
    place = tmp_path_factory.mktemp("trained")
    train(as_toml(recipe(), place / "recipe.toml"), lay_out(place / "data"), place / "out")
    return place / "out"
