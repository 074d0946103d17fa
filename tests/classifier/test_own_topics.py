"""A topic of the user's own: a description and a few examples, and nothing is trained."""

import dataclasses

import pytest

from classifier import own_topics
from classifier.errors import ArtifactError, InputError
from classifier.model import load
from classifier.own_topics import OwnTopic
from classifier.scores import best

SHIPPING = OwnTopic(
    "Shipping", "Container lines, freight rates, ports, canals and cargo ships",
    ("Freight rates from Asia to Europe double as ships avoid the canal",
     "Container line orders twelve ships that burn methanol",
     "Port of Santos clears its queue of bulk carriers"),
)
ABOUT = (
    "Tanker rates climb as vessels wait outside the strait",
    "Rotterdam port handles fewer containers for a third quarter",
    "Boxship owner scraps two vessels after freight market slump",
)
OTHERS = (
    "Central bank keeps its key rate at 3%",
    "Brightwell raises its quarterly dividend",
    "Regulator fines lender for misleading savers",
    "Museum opens a wing for modern sculpture",
)


@pytest.fixture(scope="module")
def model():
    """Return the shipped model with a topic more."""
    with load(None, "onnx-int8", threads=2, own_topics=[SHIPPING]) as model:
        yield model


def test_news_about_it_is_found_and_other_news_is_not(model):
    """It is scored beside the model's topics, in one distribution."""
    for scores in model.score(ABOUT):
        assert scores.topics["Shipping"] > 0.3
        assert sum(scores.topics.values()) == pytest.approx(1)
    for scores in model.score(OTHERS):
        assert best(scores.topics) != "Shipping"
        assert scores.topics["Shipping"] < 0.1


def test_sentiments_stay_as_they_were(model, shipped_model):
    """A topic more says nothing of good and bad; of the other topics none gains on another."""
    for one, other in zip(model.score(OTHERS), shipped_model.score(OTHERS), strict=True):
        assert one.sentiments == other.sentiments
        left = 1 - one.topics["Shipping"]
        assert {t: p * left for t, p in other.topics.items()} == pytest.approx(
            {t: p for t, p in one.topics.items() if t != "Shipping"})


def test_the_name_of_the_model_tells_whose_topics_it_scores(model, shipped_model):
    """Another description is another model, since it counts otherwise."""
    assert model.name.startswith(f"{shipped_model.name}+")
    assert (*shipped_model.topics, "Shipping") == model.topics
    with load(None, "onnx-int8", threads=2, own_topics=[OwnTopic("Shipping", "Ships")]) as other:
        assert other.name != model.name


def test_a_description_alone_is_enough_to_rank(shipped_model):
    """Without any example, every text about it is above every other text."""
    with load(None, "onnx-int8", 2, [OwnTopic(SHIPPING.name, SHIPPING.description)]) as model:
        about, others = ([s.topics["Shipping"] for s in model.score(t)] for t in (ABOUT, OTHERS))
    assert min(about) > max(others)


POSTS = tuple(f"RT @{who}: {what} http://t.co/x{n} $$$ lol" for n, (who, what) in enumerate(
    (who, what) for who in ("ann", "bob", "cy", "dee", "eli")
    for what in ("my puts are printing", "good morning traders", "who buys this dip", "chart of the day")))


def test_ordinary_texts_of_the_examples_kind_keep_the_kind_from_being_the_topic(shipped_model):
    """With posts as examples every post looks like the topic, until it is said what posts are otherwise."""
    examples = tuple(f"RT @fay: {text} http://t.co/y $$$ lol" for text in SHIPPING.examples)
    asked = [*POSTS[::3], *(f"RT @gus: {text} http://t.co/z $$$ lol" for text in ABOUT)]
    told = [OwnTopic("Shipping", SHIPPING.description, examples, ordinary=ordinary)
            for ordinary in ((), POSTS[1::3] + POSTS[2::3])]
    found = []
    for topic in told:
        with load(None, "onnx-int8", 2, [topic]) as model:
            found.append([scores.topics["Shipping"] for scores in model.score(asked)])
    blind, seeing = found
    assert max(seeing[:-3]) < 0.2 < min(seeing[-3:])
    assert max(seeing[:-3]) < max(blind[:-3])


def test_the_models_own_check_still_holds(model):
    """What a probe must say is said by the artifact, whatever a user adds."""
    model.check()


@pytest.mark.parametrize("names", [("Dividend",), ("Shipping", "Shipping")])
def test_a_name_that_is_taken_is_refused(names, shipped_model):
    """Two topics of one name could not be told apart in what is counted."""
    with pytest.raises(InputError, match="is there already"):
        load(None, "onnx-int8", 2, [OwnTopic(name, "x") for name in names])


def test_an_artifact_without_vectors_says_so(tiny_model):
    """One that was made before there were any must be trained again."""
    backend = tiny_model._backend

    class Blind:
        """A backend that gives logits alone."""

        name, workers, token_budget = backend.name, backend.workers, backend.token_budget

        def forward(self, ids, mask):
            logits = backend.forward(ids, mask)
            return dataclasses.replace(logits, vectors=logits.vectors[:, :0])

    model = type(tiny_model)(tiny_model.artifact, tiny_model._tokenizing, Blind())
    with model, pytest.raises(ArtifactError, match="no vectors"):
        model.learn([SHIPPING])


def test_topics_are_kept_in_a_file(tmp_path):
    """Written and read back; no file means no topics; a broken one is named."""
    path = tmp_path / "home" / "topics.json"
    assert () == own_topics.read(path)
    own_topics.write(path, [SHIPPING])
    assert (SHIPPING,) == own_topics.read(path)
    path.write_text('[{"name": "x"}]')
    with pytest.raises(InputError, match=r"topics\.json"):
        own_topics.read(path)
