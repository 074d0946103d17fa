"""What training reads, how it is split, and what it refuses before it starts."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from classifier.texts import article_text, without_links
from classifier.training import data, train
from classifier.training.errors import DataError, RecipeError
from classifier.training.recipe import DEFAULT, DataSet, Recipe, read_recipe

Make = Callable[..., Recipe]
OWN = Path(__file__).parents[3] / "classifier" / "data"


@pytest.mark.parametrize(("title", "text", "expected"), [
    ("Oil falls", "", "Oil falls"),
    ("Oil falls", "Brent lost 2%.", "Oil falls. Brent lost 2%."),
    ("", "Brent lost 2%.", "Brent lost 2%."),
    ("", "", ""),
])
def test_title_and_text_are_joined_in_one_way(title: str, text: str, expected: str) -> None:
    """Training and serving read the same string."""
    assert expected == article_text(title, text)


@pytest.mark.parametrize(("text", "expected"), [
    ("Oil falls https://t.co/aB3", "Oil falls http"),
    ("http://a.example/x?y=1 and https://b.example", "http and http"),
    ("no link: http is a word", "no link: http is a word"),
])
def test_a_link_is_one_word(text: str, expected: str) -> None:
    """An address says little and costs much."""
    assert expected == without_links(text)


def read(path: Path, kind: str = "sentiment") -> data.Source:
    """Read one file as a set."""
    spec = DataSet.model_validate({"name": path.stem, "kind": kind})
    return data.read_set(spec, 0, path.parent)


@pytest.mark.parametrize(("content", "message"), [
    (b"text,mood\nOil falls,negative\n", "column 'label' is missing"),
    (b"text,label\n", "no rows"),
    (b"", "not a CSV"),
    (b"text,label\nOil falls,negativ\n", "row 2: unknown sentiment 'negativ'"),
    (b"text,label\nOil falls,negative\n  ,positive\n", "row 3: the text is empty"),
    (b"text,label\nOil falls,negative\nGold falls,negative\n", "only one class, 'negative'"),
    (b"text,label\nOil falls,negative\nGold,neutral\nOil falls,positive\n", "rows 2 and 4 are one text"),
    ("text,label\nÖl fällt,negative\n".encode("latin-1"), "not UTF-8"),
])
def test_bad_data_is_refused_with_the_place_and_the_reason(
        content: bytes, message: str, tmp_path: Path) -> None:
    """A person can mend the file from the message."""
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)
    assert "bad.csv" in str(caught.value)


def test_a_headline_that_is_called_na_is_a_text(tmp_path: Path) -> None:
    """Nothing that a reader of tables takes for a gap is lost."""
    path = tmp_path / "na.csv"
    path.write_text("text,label\nNA,neutral\nnull,negative\n")
    assert ["NA", "null"] == [e.title for e in read(path).examples]


@pytest.mark.parametrize("name", ["financial_phrasebank", "fiqa_sa", "headlines_dev",
                                  "semeval2017_task5_headlines", "cn_finfe"])
def test_sets_that_are_for_evaluation_only_are_refused(name: str, tmp_path: Path) -> None:
    """Their licence or their purpose forbids it, wherever the file lies."""
    (tmp_path / f"{name}.csv").write_text("text,label\na,negative\nb,positive\n")
    with pytest.raises(DataError, match="evaluation only"):
        read(tmp_path / f"{name}.csv")


def test_a_text_that_is_trained_on_is_not_evaluated_on(
        recipe: Make, as_toml: Callable[[Recipe, Path], Path], folder: Path, tmp_path: Path) -> None:
    """Nor is a near-duplicate: training does not even begin."""
    with (folder / "labelled" / "unseen.csv").open("a") as file:
        file.write("Alpha BANK oil falls 3% ONE,negative\n")
    with pytest.raises(DataError, match=r"unseen: row 92 is in feelings too"):
        train(as_toml(recipe(), tmp_path / "r.toml"), folder, tmp_path / "out")
    assert not (tmp_path / "out.checkpoint").exists()


def test_an_unknown_topic_is_refused(recipe: Make, folder: Path) -> None:
    """The topic set is the taxonomy; a headline with another topic is a slip."""
    with (folder / "labelled" / "own.csv").open("a") as file:
        file.write("one more,,Golf,neutral\n")
    made = recipe()
    sources = [data.read_set(s, k, folder) for k, s in enumerate(made.sets)]
    with pytest.raises(DataError, match="own: unknown topic 'Golf'"):
        data.topic_labels(made, sources)


def test_held_out_texts_share_no_fingerprint_with_training_texts(
        recipe: Make, folder: Path) -> None:
    """A copy with another figure, link or case is the same text."""
    path = folder / "labelled" / "feelings.csv"
    with path.open("a", newline="") as file:
        csv.writer(file).writerows(
            [f"Oil falls {n}% http://t.co/{n}", "negative"] for n in range(60))
    made = recipe()
    parts = data.split([data.read_set(s, k, folder) for k, s in enumerate(made.sets)], made)
    train, validation, test = ({data.fingerprint(e.title) for e in part} for part in parts)
    assert (set(), set(), set()) == (train & validation, train & test, validation & test)
    assert parts.test
    assert parts.validation


def test_a_text_stays_in_its_part_whatever_the_seed(recipe: Make) -> None:
    """The split is by the text alone, so that models can be compared over years."""
    texts = [f"text {n}" for n in range(2000)]
    first, second = (
        [data.part_of(t, recipe(seed=seed)) for t in texts] for seed in (1, 2))
    assert first == second
    assert 0.12 < first.count("test") / len(first) < 0.18


@pytest.mark.parametrize(("change", "message"), [
    ("epochs = 0", "epochs"), ("epoch = 3", "epoch"), ("seed =", "not TOML")])
def test_a_bad_recipe_is_refused_by_field(change: str, message: str, tmp_path: Path) -> None:
    """A misspelt or impossible choice never falls back to a default."""
    kept = [x for x in DEFAULT.read_text().splitlines() if not x.startswith("epochs")]
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join([change, *kept]))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "least", "topics"), [
    ("headlines_written", 4550, 20), ("headlines_hard", 4500, 20), ("headlines_signs", 900, 20),
    ("headlines_releases", 890, 16), ("headlines_newsroom", 2690, 20), ("headlines_papers", 1790, 19)])
def test_the_written_headlines_use_the_labels_and_both_heads(
        name: str, least: int, topics: int) -> None:
    """Our own sets travel with the project and are sound: so many topics, no text twice."""
    source = read(OWN / f"{name}.csv", "headlines")
    assert len(source.examples) >= least
    assert len({e.topic for e in source.examples}) == topics
    assert len({e.title for e in source.examples}) == len(source.examples)
