"""The recipe: every choice of a training run, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import RecipeError

DEFAULT = Path(__file__).parent / "recipe.toml"


class DataSet(BaseModel, frozen=True):
    """One CSV: which labels it carries, how often an epoch shows it, and by whose convention.

    `kind` topic or sentiment: columns `text, label`; headlines: `text, summary, topic,
    sentiment`. An epoch shows each text `repeat` times, or a fresh random `share` of them.
    `convention` names who labelled it: sets of one name share a correction of both heads; ""
    is the desk's, which has none.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["topic", "sentiment", "headlines"]
    repeat: int = Field(default=1, ge=1)
    share: float = Field(default=1.0, gt=0, le=1)
    convention: str = ""


class Bounds(BaseModel, frozen=True):
    """Between what and what a choice is searched; `log`: by its order of magnitude."""

    model_config = ConfigDict(extra="forbid")

    low: float
    high: float
    log: bool = False


class Recipe(BaseModel, frozen=True):
    """What decides a run. Two runs of one recipe on one data and processor give the same weights.

    `strategy` says what of the encoder is trained (`encoder.prepared`); a layer's rate is
    `layer_decay` times that of the layer above. `precision` bfloat16 is for processors that
    compute in it (elsewhere it is emulated, slowly). `kind_weight` is that of the loss which
    teaches the network to tell the conventions' texts apart. `average` is the decay of the moving
    average of the weights; 0 keeps the last ones. Of what is kept, the weights at the end of the
    first epoch are the share `first_epoch` (Wortsman et al. 2022, robust fine-tuning).
    `teachers` name recipes (files beside this one), which are trained first; what they say is learned
    beside the labels, as `taught` of the loss, at `temperature` (`teaching`). With `start`
    teachers the weights begin at the mean of theirs, else at the pretrained encoder.
    `feed_forward` channels are left in each feed-forward layer after training (`narrowing`); 0 leaves all.
    They then learn for `healing` epochs at `healing_rate` to give texts the vectors they had.
    `baselines`: whether two simple models are trained on the same split, to compare with.
    `evaluate_on` names sets with sentiments that are measured at the end and never trained on.
    Texts of `without_topics` are left out, so that it can be measured how well such topics are
    added later. `search` names numbers of the recipe and their bounds, for `newsquake train
    --search N`: N runs of `search_epochs` epochs.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    encoder: str
    seed: int = 7
    threads: int = Field(default=2, ge=1)
    max_length: int = Field(default=72, ge=8, le=512)
    max_tokens: int = Field(default=128, ge=8, le=512)
    precision: Literal["float32", "bfloat16"] = "float32"
    strategy: Literal["full", "frozen_embeddings", "lora", "heads"] = "frozen_embeddings"
    frozen_layers: int = Field(default=0, ge=0)
    lora_rank: int = Field(default=16, ge=1)
    epochs: int = Field(default=2, ge=1)
    batch: int = Field(default=32, ge=1)
    encoder_rate: float = Field(default=1e-4, gt=0)
    head_rate: float = Field(default=1e-3, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    kind_weight: float = Field(default=0.1, ge=0)
    clip: float = Field(default=1.0, gt=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    first_epoch: float = Field(default=0.0, ge=0, lt=1)
    teachers: tuple[str, ...] = ()
    taught: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=2.0, ge=1)
    start: Literal["encoder", "teachers"] = "encoder"
    feed_forward: int = Field(default=0, ge=0)
    healing: float = Field(default=0.5, ge=0, le=1)
    healing_rate: float = Field(default=5e-5, gt=0)
    test_percent: int = Field(default=12, ge=1, le=50)
    validation_percent: int = Field(default=3, ge=1, le=30)
    checkpoint_steps: int = Field(default=200, ge=1)
    patience_epochs: int = Field(default=1, ge=1)
    sets: tuple[DataSet, ...] = Field(min_length=1)
    calibrate_on: str = ""
    evaluate_on: tuple[str, ...] = ()
    baselines: bool = True
    without_topics: tuple[str, ...] = ()
    search: dict[str, Bounds] = {}
    search_epochs: int = Field(default=1, ge=1)

    @field_validator("search")
    @classmethod
    def _searchable(cls, search: dict[str, Bounds]) -> dict[str, Bounds]:
        """Refuse what is no number of a recipe, before anything is trained."""
        for name in search:
            field = cls.model_fields.get(name)
            if field is None or field.annotation not in (int, float):
                raise ValueError(f"{name} is no number of a recipe")
        return search

    @model_validator(mode="after")
    def _startable(self) -> Self:
        """Refuse a start that there is not: without teachers, or from whole weights with LoRA."""
        if self.start == "teachers" and (not self.teachers or self.strategy == "lora"):
            raise ValueError('start = "teachers" wants teachers, and a strategy other than lora')
        return self

    @property
    def conventions(self) -> tuple[str, ...]:
        """The conventions beside the desk's, in the order in which the sets first name them."""
        return tuple(dict.fromkeys(s.convention for s in self.sets if s.convention))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of texts that are trained on, by number: the desk's is "", the others are conventions."""
        return tuple(sorted({s.convention for s in self.sets}, key=self.number_of))

    def kind_of(self, index: int) -> int:
        """Return the number of the kind of a set's texts."""
        return self.number_of(self.sets[index].convention)

    def number_of(self, kind: str) -> int:
        """Return the number of a kind: 0 the desk's, k the k-th convention's."""
        return 1 + self.conventions.index(kind) if kind else 0


def read_recipe(path: Path = DEFAULT) -> Recipe:
    """Read a recipe; raises RecipeError that names the file and the field."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{path}: {field}: {first['msg']}") from error
