"""Teachers: finished runs whose answers a student learns beside the labels (Hinton et al. 2015)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from classifier import manifest
from classifier.network import Network

from . import encoder
from .batches import Collator, forms
from .calibrate import Calibration
from .data import Example
from .errors import RecipeError
from .outputs import outputs
from .recipe import Recipe


class Teacher(NamedTuple):
    """A finished run: its recipe, its network and its calibration."""

    recipe: Recipe
    network: Network
    calibration: Calibration

    @torch.inference_mode()
    def said(self, vectors: Tensor, kinds: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the calibrated logits of both heads, each text by the convention of its kind."""
        number = {kind: self.recipe.number_of(kind) for kind in set(kinds)}
        places = torch.tensor([number[kind] for kind in kinds])
        return self.calibration.apply(*self.network.by_kind(vectors.float(), places))


def check(teacher: Recipe, student: Recipe) -> None:
    """Raise RecipeError where a teacher knows what its student holds out, or cannot be read back."""
    for field in ("test_percent", "validation_percent"):
        if getattr(teacher, field) != getattr(student, field):
            raise RecipeError(f"{teacher.model}: {field} is not that of its student, {student.model}")
    if teacher.feed_forward:
        raise RecipeError(f"{teacher.model}: feed_forward: what was narrowed cannot teach")
    if student.start == "teachers" and teacher.encoder != student.encoder:
        raise RecipeError(f"{teacher.model}: its encoder is not that of {student.model}: "
                          'start = "encoder" takes teachers of any kind')


def recipe_of(artifact: Path) -> Recipe:
    """Return the recipe that an artifact was made by."""
    return Recipe.model_validate_json((artifact / "recipe.json").read_bytes())


def read(artifact: Path, topics: Sequence[str]) -> Teacher:
    """Read a finished run back from its artifact.

    Without its shifts: how frequent topics are in the texts that it was calibrated on is no lesson.
    Raises RecipeError where it has other topics, ArtifactError where it is damaged or of another version.
    """
    recipe, kept = recipe_of(artifact), manifest.read(artifact)
    if kept.labels.topics != tuple(topics):
        raise RecipeError(f"{recipe.model}: its topics are not those of its student")
    network = encoder.network_of(recipe, len(topics))
    network.load_state_dict({name: weight.float() for name, weight in
                             load_file(artifact / "model.safetensors").items()})
    network.topic_shifts.data.zero_()
    return Teacher(recipe, network, Calibration(**msgspec.structs.asdict(kept.calibration)))


class Lessons:
    """What teachers say of the training texts, softened: likelihoods, by every kind's convention.

    Each teacher has a voice on the sentiments of those kinds that it learned from; a whole one,
    which learned from all of the student's, on the topics too. So a text is taught more than
    what its set has labels for.
    """

    def __init__(self, recipe: Recipe, teachers: Sequence[Teacher], examples: Sequence[Example],
                 topics: Sequence[str]) -> None:
        whole = [each for each in teachers if set(recipe.kinds) <= set(each.recipe.kinds)]
        if not whole:
            raise RecipeError(f"{recipe.model}: none of its teachers learned from every kind of its texts")
        self._temperature = recipe.temperature
        self._weights = [each.network.state_dict() for each in whole]
        texts = list(dict.fromkeys(form for example in examples for form in forms(example)))
        self._places = {text: place for place, text in enumerate(texts)}
        self._kinds = [recipe.number_of(kind) for kind in recipe.kinds]
        of_each = [recipe.sets[text.set].convention for text in texts]
        on_topics: list[Tensor] = []
        on_sentiments: dict[str, list[Tensor]] = {kind: [] for kind in recipe.kinds}
        for teacher in teachers:
            collate = Collator(encoder.tokenizer_of(teacher.recipe.encoder), topics,
                               recipe.max_length, recipe)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                vectors = outputs(teacher.network, texts, collate, batch=128).vectors
            for kind in on_sentiments.keys() & set(teacher.recipe.kinds):
                on_sentiments[kind].append(teacher.said(vectors, [kind] * len(texts))[1])
            if teacher in whole:
                on_topics.append(teacher.said(vectors, of_each)[0])
        self._topics = self._softened(on_topics)
        self._sentiments = torch.stack([self._softened(heard) for heard in on_sentiments.values()], 1)

    def _softened(self, voices: Sequence[Tensor]) -> Tensor:
        """Return the likelihoods by the mean of the logits: [texts, labels]."""
        return torch.softmax(torch.stack(list(voices)).mean(0) / self._temperature, 1).clone()

    def start(self, network: Network) -> None:
        """Set the weights to the mean of the whole teachers' (Wortsman et al. 2022, model soups)."""
        network.load_state_dict({
            name: torch.stack([weights[name] for weights in self._weights]).mean(0)
            for name in self._weights[0]})
        network.topic_factors.data.fill_(1.0)  # those of the teachers' calibration

    def loss(self, network: Network, vectors: Tensor, examples: Sequence[Example]) -> Tensor:
        """Return how far a student's answers are from the teachers': cross entropy, mean over the texts."""
        places = torch.tensor([self._places[example] for example in examples])
        by_kind = [network.by_kind(vectors, torch.full_like(places, kind)) for kind in self._kinds]
        topics, sentiments = by_kind[0][0], torch.cat([said for _, said in by_kind])
        wanted = self._sentiments[places].transpose(0, 1).flatten(0, 1)
        return self._temperature ** 2 * (
            functional.cross_entropy(topics.float() / self._temperature, self._topics[places])
            + functional.cross_entropy(sentiments.float() / self._temperature, wanted))
