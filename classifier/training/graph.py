"""The BERT family as an ONNX graph of our own, with its matrix products in 8 bits.

The exporter's graph keeps everything in fp32; four fifths of the time of that is in the products
of the linear layers. Here these take integers and give fp32 back (MatMulIntegerToFloat), so that
nothing else loses precision: attention, norms, GELU and the heads are as they were.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from classifier.network import Network

from . import quantise
from .quantise import Held, Seen, Weights

RUNTIME = "com.microsoft"  # the operators that onnxruntime adds to the standard's
OPSET, RUNTIME_OPSET, IR = 20, 1, 10
MASKED = -10_000.0
# Of so many channels between the two layers of a feed-forward one is loud: 32 of MiniLM-L6's 1,536.
LOUD = 48


def supported(encoder: nn.Module) -> bool:
    """Say whether this module can write the encoder: BERT with GELU and absolute positions."""
    config: Any = encoder.config
    plain = getattr(config, "position_embedding_type", "absolute") in (None, "absolute")
    return bool(config.model_type == "bert" and config.hidden_act == "gelu" and plain)


def serialised(network: Network, seen: Mapping[str, Seen]) -> bytes:
    """Return the network as an ONNX file, the linear layers of its encoder in 8 bits."""
    graph = _Graph()
    with torch.no_grad():
        _heads(graph, network, _encoder(graph, network.encoder, seen))
    inputs = [_value(name, TensorProto.INT64, "length") for name in ("input_ids", "attention_mask")]
    sizes = {"topic_logits": network.topic_head.out_features, "sentiment_logits": 3,
             "vectors": network.topic_head.in_features}
    outputs = [_value(name, TensorProto.FLOAT, size) for name, size in sizes.items()]
    body = helper.make_graph(graph.nodes, "newsquake", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, RUNTIME_OPSET)]
    made: bytes = helper.make_model(body, opset_imports=opsets, ir_version=IR).SerializeToString()
    return made


def _value(name: str, kind: int, last: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["texts", last])


class _Graph:
    """Nodes and constants as they are added; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[Any] | Tensor | list[int] | float) -> str:
        """Add a constant; floats become fp32, lists int64."""
        array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, output: str = "", domain: str = "",
           **attributes: Any) -> str:
        """Add a node of one output."""
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name


class _Bits:
    """A tensor in 8 bits, for the layers that read it."""

    def __init__(self, graph: _Graph, value: str, held: Held) -> None:
        self._graph = graph
        self._step = graph.constant(held.step)
        self._zero = graph.constant(np.array(held.zero, np.uint8))
        self._bits = graph.op("QuantizeLinear", value, self._step, self._zero)

    def times(self, weights: Weights) -> str:
        """Return the product with the weights and their bias, in fp32."""
        graph = self._graph
        return graph.op(
            "MatMulIntegerToFloat", self._bits, graph.constant(weights.values), self._step,
            graph.constant(weights.steps), self._zero,
            graph.constant(np.zeros(len(weights.steps), np.int8)),
            graph.constant(weights.bias), domain=RUNTIME)


class _Normed:
    """A sum that a layer normalises: as it is, and shifted and scaled by the same norm for 8 bits."""

    def __init__(self, graph: _Graph, value: str, layer: nn.LayerNorm) -> None:
        self._graph, self._value, self._layer = graph, value, layer
        self.whole = self._norm(layer.weight, layer.bias)

    def bits(self, held: Held) -> _Bits:
        """Return it as held."""
        weight, bias = self._layer.weight, self._layer.bias
        return _Bits(self._graph, self._norm(weight / held.scale, (bias - held.shift) / held.scale), held)

    def _norm(self, weight: Tensor, bias: Tensor) -> str:
        graph = self._graph
        return graph.op("LayerNormalization", self._value, graph.constant(weight), graph.constant(bias),
                        axis=-1, epsilon=self._layer.eps)


def _encoder(graph: _Graph, encoder: Any, seen: Mapping[str, Seen]) -> str:
    """Add the encoder; return the name of its token vectors, [texts, length, size]."""
    heads = encoder.config.num_attention_heads
    hidden = _embeddings(graph, encoder.embeddings)
    absent = graph.op("Sub", graph.constant(1.0), graph.op(
        "Cast", graph.op("Unsqueeze", "attention_mask", graph.constant([1, 2])), to=TensorProto.FLOAT))
    mask = graph.op("Mul", absent, graph.constant(MASKED))
    for index, layer in enumerate(encoder.encoder.layer):
        own = {name.removeprefix(f"encoder.layer.{index}."): each for name, each in seen.items()}
        attention = _attention(graph, hidden, mask, layer.attention, heads, own)
        hidden = _Normed(graph, graph.op("Add", hidden.whole, attention), layer.attention.output.LayerNorm)
        narrow = _feed_forward(graph, hidden, layer.intermediate.dense, layer.output.dense, own)
        hidden = _Normed(graph, graph.op("Add", hidden.whole, narrow), layer.output.LayerNorm)
    return hidden.whole


