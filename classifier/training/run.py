"""Training as a script: data, network, loop, evaluate, calibrate, export, manifest."""

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from . import artifact, baselines, calibrate, data, evaluate, export, network, probes
from .batches import Collator
from .loop import Trainer
from .recipe import DEFAULT, Recipe, read_recipe

LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "safetensors")


def train(recipe: Path | None = None, data: Path = Path("../shared/data"),
          out: Path = Path("candidate"), *, stop_at: int | None = None,
          clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """Train under `recipe` on the sets in `data`, write the artifact to `out`, return metrics.

    A killed run goes on from its last checkpoint, beside `out`, when it is called again.
    Raises RecipeError, DataError, ExportError, and InterruptedTrainingError at `stop_at`.
    """
    return _train(read_recipe(recipe or DEFAULT), data, out, stop_at, clock)


def _train(recipe: Recipe, folder: Path, out: Path, stop_at: int | None,
           clock: Callable[[], float]) -> dict[str, Any]:
    log = structlog.get_logger().bind(model=recipe.model)
    started = clock()
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(mode=True)
    # Deterministic mode fills new memory, 8% of the time, for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if recipe.precision == "bfloat16" and torch.backends.cpu.get_cpu_capability() != "AVX512":
        log.warning("training.bfloat16_emulated", hint='precision = "float32" is faster here')

    # data
    sources = [data.read_set(spec, k, folder) for k, spec in enumerate(recipe.sets)]
    topics = data.topic_labels(recipe, sources)
    parts = data.split(sources, recipe)
    log.info("training.read", train=len(parts.train), test=len(parts.test))

    # encoder and two heads
    tokenizer = load_tokenizer(recipe.encoder)
    collate = Collator(tokenizer, topics, recipe.max_length)
    net = network.Network(network.load_encoder(recipe.encoder), len(topics), len(sources),
                          recipe.dropout)
    network.freeze(net, embeddings=recipe.frozen_embeddings, layers=recipe.frozen_layers)

    # loop
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    trainer = Trainer(net, recipe, collate, checkpoint)
    with _progress() as progress:
        best = trainer.train(
            parts.train,
            lambda n: evaluate.validation_score(n, parts.validation, collate, recipe.sets),
            progress, stop_at)
    seconds = clock() - started
    log.info("training.finished", validation=round(best, 4), seconds=round(seconds))

    # calibrate, evaluate, export, manifest
    facts = {"validation_score": round(best, 4), "seconds": round(seconds)}
    metrics = finish(net, tokenizer, recipe, Given(folder, sources, topics, parts), out,
                     facts=facts)
    checkpoint.unlink(missing_ok=True)
    return metrics


class Given(NamedTuple):
    """The data of a run: where they lie, what was read, the labels, and the split."""

    folder: Path
    sources: list[data.Source]
    topics: tuple[str, ...]
    parts: data.Split


def finish(net: network.Network, tokenizer: PreTrainedTokenizerBase, recipe: Recipe,
           given: Given, out: Path, *, facts: dict[str, Any]) -> dict[str, Any]:
    """Calibrate and evaluate a trained network as it will be served, and write its artifact.

    Calibrated on the recipe's set of real headlines, else on the validation part.
    """
    collate = Collator(tokenizer, given.topics, recipe.max_tokens)
    export.round_to_half(net)
    headlines = (evaluate.read_headlines(recipe.calibrate_on, given.folder)
                 if recipe.calibrate_on else None)
    examples = headlines.examples if headlines else given.parts.validation
    raw = evaluate.outputs(net, examples, collate)
    calibration = calibrate.fit(raw.topics, raw.topic_labels, raw.sentiments, raw.sentiment_labels)
    metrics: dict[str, Any] = {
        **facts,
        "topics": len(given.topics),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "test": evaluate.by_set(net, given.parts.test, recipe, collate, calibration),
    }
    if recipe.evaluate_on:
        metrics["never_trained_on"] = {
            name: evaluate.unseen(net, name, given.folder, collate, calibration)
            for name in recipe.evaluate_on}
    if headlines:
        served = evaluate.calibrated(raw, calibration)
        metrics["headlines"] = {
            recipe.calibrate_on: evaluate.headline_report(served, headlines, given.topics)}
        metrics["headlines_uncalibrated"] = evaluate.headline_report(raw, headlines, given.topics)
    if recipe.baselines:
        tests = {s.name: [e for e in given.parts.test if e.set == k]
                 for k, s in enumerate(recipe.sets)}
        if headlines:
            tests[recipe.calibrate_on] = headlines.examples
        metrics["baselines"] = baselines.measure(given.parts.train, tests, recipe, tokenizer)
    sure = probes.kept(net, collate, given.topics, calibration.sentiment_bias)
    artifact.write(out, recipe, artifact.Outcome(net, tokenizer, given.topics,
                                                 calibration._asdict(), sure, metrics,
                                                 given.sources))
    return metrics


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer that belongs to an encoder."""
    tokenizer = AutoTokenizer.from_pretrained(network.encoder_path(name), use_fast=True)
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


@contextmanager
def _progress() -> Iterator[Callable[[int, int, float], None]]:
    """Show steps, loss and texts per step on stderr, when it is a terminal; plain lines if not."""
    console = Console(stderr=True)
    log = structlog.get_logger()
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(),
               TextColumn("loss {task.fields[loss]:.3f}  {task.speed:.2f} steps/s"),
               TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=None, loss=float("nan"))

        def show(step: int, steps: int, loss: float) -> None:
            bar.update(task, completed=step, total=steps, loss=loss)
            if not console.is_terminal and step % 50 == 0:
                log.info("training.step", step=step, steps=steps, loss=round(loss, 4))

        yield show
