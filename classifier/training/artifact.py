"""The artifact's folder: everything that serving, further training and a reader need."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from classifier.evaluation.measures import Head
from classifier.network import Network
from wire.messages import SENTIMENTS

from . import card, export
from .data import Source
from .manifest import write_json, write_manifest
from .recipe import Recipe

PARITY_TEXTS = (
    "Shares fall",
    "Harbor lender cuts its dividend. The bank said bad loans had doubled within a year.",
    "Rates kept",
    "新闻 \N{BANK} $ABC 3.5% " * 8,
    "",
)


class Outcome(NamedTuple):
    """What a finished run hands to the artifact."""

    network: Network
    tokenizer: PreTrainedTokenizerBase
    topics: Sequence[str]
    calibration: dict[str, Any]
    probes: Sequence[dict[str, str]]
    metrics: dict[str, Any]
    sources: Sequence[Source]
    int8: bytes | None = None
    reliability: Mapping[Head, bytes] = {}


def write(folder: Path, recipe: Recipe, outcome: Outcome) -> dict[str, Any]:
    """Write the artifact beside `folder`, check it, and put it in its place; return the manifest.

    Raises ExportError where the ONNX file disagrees with the network. A folder that was there
    before is replaced only after that.
    """
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    difference = _write_weights(fresh, recipe, outcome)
    metrics = {**outcome.metrics, "onnx_logit_difference": difference}
    labels = {"topics": list(outcome.topics), "sentiments": list(SENTIMENTS)}
    write_json(fresh / "labels.json", labels)
    write_json(fresh / "calibration.json", outcome.calibration)
    write_json(fresh / "metrics.json", metrics)
    write_json(fresh / "recipe.json", recipe.model_dump(mode="json"))
    data = [{"name": s.name, "sha256": s.sha256, "rows": len(s.examples)} for s in outcome.sources]
    write_json(fresh / "data.json", data)
    (fresh / "README.md").write_text(card.render(recipe, metrics, data), encoding="utf-8")
    manifest = write_manifest(fresh, recipe.model, recipe.max_tokens, outcome.probes)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return manifest


def _write_weights(folder: Path, recipe: Recipe, outcome: Outcome) -> float:
    """Write weights, ONNX file, configuration and tokenizer; return the largest difference."""
    export.save_weights(outcome.network, folder / "model.safetensors")
    export.save_config(outcome.network, folder / "config.json")
    outcome.tokenizer.backend_tokenizer.no_truncation()
    outcome.tokenizer.backend_tokenizer.no_padding()
    outcome.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    if outcome.int8 is not None:
        (folder / "model.int8.onnx").write_bytes(outcome.int8)
    for head, plot in outcome.reliability.items():
        (folder / f"reliability-{head}.png").write_bytes(plot)
    path = folder / "model.onnx"
    export.save_onnx(outcome.network, outcome.tokenizer, path)
    for file in folder.iterdir():
        file.chmod(0o644)
    return export.check_parity(outcome.network, outcome.tokenizer, path, PARITY_TEXTS,
                               recipe.max_length)
