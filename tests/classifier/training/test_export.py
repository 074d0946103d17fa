"""The ONNX file says what torch says, whatever is padded."""

import copy
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from classifier.network import Network
from classifier.training import encoder, export
from classifier.training.errors import ExportError

TEXTS = ("oil falls", "the chief of alpha bank said gold rises today", "", "court " * 15)


@pytest.fixture(scope="module")
def net(tiny_encoder: Path) -> Network:
    """Return an untrained network, rounded as for export."""
    torch.manual_seed(3)
    made = Network(encoder.load(str(tiny_encoder)), 32, 4, 2, 0.5).eval()
    nn.init.normal_(made.conventions)
    export.round_to_half(made)
    return made


@pytest.fixture(scope="module")
def exported(net: Network, tokenizer: PreTrainedTokenizerBase,
             tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return its ONNX file: one export for all tests here, since it takes seconds."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export.save_onnx(net, tokenizer, path)
    return path


def test_onnx_agrees_with_torch_on_padded_batches_and_on_single_texts(
        net: Network, tokenizer: PreTrainedTokenizerBase, exported: Path) -> None:
    """An export traced without padding is silently wrong; this one is not."""
    assert export.check_parity(net, tokenizer, exported, TEXTS, 32) < 1e-4


def test_large_weights_are_stored_in_half_precision_and_the_graph_names_no_local_file(
        exported: Path) -> None:
    """The file is half as large, and tells nothing of the machine that made it."""
    large = [w.name for w in onnx.load(exported).graph.initializer
             if w.data_type == onnx.TensorProto.FLOAT and len(w.raw_data) > 4 * export.SMALL]
    assert [] == large
    assert str(Path.cwd()).encode() not in exported.read_bytes()


def test_an_export_of_another_network_is_refused(
        net: Network, tokenizer: PreTrainedTokenizerBase, exported: Path) -> None:
    """A head that was changed after the export is noticed."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.topic_head.bias.add_(0.1)
    with pytest.raises(ExportError, match=r"differs .* by 0\.1"):
        export.check_parity(other, tokenizer, exported, TEXTS, 32)
