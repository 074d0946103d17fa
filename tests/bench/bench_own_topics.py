"""How well a topic is recognised that a user adds, by the number of examples.

    python tests/bench/bench_own_topics.py --model DIR [--data DIR]

The model must have been trained `without_topics` (a choice of the recipe): those play the new
topic, one after the other, beside the topics that the model knows. Asked are the held-out
texts of the recipe's first set of topics; examples are drawn from its training part, three times;
the share is the true one. A text counts as found where the new topic is the most probable of all.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from classifier.backends.protocol import Logits
from classifier.model import Model, load
from classifier.own_topics import OwnTopic
from classifier.scores import best
from classifier.training import data
from classifier.training.recipe import Recipe

EXAMPLES, DRAWS = (0, 1, 2, 5, 10, 20, 50), 3
DESCRIPTIONS = {
    "Dividend": "Dividends: a company declares, raises, cuts, suspends or pays its dividend or distribution",
    "IPO": "Initial public offerings: companies that list, price their shares or file for it; SPACs",
    "Energy | Oil": "Oil, gas, power and coal: prices, production, OPEC, pipelines, refineries, renewables",
    "Gold | Metals | Materials": "Gold, silver, copper, iron ore, lithium, other metals, materials; mining",
    "Analyst Update": "Analysts raise, cut or start their rating or price target of a stock",
    "Currencies": "Exchange rates and currencies, and the prices of bitcoin and other crypto coins",
}


def texts_of(model: Model, folder: Path) -> tuple[list[data.Example], list[data.Example]]:
    """The training and held-out texts of the first set of topics, all topics included."""
    recipe = Recipe.model_validate_json((model.artifact.folder / "recipe.json").read_text())
    source = data.read_set(recipe.sets[0], 0, folder)
    parts = data.split([source], recipe)
    return parts.train, parts.test


def measured(
    model: Model, topic: OwnTopic, asked: list[data.Example], logits: Logits
) -> tuple[float, float]:
    """F1 and area under ROC of the new topic among the topics that the model knows."""
    model.learn([topic])
    said = model.interpret(logits, model.prepare([each.title for each in asked]))
    truth = [each.topic == topic.name for each in asked]
    found = [best(scores.topics) == topic.name for scores in said]
    return float(f1_score(truth, found)), float(
        roc_auc_score(truth, [scores.topics[topic.name] for scores in said]))


def main() -> None:
    """Print F1 and AUC by topic and number of examples, each the mean of the draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    with load(given.model, "onnx") as model:
        left_out = json.loads((given.model / "recipe.json").read_text())["without_topics"]
        train, test = texts_of(model, given.data)
        print(f"{'topic':28}" + "".join(f"{count:>13}" for count in EXAMPLES))
        for name in left_out:
            asked = [e for e in test if e.topic not in left_out or e.topic == name]
            share = sum(e.topic == name for e in asked) / len(asked)
            logits = model.forward(model.prepare([e.title for e in asked]))
            pool = [e.title for e in train if e.topic == name]
            cells = []
            for count in EXAMPLES:
                draws = [random.Random(seed).sample(pool, min(count, len(pool)))
                         for seed in range(DRAWS if count else 1)]
                topics = [OwnTopic(name, DESCRIPTIONS[name], tuple(drawn), share) for drawn in draws]
                results = [measured(model, topic, asked, logits) for topic in topics]
                cells.append("{:.2f} ({:.3f})".format(*np.mean(results, axis=0)))
            print(f"{name:28}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
