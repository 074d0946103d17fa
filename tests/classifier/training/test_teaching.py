"""A student learns from finished runs what its own labels do not say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from classifier.errors import ArtifactError
from classifier.training import train
from classifier.training.errors import RecipeError
from classifier.training.recipe import Recipe
from classifier.training.run import read
from classifier.training.teaching import Lessons, Teacher, check
from classifier.training.teaching import read as read_teacher
from tests.classifier.training.conftest import lay_out

Make = Callable[..., Recipe]
AsToml = Callable[[Recipe, Path], Path]
Taught = tuple[Path, Path]
QUICK = {"baselines": False, "evaluate_on": []}
CONVENTION = {"name": "feelings", "kind": "sentiment", "convention": "feelings"}


@pytest.fixture(scope="module")
def taught(recipe: Make, as_toml: AsToml, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Return the data, and the recipe of a student with two teachers, one of one set only."""
    place = tmp_path_factory.mktemp("taught")
    data = lay_out(place / "data")
    (place / "teachers").mkdir()
    as_toml(recipe(model="whole", **QUICK), place / "teachers" / "whole.toml")
    one_set = [{"name": "topics", "kind": "topic", "convention": "feelings"}, CONVENTION]
    as_toml(recipe(model="one-set", calibrate_on="", sets=one_set, **QUICK),
            place / "teachers" / "one.toml")
    student = recipe(model="student", teachers=["teachers/whole.toml", "teachers/one.toml"],
                     start="teachers", taught=0.6, epochs=1, **QUICK)
    path = as_toml(student, place / "recipe.toml")
    train(path, data, place / "out")
    return data, path


def teachers_of(path: Path) -> Path:
    return path.parent / "out.teachers"


def test_teachers_are_trained_first_and_kept_beside_the_student(taught: Taught) -> None:
    """Each has an artifact of its own; the student's says who taught it."""
    _, path = taught
    assert {"whole", "one-set"} == {f.name for f in teachers_of(path).iterdir()}
    out = path.parent / "out"
    assert ["teachers/whole.toml", "teachers/one.toml"] == json.loads(
        (out / "recipe.json").read_text())["teachers"]
    real = json.loads((out / "metrics.json").read_text())["headlines"]["real"]
    assert real["topic"]["accuracy"] > 0.9
    assert real["sentiment"]["accuracy"] > 0.9


def test_finished_teachers_are_not_trained_again(taught: Taught, tmp_path: Path) -> None:
    """A second run asks them only, and ends with the same weights."""
    data, path = taught
    before = {f: f.stat().st_mtime_ns for f in teachers_of(path).rglob("*") if f.is_file()}
    first = load_file(path.parent / "out" / "model.safetensors")
    train(path, data, path.parent / "out")
    assert before == {f: f.stat().st_mtime_ns for f in teachers_of(path).rglob("*") if f.is_file()}
    again = load_file(path.parent / "out" / "model.safetensors")
    assert [] == [name for name in first if not first[name].equal(again[name])]


def lessons(taught: Taught, *names: str) -> tuple[Recipe, Lessons, list[Teacher]]:
    data, path = taught
    student = Recipe.model_validate_json((path.parent / "out" / "recipe.json").read_bytes())
    given = read(student, data)
    teachers = [read_teacher(teachers_of(path) / name, given.topics) for name in names]
    return student, Lessons(student, teachers, given.parts.train, given.topics), teachers


def test_a_student_learns_from_its_teachers_alone(
        taught: Taught, recipe: Make, as_toml: AsToml, tmp_path: Path) -> None:
    """The labels have no share in its loss, its weights begin at the pretrained encoder's."""
    data, path = taught
    student = recipe(model="alone", teachers=["teachers/whole.toml"], taught=1.0, epochs=6, **QUICK)
    alone = as_toml(student, path.with_name("alone.toml"))
    (tmp_path / "out.teachers").symlink_to(teachers_of(path))
    train(alone, data, tmp_path / "out")
    real = json.loads((tmp_path / "out" / "metrics.json").read_text())["headlines"]["real"]
    assert real["topic"]["accuracy"] > 0.9
    assert real["sentiment"]["accuracy"] > 0.9


