"""Training as a script: data, network, loop, evaluate, calibrate, export, manifest."""

import importlib.metadata
import itertools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import PreTrainedTokenizerBase

from classifier.evaluation import plots
from classifier.network import Network

from . import (
    artifact,
    baselines,
    calibrate,
    data,
    encoder,
    evaluate,
    export,
    graph,
    narrowing,
    probes,
    quantise,
    search,
    teaching,
)
from .batches import Collator
from .errors import RecipeError
from .loop import Trainer
from .outputs import Outputs, outputs, stacked
from .recipe import DEFAULT, Recipe, read_recipe

LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "safetensors")
RANGED = 1000  # about so many training texts say what each linear layer reads


def train(recipe: Path | None = None, data: Path = Path("../shared/data"),
          out: Path = Path("candidate"), *, trials: int = 0, stop_at: int | None = None,
          clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """Train under `recipe` on the sets in `data`, write the artifact to `out`, return metrics.

    With `trials` the recipe's choices are searched first. A killed run goes on from its last
    checkpoint, beside `out`, when it is called again.
    Raises RecipeError, DataError, ExportError, and InterruptedTrainingError at `stop_at`.
    """
    path = recipe or DEFAULT
    made = read_recipe(path)
    teachers = [_taught_by(path.parent / name, made, data, out, clock) for name in made.teachers]
    return _train(made, data, out, teachers, trials, stop_at, clock)


def _taught_by(path: Path, student: Recipe, folder: Path, out: Path,
               clock: Callable[[], float]) -> Path:
    """Return the artifact of a teacher's recipe, which lies beside `out`; train it if it is not there."""
    recipe = read_recipe(path)
    teaching.check(recipe, student)
    artifact_of = out.with_name(f"{out.name}.teachers") / recipe.model
    if not artifact_of.exists():
        train(path, folder, artifact_of, clock=clock)
    elif teaching.recipe_of(artifact_of) != recipe:
        raise RecipeError(f"{artifact_of} is of another recipe: delete it to begin anew")
    return artifact_of


def _train(recipe: Recipe, folder: Path, out: Path, teachers: Sequence[Path], trials: int,
           stop_at: int | None, clock: Callable[[], float]) -> dict[str, Any]:
    log = structlog.get_logger().bind(model=recipe.model)
    started = clock()
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(mode=True)
    # Deterministic mode fills new memory, 8% of the time, for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if recipe.precision == "bfloat16" and torch.backends.cpu.get_cpu_capability() != "AVX512":
        log.warning("training.bfloat16_emulated", hint='precision = "float32" is faster here')

    # data
    given = read(recipe, folder)
    log.info("training.read", train=len(given.parts.train), test=len(given.parts.test))
    tokenizer = encoder.tokenizer_of(recipe.encoder)

    # teachers
    lessons = None
    if recipe.teachers:
        log.info("training.asking_teachers", teachers=recipe.teachers)
        lessons = teaching.Lessons(recipe, [teaching.read(each, given.topics) for each in teachers],
                                   given.parts.train, given.topics)

    # search
    if trials:
        recipe = search.best(recipe, trials, out.with_name(f"{out.name}.search"),
                             lambda tried, path, heed: learn(tried, given, tokenizer, path, lessons, heed)[1])

    # encoder, two heads, loop
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    net, best = learn(recipe, given, tokenizer, checkpoint, lessons, stop_at=stop_at)
    seconds = clock() - started
    if recipe.feed_forward:
        log.info("training.narrowing", channels=recipe.feed_forward)
        collate = Collator(tokenizer, given.topics, recipe.max_length, recipe)
        with _progress() as progress:
            net = narrowing.narrowed(net, recipe, given.parts.train, collate, progress)
    log.info("training.finished", validation=round(best, 4), seconds=round(seconds))

    # calibrate, evaluate, export, manifest
    facts = {"validation_score": round(best, 4), "seconds": round(seconds)}
    metrics = finish(net, tokenizer, recipe, given, out, facts=facts)
    checkpoint.unlink(missing_ok=True)
    return metrics


class Given(NamedTuple):
    """The data of a run: what was read, the labels, the split, and what is never trained on."""

    sources: list[data.Source]
    topics: tuple[str, ...]
    parts: data.Split
    headlines: evaluate.Headlines | None
    unseen: dict[str, list[data.Example]]


def read(recipe: Recipe, folder: Path) -> Given:
    """Read, check and split the sets of a recipe; raises DataError."""
    sources = [data.read_set(spec, k, folder, recipe.without_topics) for k, spec in enumerate(recipe.sets)]
    topics = data.topic_labels(recipe, sources)
    parts = data.split(sources, recipe)
    real = evaluate.read_headlines(recipe.calibrate_on, folder) if recipe.calibrate_on else None
    unseen = {name: evaluate.read_sentiments(name, folder) for name in recipe.evaluate_on}
    evaluated = {**unseen, recipe.calibrate_on: real.examples} if real else unseen
    for name, examples in evaluated.items():
        data.refuse_leaks(sources, name, examples)
    return Given(sources, topics, parts, real, unseen)


def learn(recipe: Recipe, given: Given, tokenizer: PreTrainedTokenizerBase, checkpoint: Path,
          lessons: teaching.Lessons | None = None, heed: search.Heed = lambda _epoch, _score: None,
          stop_at: int | None = None) -> tuple[Network, float]:
    """Train a network; return it with its validation score, which `heed` is told after each epoch."""
    torch.manual_seed(recipe.seed)
    collate = Collator(tokenizer, given.topics, recipe.max_length, recipe)
    net = encoder.network_of(recipe, len(given.topics))
    if lessons and recipe.start == "teachers":
        lessons.start(net)
    epochs = itertools.count()

    def judge(averaged: Network) -> float:
        score = evaluate.validation_score(averaged, given.parts.validation, collate)
        heed(next(epochs), score)
        return score

    with _progress() as progress:
        best = Trainer(net, recipe, collate, checkpoint, lessons.loss if lessons else None).train(
            given.parts.train, judge, progress, stop_at)
    encoder.merged(net)
    return net, best


def finish(net: Network, tokenizer: PreTrainedTokenizerBase, recipe: Recipe,
           given: Given, out: Path, *, facts: dict[str, Any]) -> dict[str, Any]:
    """Calibrate and evaluate a trained network as it will be served, and write its artifact.

    Calibrated on the recipe's set of real headlines, else on the validation part.
    """
    collate = Collator(tokenizer, given.topics, recipe.max_tokens, recipe)
    export.round_to_half(net)
    real = given.headlines
    validation = outputs(net, given.parts.validation, collate)
    items = real.examples if real else [e for e in given.parts.validation
                                        if not recipe.sets[e.set].convention]
    desk, titles = (_of_the_desk(net, items, collate) if items
                    else (validation.of_kind(0), validation.of_kind(0)))
    fair = calibrate.cross_fitted(net, desk, titles, validation) if real else desk
    calibration = calibrate.fit(net, desk, titles, validation)
    export.round_to_half(net)

    # measured as served, each set by itself
    tests = {spec.name: [e for e in given.parts.test if e.set == index]
             for index, spec in enumerate(recipe.sets)}
    asked = {**tests, **given.unseen, **({recipe.calibrate_on: real.examples} if real else {})}
    said = {name: evaluate.calibrated(outputs(net, examples, collate), calibration)
            for name, examples in asked.items() if examples}
    ours = {spec.name for spec in recipe.sets if spec.kind == "headlines"} if real else set()
    of_others = [said[name] for name in tests if name in said and name not in ours]
    held_out = stacked([*of_others, fair] if real else of_others)
    metrics: dict[str, Any] = {
        **facts,
        "topics": len(given.topics),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "test": {name: evaluate.report(said[name]) for name in tests if name in said},
        "held_out": evaluate.details(held_out, given.topics),
        "never_trained_on": {name: evaluate.report(said[name]) for name in given.unseen},
    }
    if real:
        metrics["headlines"] = {recipe.calibrate_on: evaluate.headline_report(
            said[recipe.calibrate_on], real, given.topics)}
        metrics["headlines_cross_fitted"] = evaluate.headline_report(fair, real, given.topics)
        metrics["headlines_uncalibrated"] = evaluate.headline_report(desk, real, given.topics)
    if recipe.baselines:
        compared = {name: asked[name] for name in asked if name not in given.unseen}
        metrics["baselines"] = baselines.measure(given.parts.train, compared, recipe, tokenizer)

    # the same in 8 bits
    int8 = None
    if graph.supported(net.encoder):
        seen = quantise.seen_by_layer(net, given.parts.train[::len(given.parts.train) // RANGED + 1], collate)
        int8 = graph.serialised(net, seen)
        held = export.session(int8)
        metrics["int8"] = evaluate.differences(said, {
            name: evaluate.calibrated(outputs(held, examples, collate), calibration)
            for name, examples in asked.items() if examples})
    artifact.write(out, recipe, artifact.Outcome(
        net, tokenizer, given.topics, calibration._asdict(),
        probes.kept(net, collate, given.topics, calibration.sentiment_bias), metrics, given.sources,
        int8, {head: plots.reliability(judged) for head, judged in
               evaluate.judged(held_out, given.topics).items()}))
    return metrics


def _of_the_desk(net: Network, items: Sequence[data.Example], collate: Collator) -> tuple[Outputs, Outputs]:
    """Return what is said of the desk's items, of the last kind if they have a summary, and of titles."""
    desk = outputs(net, items, collate)
    last = len(net.conventions)
    kinds = torch.tensor([last if item.summary else 0 for item in items], dtype=torch.long)
    titles = outputs(net, [item._replace(summary="") for item in items], collate)
    return desk._replace(kinds=kinds), titles


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
