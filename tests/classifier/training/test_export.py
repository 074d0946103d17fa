"""The ONNX file says what torch says, whatever is padded."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
import torch
from classifier.training import export, network
from classifier.training.errors import ExportError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

TEXTS = ("oil falls", "the chief of alpha bank said gold rises today", "", "court " * 15)


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> PreTrainedTokenizerBase:
    """Return the tiny encoder's tokenizer."""
    return AutoTokenizer.from_pretrained(tiny_encoder)


@pytest.fixture
def net(tiny_encoder: Path) -> Iterator[network.Network]:
    """Return an untrained network, rounded as for export."""
    torch.manual_seed(3)
    made = network.Network(network.load_encoder(str(tiny_encoder)), 4, 2, 0.5).eval()
    export.round_to_half(made)
    yield made


def test_onnx_agrees_with_torch_on_padded_batches_and_on_single_texts(
        net: network.Network, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """An export traced without padding is silently wrong; this one is not."""
    path = tmp_path / "model.onnx"
    export.save_onnx(net, tokenizer, path)
    assert export.check_parity(net, tokenizer, path, TEXTS, 32) < 1e-4


def test_large_weights_are_stored_in_half_precision_and_the_graph_names_no_local_file(
        net: network.Network, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """The file is half as large, and tells nothing of the machine that made it."""
    path = tmp_path / "model.onnx"
    export.save_onnx(net, tokenizer, path)
    model = onnx.load(path)
    large = [w for w in model.graph.initializer
             if w.data_type == onnx.TensorProto.FLOAT and len(w.raw_data) > 4 * export.SMALL]
    assert [] == large
    assert str(Path.cwd()).encode() not in path.read_bytes()


def test_an_export_that_says_something_else_is_refused(
        net: network.Network, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """A head that was changed after the export is noticed."""
    path = tmp_path / "model.onnx"
    export.save_onnx(net, tokenizer, path)
    with torch.no_grad():
        net.topic_head.bias.add_(0.1)
    with pytest.raises(ExportError, match=r"differs .* by 0\.1"):
        export.check_parity(net, tokenizer, path, TEXTS, 32)