def test_a_student_starts_at_the_mean_of_those_who_know_all_kinds(taught: Taught) -> None:
    """The teacher of one set has no share in the weights: without a second whole one, the first's."""
    _, made, (whole, one_set) = lessons(taught, "whole", "one-set")
    expected = {name: weight.clone() for name, weight in whole.network.state_dict().items()}
    made.start(one_set.network)
    got = one_set.network.state_dict()
    assert {1.0} == set(got.pop("topic_factors").tolist())
    expected.pop("topic_factors")
    torch.testing.assert_close(got, expected)


def test_a_teacher_that_saw_what_is_held_out_is_refused(recipe: Make) -> None:
    """With another split its answers would carry the held-out labels over."""
    with pytest.raises(RecipeError, match="test_percent is not that of its student"):
        check(recipe(test_percent=20), recipe())
    with pytest.raises(RecipeError, match="its encoder is not that of"):
        check(recipe(encoder="other"), recipe(teachers=["a.toml"], start="teachers"))
    check(recipe(encoder="other"), recipe(teachers=["a.toml"]))


def test_teachers_of_other_topics_or_of_parts_only_are_refused(taught: Taught) -> None:
    """Their answers would mean something else, or nothing."""
    _, path = taught
    with pytest.raises(RecipeError, match="its topics are not those"):
        read_teacher(teachers_of(path) / "whole", ("Gold", "Legal"))
    with pytest.raises(RecipeError, match="none of its teachers learned from every kind"):
        lessons(taught, "one-set")


def test_a_damaged_teacher_is_refused(taught: Taught, tmp_path: Path) -> None:
    """What it says would be learned without anybody noticing."""
    _, path = taught
    damaged = shutil.copytree(teachers_of(path) / "whole", tmp_path / "whole")
    (damaged / "calibration.json").write_text('{"topic_temperature": 9.0}')
    with pytest.raises(ArtifactError, match=r"calibration\.json"):
        read_teacher(damaged, ("Gold", "Legal"))


def test_a_teacher_of_another_recipe_is_refused(
        taught: Taught, recipe: Make, as_toml: AsToml) -> None:
    """What lies there was made by other choices than the file says now."""
    data, path = taught
    teacher = path.parent / "teachers" / "whole.toml"
    kept = teacher.read_text()
    as_toml(recipe(model="whole", dropout=0.3, **QUICK), teacher)
    try:
        with pytest.raises(RecipeError, match="is of another recipe: delete it"):
            train(path, data, path.parent / "out")
    finally:
        teacher.write_text(kept)


def test_a_student_may_know_fewer_kinds_than_its_teachers(
        taught: Taught, recipe: Make, as_toml: AsToml, tmp_path: Path) -> None:
    """One without the desk's texts is taught by the conventions that it has."""
    data, path = taught
    sets = [{"name": "topics", "kind": "topic", "convention": "feelings"}, CONVENTION]
    student = recipe(model="few", teachers=["teachers/one.toml"], sets=sets, epochs=2, calibrate_on="",
                     **QUICK)
    few = as_toml(student, path.with_name("few.toml"))
    (tmp_path / "out.teachers").symlink_to(teachers_of(path))
    train(few, data, tmp_path / "out")
    test = json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]
    assert test["feelings"]["sentiment"]["accuracy"] > 0.9


@pytest.mark.parametrize("changes", [{"start": "teachers"},
                                     {"start": "teachers", "teachers": ["a.toml"], "strategy": "lora"}])
def test_a_start_that_there_is_not_is_refused(changes: dict[str, object], recipe: Make) -> None:
    """No teachers, or weights that LoRA would not move, are said before anything is read."""
    with pytest.raises(ValueError, match="wants teachers"):
        recipe(**changes)
