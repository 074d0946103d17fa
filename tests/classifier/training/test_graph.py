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
MATRICES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=FINITE)
TEXTS = ("oil falls", "the chief of alpha bank said gold rises today", "court keeps a fine of one two")


@pytest.fixture(scope="module")
def net(tiny_encoder: Path) -> Network:
    """Return a network whose every part matters: conventions, kinds, factors and shifts too."""
    torch.manual_seed(3)
    made = Network(encoder.load(str(tiny_encoder)), 32, 4, 2).eval()
    nn.init.normal_(made.conventions)
    made.topic_factors.data = torch.tensor([1.0, 0.5, 2.0])
    made.topic_shifts.data = torch.randn(3, 4)
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
    """On padded batches; with the heads, the conventions and the topics' factors and shifts in place."""
    made: Recipe = recipe()
    collate = Collator(tokenizer, ("a", "b", "c", "d"), 32, made)
    seen = quantise.seen_by_layer(net, [Example(t, "", None, None, -1) for t in TEXTS], collate)
    int8 = export.session(graph.serialised(net, seen))
    assert difference(net, int8, tokenizer) < 0.1


def test_an_encoder_of_another_family_is_left_in_full_precision(net: Network) -> None:
    """The graph is written for BERT; RoBERTa counts its positions otherwise."""
    other = RobertaModel(RobertaConfig(vocab_size=40, hidden_size=32, num_hidden_layers=1,
                                       num_attention_heads=2, intermediate_size=64))
    assert graph.supported(net.encoder)
    assert not graph.supported(other)


def seen_in(values: np.ndarray) -> quantise.Seen:
    """Return what a layer has seen that read these rows."""
    rows = torch.from_numpy(values)
    return quantise.Seen(rows.amin(0), rows.amax(0), rows)


@given(MATRICES)
def test_what_was_seen_is_held_to_half_a_step(values: np.ndarray) -> None:
    """And zero exactly."""
    held = quantise.plain(seen_in(values))
    rows = torch.from_numpy(values).double()
    assert 0 <= held.zero <= 255
    assert float((held(rows) - rows).abs().max()) <= held.step * 0.501
    assert torch.equal(torch.zeros_like(rows), held(torch.zeros_like(rows)))


@given(MATRICES, st.integers(1, 5), st.booleans())
def test_a_smoothed_product_is_held_to_half_a_step_of_each_channel(
        values: np.ndarray, outputs: int, shifted: bool) -> None:
    """Whatever is loud, and whichever smoothing is chosen; nothing is shifted unasked."""
    seen = seen_in(values)
    matrix = torch.linspace(-1, 1, values.shape[1] * outputs).reshape(-1, outputs)
    held = quantise.smooth(seen, matrix, shifted=shifted)
    product = held(seen.rows) @ (matrix * held.scale.unsqueeze(1)) + held.shift @ matrix
    reach = (held.step * held.scale.unsqueeze(1) * matrix.abs()).sum(0)
    assert bool(((product - seen.rows @ matrix).abs() <= reach * 0.51 + 1e-3).all())
    if not shifted:
        assert not held.shift.any()


@given(MATRICES)
def test_no_sum_of_two_products_overflows_sixteen_bits(matrix: np.ndarray) -> None:
    """vpmaddubsw adds two products of an unsigned and a signed byte, and saturates."""
    seen = seen_in(np.eye(len(matrix), dtype=np.float32))
    weights = quantise.weights_of(seen, quantise.plain(seen), torch.from_numpy(matrix),
                                  torch.zeros(matrix.shape[1]))
    assert 255 * 2 * int(np.abs(weights.values.astype(int)).max()) <= 2**15 - 1


def test_rounding_with_an_eye_on_the_product_beats_rounding_each_weight() -> None:
    """Channels that are read together make up for each other, and the mean of the product stays."""
    torch.manual_seed(1)
    rows = torch.randn(500, 4) @ torch.randn(4, 24) + 0.1 * torch.randn(500, 24)
    seen, matrix, bias = seen_in(rows.numpy()), torch.randn(24, 8), torch.randn(8)
    held = quantise.plain(seen)
    weights = quantise.weights_of(seen, held, matrix, bias)
    read, rounded = held(rows), torch.from_numpy(weights.values).float() * weights.steps
    naive = torch.round(matrix / weights.steps) * weights.steps
    found, expected = ((read @ (each - matrix)).square().mean() for each in (rounded, naive))
    assert float(found) < 0.5 * float(expected)
    assert torch.allclose((read @ rounded + weights.bias).mean(0), (rows @ matrix + bias).mean(0), atol=1e-4)


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
