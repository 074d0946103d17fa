"""How well a topic is recognised that a user adds, by the number of examples.

    python tests/bench/bench_own_topics.py --model DIR [--data DIR]

The model must have been trained `without_topics` (a choice of the recipe): those play the new
topic, one after the other, beside the topics that the model knows. Asked are `headlines_dev`, with
examples from what is written for training, and the held-out tweets of the recipe's first set of topics, with
examples from its training part; each with the headlines that travel with the project as
ordinary, and with 300 texts of the examples' own kind. Examples are drawn three times; the share is the true
one. A text counts as found where the new topic is the most probable of all.
"""

import argparse
import os
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from classifier.backends.protocol import Logits
from classifier.model import Model, load
from classifier.own_topics import OwnTopic
from classifier.scores import best
from classifier.training import data
from classifier.training.evaluate import read_headlines
from classifier.training.recipe import Recipe

EXAMPLES, DRAWS = (0, 1, 2, 5, 10, 20, 50), 3
DESCRIPTIONS = {
    "Dividend": "Dividends: a company declares, raises, cuts, suspends or pays its dividend or distribution",
    "IPO": "Initial public offerings: companies that list, price their shares or file for it; SPACs",
    "Energy | Oil": "Oil, gas, power and coal: prices, production, OPEC, pipelines, refineries, renewables",
    "Gold | Metals | Materials": "Gold, silver, copper, iron ore, lithium, other metals, materials; mining",
    "Personnel Change": "Appointments, resignations and departures of executives and officials",
    "Analyst Update": "Analysts raise, cut or start their rating or price target of a stock",
    "Currencies": "Exchange rates and currencies, and the prices of bitcoin and other crypto coins",
}

Texts = list[tuple[str, str]]  # each with its topic


class Asked(NamedTuple):
    """Texts that examples are drawn from, and texts that are asked, each with its topic."""

    pool: Texts
    asked: Texts


def kinds_of(recipe: Recipe, folder: Path) -> dict[str, Asked]:
    """The headlines and the tweets, all topics included."""
    sources = [data.read_set(spec, index, folder) for index, spec in enumerate(recipe.sets)]
    train, _, test = data.split(sources, recipe)
    tweets = [[(e.title, e.topic) for e in part if e.set == 0] for part in (train, test)]
    written = [(e.text, e.topic) for e in train if recipe.sets[e.set].kind == "headlines"]
    real = [(e.text, e.topic) for e in read_headlines(recipe.calibrate_on, folder).examples]
    return {"headlines": Asked(written, real), "tweets": Asked(*tweets)}


def measured(model: Model, topic: OwnTopic, asked: Texts, logits: Logits) -> tuple[float, float]:
    """F1 and area under ROC of the new topic among the topics that the model knows."""
    model.learn([topic])
    said = model.interpret(logits, model.prepare([text for text, _ in asked]))
    truth = [label == topic.name for _, label in asked]
    found = [best(scores.topics) == topic.name for scores in said]
    return float(f1_score(truth, found)), float(
        roc_auc_score(truth, [scores.topics[topic.name] for scores in said]))


def drawn(name: str, pool: Texts, count: int, ordinary: int, share: float, seed: int) -> OwnTopic:
    """The topic with so many examples, and so many ordinary texts of their kind."""
    chance = random.Random(seed)
    of_it, others = ([text for text, label in pool if (label == name) is it] for it in (True, False))
    return OwnTopic(name, DESCRIPTIONS[name], tuple(chance.sample(of_it, min(count, len(of_it)))), share,
                    tuple(chance.sample(others, ordinary)))


def main() -> None:
    """Print F1 and AUC by topic and number of examples, each the mean of the draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("NEWSQUAKE_DATA", "../shared/data")))
    given = parser.parse_args()
    recipe = Recipe.model_validate_json((given.model / "recipe.json").read_text())
    left_out = recipe.without_topics
    with load(given.model) as model:
        for kind, (pool, every) in kinds_of(recipe, given.data).items():
            for ordinary in (0, 300):
                print(f"{kind}, {ordinary} ordinary".ljust(28), *(f"{count:>12}" for count in EXAMPLES))
                for name in left_out:
                    asked = [(text, label) for text, label in every if label not in left_out or label == name]
                    share = sum(label == name for _, label in asked) / len(asked)
                    logits = model.forward(model.prepare([text for text, _ in asked]))
                    cells = []
                    for count in EXAMPLES:
                        topics = [drawn(name, pool, count, ordinary, share, seed)
                                  for seed in range(DRAWS if count or ordinary else 1)]
                        results = [measured(model, topic, asked, logits) for topic in topics]
                        cells.append("{:.2f} ({:.3f})".format(*np.mean(results, axis=0)))
                    print(f"{name:28}", *(f"{cell:>12}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
