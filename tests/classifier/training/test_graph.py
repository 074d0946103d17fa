"""The graph in 8 bits says what the network says, and the integers are the same on every processor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import nn
from transformers import PreTrainedTokenizerBase, RobertaConfig, RobertaModel

from classifier.model import load
from classifier.network import Network
from classifier.training import encoder, export, graph, quantise
from classifier.training.batches import Collator
from classifier.training.data import Example
from classifier.training.recipe import Recipe

FINITE = st.floats(-50, 50, width=32)
TEXTS = ("oil falls", "the chief of alpha bank said gold rises today", "court keeps a fine of one two")


@pytest.fixture(scope="module")
def net(tiny_encoder: Path) -> Network:
    """Return a network whose every part matters: conventions, kinds and factors too."""
    torch.manual_seed(3)
    made = Network(encoder.load(str(tiny_encoder)), 32, 4, 2).eval()
    nn.init.normal_(made.conventions)
    made.topic_factors.data = torch.tensor([1.0, 0.5, 2.0])
    return made


def difference(net: Network, say: export.Say, tokenizer: PreTrainedTokenizerBase) -> float:
    """Return the largest difference of a logit or a vector, beside the spread of the logits."""
    ids, mask = export.tokens(tokenizer, TEXTS, 32)
    with torch.inference_mode():
        expected = net(ids, mask)
    worst = max(float((a - e).abs().max()) for a, e in zip(say(ids, mask), expected, strict=True))
    return worst / float(expected[0].std())


def test_eight_bits_say_nearly_what_the_network_says(
        net: Network, tokenizer: PreTrainedTokenizerBase, recipe) -> None:
    """On padded batches; with the heads, the conventions and the topics' factors in place."""
    made: Recipe = recipe()
    collate = Collator(tokenizer, ("a", "b", "c", "d"), 32, made)
    seen = quantise.ranges(net, [Example(t, "", None, None, -1) for t in TEXTS], collate)
    int8 = export.session(graph.serialised(net, seen))
    assert difference(net, int8, tokenizer) < 0.1


def test_an_encoder_of_another_family_is_left_in_full_precision(net: Network) -> None:
    """The graph is written for BERT; RoBERTa counts its positions otherwise."""
    other = RobertaModel(RobertaConfig(vocab_size=40, hidden_size=32, num_hidden_layers=1,
                                       num_attention_heads=2, intermediate_size=64))
    assert graph.supported(net.encoder)
    assert not graph.supported(other)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=60), elements=FINITE))
def test_what_was_seen_is_held_to_half_a_step(seen: np.ndarray) -> None:
    """Zero is held exactly, and the loud channels are not held at all but kept."""
    values = torch.from_numpy(seen)
    scale = quantise.scale_of(quantise.Range(values.amin(0), values.amax(0)), loud=True)
    quiet = np.delete(seen, scale.loud, axis=1).astype(np.float64)
    held = np.clip(np.rint(quiet / scale.step) + scale.zero, 0, 255)
    assert 0 <= scale.zero <= 255
    assert np.all(np.abs((held - scale.zero) * scale.step - quiet) <= scale.step * 1.001)
    assert len(scale.loud) == seen.shape[1] // quantise.LOUD


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=60), elements=FINITE), st.data())
def test_no_sum_of_two_products_overflows_sixteen_bits(matrix: np.ndarray, data: st.DataObject) -> None:
    """vpmaddubsw adds two products of an unsigned and a signed byte, and saturates."""
    loud = np.array(sorted(data.draw(st.sets(st.integers(0, len(matrix) - 1), max_size=3))), np.int64)
    weights = quantise.weights_of(matrix, loud)
    assert 255 * 2 * int(np.abs(weights.values.astype(int)).max()) <= 2**15 - 1
    rebuilt = weights.values * weights.steps
    rebuilt[loud] = weights.loud
    assert np.all(np.abs(rebuilt - matrix) <= weights.steps / 2 * 1.001 + 1e-6)


def test_a_trained_artifact_has_both_and_serves_eight_bits_unless_told(trained: Path) -> None:
    """They agree on nearly every label, and the metrics say how nearly."""
    texts = ["oil falls", "gold rises today", "the court keeps a fine", "alpha bank said"]
    with load(trained) as chosen, load(trained, "onnx") as whole:
        assert ("onnx-int8", "onnx") == (chosen.backend_name, whole.backend_name)
        for one, other in zip(chosen.score(texts), whole.score(texts), strict=True):
            assert one.topics == pytest.approx(other.topics, abs=0.15)
    told = json.loads((trained / "metrics.json").read_text())["int8"]
    assert {"topics", "feelings", "own", "real", "unseen"} == set(told)
    assert all(abs(head["macro_f1"]) < 0.1 for heads in told.values() for head in heads.values())
