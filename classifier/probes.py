"""Checks that a model keeps its contract, by asking it: run at load, within a second."""

from collections.abc import Sequence
from typing import Protocol

from .backends.protocol import Logits
from .errors import ArtifactError, ClassifierError
from .manifest import RESTORE, Artifact, Probe
from .scores import Scores, best
from .tokenizing import Tokens

# Several lengths and scripts, and what a feed should not send but does.
TEXTS = (
    "",
    "Shares fall",
    "Harbour Bank cuts its dividend after a third quarter of losses",
    ("Regulator opens an inquiry into the accounts of a copper producer. Its shares were "
     "suspended in the morning, and two directors have left the board."),
    "\N{CHART WITH DOWNWARDS TREND} $XYZ -12.5% \u4e2d\u592e\u94f6\u884c \x00 \ud83d",
    "The committee left its rate unchanged. " * 40,
)


class Probed(Protocol):
    """What is asked of a model here."""

    artifact: Artifact

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, in order."""

    def prepare(self, texts: Sequence[str]) -> list[Tokens]:
        """Turn texts into tokens."""

    def forward(self, prepared: Sequence[Tokens]) -> Logits:
        """Compute the logits of each, in order."""


def check(model: Probed) -> None:
    """Ask for the probes' scores; raises ArtifactError where they break the contract.

    Checked: as many answers as texts, the artifact's labels in order, finite probabilities
    that sum to one, and for the artifact's own probes the topic and sentiment that it names.
    """
    own = model.artifact.manifest.probes
    texts = [*TEXTS, *(probe.text for probe in own)]
    folder = model.artifact.folder
    try:
        scores = model.score(texts)
    except (ClassifierError, ValueError) as error:
        raise ArtifactError(f"the model at {folder} fails its probes: {error}", RESTORE) from error
    if len(scores) != len(texts):
        raise ArtifactError(f"the model at {folder} gives {len(scores)} answers to {len(texts)}")
    for score in scores:
        _check_labels(model, score)
    for probe, score in zip(own, scores[len(TEXTS) :], strict=True):
        _check_answer(model, probe, score)


def _check_labels(model: Probed, score: Scores) -> None:
    labels = model.artifact.labels
    kept = tuple(score.topics) == labels.topics and tuple(score.sentiments) == labels.sentiments
    sums = (sum(score.topics.values()), sum(score.sentiments.values()))
    if not (kept and all(abs(total - 1) < 1e-6 for total in sums)):  # noqa: PLR2004 - rounding
        raise ArtifactError(f"the model at {model.artifact.folder} gives no probabilities", RESTORE)


def _check_answer(model: Probed, probe: Probe, score: Scores) -> None:
    actual = (best(score.topics), best(score.sentiments))
    if actual != (probe.topic, probe.sentiment):
        raise ArtifactError(
            f"the model at {model.artifact.folder} says {' and '.join(actual)} of "
            f"{probe.text[:60]!r}; its manifest says {probe.topic} and {probe.sentiment}: "
            "labels or weights were exchanged",
            RESTORE,
        )


def company_matters(model: Probed) -> bool:
    """Say whether on this machine a text's logits depend on the others in its batch.

    Each probe by itself, against all of them and neighbours of the same lengths together.
    """
    prepared = model.prepare(TEXTS)
    together = _bytes(model.forward([*prepared, *prepared[::-1], *prepared]), len(prepared))
    alone = [_bytes(model.forward([text]), 1)[0] for text in prepared]
    return together != alone


def _bytes(logits: Logits, rows: int) -> Sequence[bytes]:
    return [logits.topics[i].tobytes() + logits.sentiments[i].tobytes() for i in range(rows)]
