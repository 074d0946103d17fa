"""A model on a labelled file: what is measured, what is shown, what is refused."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from classifier.errors import InputError
from classifier.evaluation import measures
from classifier.evaluation.page import render
from classifier.evaluation.run import evaluate
from classifier.model import Model
from classifier.scores import best
from tests.classifier import tiny

TEXTS = ("shares fall", "shares rise", "the bank", "oil", "dividend of the bank", "profit rise")


def file(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """Write a CSV."""
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return path


def test_a_file_with_the_models_own_answers_is_wholly_right(
    tiny_model: Model, tmp_path: Path
) -> None:
    """Accuracy and F1 are 1 where every label is the answer, for either head."""
    scores = tiny_model.score(TEXTS)
    for head in ("sentiments", "topics"):
        rows = [(text, best(getattr(s, head))) for text, s in zip(TEXTS, scores, strict=True)]
        found = evaluate(tiny_model, file(tmp_path / f"{head}.csv", ("text", "label"), rows)).to_dict()
        assert [1.0] * 3 == [found[name] for name in ("accuracy", "macro_f1", "weighted_f1")]
        assert found["head"] == head.removesuffix("s")
        assert set(found["per_class"]) == set(getattr(scores[0], head))
        json.loads(json.dumps(found, allow_nan=False))


def test_both_heads_and_accepted_answers_are_measured(tiny_model: Model, tmp_path: Path) -> None:
    """Title and summary are joined; an accepted answer counts as within, not as right."""
    said = tiny_model.score(["oil. shares fall"])[0]
    topic, sentiment = best(said.topics), best(said.sentiments)
    other = next(each for each in tiny.TOPICS if each != topic)
    columns = ("text", "summary", "topic", "topics_ok", "sentiment")
    path = file(tmp_path / "a.csv", columns, [("oil", "shares fall", other, f"{other};{topic}", sentiment)])
    found = evaluate(tiny_model, path).to_dict()
    assert (0.0, 1.0) == (found["topic"]["accuracy"], found["topic"]["within_ok"])
    assert found["sentiment"]["accuracy"] == 1.0
    assert "within_ok" not in found["sentiment"]
    assert found["head"] == "sentiment"
    assert found["sentiment"] == {name: found[name] for name in found["sentiment"]}


@pytest.mark.parametrize(("content", "message"), [
    (b"title,label\na,negative\n", "columns are title, label"),
    (b"text,label\n", "no rows"),
    (b"", "not a CSV"),
    (b"text,label\na,negative\nb,gloomy\n", "row 2: unknown topic 'negative'"),
    (b"text,sentiment\na,negative\nb,gloomy\n", "row 3: unknown sentiment 'gloomy'"),
    ("text,label\nÖl,negative\n".encode("latin-1"), "not UTF-8"),
])
def test_a_file_that_cannot_be_used_is_refused_with_the_place(
    content: bytes, message: str, tiny_model: Model, tmp_path: Path
) -> None:
    """A person can mend the file from the message."""
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.csv") as caught:
        evaluate(tiny_model, path)
    assert message in str(caught.value)


def test_the_page_shows_the_measures_and_no_markup_of_strangers(
    tiny_model: Model, tmp_path: Path
) -> None:
    """Tables, three plots a head, the errors; a text with a script in it is only text."""
    hostile = "<script>alert(1)</script>"
    said = tiny_model.score([hostile])[0]
    wrong = next(label for label in tiny.SENTIMENTS if label != best(said.sentiments))
    rows = [(hostile, wrong), *((text, "neutral") for text in TEXTS)]
    page = render(evaluate(tiny_model, file(tmp_path / "a.csv", ("text", "label"), rows)))
    assert page.count('<img alt="" src="data:image/png;base64,') == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    for part in ("weighted_f1", "f1-score", "The surest errors", "share answered"):
        assert part in page


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    """Ninety per cent sure and right half of the time: a gap of .4, whatever the bins."""
    probabilities = np.array([[0.9, 0.1]] * 10)
    truth = np.array([0, 1] * 5)
    assert measures.calibration_error(probabilities, truth) == pytest.approx(0.4)


def test_the_error_by_chance_is_what_honest_confidences_measure() -> None:
    """It shrinks with the root of the texts, and outcomes drawn by the confidences measure as much."""
    chance = np.random.default_rng(3)
    errors = []
    for count in (400, 40_000):
        sure = chance.uniform(0.5, 1, count)
        probabilities = np.stack([sure, 1 - sure], 1)
        truth = (chance.random(count) >= sure).astype(np.int64)
        errors.append(measures.error_by_chance(probabilities))
        assert measures.calibration_error(probabilities, truth) == pytest.approx(errors[-1], rel=0.6)
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.15)


def test_abstaining_on_the_unsure_leaves_the_right_ones() -> None:
    """Half of the texts are sure and right, half unsure and wrong."""
    probabilities = np.array([[0.95, 0.05]] * 5 + [[0.55, 0.45]] * 5)
    truth = np.array([0] * 5 + [1] * 5)
    curve = measures.risk_coverage(probabilities, truth)
    assert (0.5, 1.0) == (curve["1"], curve["0.5"])


def test_negatives_are_ranked_only_where_there_are_some() -> None:
    """Without a negative text there is no area under a curve; nothing is invented."""
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
    assert "negative_auc" not in measures.measures("sentiment", probabilities, np.array([1, 2]))
    assert measures.measures("sentiment", probabilities, np.array([1, 0]))["negative_auc"] == 1.0
