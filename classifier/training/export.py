"""Write the trained network in the forms that are served: safetensors and ONNX."""

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from classifier.network import Network

from .errors import ExportError
from .outputs import Say

TOLERANCE = 2e-3  # of a logit; fp32 kernels of two libraries differ by about 1e-5
OUTPUTS = ["topic_logits", "sentiment_logits", "vectors"]
SMALL = 1024  # weights up to this many elements (biases, norms) stay in fp32 in ONNX

# Two lengths, so that the shorter is padded: an export traced on an all-ones attention mask
# folds the mask away and is silently wrong on every padded batch.
SAMPLE = ("Shares fall", "The central bank kept its key rate, as everybody had expected.")


def round_to_half(network: Network) -> None:
    """Round all weights to what half precision can hold, so that every export is the same model."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(weight.half().float())


def save_weights(network: Network, path: Path) -> None:
    """Write the served weights in half precision."""
    weights = {k: v.half().contiguous() if v.is_floating_point() else v.contiguous()
               for k, v in network.state_dict().items()}
    save_file(weights, path, metadata={"format": "pt"})


def save_config(network: Network, path: Path) -> None:
    """Write the encoder's configuration, from which torch rebuilds it."""
    config = network.encoder.config.to_dict()  # type: ignore[union-attr,operator]
    config["architectures"] = [type(network.encoder).__name__]
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str],
           max_length: int) -> tuple[Tensor, Tensor]:
    """Return ids and mask of the texts as one padded batch."""
    batch = tokenizer(list(texts), truncation=True, max_length=max_length, padding=True,
                      return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"]


def save_onnx(network: Network, tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """Export to ONNX: any number of texts of any length, weights stored in half precision.

    The arithmetic is fp32: onnxruntime folds the casts when it loads the file.
    """
    network.eval()
    sample = tokens(tokenizer, SAMPLE, 64)
    texts, length = torch.export.Dim("texts"), torch.export.Dim("length")
    shape = {0: texts, 1: length}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network, sample, dynamo=True, verbose=False,
            input_names=["input_ids", "attention_mask"],
            output_names=OUTPUTS,
            dynamic_shapes=(shape, shape),
        )
    assert program is not None
    program.save(path, external_data=False)
    _store_half(path)


def _store_half(path: Path) -> None:
    """Rewrite large fp32 weights as fp16 followed by a cast."""
    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) <= SMALL:
            continue
        stored = f"{weight.name}_half"
        casts.append(helper.make_node("Cast", [stored], [weight.name], to=TensorProto.FLOAT))
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), stored)
        weight.CopyFrom(half)
    nodes = casts + list(model.graph.node)
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, path)


def session(model: Path | bytes) -> Say:
    """Return what an ONNX file says, called as a network is."""
    opened = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def say(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        topics, sentiments, vectors = map(torch.from_numpy, opened.run(OUTPUTS, feed))
        return topics, sentiments, vectors

    return say


def check_parity(network: Network, tokenizer: PreTrainedTokenizerBase, path: Path,
                 texts: Sequence[str], max_length: int) -> float:
    """Compare ONNX with torch on one padded batch of `texts`, and on each text by itself.

    Returns the largest difference of a logit; raises ExportError above TOLERANCE.
    """
    exported = session(path)
    worst = 0.0
    for batch in [list(texts), *([text] for text in texts)]:
        ids, mask = tokens(tokenizer, batch, max_length)
        with torch.inference_mode():
            expected = network(ids, mask)
        worst = max(worst, *(float((a - e).abs().max())
                             for a, e in zip(exported(ids, mask), expected, strict=True)))
    if not worst <= TOLERANCE:
        raise ExportError(f"the ONNX file differs from the trained model by {worst:.2g} in a logit")
    return worst
