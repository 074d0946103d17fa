"""Search over a recipe's choices: many short runs, the unpromising ones stopped early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import structlog
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from .errors import RecipeError
from .recipe import Recipe

Heed = Callable[[int, float], None]  # epoch, validation score; raises where the run is not worth its time
Attempt = Callable[[Recipe, Path, Heed], float]  # recipe, checkpoint -> validation score


def best(recipe: Recipe, trials: int, folder: Path, attempt: Attempt) -> Recipe:
    """Return the recipe with the best choices of `trials` runs in all; `folder` keeps what was tried.

    A search that was killed goes on with what it knows. Raises RecipeError where the recipe
    has no [search] table.
    """
    if not recipe.search:
        raise RecipeError("the recipe has no [search] table: name the choices and their bounds there")
    log = structlog.get_logger()
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=recipe.model, direction="maximize", load_if_exists=True,
        storage=JournalStorage(JournalFileBackend(str(folder / "trials.jsonl"))),
        sampler=optuna.samplers.TPESampler(seed=recipe.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4))

    def objective(trial: optuna.Trial) -> float:
        def heed(epoch: int, score: float) -> None:
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        checkpoint = folder / f"trial-{trial.number}.checkpoint"
        try:
            score = attempt(_drawn(recipe, trial), checkpoint, heed)
        finally:
            checkpoint.unlink(missing_ok=True)
        log.info("training.trial", number=trial.number, score=round(score, 4), **trial.params)
        return score

    finished = [t for t in study.trials if t.state.is_finished()]
    study.optimize(objective, n_trials=max(0, trials - len(finished)))
    log.info("training.searched", score=round(study.best_value, 4), **study.best_params)
    return recipe.model_copy(update=study.best_params)


def _drawn(recipe: Recipe, trial: optuna.Trial) -> Recipe:
    """Return the recipe of one trial: its choices drawn, and as many epochs as a trial may take."""
    choices: dict[str, Any] = {}
    for name, bounds in recipe.search.items():
        if isinstance(getattr(recipe, name), int):
            choices[name] = trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log)
        else:
            choices[name] = trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)
    return Recipe.model_validate({**recipe.model_dump(), "epochs": recipe.search_epochs, **choices})