def _embeddings(graph: _Graph, embeddings: Any) -> _Normed:
    """Add the sum of the embeddings; the words' stay in half precision until they are looked up."""
    table = graph.constant(embeddings.word_embeddings.weight.half())
    words = graph.op("Cast", graph.op("Gather", table, "input_ids"), to=TensorProto.FLOAT)
    places = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    length = graph.op("Shape", "input_ids", start=1)
    first = graph.op("Slice", graph.constant(places), graph.constant([0]), length)
    return _Normed(graph, graph.op("Add", words, first), embeddings.LayerNorm)


def _attention(graph: _Graph, hidden: _Normed, mask: str, attention: Any, heads: int,
               seen: Mapping[str, Seen]) -> str:
    """Add the attention of one layer, with its output layer.

    What the output layer reads is linear in the values, so that theirs are scaled instead.
    """
    own, out = attention.self, attention.output.dense
    size = own.query.out_features // heads
    apart = graph.constant([0, 0, heads, size])
    read = seen["attention.self.query"]
    every = torch.cat([own.query.weight, own.key.weight, own.value.weight])
    held = quantise.smooth(read, every.T, shifted=True)
    joined = quantise.smooth(seen["attention.output.dense"], out.weight.T, shifted=False)
    bits = hidden.bits(held)

    def split(layer: nn.Linear, order: tuple[int, ...], factor: Tensor | float = 1.0) -> str:
        product = bits.times(quantise.weights_of(read, held, layer.weight.T, layer.bias).times(factor))
        return graph.op("Transpose", graph.op("Reshape", product, apart), perm=order)

    query = split(own.query, (0, 2, 1, 3), size ** -0.5)
    key, value = split(own.key, (0, 2, 3, 1)), split(own.value, (0, 2, 1, 3), 1 / joined.scale)
    scores = graph.op("Add", graph.op("MatMul", query, key), mask)
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
    flat = graph.op("Reshape", graph.op("Transpose", mixed, perm=(0, 2, 1, 3)),
                    graph.constant([0, 0, heads * size]))
    weights = quantise.weights_of(seen["attention.output.dense"], joined, out.weight.T, out.bias)
    return _Bits(graph, flat, joined).times(weights)


def _feed_forward(graph: _Graph, hidden: _Normed, first: nn.Linear, second: nn.Linear,
                  seen: Mapping[str, Seen]) -> str:
    """Add both linear layers; the few loudest channels between them have a step of their own."""
    read, between = seen["intermediate.dense"], seen["output.dense"]
    held = quantise.smooth(read, first.weight.T, shifted=True)
    bits, wide = hidden.bits(held), quantise.weights_of(read, held, first.weight.T, first.bias)
    order = between.loudness.argsort()
    count = len(order) - len(order) // LOUD
    sums: list[str] = []
    for channels in (order[:count], order[count:]):
        if len(channels):
            part = between.of(channels)
            as_is = quantise.plain(part)
            bias = torch.zeros_like(second.bias) if sums else second.bias
            weights = quantise.weights_of(part, as_is, second.weight.T[channels], bias)
            value = graph.op("Gelu", bits.times(wide.of(channels)), domain=RUNTIME)
            sums.append(_Bits(graph, value, as_is).times(weights))
    return sums[0] if len(sums) == 1 else graph.op("Add", *sums)


def _heads(graph: _Graph, network: Network, hidden: str) -> None:
    """Add the mean over the tokens, the two heads and the conventions (`Network.served`)."""
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    one = graph.constant([1])
    total = graph.op("Squeeze", graph.op("MatMul", graph.op("Unsqueeze", mask, one), hidden), one)
    count = graph.op("Max", graph.op("ReduceSum", mask, one, keepdims=1), graph.constant(1.0))
    vectors = graph.op("Div", total, count, output="vectors")

    def linear(weight: Tensor, bias: Tensor) -> str:
        return graph.op("Gemm", vectors, graph.constant(weight), graph.constant(bias), transB=1)

    kinds = graph.op("Softmax", linear(network.kind.weight, network.kind.bias), axis=-1)
    factors = graph.op("MatMul", kinds, graph.constant(network.topic_factors.unsqueeze(1)))
    topics = linear(network.topic_head.weight, network.topic_head.bias)
    shifts = graph.op("MatMul", kinds, graph.constant(network.topic_shifts))
    graph.op("Add", graph.op("Mul", topics, factors), shifts, output="topic_logits")
    corrections = network.conventions.flatten(0, 1)
    bias = torch.cat([network.sentiment_head.bias, corrections[:, -1]])
    every = linear(torch.cat([network.sentiment_head.weight, corrections[:, :-1]]), bias)
    apart = graph.op("Reshape", every, graph.constant([0, -1, 3]))
    # The desk's own sentiments count whole, each correction by how likely its kind is.
    desk = torch.zeros(len(network.topic_factors))
    desk[0] = 1.0
    rest = graph.op("Mul", kinds, graph.constant(1.0 - desk))
    shares = graph.op("Unsqueeze", graph.op("Add", rest, graph.constant(desk)), graph.constant([2]))
    graph.op("ReduceSum", graph.op("Mul", apart, shares), one, keepdims=0, output="sentiment_logits")
