"""The recipe: every choice of a training run, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import RecipeError

DEFAULT = Path(__file__).parent / "recipe.toml"


class DataSet(BaseModel, frozen=True):
    """One CSV: which labels it carries, how often an epoch shows it, and its own convention.

    `kind` topic or sentiment: columns `text, label`; headlines: `text, summary, topic,
    sentiment`. An epoch shows each text `repeat` times, or a fresh random `share` of them.
    `convention` gives the set heads of its own in training, which are dropped in serving.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["topic", "sentiment", "headlines"]
    repeat: int = Field(default=1, ge=1)
    share: float = Field(default=1.0, gt=0, le=1)
    convention: bool = True


class Recipe(BaseModel, frozen=True):
    """What decides a run. Two runs of one recipe on one data and processor give the same weights.

    `precision` bfloat16 is for processors that compute in it (elsewhere it is emulated, slowly).
    `average` is the decay of the moving average of the weights; 0 keeps the last ones.
    `baselines`: whether two simple models are trained on the same split, to compare with.
    `evaluate_on` names sets with sentiments that are measured at the end and never trained on.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    encoder: str
    seed: int = 7
    threads: int = Field(default=2, ge=1)
    max_length: int = Field(default=72, ge=8, le=512)
    max_tokens: int = Field(default=128, ge=8, le=512)
    precision: Literal["float32", "bfloat16"] = "float32"
    frozen_embeddings: bool = True
    frozen_layers: int = Field(default=0, ge=0)
    epochs: int = Field(default=2, ge=1)
    batch: int = Field(default=32, ge=1)
    encoder_rate: float = Field(default=1e-4, gt=0)
    head_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    test_percent: int = Field(default=12, ge=1, le=50)
    validation_percent: int = Field(default=3, ge=1, le=30)
    checkpoint_steps: int = Field(default=200, ge=1)
    patience_epochs: int = Field(default=1, ge=1)
    sets: tuple[DataSet, ...] = Field(min_length=1)
    calibrate_on: str = ""
    evaluate_on: tuple[str, ...] = ()
    baselines: bool = True


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
