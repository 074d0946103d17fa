"""The settings of the classifier, with their defaults."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

BackendName = Literal["auto", "onnx", "onnx-int8", "torch-cpu", "torch-cuda"]


class ClassifierSettings(BaseModel, frozen=True, extra="forbid"):
    """What an operator can set.

    `model` is an artifact's folder (default: the one shipped). `backend` onnx computes in fp32,
    onnx-int8 the products in 8 bits (2.7 times as fast); auto: see the README. `threads` are
    processor cores for the model (default: all that the process may use, at most 16) and change
    no score. One take is at most `limit` records; `chunk` articles are scored between two signs
    of life to the log. `retry_s` and `retry_max_s` bound the waits while the log is unavailable.
    """

    model: Path | None = None
    backend: BackendName = "auto"
    threads: int | None = Field(default=None, ge=1, le=256)
    limit: int = Field(default=512, ge=1, le=100_000)
    within_s: float = Field(default=0.5, gt=0, le=10)
    chunk: int = Field(default=256, ge=1, le=10_000)
    retry_s: float = Field(default=0.2, gt=0)
    retry_max_s: float = Field(default=10.0, gt=0)
