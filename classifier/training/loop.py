"""The training loop: steps in a fixed order, checkpoints, and a way back into the middle."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from classifier.network import Network

from . import encoder
from .batches import Batch, Collator, epoch
from .data import Example
from .errors import InterruptedTrainingError, TrainingError
from .recipe import Recipe

Progress = Callable[[int, int, float], None]  # step, steps, smoothed loss
Judge = Callable[[Network], float]  # the validation score, higher is better


Taught = Callable[[Network, Tensor, Sequence[Example]], Tensor]  # vectors, and whose they are


def loss_of(network: Network, batch: Batch, recipe: Recipe, examples: Sequence[Example] = (),
            taught: Taught | None = None) -> Tensor:
    """Return the loss over the labels that the examples have, per example of the batch.

    Each text is answered by the convention of its set, which the network also learns to tell. With
    teachers, what they say of the batch's `examples` has its share of the loss.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        vectors = network.dropout(network.pooled(batch.input_ids, batch.attention_mask))
        heads, kinds = network.by_kind(vectors, batch.kinds), network.kind(vectors)
    parts = [functional.cross_entropy(said.float(), labels, label_smoothing=recipe.label_smoothing,
                                      reduction="sum")
             for said, labels in zip(heads, (batch.topics, batch.sentiments), strict=True)]
    told = functional.cross_entropy(kinds.float(), batch.kinds)
    labelled = (parts[0] + parts[1]) / len(batch.kinds)
    if taught is not None:
        labelled = torch.lerp(labelled, taught(network, vectors, examples), recipe.taught)
    return labelled + recipe.kind_weight * told


def rate_at(step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak learning rate at `step`: linear up, then linear down."""
    rise = max(1, math.ceil(steps * warmup))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise))


def optimizer_of(network: Network, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW with a peak rate for each depth of the encoder, and one for what starts from nothing."""
    inside = {id(p) for p in network.encoder.parameters()}
    heads = [p for p in network.parameters()
             if id(p) not in inside and p.requires_grad and p.numel()]
    depths = encoder.by_depth(network.encoder)
    body = [
        {"params": weights, "weight_decay": recipe.weight_decay,
         "peak": recipe.encoder_rate * recipe.layer_decay ** (len(depths) - depth)}
        for depth, weights in enumerate(depths, start=1) if weights
    ]
    return torch.optim.AdamW(
        [*body, {"params": heads, "peak": recipe.head_rate, "weight_decay": 0.0}], fused=True)


class Trainer:
    """Trains a network over the recipe's epochs; may be killed anywhere and started again.

    With the same examples, recipe and checkpoint it ends with the same weights. What is judged
    and kept is the moving average of the weights over the steps, of the epoch that the judge
    liked best (with a share of the first epoch's); it stops when `patience_epochs` are worse.
    """

    def __init__(self, network: Network, recipe: Recipe, collate: Collator,
                 checkpoint: Path, taught: Taught | None = None) -> None:
        self._network = network
        self._recipe = recipe
        self._collate = collate
        self._taught = taught
        self._path = checkpoint
        self._optimizer = optimizer_of(network, recipe)
        decay = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(network, multi_avg_fn=decay)
        self._step = 0
        self._loss = 0.0
        self._best: dict[str, Any] = {"score": -math.inf, "epoch": -1, "weights": None}
        self._first: dict[str, Tensor] | None = None  # at the end of the first epoch

    def train(self, examples: Sequence[Example], judge: Judge, progress: Progress,
              stop_at: int | None = None) -> float:
        """Run to the end, leave the best weights in the network, and return their score.

        `stop_at` ends the run after that many steps, with a checkpoint, by
        InterruptedTrainingError.
        """
        self._resume()
        epochs = [epoch(examples, self._recipe, k, self._collate) for k in range(self._recipe.epochs)]
        steps = sum(map(len, epochs))
        done = 0
        for number, batches in enumerate(epochs):
            before, done = done, done + len(batches)
            if self._step > done or number <= int(self._best["epoch"]):
                continue
            for batch in batches[max(0, self._step - before):]:
                self._take_step(batch, steps)
                progress(self._step, steps, self._loss / (1 - 0.98 ** self._step))
                if self._step == stop_at:
                    self._save()
                    raise InterruptedTrainingError
                if self._step % self._recipe.checkpoint_steps == 0:
                    self._save()
            if not self._judged(number, judge(self._averaged)):
                break
        self._network.load_state_dict(self._blended())
        return float(self._best["score"])

    def _blended(self) -> dict[str, Tensor]:
        """Return the best weights, mixed with those of the first epoch by the recipe's share."""
        assert self._first is not None
        share, best = self._recipe.first_epoch, self._best["weights"]
        return {name: torch.lerp(best[name], first, share) for name, first in self._first.items()}

    @property
    def _averaged(self) -> Network:
        averaged = self._average.module
        assert isinstance(averaged, Network)
        return averaged

    def _take_step(self, examples: Sequence[Example], steps: int) -> None:
        self._network.train()
        scale = rate_at(self._step, steps, self._recipe.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        loss = loss_of(self._network, self._collate(examples), self._recipe, examples, self._taught)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._average.update_parameters(self._network)
        self._step += 1
        self._loss = 0.98 * self._loss + 0.02 * loss.item()
        if not math.isfinite(self._loss):
            raise TrainingError(f"the loss is {self._loss} at step {self._step}: lower the rates")

    def _judged(self, number: int, score: float) -> bool:
        """Keep the weights if they are the best so far; return whether to go on."""
        if score > self._best["score"]:
            weights = {k: v.clone() for k, v in self._averaged.state_dict().items()}
            self._best = {"score": score, "epoch": number, "weights": weights}
            if self._first is None:
                self._first = weights
        return number - int(self._best["epoch"]) < self._recipe.patience_epochs

    def _save(self) -> None:
        """Write the checkpoint so that a kill leaves either the old or the new one."""
        state = {
            "recipe": self._recipe.model_dump_json(), "step": self._step, "loss": self._loss,
            "network": self._network.state_dict(), "optimizer": self._optimizer.state_dict(),
            "average": self._average.state_dict(), "random": torch.get_rng_state(), "best": self._best,
            "first": self._first,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self._path)  # noqa: PTH105 - atomic, and named for it

    def _resume(self) -> None:
        """Go back to the last checkpoint, if there is one of this recipe."""
        if not self._path.exists():
            return
        state = torch.load(self._path, weights_only=True)
        if state["recipe"] != self._recipe.model_dump_json():
            raise TrainingError(f"{self._path} is of another recipe: delete it to begin anew")
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._average.load_state_dict(state["average"])
        torch.set_rng_state(state["random"])
        self._step, self._loss = state["step"], state["loss"]
        self._best, self._first = state["best"], state["first"]
