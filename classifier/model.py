"""The model: texts in, probabilities out; the same scores whoever shares the batch."""

import copy
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import structlog

from wire.closing import Closing

from . import probes
from .backends.choice import ONNX_FILES, choose, needed, open_backend
from .backends.protocol import Backend, Floats, Ids, Logits, stacked
from .batching import padded_length, plan
from .errors import ArtifactError, InputError, MemoryExhaustedError, ScoringError
from .manifest import SHIPPED, Artifact, read, require
from .own_topics import Detector, Doubles, OwnTopic, fit
from .scores import Scores
from .settings import BackendName
from .texts import article_text
from .tokenizing import Tokenizing, Tokens

__all__ = ["Model", "Scores", "article_text", "load"]

MOST_THREADS = 16

_log = structlog.get_logger()


class Model(Closing):
    """A checked artifact on a backend. Threads may share it.

    Prepare, forward and interpret are apart; `score` is the three in a row.
    """

    def __init__(self, artifact: Artifact, tokenizing: Tokenizing, backend: Backend,
                 reason: str = "") -> None:
        self.artifact = artifact
        self.name = artifact.name
        self.backend_name, self.backend_reason = backend.name, reason
        self.topics = artifact.labels.topics
        self._own: Detector | None = None
        self._tokenizing = tokenizing
        self._backend = backend
        # None: as many as the budget allows. `alone` sets 1.
        self._rows: int | None = None
        self._workers = ThreadPoolExecutor(backend.workers, thread_name_prefix="model")

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score any strings; one result for each, in order.

        Raises ScoringError where the model gives no finite number, MemoryExhaustedError where
        even one text does not fit.
        """
        prepared = self.prepare(texts)
        return self.interpret(self.forward(prepared), prepared)

    def prepare(self, texts: Sequence[str]) -> list[Tokens]:
        """Turn texts into tokens."""
        return self._tokenizing(texts) if texts else []

    def forward(self, prepared: Sequence[Tokens]) -> Logits:
        """Compute the logits of each, in order, in batches by length."""
        if not prepared:
            return Logits(*(np.empty((0, size), np.float32) for size in (len(self.topics), 3, 0)))
        batches = plan([len(text.ids) for text in prepared], self._backend.token_budget, self._rows)
        done = self._workers.map(
            lambda batch: self._compute([prepared[index].ids for index in batch]), batches
        )
        return stacked(list(done))[np.argsort(np.concatenate(batches))]

    def _compute(self, rows: list[tuple[int, ...]]) -> Logits:
        """Compute one batch; where memory runs out, compute its halves."""
        try:
            logits = self._backend.forward(*_padded(rows, alone=self._rows == 1))
        except MemoryExhaustedError:
            if len(rows) == 1:
                raise
            _log.warning("classifier.batch_split", texts=len(rows))
            half = len(rows) // 2
            return stacked([self._compute(rows[:half]), self._compute(rows[half:])])
        return logits[: len(rows)]

    def interpret(self, logits: Logits, prepared: Sequence[Tokens]) -> list[Scores]:
        """Turn logits into calibrated probabilities by label."""
        if not (np.isfinite(logits.topics).all() and np.isfinite(logits.sentiments).all()):
            raise ScoringError("the model's answer is not a number")
        fit = self.artifact.calibration
        topics = _probabilities(logits.topics, fit.topic_bend, fit.topic_temperature)
        sentiments = _probabilities(
            logits.sentiments, fit.sentiment_bend, fit.sentiment_temperature, fit.sentiment_bias)
        if self._own is not None:
            topics = self._own.join(topics, logits.vectors)
        return [
            Scores(
                dict(zip(self.topics, topic, strict=True)),
                dict(zip(self.artifact.labels.sentiments, sentiment, strict=True)),
                text.truncated,
                len(text.ids),
            )
            for topic, sentiment, text in zip(
                topics.tolist(), sentiments.tolist(), prepared, strict=True
            )
        ]

    def alone(self) -> None:
        """From now on compute every text by itself: slower, and surely the same scores."""
        self._rows = 1

    def learn(self, topics: Sequence[OwnTopic]) -> None:
        """Score these topics too from now on, and say so in the name; raises InputError."""
        taken = {*self.artifact.labels.topics}
        for topic in topics:
            if topic.name in taken:
                raise InputError(f"topic {topic.name!r} is there already", "give it another name")
            taken.add(topic.name)
        if not self.forward(self.prepare([""])).vectors.shape[1]:
            raise ArtifactError(f"{self.artifact.folder} gives no vectors", "train it again")
        self._own = fit(topics, lambda texts: self.forward(self.prepare(texts)).vectors)
        self.topics = (*self.artifact.labels.topics, *self._own.names)
        self.name = f"{self.artifact.name}+{self._own.digest[:8]}"

    def check(self) -> None:
        """Score the probes; raises ArtifactError where an answer breaks the contract."""
        plain = copy.copy(self)
        plain.topics, plain._own = self.artifact.labels.topics, None  # noqa: SLF001 - a copy of ours
        probes.check(plain)

    def close(self) -> None:
        """Let the worker threads go."""
        self._workers.shutdown()


def load(
    path: Path | None = None, backend: BackendName = "auto", threads: int | None = None,
    own_topics: Sequence[OwnTopic] = (),
) -> Model:
    """Load an artifact (default: the one shipped) and check that it keeps its contract.

    `threads`: cores to use; default all that the process may, at most 16. Scores of the onnx
    backends do not depend on it. `own_topics` are scored beside the artifact's. Raises
    ArtifactError, naming the file and what to do, or BackendError where the backend cannot run
    here.
    """
    artifact = read(path or SHIPPED)
    chosen = choose(backend, artifact.manifest.files)
    require(artifact.folder, artifact.manifest, needed(chosen.backend))
    tokenizing = Tokenizing(artifact.folder / "tokenizer.json", artifact.manifest.max_tokens)
    opened = open_backend(chosen.backend, artifact, threads or _cores())
    model = Model(artifact, tokenizing, opened, chosen.reason)
    model.check()
    if opened.name in ONNX_FILES and probes.company_matters(model):
        _log.warning("classifier.company_matters", backend=opened.name)
        model.alone()
    if own_topics:
        model.learn(own_topics)
    _log.info("classifier.model_loaded", model=model.name, backend=opened.name,
              reason=chosen.reason)
    return model


def _cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, MOST_THREADS)


def _padded(rows: Sequence[tuple[int, ...]], *, alone: bool) -> tuple[Ids, Ids]:
    """Return ids and mask. A single row is computed twice: two rows take the kernels of many."""
    width = padded_length(max(map(len, rows)))
    height = len(rows) if alone else max(2, len(rows))
    ids: Ids = np.zeros((height, width), np.int64)
    mask: Ids = np.zeros((height, width), np.int64)
    for index in range(height):
        row = rows[min(index, len(rows) - 1)]
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def _probabilities(logits: Floats, bend: float, temperature: float,
                   bias: Sequence[float] = (0.0,)) -> Doubles:
    """Softmax over the last axis of how far each logit is below the greatest, bent, then divided."""
    shifted = logits.astype(np.float64) + np.array(bias)
    below = shifted.max(axis=-1, keepdims=True) - shifted
    odds = np.exp(-(below + bend * below * below) / temperature)
    shares: Doubles = odds / odds.sum(axis=-1, keepdims=True)
    return shares
