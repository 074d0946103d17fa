"""Two simple models on the same split, so that every figure stands beside what is easy to have.

TF-IDF of words and word pairs, and the pretrained encoder's own mean vectors, each with a
logistic regression for each head.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from transformers import PreTrainedTokenizerBase

from classifier.evaluation.measures import Head, measures
from classifier.network import Network
from classifier.texts import without_links

from . import encoder
from .batches import Collator
from .data import Example
from .outputs import outputs
from .recipe import Recipe

Encode = Callable[[Sequence[Example]], Any]  # examples -> [examples, features], dense or sparse
Measured = dict[str, dict[str, dict[str, float]]]  # set -> head -> measure -> value


def measure(train: Sequence[Example], tests: Mapping[str, Sequence[Example]], recipe: Recipe,
            tokenizer: PreTrainedTokenizerBase) -> dict[str, Measured]:
    """Train both baselines on `train` and return their measures on each of `tests`, by name."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    words.fit([without_links(e.text) for e in train])
    encoders: dict[str, tuple[Encode, float]] = {
        "tfidf": (lambda examples: words.transform([without_links(e.text) for e in examples]), 10.0),
        "frozen_embeddings": (frozen(recipe, tokenizer), 1.0),
    }
    return {name: _measured(train, tests, *each) for name, each in encoders.items()}


def frozen(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Encode:
    """Return what encodes examples as the mean vectors of the encoder before any training."""
    collate = Collator(tokenizer, (), recipe.max_length, recipe)
    pretrained = encoder.load(recipe.encoder)
    net = Network(pretrained, encoder.size_of(pretrained), 2)

    def encode(examples: Sequence[Example]) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            return outputs(net, examples, collate).vectors.float().numpy()

    return encode


def _measured(train: Sequence[Example], tests: Mapping[str, Sequence[Example]], encode: Encode,
              strength: float) -> Measured:
    features = encode(train)
    encoded = {name: encode(examples) for name, examples in tests.items()}
    found: Measured = {name: {} for name in tests}
    heads: tuple[Head, ...] = ("topic", "sentiment")
    for head in heads:
        labels = np.array([getattr(e, head) or "" for e in train])
        known = np.flatnonzero(labels != "")
        if not len(known):
            continue
        model = LogisticRegression(C=strength, max_iter=300).fit(features[known], labels[known])
        place = {label: index for index, label in enumerate(model.classes_)}
        for name, examples in tests.items():
            asked = [k for k, e in enumerate(examples) if getattr(e, head) in place]
            if asked:
                truth = np.array([place[getattr(examples[k], head)] for k in asked])
                found[name][head] = measures(head, model.predict_proba(encoded[name][asked]), truth)
    return found
